"""The trainer: reproducible to the byte, resumable anywhere, honest about divergence."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from redrop.data.corpus import Corpus
from redrop.errors import DataError
from redrop.evaluation.language_model import mean_loss
from redrop.models.residual_gpt import build, without_dropout
from redrop.optimisers import make_optimiser
from redrop.record import metrics_document
from redrop.schedules import learning_rate
from redrop.spec import RunSpec
from redrop.streams import NumpyStream
from redrop.training.language_model import Evaluation, LanguageModelling
from redrop.training.loop import Stopped
from redrop.training.run import Outcome
from redrop.training.trainer import Trainer, train
from support import small_spec, spec_of

CPU = torch.device("cpu")


def run(spec: RunSpec, corpus: Corpus, **options: object) -> Outcome:
    return train(LanguageModelling(spec, corpus, CPU), progress=False, **options)


def document(spec: RunSpec, corpus: Corpus, outcome: Outcome) -> bytes:
    made = metrics_document(spec, outcome.status, outcome.reason, corpus.content, outcome.metrics)
    return json.dumps(made, sort_keys=True).encode()


def stop_after(calls: int) -> Callable[[], bool]:
    """A ``should_stop`` that says yes at its ``calls``-th call."""
    count = iter(range(1, 10**9))
    return lambda: next(count) >= calls


@pytest.mark.parametrize(("config", "protocol"), [("a2r2_4", "authors"), ("res2-0.25", "notebook")])
def test_two_runs_are_equal_to_the_byte(config: str, protocol: str, toy_corpus: Corpus) -> None:
    spec = small_spec(config, protocol)
    first, second = run(spec, toy_corpus), run(spec, toy_corpus)
    assert document(spec, toy_corpus, first) == document(spec, toy_corpus, second)
    assert first.curve == second.curve
    other = dataclasses.replace(spec, seed=2)
    assert run(other, toy_corpus).curve != first.curve


@pytest.mark.parametrize("calls", [1, 2, 6, 11, 12])
def test_stopped_and_resumed_runs_are_equal_to_the_byte(
    calls: int, toy_corpus: Corpus, tmp_path: Path
) -> None:
    spec = small_spec("a2r2_4", evaluation__sampled_batches=2)
    straight = run(spec, toy_corpus)
    with pytest.raises(Stopped):
        run(spec, toy_corpus, checkpoint_folder=tmp_path, should_stop=stop_after(calls))
    resumed = run(spec, toy_corpus, checkpoint_folder=tmp_path)
    assert resumed.iterations_now == 12 - (calls - 1)
    assert resumed.curve == straight.curve
    assert document(spec, toy_corpus, resumed) == document(spec, toy_corpus, straight)


def test_evaluating_more_often_changes_the_number_of_rows_only(toy_corpus: Corpus) -> None:
    seldom = run(small_spec(evaluation__every=6), toy_corpus)
    often = run(small_spec(evaluation__every=2, evaluation__sampled_batches=3), toy_corpus)
    by_iteration = {row["iteration"]: row for row in often.curve}
    assert [row["iteration"] for row in seldom.curve] == [0, 6, 12]
    assert [row["iteration"] for row in often.curve] == [0, 2, 4, 6, 8, 10, 12]
    for row in seldom.curve:
        assert row.items() <= by_iteration[row["iteration"]].items()


def test_the_last_iteration_is_evaluated_whatever_the_interval(toy_corpus: Corpus) -> None:
    curve = run(small_spec(evaluation__every=5), toy_corpus).curve
    assert [row["iteration"] for row in curve] == [0, 5, 10, 12]


def test_a_head_is_the_head_of_the_whole(toy_corpus: Corpus) -> None:
    whole = run(small_spec(), toy_corpus)
    head = run(small_spec(schedule__stop_at=5), toy_corpus)
    assert head.curve == whole.curve[:2]
    assert head.metrics["val_loss_last"].value == whole.curve[1]["val_loss"]


def test_against_a_plain_loop(toy_corpus: Corpus) -> None:
    """A dropout-free run equals a loop written with torch's own AdamW, clipping and cross entropy."""
    spec = small_spec("a2r2_4", schedule__iterations=8)
    spec = dataclasses.replace(spec, model=without_dropout(spec.model))
    model = build(spec.model, toy_corpus.vocab_size, spec.seed)
    decay = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.99), eps=1e-8, foreach=False, fused=False)
    order = NumpyStream(spec.seed, "data order").generator
    tokens = torch.from_numpy(toy_corpus.train.astype(np.int64))
    for i in range(8):
        starts = order.integers(0, len(tokens) - 16, 4)
        x = torch.stack([tokens[s : s + 16] for s in starts.tolist()])
        y = torch.stack([tokens[s + 1 : s + 17] for s in starts.tolist()])
        loss = F.cross_entropy(model(x).view(-1, toy_corpus.vocab_size), y.reshape(-1))
        optimiser.zero_grad()
        loss.backward()
        norm = math.sqrt(sum(p.grad.double().pow(2).sum().item() for p in model.parameters()))
        for p in model.parameters():
            p.grad.mul_(min(1.0, 1.0 / (norm + 1e-6)))
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(spec.schedule, i, spec.schedule.iterations)
        optimiser.step()
    trainer = Trainer(LanguageModelling(spec, toy_corpus, CPU))
    losses = [trainer.step().item() for _ in range(8)]
    assert losses[-1] == pytest.approx(loss.item(), abs=1e-5)
    for ours, plain in zip(trainer.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-3, atol=2e-5)


def test_weight_decay_falls_on_matrices_or_on_everything() -> None:
    spec = small_spec()
    model = build(spec.model, 9, 0)
    matrices, others = make_optimiser(model, spec.optimiser).param_groups
    assert {p.dim() for p in matrices["params"]} == {2}
    assert {p.dim() for p in others["params"]} == {1}
    assert (matrices["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    notebook = small_spec("res1-0", "notebook")
    (everything,) = make_optimiser(build(notebook.model, 9, 0), notebook.optimiser).param_groups
    assert everything["weight_decay"] == 0.01


def test_it_learns(toy_corpus: Corpus) -> None:
    spec = small_spec(
        schedule__iterations=150, evaluation__every=50, schedule__learning_rate=1e-2, model__mlp_dropout=0.0
    )
    curve = run(spec, toy_corpus).curve
    assert curve[-1]["val_loss"] < 0.8 * curve[0]["val_loss"]
    assert curve[-1]["train_loss"] < 0.8 * curve[0]["train_loss"]


def test_evaluation_covers_the_split_once_and_the_sample_is_spread(toy_corpus: Corpus) -> None:
    evaluator = Evaluation(small_spec(), toy_corpus)
    n = (len(toy_corpus.val) - 1) // 16
    assert evaluator.val_starts.tolist() == [16 * i for i in range(n)]
    starts = evaluator.train_starts
    assert len(starts) == n // 4
    assert starts[0] == 0
    assert starts[-1] == len(toy_corpus.train) - 17
    assert np.ptp(np.diff(starts)) <= 1


def test_the_loss_is_the_mean_over_every_character(toy_corpus: Corpus) -> None:
    spec = small_spec()
    model = build(spec.model, toy_corpus.vocab_size, 1).eval()
    total, count = 0.0, 0
    val = torch.from_numpy(toy_corpus.val.astype(np.int64))
    for start in range(0, len(val) - 16, 16):
        logits = model(val[None, start : start + 16])[0].double()
        picked = logits.log_softmax(-1)[torch.arange(16), val[start + 1 : start + 17]]
        total, count = total - picked.sum().item(), count + 16
    evaluation = Evaluation(spec, toy_corpus)
    loss = mean_loss(model, toy_corpus.val, evaluation.val_starts)
    assert loss == pytest.approx(total / count, abs=1e-6)


def test_metrics_say_what_they_are(toy_corpus: Corpus) -> None:
    outcome = run(small_spec(evaluation__sampled_batches=2), toy_corpus)
    losses = [row["val_loss"] for row in outcome.curve]
    metrics = outcome.metrics
    assert metrics["val_loss_last"].value == losses[-1]
    assert metrics["val_loss_best"].value == min(losses)
    assert metrics["iteration_of_best"].value == outcome.curve[int(np.argmin(losses))]["iteration"]
    assert metrics["gap_last"].value == losses[-1] - outcome.curve[-1]["train_loss"]
    assert metrics["val_loss_last"].n == 4 * metrics["train_loss_last"].n + metrics["val_loss_last"].n % 4
    assert metrics["val_loss_sampled_last"].n == 8
    assert metrics["val_loss_last"].higher_is_better is False
    assert "no dropout" in metrics["val_loss_last"].signature


def test_a_diverged_run_says_where_and_why(toy_corpus: Corpus) -> None:
    spec = small_spec("res1-0", "notebook", schedule__learning_rate=1e30, schedule__min_learning_rate=1e30)
    outcome = run(spec, toy_corpus)
    assert outcome.status == "diverged"
    assert re.search(
        r"loss became (nan|inf) at iteration [12]; likely cause: .*learning_rate", outcome.reason
    )
    assert outcome.metrics["val_loss_last"].value is None
    assert outcome.metrics["val_loss_best"].value == outcome.curve[0]["val_loss"]
    assert outcome.curve[-1]["val_loss"] is None
    assert json.loads(document(spec, toy_corpus, outcome))["status"] == "diverged"


def test_a_text_shorter_than_a_window_is_refused(toy_corpus: Corpus) -> None:
    with pytest.raises(DataError, match=r"too few for windows of model\.block_size"):
        run(small_spec(model__block_size=1000), toy_corpus)


def test_head_of_the_authors_curve(shakespeare: Corpus, reference: Path) -> None:
    """The first 250 iterations of a2r025 at its own size come out where the authors recorded them."""
    recorded = {}
    for line in (reference / "residual/nanogpt_curves.csv").read_text().splitlines():
        name, iteration, *losses = line.split(",")
        if name == "a2r025":
            recorded[int(iteration)] = [float(loss) for loss in losses]
    curve = run(spec_of("a2r025", seed=1337, schedule__stop_at=250), shakespeare).curve
    for row in curve:
        train_loss, val_loss = recorded[row["iteration"]]
        assert row["val_loss"] == pytest.approx(val_loss, abs=0.05)
        assert row["train_loss"] == pytest.approx(train_loss, abs=0.05)
