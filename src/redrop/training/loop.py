"""The single-run trainer: one model, one loop, nanoGPT's optimiser and schedule.

Equal spec, equal machine, equal bytes: whether a run was killed and resumed, and how often it was
evaluated, changes nothing else, because every random stream has one purpose (``streams.py``) and a
checkpoint holds the streams' positions.
"""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from tqdm import tqdm

from redrop.data.corpus import Corpus
from redrop.errors import DataError
from redrop.evaluation.language_model import mean_loss, split_windows, spread_windows, take
from redrop.models.residual_gpt import ResidualGPT, build
from redrop.record import DIVERGED, DONE, Metric
from redrop.spec import OptimiserSpec, RunSpec
from redrop.training.checkpoint import Checkpoint
from redrop.training.schedule import learning_rate
from redrop.training.streams import MaskStream, NumpyStream

TRAIN_SAMPLE = 4
"""The training loss is measured on one window for every so many validation windows."""


@dataclass(frozen=True)
class Outcome:
    """What training gives: everything but where and when."""

    status: str
    reason: str | None
    metrics: dict[str, Metric]
    curve: list[dict[str, Any]]
    iterations_now: int
    """Iterations made by this process; fewer than the run's if it was resumed."""
    seconds_training: float
    seconds_evaluation: float


class Stopped(Exception):
    """Training was asked to stop; a checkpoint was written."""


def make_optimiser(model: torch.nn.Module, spec: OptimiserSpec) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices only, or on everything; fused, which is several times faster."""
    parameters = list(model.parameters())
    decayed = [p for p in parameters if spec.decay == "all" or p.dim() >= 2]
    others = [p for p in parameters if spec.decay != "all" and p.dim() < 2]
    groups = [{"params": decayed, "weight_decay": spec.weight_decay}]
    if others:
        groups.append({"params": others, "weight_decay": 0.0})
    return torch.optim.AdamW(groups, betas=(spec.beta1, spec.beta2), eps=spec.eps, fused=True)


class Evaluator:
    """Scores a model on the whole validation split and on an evenly spaced sample of the training split."""

    def __init__(self, spec: RunSpec, corpus: Corpus) -> None:
        self.corpus = corpus
        self.block_size = spec.model.block_size
        shortest = min(len(corpus.train), len(corpus.val))
        if shortest <= self.block_size:
            raise DataError(
                f"corpus {corpus.name}: a split has {shortest} characters, too few for windows of "
                f"model.block_size = {self.block_size}; use a longer text or a shorter block"
            )
        self.val_starts = split_windows(len(corpus.val), self.block_size)
        count = max(1, len(self.val_starts) // TRAIN_SAMPLE)
        self.train_starts = spread_windows(len(corpus.train), self.block_size, count)
        self.sampled = spec.evaluation.sampled_batches
        self.batch_size = spec.schedule.batch_size
        self.stream = NumpyStream(spec.seed, "evaluation")
        self.seconds = 0.0

    def __call__(self, model: ResidualGPT) -> dict[str, float]:
        """Losses in nats a character."""
        begin = time.perf_counter()
        corpus = self.corpus
        row = {
            "train_loss": mean_loss(model, corpus.train, self.train_starts),
            "val_loss": mean_loss(model, corpus.val, self.val_starts),
        }
        if self.sampled:
            for name, tokens in (("train", corpus.train), ("val", corpus.val)):
                high = len(tokens) - self.block_size
                starts = self.stream.generator.integers(0, high, self.sampled * self.batch_size)
                row[f"{name}_loss_sampled"] = mean_loss(model, tokens, starts)
        self.seconds += time.perf_counter() - begin
        return row

    def metrics(self, curve: list[dict[str, Any]]) -> dict[str, Metric]:
        """The run's metrics from its curve."""
        measured = [row for row in curve if row["val_loss"] is not None]
        best = min(measured, key=lambda row: row["val_loss"], default=None)
        last = curve[-1] if curve and curve[-1]["val_loss"] is not None else None
        n_val, n_train = len(self.val_starts), len(self.train_starts)
        unit = f"mean cross entropy, nats a character, windows of {self.block_size}, no dropout"

        def get(row: dict[str, Any] | None, key: str) -> float | None:
            return None if row is None else row[key]

        def loss(value: float | None, n: int, split: str, how: str) -> Metric:
            return Metric(value=value, n=n, split=split, higher_is_better=False, signature=f"{unit}, {how}")

        gap = None if last is None else last["val_loss"] - last["train_loss"]
        metrics = {
            "val_loss_last": loss(get(last, "val_loss"), n_val, "validation", "whole split"),
            "val_loss_best": loss(get(best, "val_loss"), n_val, "validation", "whole split"),
            "train_loss_last": loss(get(last, "train_loss"), n_train, "train", "evenly spaced"),
            "gap_last": loss(gap, n_val, "validation", "validation minus train"),
            "iteration_of_best": Metric(
                value=get(best, "iteration"),
                n=len(measured),
                split="validation",
                higher_is_better=None,
                signature="iteration of the lowest validation loss among the evaluations",
            ),
        }
        if self.sampled:
            n = self.sampled * self.batch_size
            for name, split in (("val", "validation"), ("train", "train")):
                key = f"{name}_loss_sampled"
                metrics[f"{key}_last"] = loss(get(last, key), n, split, "random batches")
        return metrics


class Trainer:
    """State of one run in training: model, optimiser, streams, curve, and how to store them."""

    def __init__(self, spec: RunSpec, corpus: Corpus, device: torch.device) -> None:
        self.spec, self.corpus, self.device = spec, corpus, device
        self.model = build(spec.model, corpus.vocab_size, spec.seed).to(device).train()
        self.parameters = list(self.model.parameters())
        self.optimiser = make_optimiser(self.model, spec.optimiser)
        self.masks = MaskStream(spec.seed, device)
        self.order = NumpyStream(spec.seed, "data order")
        self.evaluator = Evaluator(spec, corpus)
        self.iteration = 0
        self.curve: list[dict[str, Any]] = []

    def step(self) -> torch.Tensor:
        """Make one update; returns the training batch's loss, a tensor on the device."""
        spec = self.spec
        high = len(self.corpus.train) - spec.model.block_size
        starts = self.order.generator.integers(0, high, spec.schedule.batch_size)
        x_BT, y_BT = take(self.corpus.train, starts, spec.model.block_size, self.device)
        bf16 = spec.schedule.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
            logits_BTV = self.model(x_BT, self.masks)
            loss = F.cross_entropy(logits_BTV.flatten(0, 1), y_BT.flatten())
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if spec.optimiser.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, spec.optimiser.clip_norm)
        rate = learning_rate(spec.schedule, self.iteration)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        self.iteration += 1
        return loss.detach()

    def evaluate(self) -> dict[str, Any]:
        """Add a row to the curve."""
        losses = self.evaluator(self.model)
        row: dict[str, Any] = {
            "iteration": self.iteration,
            "learning_rate": learning_rate(self.spec.schedule, self.iteration),
        }
        row |= {key: value if math.isfinite(value) else None for key, value in losses.items()}
        self.curve.append(row)
        return row

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "masks": self.masks.state(),
            "order": self.order.state(),
            "evaluation": self.evaluator.stream.state(),
            "iteration": self.iteration,
            "curve": self.curve,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of ``state``."""
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.masks.restore(state["masks"])
        self.order.restore(state["order"])
        self.evaluator.stream.restore(state["evaluation"])
        self.iteration = state["iteration"]
        self.curve = state["curve"]

    def check(self, losses: list[float]) -> str | None:
        """Why training must end, given the losses of the newest iterations; None if it need not."""
        for offset, loss in enumerate(losses):
            if not math.isfinite(loss):
                bad = self.iteration - len(losses) + offset
                rate = learning_rate(self.spec.schedule, bad)
                row = {
                    "iteration": bad,
                    "learning_rate": rate,
                    "train_loss": None,
                    "val_loss": None,
                }
                self.curve.append(row)
                return f"the training loss became {loss} at iteration {bad}"
        return None

    def likely_cause(self) -> str:
        """A first guess at why the loss is no longer a number."""
        clip = self.spec.optimiser.clip_norm
        if self.spec.schedule.precision == "bf16":
            return "bf16 lost precision; try schedule.precision: fp32"
        if self.iteration <= max(10, self.spec.schedule.warmup):
            return "it happened in the first iterations; try a lower schedule.learning_rate"
        if clip is None:
            return "gradients are not clipped; try optimiser.clip_norm: 1.0"
        return "the learning rate is too high for this model; try a lower schedule.learning_rate"


def train(
    spec: RunSpec,
    corpus: Corpus,
    *,
    device: torch.device | None = None,
    checkpoint_folder: Path | None = None,
    checkpoint_seconds: float = 60.0,
    should_stop: Any = None,
    progress: bool = True,
) -> Outcome:
    """Train one run to its end, or to where it diverges.

    ``checkpoint_folder``: where to keep a checkpoint every ``checkpoint_seconds``, and where to resume
    from; None keeps none. ``should_stop()`` true makes it write one and raise ``Stopped``.
    """
    device = device or torch.device("cpu")
    trainer = Trainer(spec, corpus, device)
    checkpoint = Checkpoint(checkpoint_folder, spec.run) if checkpoint_folder else None
    stored = checkpoint.load() if checkpoint else None
    if stored is not None:
        trainer.restore(stored)
    begin, first = time.perf_counter(), trainer.iteration
    saved = begin
    last = spec.schedule.last_iteration
    every = spec.evaluation.every
    check_every = 1 if device.type == "cpu" else 50  # reading a loss waits for the accelerator
    pending: list[torch.Tensor] = []
    reason: str | None = None
    bar = tqdm(
        total=last,
        initial=first,
        unit="it",
        desc=spec.run,
        mininterval=0.5 if sys.stderr.isatty() else 15.0,  # a log file needs few lines
        disable=not progress,
        dynamic_ncols=True,
    )
    with bar:
        while True:
            i = trainer.iteration
            due = i % every == 0 or i == last
            stop = should_stop is not None and should_stop()
            save = checkpoint and (stop or time.perf_counter() - saved >= checkpoint_seconds)
            if pending and (due or save or len(pending) >= check_every):
                losses = torch.stack(pending).tolist()
                pending.clear()
                reason = trainer.check(losses)
                if reason is not None:
                    break
                bar.set_postfix(loss=f"{losses[-1]:.4f}", refresh=False)
            measured = bool(trainer.curve) and trainer.curve[-1]["iteration"] == i  # before it was resumed
            if due and not measured and trainer.evaluate()["val_loss"] is None:
                reason = f"the validation loss is not finite at iteration {i}"
                break
            if save:
                checkpoint.save(i, trainer.state())
                saved = time.perf_counter()
            if stop:
                raise Stopped(f"stopped at iteration {i}")
            if i == last:
                break
            pending.append(trainer.step())
            bar.update(1)
    if reason is not None:
        reason = f"{reason}; likely cause: {trainer.likely_cause()}"
    seconds = time.perf_counter() - begin
    return Outcome(
        status=DONE if reason is None else DIVERGED,
        reason=reason,
        metrics=trainer.evaluator.metrics(trainer.curve),
        curve=trainer.curve,
        iterations_now=trainer.iteration - first,
        seconds_training=seconds - trainer.evaluator.seconds,
        seconds_evaluation=trainer.evaluator.seconds,
    )


def data_record(corpus: Corpus) -> dict[str, Any]:
    """What ``metrics.json`` says about the corpus."""
    return {
        "name": corpus.name,
        "sha256": corpus.sha256,
        "edition": corpus.edition,
        "vocab_size": corpus.vocab_size,
        "train_characters": len(corpus.train),
        "val_characters": len(corpus.val),
    }


def single_thread(device: torch.device) -> None:
    """One thread a process on a CPU: two runs side by side are faster than one on two threads."""
    if device.type == "cpu":
        torch.set_num_threads(1)
    else:
        torch.backends.cuda.matmul.allow_tf32 = True
