"""The task's own loss: cross entropy of classes, squared error of a score."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from redrop.objectives import full_precision


def task_losses(logits_BK: torch.Tensor, labels_B: torch.Tensor) -> torch.Tensor:
    """Loss of every row, (B,), in float32: cross entropy of int64 labels, squared error of float ones."""
    logits_BK = full_precision(logits_BK)
    if labels_B.is_floating_point():
        return (logits_BK.squeeze(-1) - labels_B).square()
    return F.cross_entropy(logits_BK, labels_B, reduction="none")


def doubled_task_loss(logits_2BK: torch.Tensor, labels_B: torch.Tensor, passes: str) -> torch.Tensor:
    """L_CE of a doubled batch, a scalar, from the mean over the examples of each pass.

    ``passes``: ``mean`` of both, on the scale of plain training; ``sum`` of both, as R-Drop's paper writes
    it and its BERT code does; ``half-first``: half of the first pass alone, as its RoBERTa code does.
    """
    first, second = task_losses(logits_2BK, labels_B.repeat(2)).chunk(2)
    if passes == "half-first":
        return 0.5 * first.mean()
    both = first.mean() + second.mean()
    return both if passes == "sum" else 0.5 * both
