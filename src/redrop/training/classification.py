"""Fine-tuning of a released encoder on a task of examples with labels (paper A): GLUE."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from redrop import data
from redrop.data.batches import epoch_batches
from redrop.data.glue import Split, TaskData, hold_out
from redrop.data.tokens import Tokens, cached_tokens
from redrop.errors import ConfigError
from redrop.evaluation import inconsistency
from redrop.evaluation.glue import scores
from redrop.evaluation.outputs import inputs_of, outputs_of
from redrop.models.pretrained import load_encoder, load_tokenizer
from redrop.objectives.cross_entropy import task_losses
from redrop.objectives.examples import ExampleBatch
from redrop.places import Places
from redrop.record import Metric
from redrop.spec import RunSpec
from redrop.streams import NumpyStream
from redrop.training.finished import measure_finished
from redrop.training.released import ReleasedModelTask, curve_metric, loss_metrics, measured_rows
from redrop.training.run import Run
from redrop.training.sources import Source, ready_model, source_of

if TYPE_CHECKING:
    from redrop.training.trainer import Trainer

CORRELATIONS = ("pearson", "spearman")


class Classification(ReleasedModelTask):
    """One encoder on one task."""

    def __init__(
        self, spec: RunSpec, task: TaskData, model_folder: Path | None, device: torch.device, cache: Path
    ) -> None:
        """``model_folder``: as ``redrop.models.sources`` left it; ``cache``: for tokenised texts."""
        self.task = task.task
        train, dev = splits(spec, task)
        texts = [*train.sentence1, *(train.sentence2 or ())]
        self.tokenizer = load_tokenizer(spec.model, model_folder, texts)

        def encode(split: Split) -> Tokens:
            limit = spec.data.max_length
            return cached_tokens(cache, self.tokenizer, split.sentence1, split.sentence2, limit)

        self.train, self.train_labels = encode(train), train.labels
        self.dev = {name: (encode(split), split.labels, split.idx) for name, split in dev.items()}
        n_labels = len(task.task.labels) or 1
        model = load_encoder(spec.model, model_folder, n_labels, spec.seed, len(self.tokenizer))
        super().__init__(spec, model, device)
        self.updates = self.last_update = spec.schedule.updates_on(len(self.train))
        self.every = math.ceil(len(self.train) / spec.schedule.batch_size)
        self._check_length()
        self.validation_size = len(next(iter(self.dev.values()))[1])
        schedule = spec.schedule
        sizes = (schedule.batch_size, schedule.bucket_batches)
        self._batches = functools.lru_cache(1)(partial(epoch_batches, self.train.lengths, *sizes, spec.seed))
        self.start([self.train, *(tokens for tokens, _, _ in self.dev.values())], self._rehearse)

    def _rehearse(self) -> None:
        """On the shortest and the longest example."""
        some = np.argsort(self.train.lengths, kind="stable")[[0, -1]]
        inputs = self.inputs(self.train, some)
        self.rehearse(ExampleBatch(inputs, self.labels(self.train_labels[some])))
        if self.spec.evaluation.inconsistency_passes:
            inconsistency.measure(self.model, [inputs], 0)

    def _check_length(self) -> None:
        """Refuse inputs that have no position in the model."""
        config = self.model.config
        limit = getattr(config, "max_position_embeddings", None)
        if limit is not None and limit < 1:
            limit = None  # XLNet's way to say that there is none
        for name, module in self.model.named_modules():
            first = getattr(module, "padding_idx", None)
            if limit is not None and name.endswith("position_embeddings") and first is not None:
                limit -= first + 1  # positions begin after the padding's, as RoBERTa's do
        longest = max(tokens.lengths.max() for tokens in (self.train, *(t for t, _, _ in self.dev.values())))
        if limit is not None and longest > limit:
            said = f"lets through inputs of {longest} tokens, but the model has {limit} positions"
            raise ConfigError(f"data.max_length: {self.spec.data.max_length} {said}; give at most {limit}")

    def inputs(self, tokens: Tokens, examples: np.ndarray) -> dict[str, torch.Tensor]:
        """A padded batch on the device, with what this model takes."""
        pad = self.tokenizer.pad_token_id
        if pad is None:
            said = f"the tokenizer of {self.spec.model.checkpoint} has no padding token"
            raise ConfigError(f"model.checkpoint: {said}; give a model that has one")
        made = inputs_of(self.model, tokens, examples, pad)
        return {name: values.to(self.device, non_blocking=True) for name, values in made.items()}

    def labels(self, labels: np.ndarray) -> torch.Tensor:
        """int64 classes or float32 scores, on the device."""
        return torch.tensor(labels, device=self.device)

    def next_batch(self, update: int) -> np.ndarray:
        """Numbers of the examples of an update."""
        epoch, place = divmod(update, self.every)
        return self._batches(epoch)[place]

    def batches(self, update: int) -> Iterator[tuple[ExampleBatch, float]]:
        """The next examples."""
        examples = self.next_batch(update)
        for part in np.array_split(examples, min(self.spec.schedule.accumulation, len(examples))):
            inputs, labels = self.inputs(self.train, part), self.labels(self.train_labels[part])
            yield ExampleBatch(inputs, labels), len(part) / len(examples)

    def predict(self, tokens: Tokens, examples: np.ndarray | None = None) -> np.ndarray:
        """Outputs without dropout, float32 (examples, K), in the order of ``examples`` (default: all)."""
        self.use_attention(training=False)
        self.model.eval()
        examples = np.arange(len(tokens)) if examples is None else examples

        def forward(some: np.ndarray) -> torch.Tensor:
            return self.model(**self.inputs(tokens, some)).logits

        return outputs_of(forward, tokens, examples, self.spec.evaluation.batch_size, self.check)

    def measure(self, trainer: Trainer, row: dict[str, float]) -> None:
        """Task metrics and loss on the development split(s); the training terms since the last time."""
        if not row:
            row.update(epoch=trainer.iteration / self.every, **self.training_terms(trainer))
        for (tokens, labels, _), suffix in zip(self.dev.values(), ("", "_mismatched"), strict=False):
            if "val_loss" + suffix in row:
                continue
            logits = self.predict(tokens)
            loss = task_losses(torch.from_numpy(logits), torch.tensor(labels)).double().mean().item()
            row["val_loss" + suffix] = loss
            if math.isfinite(loss):
                found = scores(self.task.task, logits, labels)
                row.update({name + suffix: value for name, value in found.items()})

    def keep(self, folder: Path) -> None:
        """The encoder, its tokenizer, and what its outputs are called."""
        if labels := self.task.labels:
            self.model.config.id2label = dict(enumerate(labels))
            self.model.config.label2id = {label: number for number, label in enumerate(labels)}
        super().keep(folder)
        self.tokenizer.save_pretrained(folder)

    def validation_loss(self) -> float:
        """Of the main development split, a mean over its examples."""
        tokens, labels, _ = next(iter(self.dev.values()))
        return task_losses(torch.from_numpy(self.predict(tokens)), torch.tensor(labels)).mean().item()

    def finish(self, trainer: Trainer) -> None:
        """Predictions, inconsistency, landscape, latency."""
        measure_finished(self, trainer.run)

    def metrics(self, run: Run) -> dict[str, Metric]:
        """Task metrics and losses, at the end and at their best.

        ``score`` is the task's first metric under a name that all tasks share. ``_best`` is said of the
        evaluation where that was highest; what belongs to the second development split, where there is one,
        ends in ``_mismatched``.
        """
        examples = {name: len(labels) for name, (_, labels, _) in self.dev.items()}
        names = self.task.metrics
        main = next(iter(examples))
        rows, last = measured_rows(run)
        best = max(rows, key=lambda row: row[names[0]], default=None)
        what = "squared error" if names[0] in CORRELATIONS else "cross entropy, nats an example"
        found = loss_metrics(run, examples[main], main, f"{what}, no dropout")
        for (split, n), suffix in zip(examples.items(), ("", "_mismatched"), strict=False):
            for name in names:
                key = name + suffix
                found[key] = curve_metric(last, key, n, split, True, f"{name}, no dropout, at the end")
                how = f"{name}, no dropout, at the evaluation with the highest {names[0]}"
                found[f"{key}_best"] = curve_metric(best, key, n, split, True, how)
        return found | {"score": found[names[0]], "score_best": found[f"{names[0]}_best"]}


def splits(spec: RunSpec, task: TaskData) -> tuple[Split, dict[str, Split]]:
    """What is trained on, and what is evaluated on."""
    train = task.splits["train"]
    dev = {name: task.splits[name] for name in task.task.dev_splits}
    if spec.data.evaluate_on == "held-out":
        train, held = hold_out(train)
        dev = {"held-out": held}
    if spec.data.train_fraction < 1.0:
        order = NumpyStream(spec.seed, "subset").generator.permutation(len(train.labels))
        train = train.take(np.sort(order[: math.ceil(spec.data.train_fraction * len(order))]))
    return train, dev


def prepare(
    spec: RunSpec, places: Places, device: torch.device, scratch: Path | None
) -> tuple[Classification, Source]:
    """The task of a run, with its examples and model in place."""
    task = data.ready(spec.data.data_set, places.data)
    folder, model = ready_model(spec, places)
    cache = places.data / spec.data.data_set / "tokens"
    return Classification(spec, task, folder, device, cache), source_of(task, model)
