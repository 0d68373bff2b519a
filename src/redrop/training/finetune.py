"""Fine-tuning of a released encoder on a GLUE task: plain, with R-Drop, or with LR-Drop (paper A)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from redrop.data.batches import batches_an_epoch, epoch_batches
from redrop.data.glue import Split, TaskData, hold_out
from redrop.data.tokens import Tokens, cached_tokens
from redrop.errors import ConfigError
from redrop.evaluation.glue import scores
from redrop.models.pretrained import load_encoder, load_tokenizer
from redrop.objectives.cross_entropy import task_losses
from redrop.objectives.doubled import Terms, terms_of
from redrop.spec import RunSpec
from redrop.streams import NumpyStream
from redrop.training.finetune_lane import FineTuneLane, updates_of
from redrop.training.finished import measure_finished
from redrop.training.two_pass import TwoPassTrainer


class FineTuner(TwoPassTrainer):
    """One encoder on one task."""

    def __init__(
        self, spec: RunSpec, task: TaskData, model_folder: Path, device: torch.device, cache: Path
    ) -> None:
        """``model_folder``: as ``redrop.models.sources`` left it; ``cache``: for tokenised texts."""
        self.task = task.task
        train, dev = splits(spec, task)
        texts = [*train.sentence1, *(train.sentence2 or ())]
        self.tokenizer = load_tokenizer(spec.model, model_folder, texts)

        def encode(split: Split) -> Tokens:
            return cached_tokens(
                cache, self.tokenizer, split.sentence1, split.sentence2, spec.data.max_length
            )

        self.train, self.train_labels = encode(train), train.labels
        self.dev = {name: (encode(split), split.labels, split.idx) for name, split in dev.items()}
        n_labels = len(task.task.labels) or 1
        updates = updates_of(spec.schedule, len(self.train))
        super().__init__(
            spec,
            load_encoder(spec.model, model_folder, n_labels, spec.seed, len(self.tokenizer)),
            FineTuneLane(spec, updates, {name: len(labels) for name, (_, labels, _) in self.dev.items()}),
            device,
            updates=updates,
            every=batches_an_epoch(len(self.train), spec.schedule.batch_size),
        )
        self._check_length()
        self._epoch: tuple[int, list[np.ndarray]] = (-1, [])

    def _check_length(self) -> None:
        """Refuse inputs that have no position in the model."""
        config = self.model.config
        limit = getattr(config, "max_position_embeddings", None)
        for name, module in self.model.named_modules():
            first = getattr(module, "padding_idx", None)
            if limit is not None and name.endswith("position_embeddings") and first is not None:
                limit -= first + 1  # positions begin after the padding's, as RoBERTa's do
        longest = max(tokens.lengths.max() for tokens in (self.train, *(t for t, _, _ in self.dev.values())))
        if limit is not None and longest > limit:
            raise ConfigError(
                f"data.max_length: {self.spec.data.max_length} lets through inputs of {longest} tokens, "
                f"but the model has {limit} positions; give at most {limit}"
            )

    def inputs(self, tokens: Tokens, examples: np.ndarray) -> dict[str, torch.Tensor]:
        """A padded batch on the device, with what this model takes."""
        made = tokens.batch(examples, self.tokenizer.pad_token_id)
        if getattr(self.model.config, "type_vocab_size", 0) < 2:
            del made["token_type_ids"]
        return {name: values.to(self.device, non_blocking=True) for name, values in made.items()}

    def labels(self, labels: np.ndarray) -> torch.Tensor:
        """int64 classes or float32 scores, on the device."""
        return torch.tensor(labels, device=self.device)

    def next_batch(self) -> np.ndarray:
        """Numbers of the examples of the next update."""
        epoch, place = divmod(self.iteration, self.evaluate_every)
        if self._epoch[0] != epoch:
            schedule = self.spec.schedule
            batches = epoch_batches(
                self.train.lengths, schedule.batch_size, schedule.bucket_batches, self.spec.seed, epoch
            )
            self._epoch = (epoch, batches)
        return self._epoch[1][place]

    def parts(self) -> Iterator[tuple[Any, float]]:
        """The next examples."""
        examples = self.next_batch()
        for part in np.array_split(examples, min(self.spec.schedule.accumulation, len(examples))):
            yield part, len(part) / len(examples)

    def terms(self, part: np.ndarray) -> AbstractContextManager[Terms]:
        """The objective's terms on some examples."""
        inputs, labels = self.inputs(self.train, part), self.labels(self.train_labels[part])
        return terms_of(self.model, inputs, labels, self.spec.objective, half=self.half)

    @torch.no_grad()
    def predict(self, tokens: Tokens, examples: np.ndarray | None = None) -> np.ndarray:
        """Outputs without dropout, float32 (examples, K), in the order of ``examples`` (default: all)."""
        self.use_attention(training=False)
        self.model.eval()
        examples = np.arange(len(tokens)) if examples is None else examples
        order = np.argsort(tokens.lengths[examples], kind="stable")
        found: np.ndarray | None = None
        size = self.spec.evaluation.batch_size
        for begin in range(0, len(order), size):
            where = order[begin : begin + size]
            logits = self.model(**self.inputs(tokens, examples[where])).logits.float().cpu().numpy()
            if found is None:
                found = np.empty((len(examples), logits.shape[1]), np.float32)
            found[where] = logits
        return found

    def losses(self) -> list[dict[str, float]]:
        """Task metrics and loss on the development split(s); the training terms since the last time."""
        row: dict[str, float] = {"epoch": self.iteration / self.evaluate_every}
        means = self.mean_terms()
        row["train_loss"] = means.pop("task", math.nan)
        row |= {f"term_{name}": mean for name, mean in means.items()}
        for (tokens, labels, _), suffix in zip(self.dev.values(), ("", "_mismatched"), strict=False):
            logits = self.predict(tokens)
            loss = task_losses(torch.from_numpy(logits), torch.tensor(labels)).double().mean().item()
            row["val_loss" + suffix] = loss
            if math.isfinite(loss):
                row |= {
                    name + suffix: value for name, value in scores(self.task.name, logits, labels).items()
                }
        return [row]

    def finish(self) -> None:
        """What only the finished model shows: predictions, inconsistency, landscape, latency."""
        if self.lane.reason is None:
            measure_finished(self)


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
