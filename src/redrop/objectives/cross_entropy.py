"""The task's own loss: cross entropy of classes, squared error of a score."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from redrop.objectives import full_precision


def task_losses(logits_BK: torch.Tensor, labels_B: torch.Tensor) -> torch.Tensor:
    """Loss of every row, (B,), in float32: cross entropy of int64 labels, squared error of float ones."""
    logits_BK = full_precision(logits_BK)
    if labels_B.is_floating_point():
        return (logits_BK.squeeze(-1) - labels_B).square()
    return F.cross_entropy(logits_BK, labels_B, reduction="none")


def smoothed_cross_entropy(
    logits_BTV: torch.Tensor, target_BT: torch.Tensor, real_BT: torch.Tensor, smoothing: float
) -> torch.Tensor:
    """Cross entropy against a target with 1 - e + e / V at its token and e / V elsewhere, nats.

    Mean over the real tokens, a scalar. (fairseq's spreads e over the other V - 1 tokens only.)
    """
    logits_NV = full_precision(logits_BTV[real_BT])
    return F.cross_entropy(logits_NV, target_BT[real_BT], label_smoothing=smoothing)


def task_of_passes(losses: Sequence[torch.Tensor], passes: str) -> torch.Tensor:
    """L_CE of several passes, a scalar, from the mean loss of each.

    ``passes``: ``mean`` of them, on the scale of plain training; ``sum``, as R-Drop's paper writes it and
    its BERT code does; ``half-first``: half of the first pass alone, as its RoBERTa code does.
    """
    if len(losses) == 1:
        return losses[0]
    if passes == "half-first":
        return 0.5 * losses[0]
    total = functools.reduce(operator.add, losses)
    return total if passes == "sum" else total * (1.0 / len(losses))
