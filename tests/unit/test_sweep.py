"""The sweep trainer: the single-run trainer's curves, whatever else is in the pack."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from redrop.data.corpus import Corpus, prepare_corpus
from redrop.errors import ConfigError
from redrop.models.residual_gpt import build
from redrop.models.residual_pack import PackMasks, ResidualPack, model_losses
from redrop.spec import RunSpec
from redrop.streams import MaskStream
from redrop.training.checkpoint import Checkpoint
from redrop.training.language_model import LanguageModelling
from redrop.training.loop import Stopped, drive
from redrop.training.pack import PackTrainer
from redrop.training.run import Outcome
from redrop.training.trainer import train
from support import small_spec, toy_text

CPU = torch.device("cpu")
VARIANTS = [
    ("a2r0", "authors", {}),
    ("a2r025", "authors", {}),
    ("a2r05_2", "authors", {}),
    ("a2r2_4", "authors", {}),
    ("res1-0.2", "notebook", {}),
    ("res4-0.2", "notebook", {}),
    ("skip1-1", "matched", {}),
    ("skip4-only", "matched", {}),
    ("attention-only", "matched", {}),
    ("a2r025", "authors", {"model__embedding_dropout": 1.0, "model__attention_dropout": 1.0}),
    ("a2r0", "authors", {"model__sublayers": "attention"}),
]


def run_pack(specs: list[RunSpec], corpora: Corpus | list[Corpus], **options: object) -> list[Outcome]:
    corpora = corpora if isinstance(corpora, list) else [corpora] * len(specs)
    return drive(PackTrainer(specs, corpora, CPU), progress=False, **options)


@pytest.mark.parametrize(("config", "protocol", "settings"), VARIANTS)
def test_losses_and_gradients_are_those_of_the_single_model(
    config: str, protocol: str, settings: dict[str, float], toy_corpus: Corpus
) -> None:
    spec = small_spec(config, protocol).model
    spec = dataclasses.replace(
        spec, **{key.removeprefix("model__"): value for key, value in settings.items()}
    )
    V, seeds = toy_corpus.vocab_size, [3, 4, 5]
    pack = ResidualPack([spec] * 3, V, seeds, CPU)
    x_MBT, y_MBT = torch.randint(0, V, (2, 3, 4, 16), generator=torch.Generator().manual_seed(0))
    losses_M = model_losses(pack(x_MBT, PackMasks([MaskStream(seed, CPU) for seed in seeds])), y_MBT)
    losses_M.sum().backward()
    evaluated_MNV = pack(x_MBT)
    for lane, seed in enumerate(seeds):
        model = build(spec, V, seed).train()
        logits = model(x_MBT[lane], MaskStream(seed, CPU))
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), y_MBT[lane].flatten())
        loss.backward()
        assert losses_M[lane].item() == pytest.approx(loss.item(), abs=1e-5)
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(
                pack.parameters[name].grad[lane], parameter.grad, rtol=1e-3, atol=1e-6, msg=name
            )
        expected = model.eval()(x_MBT[lane]).flatten(0, 1)
        torch.testing.assert_close(evaluated_MNV[lane], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("config", "protocol"), [("a2r2_4", "authors"), ("res2-0.25", "notebook")])
def test_curves_are_those_of_the_single_trainer(config: str, protocol: str, toy_corpus: Corpus) -> None:
    spec = small_spec(config, protocol, schedule__iterations=40, evaluation__every=10)
    alone = train(LanguageModelling(spec, toy_corpus, CPU), progress=False)
    (packed,) = run_pack([spec], toy_corpus)
    for ours, theirs in zip(packed.curve, alone.curve, strict=True):
        assert ours == pytest.approx(theirs, abs=2e-4)


def test_a_run_does_not_depend_on_its_company(toy_corpus: Corpus) -> None:
    """With other rates and seeds, in another place: the same bytes."""
    spec = small_spec()
    alone = run_pack([spec, spec], toy_corpus)[0]
    others = [small_spec("a2r5", seed=7), small_spec("skip1-1", "matched"), small_spec("drop-0", "matched")]
    others = [dataclasses.replace(other, schedule=spec.schedule) for other in others]
    for pack in ([spec, *others], [others[0], spec], [others[2], others[1], others[0], spec]):
        assert run_pack(pack, toy_corpus)[pack.index(spec)].curve == alone.curve
    changed = dataclasses.replace(spec, model=dataclasses.replace(spec.model, skip1_dropout=0.3))
    assert run_pack([changed, spec], toy_corpus)[0].curve != alone.curve


def test_a_run_does_not_depend_on_the_texts_of_others(toy_corpus: Corpus, tmp_path: Path) -> None:
    spec = small_spec()
    alone = run_pack([spec, spec], toy_corpus)[0]
    text = toy_text(9000, 5)
    other = prepare_corpus(text, tmp_path / "other", name="other", origin="generated", edition="toy")
    assert other.vocab_size == toy_corpus.vocab_size
    assert len(other.val) != len(toy_corpus.val)
    together = run_pack([spec, small_spec(seed=2)], [toy_corpus, other])
    assert together[0].curve == alone.curve


def test_a_diverging_run_spoils_no_other(toy_corpus: Corpus) -> None:
    healthy, sick = small_spec(), small_spec(seed=9)
    alone = run_pack([healthy, healthy], toy_corpus)[0]
    trainer = PackTrainer([sick, healthy], [toy_corpus] * 2, CPU)
    with torch.no_grad():
        trainer.pack.parameters["wte.weight"][0] = torch.inf
    first, second = drive(trainer, progress=False)
    assert first.status == "diverged"
    assert first.reason.startswith("the validation loss is not finite at iteration 0; likely cause: ")
    assert (second.status, second.curve) == ("done", alone.curve)


def stop_after(calls: int) -> Callable[[], bool]:
    count = iter(range(1, 10**9))
    return lambda: next(count) >= calls


@pytest.mark.parametrize("calls", [1, 7, 12])
def test_a_killed_pack_goes_on_to_the_same_bytes(calls: int, toy_corpus: Corpus, tmp_path: Path) -> None:
    """Also when its runs go on in another order and without one of them."""
    specs = [small_spec("a2r025"), small_spec("a2r5", seed=3), small_spec("a2r1", seed=4)]
    straight = run_pack(specs, toy_corpus)
    checkpoints = [Checkpoint(tmp_path / spec.run, spec.run) for spec in specs]
    with pytest.raises(Stopped):
        run_pack(specs, toy_corpus, checkpoints=checkpoints, should_stop=stop_after(calls))
    order = [2, 0]
    trainer = PackTrainer([specs[i] for i in order], [toy_corpus] * 2, CPU)
    for lane, i in enumerate(order):
        trainer.restore(lane, checkpoints[i].load())
    assert trainer.iteration == calls - 1
    for i, outcome in zip(order, drive(trainer, progress=False), strict=True):
        assert outcome.curve == straight[i].curve
        assert outcome.metrics == straight[i].metrics


def test_runs_that_do_not_fit_together_are_refused(toy_corpus: Corpus) -> None:
    for other in (small_spec("a2r2_4"), small_spec(schedule__iterations=9), small_spec(model__n_layer=4)):
        with pytest.raises(ConfigError, match="cannot be one pack"):
            PackTrainer([small_spec(), other], [toy_corpus] * 2, CPU)
