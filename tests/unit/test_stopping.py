"""A stop within an evaluation, a search or the measuring of a finished model: no work and no byte is lost."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bad_input_support import make_place
from finetune_support import LRDROP, glue_spec, tuner
from generation_support import SUMMARIES, generation_spec, small, trainer_of
from redrop.cli import main
from redrop.data.corpus import Corpus
from redrop.evaluation import language_model
from redrop.evaluation.language_model import draw_windows, mean_loss
from redrop.record import METRICS
from redrop.training.checkpoint import Checkpoint
from redrop.training.language_model import Evaluation, LanguageModelling
from redrop.training.loop import Stopped, Training, drive
from redrop.training.pack import PackTrainer
from redrop.training.run import Outcome
from redrop.training.trainer import Trainer
from support import small_spec

CPU = torch.device("cpu")
SAMPLED = {"schedule__iterations": 4, "evaluation__every": 2, "evaluation__sampled_batches": 7}


def language_models(root: Path, name: str, corpus: Corpus) -> Training:
    spec = small_spec("a2r2_4", **SAMPLED)
    return Trainer(LanguageModelling(spec, corpus, CPU))


def regularised(root: Path, name: str, corpus: Corpus) -> Training:
    plain = small_spec(**SAMPLED)
    objective = dataclasses.replace(plain.objective, name="rdrop", gamma=1.0)
    return Trainer(LanguageModelling(dataclasses.replace(plain, objective=objective), corpus, CPU))


def packed(root: Path, name: str, corpus: Corpus) -> Training:
    return PackTrainer([small_spec(**SAMPLED)], [corpus], CPU)


def encoder(root: Path, name: str, corpus: Corpus) -> Training:
    measured = {"evaluation__inconsistency_passes": 1, "evaluation__landscape_points": 3}
    return tuner(glue_spec(**LRDROP, **measured, schedule__updates=2, evaluation__batch_size=100), root)


def translation(root: Path, name: str, corpus: Corpus) -> Training:
    settings = {"schedule__updates": 4, "evaluation__every": 2, "evaluation__decoded": 4}
    return trainer_of(generation_spec(**settings), small("toy_xx_yy", 20), root / name)


def summaries(root: Path, name: str, corpus: Corpus) -> Training:
    settings = {"schedule__updates": 2, "evaluation__every": 2, "evaluation__decoded": 3}
    return trainer_of(generation_spec(**SUMMARIES, **settings), small("toy_summaries", 12), root / name)


KINDS = [language_models, regularised, packed, encoder, translation, summaries]


def bytes_of(outcome: Outcome) -> tuple[Any, ...]:
    return outcome.curve, outcome.metrics, outcome.files, outcome.status


def interrupt_at(call: int) -> Callable[[], bool]:
    count = iter(range(1, 10**9))
    return lambda: next(count) == call


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_stop_anywhere_in_a_measurement_resumes_to_the_same_bytes(
    kind: Callable[[Path, str, Corpus], Training],
    toy_corpus: Corpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the first and the last place where it is asked, the first and last of the end, and between them."""
    monkeypatch.setattr("redrop.training.finished.LATENCY_PASSES", 1)
    asked: list[int] = []
    trainer = kind(tmp_path, "straight", toy_corpus)
    (straight,) = drive(trainer, interrupted=lambda: asked.append(trainer.iteration) or False, progress=False)
    assert len(asked) > 20
    at_the_end = [number for number, iteration in enumerate(asked, 1) if iteration == trainer.last_iteration]
    for call in sorted({*np.linspace(1, len(asked), 4).astype(int), at_the_end[0]}):
        checkpoint = Checkpoint(tmp_path / f"checkpoint-{call}", trainer.runs[0].spec.run)
        stopped = kind(tmp_path, str(call), toy_corpus)
        with pytest.raises(Stopped):
            drive(stopped, checkpoints=[checkpoint], interrupted=interrupt_at(call), progress=False)
        assert checkpoint.iteration() == asked[call - 1]
        torch.rand(7)  # whatever else draws from torch's generator in between
        resumed = kind(tmp_path, str(call), toy_corpus)
        resumed.restore(0, checkpoint.load())
        (outcome,) = drive(resumed, progress=False)
        assert bytes_of(outcome) == bytes_of(straight), call


@pytest.mark.parametrize("sampled", [0, 3], ids=["whole", "sampled"])
def test_runs_that_were_stopped_go_on_in_a_pack_with_one_that_was_measured(
    sampled: int, toy_corpus: Corpus, tmp_path: Path
) -> None:
    """Both at one iteration, one with its row of the curve and one without."""
    settings = SAMPLED | {"evaluation__sampled_batches": sampled}
    specs = [small_spec("a2r025", **settings), small_spec("a2r5", seed=3, **settings)]
    straight = [drive(PackTrainer([spec], [toy_corpus], CPU), progress=False)[0] for spec in specs]
    stopped, measured = (PackTrainer([spec], [toy_corpus], CPU) for spec in specs)
    checkpoint = Checkpoint(tmp_path, specs[0].run)
    at_two = lambda: stopped.iteration == 2  # noqa: E731
    with pytest.raises(Stopped):
        drive(stopped, checkpoints=[checkpoint], interrupted=at_two, progress=False)
    measured.runs[0].note(0, measured.losses()[0])
    for _ in range(2):
        measured.step()
    measured.runs[0].note(2, measured.losses()[0])
    states = [checkpoint.load(), measured.state(0)]
    assert [[row["iteration"] for row in state["curve"]] for state in states] == [[0], [0, 2]]
    together = PackTrainer(specs, [toy_corpus] * 2, CPU)
    for number, state in enumerate(states):
        together.restore(number, state)
    for outcome, expected in zip(drive(together, progress=False), straight, strict=True):
        assert outcome.curve == expected.curve


@pytest.mark.parametrize("kind", [language_models, packed], ids=lambda kind: kind.__name__)
def test_evaluation_in_small_blocks_gives_the_same_bytes(
    kind: Callable[[Path, str, Corpus], Training],
    toy_corpus: Corpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """28 sampled windows in blocks of 16, which a forward pass has, are those of one block."""
    (whole,) = drive(kind(tmp_path, "", toy_corpus), progress=False)
    monkeypatch.setattr(language_model, "BLOCK", 16)
    (blocks,) = drive(kind(tmp_path, "", toy_corpus), progress=False)
    for ours, theirs in zip(blocks.curve, whole.curve, strict=True):
        assert ours == (theirs if kind is language_models else pytest.approx(theirs, rel=1e-12))


@pytest.mark.parametrize("high", [5, 2**16, 2**31, 2**32 + 1, 2**40])
@pytest.mark.parametrize("block", [1, 7, 256])
def test_blocks_of_windows_are_one_draw(high: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers, and where the stream stands afterwards, whatever the size of a block."""
    ours, theirs = (np.random.Generator(np.random.PCG64(3)) for _ in range(2))
    monkeypatch.setattr(language_model, "BLOCK", block)
    drawn = list(draw_windows(ours, high, 601))
    assert max(map(len, drawn)) == block
    assert np.array_equal(np.concatenate(drawn), theirs.integers(0, high, 601))
    assert ours.bit_generator.state == theirs.bit_generator.state


def test_no_more_than_a_block_is_drawn_before_it_is_scored(toy_corpus: Corpus) -> None:
    """With settings that ask for more windows than any memory holds."""
    spec = small_spec(evaluation__sampled_batches=2**62)
    task = LanguageModelling(spec, toy_corpus, CPU)
    *_, (name, tokens, blocks), _ = task.sampling.evaluation.parts()
    assert name == "train_loss_sampled"
    calls = iter(range(3))
    with pytest.raises(StopIteration):
        mean_loss(task.model, tokens, blocks, lambda: next(calls))
    one_block = Evaluation(spec, toy_corpus).stream
    one_block.generator.integers(0, len(toy_corpus.train) - spec.model.block_size, language_model.BLOCK)
    assert task.sampling.evaluation.stream.state() == one_block.state()


@pytest.mark.parametrize("call", [1, 6, 15])
def test_sigterm_within_an_evaluation_ends_the_command_with_143(
    call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal comes in the middle of a forward pass; the same command then gives the record's bytes."""
    place = make_place(tmp_path)
    straight = tmp_path / "straight"
    main(place.train(out="straight"))
    take, calls = language_model.take, iter(range(1, 10**9))

    def signalled(*arguments: Any) -> Any:
        if next(calls) == call:
            signal.raise_signal(signal.SIGTERM)
        return take(*arguments)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(language_model, "take", signalled)
    try:
        with pytest.raises(SystemExit) as end:
            main(place.train())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert end.value.code == 143
    assert next(calls) == call + 1, "nothing more was evaluated"
    monkeypatch.undo()
    main(place.train())
    for name in (METRICS, "curve.jsonl"):
        assert (tmp_path / "out" / name).read_bytes() == (straight / name).read_bytes()
