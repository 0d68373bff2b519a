"""What tasks of ``transformers`` models share: their dropout stream, and which attention computes them."""

from __future__ import annotations

import csv
import gzip
import io
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import PreTrainedModel

from redrop.data.tokens import Tokens
from redrop.errors import ConfigError, RedropError
from redrop.methods import listens
from redrop.models.attention import TAP
from redrop.models.pretrained import dropout_rates, quiet
from redrop.models.sources import TOY
from redrop.objectives.terms import Batch, terms_of
from redrop.record import Metric
from redrop.spec import RunSpec
from redrop.streams import GlobalStream
from redrop.training.run import Run
from redrop.training.task import Task

if TYPE_CHECKING:
    from redrop.training.trainer import Trainer


PREDICTIONS = "predictions.csv.gz"


def table_file(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A table as compressed csv; equal rows, equal bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return gzip.compress(text.getvalue().encode(), mtime=0)


def curve_metric(
    row: dict[str, Any] | None, key: str, n: int, split: str, higher_is_better: bool, signature: str
) -> Metric:
    """What a row of the curve has under ``key``; None where there is no such row."""
    value = None if row is None else row[key]
    return Metric(value=value, n=n, split=split, higher_is_better=higher_is_better, signature=signature)


def measured_rows(run: Run) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Rows of the curve that have a validation loss, and the last; None where the run diverged."""
    rows = [row for row in run.curve if row["val_loss"] is not None]
    return rows, rows[-1] if rows and run.reason is None else None


def loss_metrics(run: Run, n: int, split: str, what: str) -> dict[str, Metric]:
    """The validation loss at the end and at its lowest; ``what`` it is a mean of."""
    rows, last = measured_rows(run)
    lowest = min(rows, key=lambda row: row["val_loss"], default=None)
    found = {"val_loss_last": (last, "at the end"), "val_loss_best": (lowest, "lowest")}
    return {
        key: curve_metric(row, "val_loss", n, split, False, f"mean {what}, {when}")
        for key, (row, when) in found.items()
    }


class ReleasedModelTask(Task):
    """A task of a model whose dropout draws from torch's generators."""

    model: PreTrainedModel

    def __init__(self, spec: RunSpec, model: PreTrainedModel, device: torch.device) -> None:
        """The model goes to ``device`` in ``start``; until then everything is on the CPU."""
        self.spec, self.device, self.model, self._place = spec, torch.device("cpu"), model, device
        self.dropout: GlobalStream = GlobalStream(spec.seed, "dropout", device)
        self._rates = dropout_rates(model.base_model)

    def start(self, tokens: Sequence[Tokens], rehearse: Callable[[], None]) -> None:
        """Refuse a model that cannot do what the run asks of it, before training; then move it.

        ``tokens``: all that it will read; ``rehearse``: does on the CPU what training and measuring do. What
        transformers' many architectures raise there has no common base.
        """
        checkpoint = getattr(self.spec.model, "checkpoint", TOY)
        if checkpoint != TOY:
            self._check_symbols(checkpoint, tokens)
            try:
                with torch.random.fork_rng(devices=[]), quiet():
                    rehearse()
            except RedropError:
                raise
            except Exception as error:
                told = " ".join(str(error).split())[:200] or type(error).__name__
                raise ConfigError(
                    f"model.checkpoint: {checkpoint}, a {self.model.config.model_type}, cannot be trained by "
                    f"objective.name: {self.spec.objective.name} and measured as evaluation says: {told}; "
                    "give another model or other terms"
                ) from error
            self.model.eval()
        self.device = self._place
        self.model.to(self.device)

    def _check_symbols(self, checkpoint: str, tokens: Sequence[Tokens]) -> None:
        """Refuse texts with symbols that the model has no vector for."""
        try:
            known = self.model.get_input_embeddings().num_embeddings
        except (NotImplementedError, AttributeError):
            return  # a model of another build; rehearsing tells whether it reads them
        highest = max(int(each.ids.max(initial=0)) for each in tokens)
        if highest >= known:
            raise ConfigError(
                f"model.checkpoint: {checkpoint} has {known} embeddings, but its tokenizer gives symbol "
                f"{highest}: tokenizer and weights are not of one model; give a folder where they are"
            )

    def rehearse(self, batch: Batch) -> None:
        """One forward pass in training, with the objective's terms, and one without dropout."""
        self.begin_training()
        with terms_of(self.model, batch, self.spec.objective) as terms:
            terms.total(self.spec.objective)
        self.use_attention(training=False)
        self.model.eval()
        with torch.no_grad():
            batch.forward(self.model, 1, False)

    def begin_training(self) -> None:
        """Training mode, with the attention that it takes."""
        self.use_attention(training=True)
        self.model.train()

    def scale_dropout(self, scale: float) -> None:
        """Those below the classifier."""
        for module, name, rate in self._rates:
            setattr(module, name, scale * rate)

    def use_attention(self, *, training: bool) -> None:
        """The tap only where somebody listens; on a CPU plain products train faster than the fused call."""
        if not training:
            wanted = "sdpa"
        elif listens(self.spec.objective):
            wanted = TAP
        else:
            wanted = "eager" if self.device.type == "cpu" else "sdpa"
        if self.model.config._attn_implementation != wanted:
            try:
                self.model.set_attn_implementation(wanted)
            except ValueError:  # it has one way only
                self.model.set_attn_implementation("eager")

    def keep(self, folder: Path) -> None:
        """The model in ``transformers``' own layout."""
        self.use_attention(training=False)
        with quiet():
            self.model.save_pretrained(folder)

    def training_terms(self, trainer: Trainer) -> dict[str, float]:
        """The objective's terms since the last evaluation, as they are called in the curve."""
        means = trainer.mean_terms()
        loss = means.pop("task", math.nan)
        return {"train_loss": loss} | {f"term_{name}": mean for name, mean in means.items()}

    def state(self) -> dict[str, Any]:
        """The position of the dropout stream."""
        return {"dropout": self.dropout.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of ``state``."""
        self.dropout.restore(state["dropout"])
