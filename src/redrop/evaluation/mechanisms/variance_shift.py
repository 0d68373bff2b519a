"""Variance shift: how much more a layer's numbers vary under dropout than they do in evaluation.

Var with masks / Var without, a layer (Li et al., arXiv 1801.05134). Inverted dropout of numbers with mean c
and variance v multiplies their variance by ((c^2 + v) / q - c^2) / v, which is 1/q where c = 0. An unscaled
mask, as on a skip, is compared with the factor q of evaluation, of the same mean: the ratio is the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch


def variances(passes: Iterable[Sequence[torch.Tensor]]) -> list[float]:
    """Of each layer: the variance over all tokens of all passes, a channel, and its mean over the channels.

    A pass is a list of the layers' numbers, (..., C) each.
    """
    count, sums = 0, []
    for layers in passes:
        flat = [h.double().flatten(0, -2) for h in layers]
        sums = sums or [h.new_zeros(2, h.shape[-1]) for h in flat]
        count += len(flat[0])
        for total_2C, h_NC in zip(sums, flat, strict=True):
            total_2C += torch.stack([h_NC.sum(0), h_NC.square().sum(0)])
    return [(squares / count - (total / count) ** 2).mean().item() for total, squares in sums]


def variance_shift(
    training: Iterable[Sequence[torch.Tensor]], evaluation: Iterable[Sequence[torch.Tensor]]
) -> list[float]:
    """A ratio a layer; NaN where nothing varies in evaluation."""
    both = zip(variances(training), variances(evaluation), strict=True)
    return [masked / plain if plain > 0.0 else math.nan for masked, plain in both]
