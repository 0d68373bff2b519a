"""Training of an encoder-decoder (paper A): translation and summarisation."""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import PreTrainedModel

from redrop import data
from redrop.data.batches import epoch_token_batches, token_batches
from redrop.data.text_pairs import Pairs, TextPairs
from redrop.errors import ConfigError
from redrop.evaluation.decoding import decode
from redrop.evaluation.text_pairs import summaries, translations
from redrop.models.generation import positions_of
from redrop.objectives.cross_entropy import smoothed_cross_entropy
from redrop.objectives.pairs import PairBatch
from redrop.places import Places
from redrop.record import Metric
from redrop.registry import resolve
from redrop.spec import RunSpec
from redrop.training import released
from redrop.training.released import PREDICTIONS, ReleasedModelTask
from redrop.training.run import Run
from redrop.training.sources import Source, ready_model, source_of

if TYPE_CHECKING:
    from redrop.training.trainer import Trainer

STORE = "decoded.jsonl"


class Generation(ReleasedModelTask):
    """One encoder-decoder on one task."""

    def __init__(
        self,
        spec: RunSpec,
        pairs: TextPairs,
        model: PreTrainedModel,
        device: torch.device,
        scratch: Path | None = None,
    ) -> None:
        """``scratch``: a folder of this run alone, for what was decoded before it was killed."""
        self.pairs, self.scratch = pairs, scratch
        self.train, self.valid = pairs.splits["train"], pairs.splits["valid"]
        if not len(self.train):
            said = f"{spec.data.max_source} and data.max_target: {spec.data.max_target}"
            raise ConfigError(f"data.max_source: {said} leave no training pair; give more")
        super().__init__(spec, model, device)
        self.updates = self.last_update = spec.schedule.updates
        self.every = spec.evaluation.every
        self.tokens = int(self.valid.target.starts[-1])
        """Of the validation targets."""
        self.decoded = min(spec.evaluation.decoded, len(self.valid))
        self._check_length()
        longest, size = self.train.longest, spec.schedule.batch_tokens
        self._batches = functools.lru_cache(1)(partial(epoch_token_batches, longest, size, spec.seed))
        batches = len(token_batches(np.sort(longest), size))
        self.updates_an_epoch = math.ceil(batches / spec.schedule.accumulation)
        self.best: dict[str, Any] = {}
        """The highest validation score so far, its update, and the weights then."""
        sides = [side for split in pairs.splits.values() for side in (split.source, split.target)]
        self.start(sides, self._rehearse)

    def _rehearse(self) -> None:
        """On the shortest and the longest pair, of which a few tokens are decoded."""
        some = np.argsort(self.train.longest, kind="stable")[[0, -1]]
        self.rehearse(self.batch(self.train, some))
        search = dataclasses.replace(self.spec.evaluation, min_length=0, max_length=2)
        decode(self.model, self.pairs.codec, self.train.source.take(some), search)

    def _check_length(self) -> None:
        """Refuse inputs that have no position in the model."""
        limit = positions_of(self.model)
        longest = max(pairs.longest.max() for pairs in self.pairs.splits.values())
        if max(longest, self.spec.evaluation.max_length + 1) > limit:
            keys = "data.max_source, data.max_target or evaluation.max_length"
            allowed = f"outputs of {self.spec.evaluation.max_length} are allowed, but the model has {limit}"
            raise ConfigError(f"{keys}: there are texts of {longest} tokens, and {allowed} positions")

    def batch(self, pairs: Pairs, examples: np.ndarray) -> PairBatch:
        """A padded batch on the device."""
        codec = self.pairs.codec
        made = (*pairs.source.padded(examples, codec.pad), *pairs.target.padded(examples, codec.pad))
        moved = (values.to(self.device, non_blocking=True) for values in made)
        return PairBatch(*moved, start=codec.end)

    def next_batches(self, update: int) -> list[np.ndarray]:
        """Numbers of the examples of an update, a batch each."""
        epoch, place = divmod(update, self.updates_an_epoch)
        parts = self.spec.schedule.accumulation
        return self._batches(epoch)[place * parts : (place + 1) * parts]

    def batches(self, update: int) -> Iterator[tuple[PairBatch, float]]:
        """The next batches, each with its share of the update's target tokens."""
        batches = self.next_batches(update)
        counts = [int(self.train.target.lengths[examples].sum()) for examples in batches]
        for examples, count in zip(batches, counts, strict=True):
            yield self.batch(self.train, examples), count / sum(counts)

    @torch.no_grad()
    def validation_loss(self) -> float:
        """Mean cross entropy of the validation targets, nats a token, without dropout."""
        self.use_attention(training=False)
        self.model.eval()
        order = np.argsort(self.valid.longest, kind="stable")
        total, count = 0.0, 0
        for cut in token_batches(self.valid.longest[order], self.spec.evaluation.batch_tokens):
            self.check()
            batch = self.batch(self.valid, order[cut])
            logits = self.model(**batch.inputs(), use_cache=False).logits
            tokens = int(batch.tokens)
            loss = smoothed_cross_entropy(logits, batch.target_BT, batch.real_BT, 0.0)
            total += tokens * loss.double().item()
            count += tokens
        return total / count

    def hypotheses(self, pairs: Pairs, name: str, store: bool = False) -> list[str]:
        """Decoded outputs, as they are scored."""
        self.use_attention(training=False)
        codec, search = self.pairs.codec, self.spec.evaluation
        kept = {"store": self._store(name), "progress": name} if store else {}
        found = decode(self.model, codec, pairs.source, search, check=self.check, **kept)
        return [self.pairs.finish(text) for text in found]

    def score(self, hypotheses: list[str], name: str) -> dict[str, Metric]:
        """Metrics of a split's hypotheses; ROUGE of a large one takes minutes."""
        return self.pairs.score(_Watched(hypotheses, self.check), name)

    def _store(self, name: str) -> Path | None:
        """Where what was decoded of a split waits for the rest of it."""
        return None if self.scratch is None else self.scratch / f"{name}-{STORE}"

    def measure(self, trainer: Trainer, row: dict[str, float]) -> None:
        """Validation loss and the score of its first inputs; the training terms since the last time."""
        if not row:
            row.update(epoch=trainer.iteration / self.updates_an_epoch, **self.training_terms(trainer))
        if "val_loss" not in row:
            row["val_loss"] = self.validation_loss()
        name = self.pairs.metrics[0]
        if self.decoded and trainer.iteration and math.isfinite(row["val_loss"]):
            some = np.arange(self.decoded)
            first = Pairs(self.valid.source.take(some), self.valid.target.take(some))
            score = self.score(self.hypotheses(first, "valid"), "valid")[name].value
            row[f"{name}_valid"] = score
            if self.spec.evaluation.report == "best" and score > self.best.get("score", -math.inf):
                weights = {
                    key: values.detach().cpu().clone() for key, values in self.model.state_dict().items()
                }
                self.best = {"score": score, "iteration": trainer.iteration, "weights": weights}

    def finish(self, trainer: Trainer) -> None:
        """Decode the test sets, or the validation set, with the weights that the spec wants reported."""
        run, weights, at = trainer.run, "last", trainer.iteration
        if self.best:
            self.model.load_state_dict(self.best["weights"])
            weights, at = "best", self.best["iteration"]
        sets = ("valid",) if self.spec.evaluation.report == "valid" else self.pairs.tests
        files, begin, count = {}, time.perf_counter(), 0
        stores = [self._store(name) for name in sets]
        resumed = any(path is not None and path.exists() for path in stores)
        for number, name in enumerate(sets):
            split = self.pairs.splits[name]
            files[name] = self.hypotheses(split, name, store=True)
            count += len(split)
            suffix = "" if number == 0 else f"_{name.removeprefix('test_')}"
            for key, metric in self.score(files[name], name).items():
                said = f"{metric.signature}; {weights} weights, update {at:,}"
                run.extra[key + suffix] = dataclasses.replace(metric, signature=said)
        run.extra = {"score": run.extra[self.pairs.metrics[0]], **run.extra}
        run.files[PREDICTIONS] = predictions_file(files, self.pairs.references)
        if not resumed:  # otherwise part of the time was spent by a process that was killed
            run.cost["decoding"] = {"sentences": count, "seconds": time.perf_counter() - begin}
        for path in stores:
            if path is not None:
                path.unlink(missing_ok=True)

    def keep(self, folder: Path) -> None:
        """The encoder-decoder, with the weights that its outputs are reported of, and its codec."""
        super().keep(folder)
        self.pairs.codec.save(folder)

    def metrics(self, run: Run) -> dict[str, Metric]:
        """Validation losses and scores; those of the test sets are measured in ``finish``.

        There, ``score`` is the main test set's first metric under a name that all tasks share.
        """
        metric = self.pairs.metrics[0]
        rows, last = released.measured_rows(run)
        what = "cross entropy without label smoothing, nats a target token, no dropout"
        found = released.loss_metrics(run, self.tokens, "valid", what)
        name = f"{metric}_valid"
        decoded = [row for row in rows if row.get(name) is not None]
        best = max(decoded, key=lambda row: row[name], default=None)
        for key, row, when in ((name, last, "at the end"), (f"{name}_best", best, "highest")):
            if decoded:
                how = f"{metric} of the first validation inputs, {when}"
                found[key] = released.curve_metric(row, name, self.decoded, "valid", True, how)
        return found

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on."""
        return {**super().state(), "best": self.best}

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of ``state``."""
        super().restore(state)
        self.best = state["best"]


class _Watched(list[str]):
    """Texts; ``check`` is called before each one that is gone through, and may raise."""

    def __init__(self, texts: list[str], check: Callable[[], None]) -> None:
        super().__init__(texts)
        self._check = check

    def __iter__(self) -> Iterator[str]:
        for text in super().__iter__():
            self._check()
            yield text


def predictions_file(outputs: dict[str, list[str]], references: dict[str, list[str]]) -> bytes:
    """Every hypothesis beside its reference as compressed csv; equal outputs, equal bytes."""
    rows = (
        (name, number, *pair)
        for name, hypotheses in outputs.items()
        for number, pair in enumerate(zip(hypotheses, references[name], strict=True))
    )
    return released.table_file(["split", "number", "hypothesis", "reference"], rows)


def prepare(
    spec: RunSpec, places: Places, device: torch.device, scratch: Path | None
) -> tuple[Generation, Source]:
    """The task of a run, with its texts and model in place."""
    loaded = data.ready(spec.data.data_set, places.data)
    folder, known = ready_model(spec, places)
    pairs = (translations if spec.data.translates else summaries)(spec, loaded, folder)
    source = source_of(loaded, known, examples={name: len(split) for name, split in pairs.splits.items()})
    model = resolve(spec.kind.build)(spec.model, folder, pairs.codec, spec.seed)
    return Generation(spec, pairs, model, device, scratch), source
