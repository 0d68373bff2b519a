"""Training of a character language model (paper B): windows of a text, losses on whole splits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from redrop.data.corpus import Corpus
from redrop.errors import DataError
from redrop.evaluation import fewer_blocks, mechanisms
from redrop.evaluation.language_model import (
    batches,
    draw_windows,
    mean_loss,
    split_windows,
    spread_windows,
    take,
    windows_a_pass,
)
from redrop.models.kept import write_language_model
from redrop.objectives.windows import WindowBatch
from redrop.places import Places
from redrop.record import Metric
from redrop.registry import resolve
from redrop.spec import RunSpec
from redrop.streams import MaskStream, NumpyStream
from redrop.training.gradients import norms
from redrop.training.run import Run, Stopped
from redrop.training.sources import Source, ready_corpus
from redrop.training.task import Task

if TYPE_CHECKING:
    from redrop.models.residual_gpt import ResidualGPT
    from redrop.training.trainer import Trainer

TRAIN_SAMPLE = 4
"""The training loss is measured on one window for every so many validation windows."""


class Evaluation:
    """What a run is scored on: the whole validation split and an evenly spaced sample of the training one."""

    def __init__(self, spec: RunSpec, corpus: Corpus) -> None:
        self.spec, self.corpus = spec, corpus
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

    def parts(self) -> Iterator[tuple[str, np.ndarray, Iterable[np.ndarray]]]:
        """Name of a loss, the tokens and the blocks of window starts that it is a mean over.

        New samples are drawn while the blocks are gone through.
        """
        yield "train_loss", self.corpus.train, [self.train_starts]
        yield "val_loss", self.corpus.val, [self.val_starts]
        if self.sampled:
            for name, tokens in (("train", self.corpus.train), ("val", self.corpus.val)):
                high, count = len(tokens) - self.block_size, self.sampled * self.batch_size
                yield f"{name}_loss_sampled", tokens, draw_windows(self.stream.generator, high, count)

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


def measure_finished(model: ResidualGPT, evaluation: Evaluation, run: Run, check: Callable[[], None]) -> None:
    """Leave in the run what is measured once, on the finished model."""
    starts, asked, corpus = evaluation.val_starts, run.spec.evaluation, evaluation.corpus

    def loss() -> float:
        return mean_loss(model, corpus.val, starts, check)

    if asked.fewer_blocks:
        run.extra.update(fewer_blocks.losses(model.blocks, loss, len(starts)))
    if asked.mechanisms:
        metrics, files = mechanisms.measure(model, corpus, starts, run.spec.seed, check)
        run.extra.update(metrics)
        run.files.update(files)


class Sampling:
    """What a run draws from: dropout masks, data order and evaluation, a stream each."""

    def __init__(self, spec: RunSpec, corpus: Corpus, device: torch.device) -> None:
        self.spec, self.corpus = spec, corpus
        self.masks = MaskStream(spec.seed, device)
        self.order = NumpyStream(spec.seed, "data order")
        self.evaluation = Evaluation(spec, corpus)

    def next_starts(self) -> np.ndarray:
        """Where the windows of the next training batch begin, int64 (batch_size,)."""
        high = len(self.corpus.train) - self.spec.model.block_size
        return self.order.generator.integers(0, high, self.spec.schedule.batch_size)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "masks": self.masks.state(),
            "order": self.order.state(),
            "evaluation": self.evaluation.stream.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of ``state``."""
        self.masks.restore(state["masks"])
        self.order.restore(state["order"])
        self.evaluation.stream.restore(state["evaluation"])


class LanguageModelling(Task):
    """One model on one text."""

    def __init__(self, spec: RunSpec, corpus: Corpus, device: torch.device) -> None:
        self.spec, self.corpus, self.device = spec, corpus, device
        self.sampling = Sampling(spec, corpus, device)
        self.model = resolve(spec.kind.build)(spec.model, corpus.vocab_size, spec.seed).to(device).train()
        self.updates, self.last_update = spec.schedule.iterations, spec.schedule.last_iteration
        self.every = spec.evaluation.every
        self.validation_size = len(self.sampling.evaluation.val_starts)

    def scale_dropout(self, scale: float) -> None:
        """Those of the masks."""
        self.sampling.masks.scale = scale

    def batches(self, update: int) -> Iterator[tuple[WindowBatch, float]]:
        """The next windows."""
        starts = self.sampling.next_starts()
        x_BT, y_BT = take(self.corpus.train, starts, self.spec.model.block_size, self.device)
        yield WindowBatch(x_BT, y_BT, self.sampling.masks), 1.0

    def measure(self, trainer: Trainer, row: dict[str, float]) -> None:
        """Losses without dropout, nats a character; norms of the last update's gradient; further terms."""
        stream = self.sampling.evaluation.stream
        row.update({f"term_{name}": mean for name, mean in trainer.mean_terms().items() if name != "task"})
        row.update(self._gradient_norms(trainer))
        for name, tokens, blocks in self.sampling.evaluation.parts():
            if name not in row:
                drawn = stream.state()
                try:
                    row[name] = mean_loss(self.model, tokens, blocks, self.check)
                except Stopped:
                    stream.restore(drawn)
                    raise

    def validation_loss(self) -> float:
        """Over the whole split, nats a character."""
        evaluation = self.sampling.evaluation
        return mean_loss(self.model, self.corpus.val, evaluation.val_starts, self.check)

    def sample(self, share: float) -> Iterator[WindowBatch]:
        """Windows that do not overlap where they need not."""
        length = len(self.corpus.train)
        count = max(1, int(share * length / self.spec.model.block_size))
        starts = spread_windows(length, self.spec.model.block_size, count)
        for part in batches(starts, windows_a_pass(self.device)):
            x_BT, y_BT = take(self.corpus.train, part, self.spec.model.block_size, self.device)
            yield WindowBatch(x_BT, y_BT, None)

    def _gradient_norms(self, trainer: Trainer) -> dict[str, float]:
        if not trainer.updated or self.spec.kind.gradient_part is None:
            return {}
        part, clipped = resolve(self.spec.kind.gradient_part), torch.ones(1, device=self.device)
        if trainer.norm is not None:
            clipped = (self.spec.optimiser.clip_norm / (trainer.norm[None] + 1e-6)).clamp(max=1.0)
        # A skip at rate 1 leaves what only feeds it without a gradient.
        named = [(name, one.grad) for name, one in self.model.named_parameters() if one.grad is not None]
        return norms({name: grad[None] for name, grad in named}, clipped, self.spec.model, part)[0]

    def metrics(self, run: Run) -> dict[str, Metric]:
        """Losses at the end and at their best."""
        return self.sampling.evaluation.metrics(run.curve)

    def keep(self, folder: Path) -> None:
        """The model with its settings and its characters."""
        write_language_model(folder, self.spec, self.corpus.vocab, self.model)

    def finish(self, trainer: Trainer) -> None:
        """What the spec asks for besides."""
        measure_finished(self.model, self.sampling.evaluation, trainer.run, self.check)

    def state(self) -> dict[str, Any]:
        """The streams' positions."""
        return self.sampling.state()

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of ``state``."""
        self.sampling.restore(state)


def prepare(
    spec: RunSpec, places: Places, device: torch.device, scratch: Path | None
) -> tuple[LanguageModelling, Source]:
    """The task of a run, with its text and model in place."""
    corpus, source = ready_corpus(spec, places)
    return LanguageModelling(spec, corpus, device), source
