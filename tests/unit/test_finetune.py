"""Fine-tuning: exact resumption, batches, schedules, what a finished run leaves."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from finetune_support import CPU, LRDROP, RDROP, glue_spec, tuner
from redrop import data
from redrop.data.batches import epoch_batches
from redrop.data.glue import hold_out
from redrop.data.tokens import Tokens
from redrop.errors import ConfigError
from redrop.evaluation.glue import scores
from redrop.models.pretrained import TOY_SIZES
from redrop.objectives.consistency import output_consistency
from redrop.objectives.terms import Terms
from redrop.schedules import learning_rate
from redrop.streams import GlobalStream
from redrop.training.checkpoint import Checkpoint
from redrop.training.loop import Stopped, drive


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("glue")


METHODS = [{}, RDROP, LRDROP]


@pytest.mark.parametrize("method", METHODS, ids=["ce", "rdrop", "lrdrop"])
@pytest.mark.parametrize("stop_at", [1, 8])
def test_a_stopped_run_goes_on_to_the_same_bytes(
    method: dict[str, Any], stop_at: int, root: Path, tmp_path: Path
) -> None:
    spec = glue_spec(**method, schedule__updates=15, evaluation__inconsistency_passes=1)
    (straight,) = drive(tuner(spec, root), progress=False)
    checkpoint = Checkpoint(tmp_path, spec.run)
    calls = iter(range(1, 1000))
    with pytest.raises(Stopped):
        drive(
            tuner(spec, root),
            checkpoints=[checkpoint],
            should_stop=lambda: next(calls) >= stop_at,
            progress=False,
        )
    torch.rand(7)  # whatever else draws from torch's generator in between
    resumed = tuner(spec, root)
    resumed.restore(0, checkpoint.load())
    assert resumed.iteration == stop_at - 1
    (outcome,) = drive(resumed, progress=False)
    assert (outcome.curve, outcome.metrics, outcome.files) == (
        straight.curve,
        straight.metrics,
        straight.files,
    )


def test_evaluating_disturbs_nothing(root: Path) -> None:
    """Dropout goes on from where it was, however often and with whatever the model is scored."""
    spec = glue_spec(**LRDROP)
    quiet, busy = tuner(spec, root), tuner(spec, root)
    for _ in range(4):
        expected = quiet.step()
        torch.manual_seed(0)
        busy.losses()
        assert busy.step().equal(expected)


def test_seeds_differ_in_head_order_and_dropout(root: Path) -> None:
    one, other = tuner(glue_spec(1), root), tuner(glue_spec(2), root)
    assert not one.model.classifier.weight.equal(other.model.classifier.weight)
    assert not np.array_equal(one.task.next_batch(0), other.task.next_batch(0))
    assert not one.task.dropout.state()["cpu"].equal(other.task.dropout.state()["cpu"])


@pytest.mark.parametrize("task", ["toy_pairs", "toy_score"])
@pytest.mark.parametrize("outputs", ["batchmean", "sum"])
def test_the_parts_of_a_batch_weigh_as_the_whole(task: str, outputs: str) -> None:
    """Terms of one batch in four parts, from given outputs: sums are added, means weighted by examples."""
    width = 2 if task == "toy_pairs" else 1
    logits = torch.randn(2, 8, width, generator=torch.Generator().manual_seed(0))
    objective = glue_spec(**RDROP, objective__outputs=outputs).objective
    totals = []
    for parts in (1, 4):
        total = 0.0
        for part in range(parts):
            mine = logits[:, part * 8 // parts : (part + 1) * 8 // parts].flatten(0, 1)
            terms = Terms(torch.tensor(0.0), output=output_consistency(mine, outputs))
            terms.output_is_sum = outputs == "sum" and width > 1
            total += terms.total(objective, 1 / parts).item()
        totals.append(total)
    assert totals[0] == pytest.approx(totals[1])


@pytest.mark.parametrize("method", METHODS, ids=["ce", "rdrop", "lrdrop"])
def test_accumulation_gives_the_gradient_of_the_whole_batch(method: dict[str, Any], root: Path) -> None:
    """Without dropout and padding; the parts' means are weighted by their examples."""
    gradients = []
    for parts in (1, 4):
        spec = glue_spec(
            **method,
            schedule__accumulation=parts,
            optimiser__clip_norm=None,
            model__hidden_dropout=0.0,
            model__attention_dropout=0.0,
            model__classifier_dropout=0.0,
        )
        trainer = tuner(spec, root)
        trainer.step()
        gradients.append([p.grad for p in trainer.parameters if p.grad is not None])
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-6)


def test_a_toy_classification_and_a_toy_regression_are_learnt(root: Path) -> None:
    for task, metric in (("toy_pairs", "accuracy"), ("toy_score", "pearson")):
        spec = glue_spec(data__task=task, schedule__updates=None, schedule__epochs=5)
        (outcome,) = drive(tuner(spec, root), progress=False)
        assert outcome.metrics[metric].value > 0.8, task
        assert [row["epoch"] for row in outcome.curve] == [0, 1, 2, 3, 4, 5]
        assert outcome.metrics[metric].n == 300


def test_a_finished_run_leaves_predictions_landscape_and_inconsistency(root: Path) -> None:
    spec = glue_spec(**LRDROP, evaluation__inconsistency_passes=1, evaluation__landscape_points=3)
    trainer = tuner(spec, root)
    (outcome,) = drive(trainer, progress=False)
    rows = list(csv.DictReader(io.StringIO(gzip.decompress(outcome.files["predictions.csv.gz"]).decode())))
    dev = data.load("glue_toy_pairs", root).splits["dev"]
    assert [int(row["label"]) for row in rows] == dev.labels.tolist()
    logits = np.array([[float(row["output_0"]), float(row["output_1"])] for row in rows])
    assert scores("toy_pairs", logits, dev.labels)["accuracy"] == outcome.metrics["accuracy"].value
    points = json.loads(outcome.files["landscape.json"])["slice"]
    assert [by for by, _ in points] == [-1.0, 0.0, 1.0]
    assert points[1][1] == pytest.approx(outcome.metrics["val_loss_last"].value, abs=1e-5)
    for name in ("inconsistency", "inconsistency_to_evaluation", "inconsistency_hidden_2"):
        assert outcome.metrics[name].value > 0
    assert outcome.cost["latency_ms"] > 0
    before = [p.clone() for p in trainer.parameters]
    trainer.finish()
    assert all(one.equal(other) for one, other in zip(before, trainer.parameters, strict=True))


def test_the_landscape_can_be_of_training_examples_along_several_directions(root: Path) -> None:
    """The first direction is that of a run with one; what is drawn and judged is the mean over them."""
    near = {"landscape_points": 3, "landscape_radius": 0.2, "landscape_split": "train"}
    settings = {f"evaluation__{key}": value for key, value in near.items()} | {"schedule__updates": 1}
    found = []
    for directions in (1, 3):
        spec = glue_spec(**settings, evaluation__landscape_directions=directions)
        trainer = tuner(spec, root)
        (outcome,) = drive(trainer, progress=False)
        found.append(json.loads(outcome.files["landscape.json"]))
    one, several = found
    assert (one["split"], one["radius"], "directions" in one) == ("train", 0.2, False)
    assert [by for by, _ in several["slice"]] == [-0.2, 0.0, 0.2]
    assert several["slices"][0] == one["slice"]
    assert several["slices"][0] != several["slices"][1] != several["slices"][2]
    losses = np.array(several["slices"])[:, :, 1]
    assert [loss for _, loss in several["slice"]] == pytest.approx(losses.mean(axis=0).tolist())
    train = data.load("glue_toy_pairs", root).splits["train"].labels[:512]
    logits = torch.from_numpy(trainer.task.predict(trainer.task.train, np.arange(512)))
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(train)).item()
    assert one["slice"][1][1] == pytest.approx(expected, abs=1e-6)


def test_inputs_longer_than_the_model_are_refused(root: Path) -> None:
    spec = glue_spec(schedule__updates=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TOY_SIZES, "max_position_embeddings", 8)
        with pytest.raises(
            ConfigError, match=r"data\.max_length: 64 lets through inputs of 13 tokens.* 8 pos"
        ):
            tuner(spec, root)


def test_a_damaged_token_cache_is_made_anew(tmp_path: Path) -> None:
    first = tuner(glue_spec(schedule__updates=1), tmp_path)
    caches = sorted((tmp_path / "tokens").glob("*.npz"))
    assert len(caches) == 2
    for damage in (b"", b"not a zip file", caches[0].read_bytes()[:200]):
        for cache in caches:
            cache.write_bytes(damage)
        again = tuner(glue_spec(schedule__updates=1), tmp_path)
        assert np.array_equal(again.task.train.ids, first.task.train.ids)
    assert sorted((tmp_path / "tokens").glob("*.npz")) == caches


def test_without_dropout_passes_are_consistent(root: Path) -> None:
    rates = {f"model__{name}_dropout": 0.0 for name in ("hidden", "attention", "classifier")}
    spec = glue_spec(**rates, schedule__updates=2, evaluation__inconsistency_passes=1)
    (outcome,) = drive(tuner(spec, root), progress=False)
    values = [metric.value for name, metric in outcome.metrics.items() if name.startswith("inconsistency")]
    assert len(values) == 6
    assert max(values) < 1e-9


def test_a_held_out_tenth_and_a_share_of_the_training_set(root: Path) -> None:
    trainer = tuner(glue_spec(data__evaluate_on="held-out", data__train_fraction=0.5), root)
    rest, held = hold_out(data.load("glue_toy_pairs", root).splits["train"])
    assert list(trainer.task.dev) == ["held-out"]
    assert trainer.task.dev["held-out"][2].tolist() == held.idx.tolist()
    assert len(trainer.task.train) == len(rest) / 2
    whole = tuner(glue_spec(), root)
    assert (len(whole.task.train), list(whole.task.dev)) == (1200, ["dev"])


def test_a_diverged_run_says_so(root: Path) -> None:
    trainer = tuner(glue_spec(schedule__updates=3), root)
    with torch.no_grad():
        trainer.model.classifier.weight.fill_(torch.inf)
    (outcome,) = drive(trainer, progress=False)
    assert outcome.status == "diverged"
    assert outcome.metrics["accuracy"].value is None
    assert not outcome.files


def test_batches_hold_every_example_once_and_similar_lengths() -> None:
    lengths = np.random.default_rng(0).integers(3, 60, 500)
    batches = epoch_batches(lengths, 16, 8, seed=1, epoch=0)
    assert sorted(np.concatenate(batches)) == list(range(500))
    assert len(batches) == math.ceil(500 / 16)
    again = epoch_batches(lengths, 16, 8, seed=1, epoch=0)
    assert all(np.array_equal(one, other) for one, other in zip(batches, again, strict=True))
    assert not np.array_equal(np.concatenate(batches), np.concatenate(epoch_batches(lengths, 16, 8, 1, 1)))
    spread = [np.ptp(lengths[batch]) for batch in batches]
    unsorted = [np.ptp(lengths[batch]) for batch in epoch_batches(lengths, 16, 1, 1, 0)]
    assert np.mean(spread) < np.mean(unsorted) / 3


def test_a_batch_is_padded_by_hand() -> None:
    tokens = Tokens(
        np.array([5, 6, 7, 8, 9], np.int32), np.array([0, 0, 1, 0, 1], np.int8), np.array([0, 3, 5])
    )
    made = tokens.batch(np.array([1, 0]), pad=2)
    assert made["input_ids"].tolist() == [[8, 9, 2], [5, 6, 7]]
    assert made["token_type_ids"].tolist() == [[0, 1, 0], [0, 0, 1]]
    assert made["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]


def test_the_learning_rate_by_hand() -> None:
    schedule = glue_spec(schedule__learning_rate=1.0, schedule__warmup=4).schedule
    found = [learning_rate(schedule, update, 14) for update in range(14)]
    assert found[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert found[9] == pytest.approx(0.5)
    assert found[13] == pytest.approx(0.1)
    share = glue_spec(schedule__learning_rate=1.0, schedule__warmup=0.5).schedule
    assert [learning_rate(share, update, 4) for update in range(4)] == [0.5, 1.0, 1.0, 0.5]


def test_epochs_and_updates() -> None:
    assert glue_spec(schedule__updates=7).schedule.updates_on(100) == 7
    of_epochs = glue_spec(schedule__updates=None, schedule__epochs=2.5).schedule
    assert of_epochs.updates_on(100) == 10  # 4 batches of 32 an epoch


def test_the_global_stream_is_lent_and_given_back() -> None:
    stream, same = (GlobalStream(3, "dropout", CPU) for _ in range(2))
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    with stream:
        first = torch.rand(2)
    assert torch.rand(3).equal(expected)
    state = stream.state()
    with stream:
        second = torch.rand(2)
    with same:
        assert torch.rand(4).equal(torch.cat([first, second]))
    stream.restore(state)
    with stream:
        assert torch.rand(2).equal(second)
