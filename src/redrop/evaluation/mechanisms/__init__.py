"""Analyses of a finished decoder (docs/mechanisms.md): what its dropout and its skips do inside, a file each.

They read the first ``WINDOWS`` windows of the validation split, but for the loss by frequency, which is of
the whole split. Masks are drawn from streams of their own, at the rates of the settings, whatever a dropout
schedule made of them at the end. What a method does to an update (LayerDrop, DropHead) does not act here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from redrop.evaluation.language_model import batches, take, windows_a_pass
from redrop.evaluation.mechanisms.ablation import ablation
from redrop.evaluation.mechanisms.attention_entropy import attention_entropy
from redrop.evaluation.mechanisms.calibration import calibration
from redrop.evaluation.mechanisms.frequency import loss_by_frequency
from redrop.evaluation.mechanisms.monte_carlo import PASSES, monte_carlo
from redrop.evaluation.mechanisms.token_rank import token_rank
from redrop.evaluation.mechanisms.traced import evaluating, names, traced, without_skips
from redrop.evaluation.mechanisms.variance_shift import variance_shift
from redrop.models.listening import Attention, listening
from redrop.record import Metric
from redrop.streams import MaskStream

if TYPE_CHECKING:
    from redrop.data.corpus import Corpus
    from redrop.models.residual_gpt import ResidualGPT

MECHANISMS = "mechanisms.json"
WINDOWS = 256
"""Validation windows, the first ones, that all but the loss by frequency is measured on."""


class Finished:
    """A finished model on its validation text, in evaluation mode; ``check`` is called before every pass."""

    def __init__(
        self, model: ResidualGPT, corpus: Corpus, starts: np.ndarray, seed: int, check: Callable[[], None]
    ) -> None:
        self.model, self.corpus, self.starts, self.seed, self.check = model, corpus, starts, seed, check
        self.device = model.wte.weight.device
        self.draws = any(rate for key, rate in vars(model.spec).items() if key.endswith("_dropout"))
        """Whether it has any dropout."""

    def batches(self, starts: np.ndarray | None = None) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Inputs and targets (B, T) of the first windows."""
        starts = self.starts[:WINDOWS] if starts is None else starts
        for part in batches(starts, windows_a_pass(self.device)):
            self.check()
            yield take(self.corpus.val, part, self.model.spec.block_size, self.device)

    def masks(self, purpose: str) -> MaskStream:
        """A stream of an analysis."""
        return MaskStream(self.seed, self.device, purpose)

    def layers(self) -> dict[str, Any]:
        """What is told a layer, sub-layer or head, by name."""
        model = self.model
        loss, effects = ablation(model, self.batches(), self.check)
        found = {"loss": loss, **effects, "token_rank": self.token_ranks()}
        with without_skips(model):
            found["token_rank_without_skips"] = self.token_ranks()
        if self.draws:
            masks = self.masks("variance shift")
            training = (traced(model, x_BT, masks)[1].stream for x_BT, _ in self.batches())
            plain = (traced(model, x_BT)[1].stream for x_BT, _ in self.batches())
            found["variance_shift"] = variance_shift(training, plain)
        return found | {"attention_entropy": self.entropies()}

    def token_ranks(self) -> list[float]:
        """Means over the windows, a place of the stream."""
        passes = (traced(self.model, x_BT)[1].stream for x_BT, _ in self.batches())
        ranks = [torch.stack([token_rank(h_BTC) for h_BTC in stream]) for stream in passes]
        return torch.cat(ranks, dim=1).mean(1).tolist()

    def entropies(self) -> list[list[float]]:
        """Means over the windows, a layer and head."""
        passes: list[torch.Tensor] = []
        for x_BT, _ in self.batches():
            heard: list[torch.Tensor] = []

            def hear(layer: Attention, heard=heard) -> None:
                heard.append(attention_entropy(layer.probabilities))

            with listening(hear):
                self.model(x_BT)
            passes.append(torch.stack(heard))
        return torch.cat(passes, dim=1).mean(1).tolist()

    def calibration(self) -> dict[str, Metric]:
        """The temperature is fitted on every other window, from the first one on; the others judge it."""
        both = [(self.model(x_BT), y_BT) for x_BT, y_BT in self.batches()]
        logits_WTV, labels_WT = (torch.cat(parts).cpu().numpy() for parts in zip(*both, strict=True))
        W, T, V = logits_WTV.shape
        fitted_on = np.repeat(np.arange(W) % 2 == 0, T)
        if W < 2:
            return {}
        found = calibration(logits_WTV.reshape(W * T, V), labels_WT.reshape(-1), fitted_on)
        n, error = W // 2, "expected calibration error, 15 equal bins, no dropout"
        return {
            "calibration_error": metric(found.error, n, error),
            "calibration_error_scaled": metric(found.error_scaled, n, f"{error}, logits by the temperature"),
            "temperature": metric(found.temperature, W - n, "of the least cross entropy", better=None),
        }

    def monte_carlo(self) -> dict[str, Metric]:
        """Nothing of a model that has no dropout."""
        if not self.draws:
            return {}
        masks, sums_2, count = self.masks("Monte-Carlo dropout"), torch.zeros(2, dtype=torch.float64), 0
        for x_BT, y_BT in self.batches():
            logits_KNV = torch.stack([self.model(x_BT, masks).flatten(0, 1) for _ in range(PASSES)])
            sums_2 += torch.stack([part.sum().cpu() for part in monte_carlo(logits_KNV, y_BT.flatten())])
            count += y_BT.numel()
        loss, information = (sums_2 / count).tolist()
        n, how = min(WINDOWS, len(self.starts)), f"{PASSES} passes with dropout, nats a character"
        return {
            "val_loss_monte_carlo": metric(loss, n, f"cross entropy of the mean of {how}"),
            "mutual_information": metric(information, n, f"of prediction and masks, {how}", better=None),
        }

    def frequency(self) -> dict[str, Metric]:
        """Of the whole split."""
        losses, targets = [], []
        for x_BT, y_BT in self.batches(self.starts):
            logits_NV = self.model(x_BT).flatten(0, 1)
            losses.append(F.cross_entropy(logits_NV, y_BT.flatten(), reduction="none").cpu().numpy())
            targets.append(y_BT.flatten().cpu().numpy())
        counts_V = np.bincount(self.corpus.train, minlength=self.corpus.vocab_size)
        found = loss_by_frequency(np.concatenate(losses), np.concatenate(targets), counts_V)
        how = "mean cross entropy, nats a character, no dropout, whole split, n characters: symbols of the"
        return {
            f"val_loss_{third}": metric(mean, n, f"{how} {third} third by count in the training text")
            for third, (mean, n) in found.items()
        }


def metric(value: float, n: int, signature: str, better: bool | None = False) -> Metric:
    """Of the validation split; without a value where there is none."""
    found = value if math.isfinite(value) else None
    return Metric(value=found, n=n, split="validation", higher_is_better=better, signature=signature)


def measure(
    model: ResidualGPT, corpus: Corpus, starts: np.ndarray, seed: int, check: Callable[[], None]
) -> tuple[dict[str, Metric], dict[str, bytes]]:
    """Metrics of a finished model, and its file of what is told a layer.

    ``starts``: of the windows of the validation split; ``seed``: the run's.
    """
    finished = Finished(model, corpus, starts, seed, check)
    with evaluating(model):
        document = {
            "windows": min(WINDOWS, len(starts)),
            "sublayers": names(model),
            **{key: plain_values(value) for key, value in finished.layers().items()},
        }
        metrics = finished.calibration() | finished.monte_carlo() | finished.frequency()
    return metrics, {MECHANISMS: (json.dumps(document, sort_keys=True, allow_nan=False) + "\n").encode()}


def plain_values(value: Any) -> Any:
    """With null for what is not finite."""
    if isinstance(value, list):
        return [plain_values(each) for each in value]
    return value if math.isfinite(value) else None
