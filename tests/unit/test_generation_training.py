"""Training of encoder-decoders: batches by tokens, schedules, exact resumption, the weights reported."""

from __future__ import annotations

import csv
import dataclasses
import functools
import gzip
import io
import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import MarianMTModel

from generation_support import (
    CPU,
    LRDROP,
    METHODS,
    NO_DROPOUT,
    RDROP,
    SUMMARIES,
    data_root,
    generation_spec,
    small,
    some,
    toy,
    trainer_of,
)
from redrop.data import load
from redrop.data.batches import epoch_token_batches, token_batches
from redrop.data.text_pairs import Pairs, TextPairs
from redrop.errors import ConfigError
from redrop.evaluation import summarization
from redrop.evaluation.text_pairs import translations
from redrop.places import Places
from redrop.record import CURVE, METRICS, Metric, read_curve, read_record
from redrop.runtime.launch import Workplace, run
from redrop.schedules import learning_rate
from redrop.spec import RunSpec
from redrop.training import loop
from redrop.training.checkpoint import Checkpoint
from redrop.training.generation import PREDICTIONS, STORE, predictions_file
from redrop.training.loop import Stopped, drive
from redrop.training.run import Outcome
from redrop.training.trainer import Trainer

QUICK = {"evaluation__beam": 1, "evaluation__max_length": 6}
LENGTHS = np.random.default_rng(0).integers(1, 60, 300)


def test_batches_by_tokens_by_hand() -> None:
    """Twelve tokens: 2, 3, 3 make 9 padded, a fourth of 4 would make 16; one of 20 is alone."""
    cuts = token_batches(np.array([2, 3, 3, 4, 4, 4, 5, 20, 21]), 12)
    assert [(cut.start, cut.stop) for cut in cuts] == [(0, 3), (3, 6), (6, 7), (7, 8), (8, 9)]
    assert token_batches(np.array([20]), 12) == [slice(0, 1)]
    assert token_batches(np.array([], dtype=int), 12) == []
    assert len(token_batches(np.ones(7, dtype=int), 1)) == 7


@pytest.mark.parametrize("limit", [1, 40, 59, 200, 10**6])
def test_an_epoch_by_tokens_has_every_example_once_and_keeps_its_limit(limit: int) -> None:
    epochs = {(seed, epoch): epoch_token_batches(LENGTHS, limit, seed, epoch) for seed, epoch in
              ((1, 0), (1, 1), (2, 0))}  # fmt: skip
    counts = set()
    for batches in epochs.values():
        assert sorted(np.concatenate(batches)) == list(range(300))
        for batch in batches:
            assert len(batch) == 1 or len(batch) * LENGTHS[batch].max() <= limit
        counts.add(len(batches))
    assert len(counts) == 1  # whatever seed and epoch
    again = epoch_token_batches(LENGTHS, limit, 1, 0)
    assert all(np.array_equal(one, other) for one, other in zip(epochs[1, 0], again, strict=True))
    if limit > 1:
        first, *others = (np.concatenate(batches).tolist() for batches in epochs.values())
        assert first not in others
    if limit < 10**6:  # no batch has room for the next longer example
        ordered = sorted(epochs[1, 0], key=lambda batch: (LENGTHS[batch].max(), LENGTHS[batch].min()))
        for batch, following in itertools.pairwise(ordered):
            assert (len(batch) + 1) * LENGTHS[following].min() > limit


def test_examples_of_one_length_change_their_company() -> None:
    """Otherwise a batch would always be the same examples."""
    batches = [epoch_token_batches(np.full(40, 5), 50, 1, epoch) for epoch in (0, 1)]
    assert {frozenset(batch) for batch in batches[0]} != {frozenset(batch) for batch in batches[1]}


def test_learning_rates_by_hand() -> None:
    def rates(shape: str, count: int, **settings: Any) -> list[float]:
        spec = generation_spec(
            schedule__shape=shape, schedule__learning_rate=1.0, schedule__warmup=4, **settings
        )
        return [learning_rate(spec.schedule, update, spec.schedule.updates) for update in range(count)]

    rise = [0.25, 0.5, 0.75, 1.0]
    root = rates("inverse-sqrt", 64)
    assert root[:4] == rise
    # fairseq: 1.0 x root of (warm-up / number of the update), so 4/9, 4/16, 4/64 -> 2/3, 1/2, 1/4.
    assert [root[8], root[15], root[63]] == pytest.approx([2 / 3, 1 / 2, 1 / 4])
    assert rates("constant", 9) == [*rise, *[1.0] * 5]
    line = rates("linear", 15, schedule__updates=14)
    assert line[:5] == [*rise, 1.0]
    assert line[5:] == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0])


def test_updates_are_made_at_the_schedules_rate() -> None:
    trainer = trainer_of(generation_spec(schedule__warmup=3), small("toy_xx_yy", 12))
    for rate in (2e-3 / 3, 4e-3 / 3, 2e-3, 2e-3 * math.sqrt(3 / 4)):
        trainer.step()
        assert trainer.optimiser.param_groups[0]["lr"] == pytest.approx(rate)


def test_updates_take_their_batches_from_epochs() -> None:
    spec = generation_spec(schedule__accumulation=3, schedule__batch_tokens=50)
    trainer = trainer_of(spec, small("toy_xx_yy", 31))
    batches = len(token_batches(np.sort(trainer.task.train.longest), 50))
    assert trainer.task.updates_an_epoch == math.ceil(batches / 3)
    taken = []
    for update in range(2 * trainer.task.updates_an_epoch):
        trainer.iteration = update
        taken.append(trainer.task.next_batches(trainer.iteration))
    for epoch in (taken[: trainer.task.updates_an_epoch], taken[trainer.task.updates_an_epoch :]):
        assert sorted(np.concatenate([part for parts in epoch for part in parts])) == list(range(31))
        assert {len(parts) for parts in epoch[:-1]} == {3}
    trainer.iteration = 1  # a resumed run begins anywhere
    assert all(
        np.array_equal(*both)
        for both in zip(trainer.task.next_batches(trainer.iteration), taken[1], strict=True)
    )


def even_pairs(count: int) -> TextPairs:
    """Training pairs whose sides all have as many tokens: no batch has padding."""
    pairs = toy("toy_xx_yy")
    train = pairs.splits["train"]
    same = (train.source.lengths == 9) & (train.target.lengths == 9)
    chosen = np.flatnonzero(same)[:count]
    splits = pairs.splits | {"train": Pairs(train.source.take(chosen), train.target.take(chosen))}
    return dataclasses.replace(pairs, splits=splits)


def gradients_of(spec: RunSpec, pairs: TextPairs) -> tuple[float, list[torch.Tensor]]:
    trainer = trainer_of(spec, pairs)
    total = trainer.step().item()
    return total, [p.grad for p in trainer.parameters if p.grad is not None]


@pytest.mark.parametrize("method", METHODS)
def test_two_accumulated_batches_are_one_larger_batch(method: str) -> None:
    """Of eight examples without padding and dropout."""
    pairs, settings = even_pairs(8), METHODS[method] | NO_DROPOUT
    total, whole = gradients_of(generation_spec(**settings, schedule__batch_tokens=72), pairs)
    halves = generation_spec(**settings, schedule__batch_tokens=36, schedule__accumulation=2)
    found, gradients = gradients_of(halves, pairs)
    assert trainer_of(halves, pairs).task.updates_an_epoch == 1
    assert found == pytest.approx(total, rel=1e-6)
    torch.testing.assert_close(gradients, whole, rtol=1e-4, atol=1e-6)
    one_of_two = generation_spec(**settings, schedule__batch_tokens=36)
    assert gradients_of(one_of_two, pairs)[0] != pytest.approx(total, rel=1e-4)


def test_batches_of_different_size_weigh_by_their_target_tokens() -> None:
    """The mean of all tokens, not of the batches' means; what is left over at an epoch's end is smaller."""
    pairs = small("toy_xx_yy", 11)
    total, whole = gradients_of(generation_spec(**NO_DROPOUT, schedule__batch_tokens=1000), pairs)
    parts = generation_spec(**NO_DROPOUT, schedule__batch_tokens=30, schedule__accumulation=50)
    trainer = trainer_of(parts, pairs)
    counts = [
        int(trainer.task.train.target.lengths[examples].sum())
        for examples in trainer.task.next_batches(trainer.iteration)
    ]
    assert len(set(counts)) > 1
    assert [share for _, share in trainer.task.batches(0)] == [count / sum(counts) for count in counts]
    found, gradients = gradients_of(parts, pairs)
    assert found == pytest.approx(total, rel=1e-6)
    torch.testing.assert_close(gradients, whole, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("batch_tokens", [1, 50, 10_000])
def test_the_validation_loss_is_a_mean_over_tokens(batch_tokens: int) -> None:
    """Of log-probabilities without smoothing and dropout, pair by pair, here in numpy."""
    spec = generation_spec(evaluation__batch_tokens=batch_tokens)
    trainer = trainer_of(spec, small("toy_xx_yy", 12, valid=9))
    for _ in range(3):
        trainer.step()
    found = trainer.task.validation_loss()
    losses = []
    for number in range(9):
        examples = np.array([number])
        source, target = (
            side.padded(examples, 0)[0] for side in (trainer.task.valid.source, trainer.task.valid.target)
        )
        start = torch.full((1, 1), trainer.task.pairs.codec.end)
        with torch.no_grad():
            logits = trainer.model(
                input_ids=source, decoder_input_ids=torch.cat([start, target[:, :-1]], 1)
            ).logits
        scores = logits[0].double().numpy()
        for row, token in zip(scores, target[0].tolist(), strict=True):
            losses.append(np.log(np.exp(row - row.max()).sum()) + row.max() - row[token])
    assert found == pytest.approx(np.mean(losses), rel=1e-5)
    assert trainer.task.tokens == len(losses)


@pytest.mark.parametrize("method", METHODS)
def test_evaluating_disturbs_nothing(method: str) -> None:
    """Dropout goes on from where it was, however often and by whatever the model is scored."""
    pairs = small("toy_xx_yy", 30)
    quiet, busy = (trainer_of(generation_spec(**METHODS[method], **QUICK), pairs) for _ in range(2))
    for _ in range(2):
        expected = quiet.step()
        torch.manual_seed(0)
        busy.losses()
        assert busy.step().equal(expected)


def test_seeds_differ_in_weights_order_and_dropout() -> None:
    one, other = (trainer_of(generation_spec(seed), small("toy_xx_yy", 60)) for seed in (1, 2))
    assert not one.model.lm_head.weight.equal(other.model.lm_head.weight)
    assert [batch.tolist() for batch in one.task.next_batches(0)] != [
        b.tolist() for b in other.task.next_batches(0)
    ]
    assert not one.task.dropout.state()["cpu"].equal(other.task.dropout.state()["cpu"])


@pytest.mark.parametrize("method", METHODS)
def test_the_curve_has_the_means_of_the_terms(method: str) -> None:
    spec = generation_spec(**METHODS[method], schedule__updates=4)
    trainer = trainer_of(spec, small("toy_xx_yy", 30))
    totals = []
    step = trainer.step
    trainer.step = lambda: totals.append(step()) or totals[-1]
    (outcome,) = drive(trainer, progress=False)
    first, last = outcome.curve
    assert first["train_loss"] is None  # nothing was trained yet
    assert "bleu_valid" not in first
    terms = {"ce": (), "rdrop": ("output",), "lrdrop": ("hidden", "attention", "output")}[method]
    assert [key for key in last if key.startswith("term_")] == [f"term_{name}" for name in terms]
    weights = spec.objective
    total = last["train_loss"] + sum(
        weight * last.get(f"term_{name}", 0.0)
        for name, weight in (
            ("hidden", weights.alpha),
            ("attention", weights.beta),
            ("output", weights.gamma),
        )
    )
    assert total == pytest.approx(torch.stack(totals).mean().item(), rel=1e-5)
    assert last["epoch"] == 4 / trainer.task.updates_an_epoch


SCORES = {4: 9.0, 8: 3.0, 10: 9.0}
"""Update -> what the decoded validation inputs are said to score: the best weights are the first of two."""


def scripted(spec: RunSpec, scores: dict[int, float] = SCORES) -> Trainer:
    """A trainer whose validation scores are given."""
    trainers: list[Trainer] = []

    def score(hypotheses: list[str], name: str) -> dict[str, Metric]:
        value = scores[trainers[0].iteration] if name == "valid" else float(sum(map(len, hypotheses)))
        made = {"value": value, "n": len(hypotheses), "split": name, "higher_is_better": True}
        return {"bleu": Metric(**made, signature="scripted")}

    pairs = dataclasses.replace(small("toy_xx_yy", 40), score=score, metrics=("bleu",))
    trainers.append(trainer_of(spec, pairs))
    return trainers[0]


@functools.cache
def straight_run(method: str) -> tuple[RunSpec, Outcome]:
    spec = generation_spec(**METHODS[method], **QUICK)
    return spec, drive(scripted(spec), progress=False)[0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stop_at", [1, 4, 7])
def test_a_stopped_run_goes_on_to_the_same_bytes(method: str, stop_at: int, tmp_path: Path) -> None:
    """Before the best weights are known, right where they are, and when they are already past."""
    spec, straight = straight_run(method)
    checkpoint = Checkpoint(tmp_path, spec.run)
    calls = iter(range(1000))
    with pytest.raises(Stopped):
        drive(
            scripted(spec),
            checkpoints=[checkpoint],
            should_stop=lambda: next(calls) >= stop_at,
            progress=False,
        )
    torch.rand(7)  # whatever else draws from torch's generator in between
    resumed = scripted(spec)
    resumed.restore(0, checkpoint.load())
    assert resumed.iteration == stop_at
    assert resumed.task.best.get("iteration") == (4 if stop_at >= 4 else None)
    (outcome,) = drive(resumed, progress=False)
    assert json.dumps(outcome.curve) == json.dumps(straight.curve)
    assert (outcome.metrics, outcome.files) == (straight.metrics, straight.files)
    assert "update 4" in straight.metrics["bleu"].signature


def test_the_best_weights_are_those_of_their_update() -> None:
    """A run that ends at update 4 has the weights that one of 10 updates reports as its best."""
    settings = {"schedule__shape": "constant", **LRDROP, **QUICK}
    best = scripted(generation_spec(**settings, evaluation__report="best"))
    last = scripted(generation_spec(**settings, evaluation__report="last"))
    short = scripted(generation_spec(**settings, evaluation__report="last", schedule__updates=4))
    ends = [drive(trainer, progress=False)[0] for trainer in (best, last, short)]
    weights = [trainer.model.state_dict() for trainer in (best, last, short)]
    assert all(weights[0][name].equal(values) for name, values in weights[2].items())
    assert not all(weights[1][name].equal(values) for name, values in weights[2].items())
    assert ends[0].files == ends[2].files
    said = [outcome.metrics["bleu"].signature for outcome in ends]
    assert said == [
        "scripted; best weights, update 4",
        "scripted; last weights, update 10",
        "scripted; last weights, update 4",
    ]
    assert last.task.best == {}
    for outcome in ends[:2]:  # what was seen on the way is the same
        assert (outcome.metrics["bleu_valid"].value, outcome.metrics["bleu_valid_best"].value) == (9.0, 9.0)
        assert outcome.metrics["score"] == outcome.metrics["bleu"]


def test_without_decoding_on_the_way_there_are_losses_only() -> None:
    spec = generation_spec(evaluation__decoded=0, evaluation__report="last", schedule__updates=2)
    (outcome,) = drive(trainer_of(spec, small("toy_xx_yy", 20)), progress=False)
    names = {"val_loss_last", "val_loss_best", "score", "bleu", "sacrebleu", "chrf"}
    assert set(outcome.metrics) == names
    assert outcome.metrics["val_loss_last"].value == outcome.curve[-1]["val_loss"]


def test_metrics_say_how_many_inputs_they_are_of() -> None:
    """Also where the validation set has fewer than were asked for."""
    pairs = small("toy_xx_yy", 20, valid=5, test=7)
    for asked, count in ((3, 3), (50, 5)):
        spec = generation_spec(evaluation__decoded=asked, schedule__updates=1)
        (outcome,) = drive(trainer_of(spec, pairs), progress=False)
        assert outcome.metrics["bleu_valid"].n == outcome.metrics["bleu_valid_best"].n == count
        assert outcome.metrics["bleu"].n == outcome.metrics["score"].n == 7
        assert outcome.metrics["val_loss_last"].n == pairs.splits["valid"].target.lengths.sum()


def test_a_trial_touches_no_test_set() -> None:
    pairs = small("toy_xx_yy", 20, valid=5, test=7)
    untouched = {name: pair for name, pair in pairs.splits.items() if name != "test"}
    spec = generation_spec(evaluation__decoded=0, evaluation__report="valid", schedule__updates=2)
    trainer = trainer_of(spec, pairs)
    pairs.splits.pop("test")
    assert pairs.splits == untouched
    (outcome,) = drive(trainer, progress=False)
    assert {metric.split for metric in outcome.metrics.values()} == {"valid"}
    assert outcome.metrics["score"] == outcome.metrics["bleu"]
    assert outcome.metrics["score"].n == 5
    assert outcome.metrics["score"].signature.endswith("; last weights, update 2")
    assert [row["split"] for row in predictions_of(outcome.files[PREDICTIONS])] == ["valid"] * 5


def test_several_test_sets_have_their_names() -> None:
    pairs = small("toy_xx_yy", 20)
    splits = pairs.splits | {"test_2017": some(pairs.splits["valid"], 3)}
    references = pairs.references | {"test_2017": ["one", "two", "three"]}
    pairs = dataclasses.replace(pairs, splits=splits, references=references, metrics=("bleu",))

    def score(hypotheses: list[str], name: str) -> dict[str, Metric]:
        value = {"valid": 1.0, "test": 2.0, "test_2017": 3.0}[name]
        made = {"value": value, "n": len(hypotheses), "split": name, "higher_is_better": True}
        return {"bleu": Metric(**made, signature="given")}

    spec = generation_spec(schedule__updates=1)
    trainer = trainer_of(spec, dataclasses.replace(pairs, score=score))
    (outcome,) = drive(trainer, progress=False)
    found = {name: outcome.metrics[name].value for name in ("score", "bleu", "bleu_2017", "bleu_valid")}
    assert found == {"score": 2.0, "bleu": 2.0, "bleu_2017": 3.0, "bleu_valid": 1.0}
    saved = predictions_of(outcome.files[PREDICTIONS])
    assert [row["split"] for row in saved] == ["test"] * 6 + ["test_2017"] * 3
    assert [row["reference"] for row in saved] == [*pairs.references["test"], "one", "two", "three"]
    assert outcome.cost["decoding"]["sentences"] == 9


def predictions_of(raw: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(gzip.decompress(raw).decode(), newline="")))


def test_predictions_are_read_as_they_were() -> None:
    texts = ['a "quoted", text', "two\nlines", "", " spaces ", "naïve 日本"]
    outputs, references = {"test": texts, "test_2": ["b"]}, {"test": texts[::-1], "test_2": ["B"]}
    raw = predictions_file(outputs, references)
    read = predictions_of(raw)
    assert [row["hypothesis"] for row in read] == [*texts, "b"]
    assert [row["reference"] for row in read] == [*texts[::-1], "B"]
    assert [(row["split"], row["number"]) for row in read[4:]] == [("test", "4"), ("test_2", "0")]
    assert predictions_file(outputs, references) == raw
    assert predictions_file(outputs | {"test_2": ["c"]}, references) != raw
    with pytest.raises(ValueError, match="zip"):
        predictions_file(outputs, references | {"test_2": []})


def test_the_scores_are_those_of_the_saved_hypotheses() -> None:
    """A whole run of summarisation with the toy BART, scored anew from its file."""
    spec = generation_spec(**SUMMARIES, **RDROP, schedule__updates=3, evaluation__every=3)
    pairs = small("toy_summaries", 30, valid=5, test=12)
    (outcome,) = drive(trainer_of(spec, pairs), progress=False)
    saved = predictions_of(outcome.files[PREDICTIONS])
    targets = pairs.splits["test"].target
    references = [pairs.codec.decode(row.tolist()) for row in np.split(targets.ids, targets.starts[1:-1])]
    assert [row["reference"] for row in saved] == references
    hypotheses = [row["hypothesis"] for row in saved]
    expected = summarization.scores(hypotheses, [[text] for text in references], split="test")
    for name, metric in expected.items():
        assert outcome.metrics[name].value == metric.value
        assert (outcome.metrics[name].n, outcome.metrics[name].split) == (12, "test")
    assert outcome.metrics["score"].value == expected["rouge1"].value
    assert "rouge1_valid_best" in outcome.metrics


def test_a_diverged_run_says_so_and_decodes_nothing() -> None:
    trainer = trainer_of(generation_spec(schedule__updates=3), small("toy_xx_yy", 20))
    with torch.no_grad():
        trainer.model.lm_head.weight.fill_(torch.inf)
    (outcome,) = drive(trainer, progress=False)
    assert outcome.status == "diverged"
    assert outcome.metrics["val_loss_last"].value is None
    assert "score" not in outcome.metrics
    assert not outcome.files


def test_a_run_that_is_killed_twice_leaves_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once in training and once while the test set is decoded, of which nothing is decoded twice."""
    spec = generation_spec(**LRDROP)
    monkeypatch.setattr(loop, "FINISH_SECONDS", -1.0)  # a long training is kept before it is decoded
    checkpoints = tmp_path / "checkpoints"
    store = checkpoints / spec.run / f"test-{STORE}"
    generate, decoded = MarianMTModel.generate, []
    kill_at = 10**9

    def counting(model: MarianMTModel, **options: Any) -> torch.Tensor:
        if store.exists():
            if len(store.read_text().splitlines()) > kill_at:
                raise KeyboardInterrupt
            decoded.append(len(options["input_ids"]))
        return generate(model, **options)

    monkeypatch.setattr(MarianMTModel, "generate", counting)

    def attempt(out: str, stop_at: int = 10**9) -> bool:
        decoded.clear()
        calls = iter(range(10**9))
        places = Places(data_root(), tmp_path / "models")
        should_stop = lambda: next(calls) >= stop_at  # noqa: E731
        workplace = Workplace(places=places, checkpoints=checkpoints, device=CPU, should_stop=should_stop)
        return run(spec, out=tmp_path / out, workplace=workplace)

    assert attempt("straight")
    batches = list(decoded)
    assert len(batches) > 3
    assert sum(batches) == 100
    assert not attempt("killed", stop_at=6)
    kill_at = 2  # the digest's line and two batches are there
    with pytest.raises(KeyboardInterrupt):
        attempt("killed")
    assert decoded == batches[:2]
    kill_at = 10**9
    assert attempt("killed")
    assert decoded == batches[2:]
    for name in (METRICS, CURVE, PREDICTIONS, "spec.json"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()
    assert not checkpoints.exists()
    record = read_record(tmp_path / "killed")
    assert [row["iteration"] for row in read_curve(tmp_path / "killed")] == [0, 4, 8, 10]
    assert record.data["name"] == "toy_translation"
    assert record.value("score") == record.value("bleu")


def test_texts_and_outputs_without_a_place_in_the_model_are_refused() -> None:
    pairs = small("toy_xx_yy", 5)
    with pytest.raises(
        ConfigError, match=r"evaluation\.max_length: .* outputs of 1024 .* has 1024 positions"
    ):
        trainer_of(generation_spec(evaluation__max_length=1024), pairs)
    trainer = trainer_of(generation_spec(), pairs)
    trainer.model.config.max_position_embeddings = 9
    with pytest.raises(ConfigError, match=r"data\.max_source.* texts of 10 tokens.* has 9 positions"):
        trainer.task._check_length()


def test_limits_that_leave_nothing_are_refused() -> None:
    spec = generation_spec(data__max_source=5)
    pairs = translations(spec, load("toy_translation", data_root()), None)
    with pytest.raises(ConfigError, match=r"data\.max_source: 5 .* leave no training pair; give more"):
        trainer_of(spec, pairs)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data__task": "de/en"}, r"data\.task: 'de/en' is not a name; use letters"),
        ({"data__max_source": 1}, r"data\.max_source: 1 is out of range; it must be at least 2"),
        ({"data__max_target": 0}, r"data\.max_target: 0 is out of range"),
        ({"model__name": "transformers"}, r"model\.name: .* did you mean 'transformer'"),
        ({"model__heads": 3}, r"model\.width: 16 is not a multiple of model\.heads \(3\)"),
        ({"model__layers": 0}, r"model\.layers: 0 is out of range; it must be at least 1"),
        ({"model__dropout": 1.5}, r"model\.dropout: 1\.5 is out of range; it must be in \[0\.0, 1\.0\]"),
        ({**SUMMARIES, "model__checkpoint": ""}, r"model\.checkpoint: empty; name a model or a folder"),
        ({**SUMMARIES, "model__revision": "main"}, r"model\.revision: .* give its 40 hex digits"),
        ({**SUMMARIES, "model__attention_dropout": -0.1}, r"model\.attention_dropout: -0\.1 is out of"),
        ({"objective__gamma": 1.0}, r"objective\.gamma: 1\.0, but ce has no such term; give 0"),
        ({**RDROP, "objective__alpha": 1.0}, r"objective\.alpha: 1\.0, but rdrop has no such term"),
        ({"objective__passes": "half-first"}, r"objective\.passes: 'half-first' is not one of mean, sum"),
        ({"objective__outputs": "batchmean"}, r"objective\.outputs: 'batchmean' is not one of tokenmean"),
        ({"objective__label_smoothing": -0.1}, r"objective\.label_smoothing: -0\.1 is out of range"),
        ({"objective__hidden_sides": "decoder+encoder"}, r"hidden_sides: .* in this order joined by \+"),
        ({"objective__hidden_sides": "cross"}, r"objective\.hidden_sides: 'cross' is none of encoder, dec"),
        ({"objective__attentions": "encoder+encoder"}, r"objective\.attentions: 'encoder\+encoder' is"),
        ({"objective__attentions": ""}, r"objective\.attentions: '' is none of encoder, decoder, cross"),
        ({"objective__hidden_layers": "first"}, r"objective\.hidden_layers: 'first' is not all, last"),
        ({"schedule__updates": 0}, r"schedule\.updates: 0 is out of range; it must be at least 1"),
        ({"schedule__batch_tokens": 0}, r"schedule\.batch_tokens: 0 is out of range"),
        ({"schedule__accumulation": 0}, r"schedule\.accumulation: 0 is out of range"),
        ({"schedule__shape": "inverse_sqrt"}, r"schedule\.shape: .* did you mean 'inverse-sqrt'"),
        ({"schedule__precision": "fp8"}, r"schedule\.precision: 'fp8' is not one of bf16, fp16, fp32"),
        ({"schedule__warmup": 0}, r"schedule\.warmup: 0 is out of range; it must be at least 1"),
        ({"schedule__learning_rate": -1.0}, r"schedule\.learning_rate: -1\.0 is out of range"),
        ({"evaluation__report": "mean"}, r"evaluation\.report: 'mean' is not one of best, last"),
        ({"evaluation__decoded": 0}, r"give evaluation\.decoded above 0, or report 'last'"),
        ({"evaluation__beam": 0}, r"evaluation\.beam: 0 is out of range"),
        ({"evaluation__every": 0}, r"evaluation\.every: 0 is out of range"),
        ({"evaluation__min_length": 13}, r"evaluation\.min_length: 13 is more than evaluation\.max_length"),
        ({"evaluation__no_repeat": -1}, r"evaluation\.no_repeat: -1 is out of range"),
        ({"evaluation__max_ratio": -1.0}, r"evaluation\.max_ratio: -1\.0 is out of range"),
        ({"evaluation__length": 3}, r"evaluation\.length: unknown setting .*did you mean 'min_length'"),
    ],
)
def test_a_bad_setting_is_named_with_its_remedy(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        generation_spec(**settings)


def test_a_spec_is_what_its_json_says() -> None:
    for settings in ({}, SUMMARIES, LRDROP):
        spec = generation_spec(**settings)
        assert RunSpec.from_json(spec.to_json()) == spec
    assert generation_spec(data__task="toy_yy_xx").data.data_set == "toy_translation"
    assert generation_spec(**SUMMARIES).data.data_set == "toy_summaries"
    assert generation_spec(evaluation__beam=4).run != generation_spec(evaluation__beam=5).run


def test_fp16_trains_as_fp32_does_and_keeps_its_scale_through_a_checkpoint() -> None:
    losses = {}
    for precision in ("fp32", "fp16"):
        trainer = trainer_of(generation_spec(schedule__precision=precision, **LRDROP))
        losses[precision] = [trainer.step().item() for _ in range(6)]
    assert losses["fp16"] == pytest.approx(losses["fp32"], rel=0.05)
    assert losses["fp16"] != losses["fp32"]
    trainer.scaler.update(new_scale=512.0)
    again = trainer_of(trainer.spec)
    again.restore(0, trainer.state())
    assert again.scaler.get_scale() == 512.0
    assert again.step().item() == trainer.step().item()
