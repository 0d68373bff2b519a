"""Norms of an update's gradient, a layer; they are in the curve, to see what a skip does to gradients.

A layer is an attention/MLP pair, so models with and without skip-4 (whose blocks are double) have as many.
The norms are those of the last update before the evaluation, before any clipping. They need no place in a
checkpoint: a row is written before the checkpoint of its iteration is, by the process that made the update.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from redrop.spec_language_model import ResidualGPTSpec

PREFIX = "grad_norm_"
EMBEDDING, HEAD = f"{PREFIX}embedding", f"{PREFIX}head"
"""Keys of both embeddings, and of the last LayerNorm and linear layer; a tied matrix is an embedding's."""


def layer_key(layer: int) -> str:
    """The key of a layer, counted from 1 as the inconsistencies of layers are."""
    return f"{PREFIX}layer_{layer}"


def part_of(name: str, spec: ResidualGPTSpec) -> str:
    """The key under which a parameter of ``residual_gpt`` is counted."""
    head, *rest = name.split(".")
    if head == "blocks":
        block, _, sublayer = rest[:3]
        return layer_key(int(block) * spec.pairs_per_block + int(sublayer) // 2 + 1)
    return EMBEDDING if head in ("wte", "wpe") else HEAD


@torch.no_grad()
def norms(
    gradients_M: Mapping[str, torch.Tensor],
    scale_M: torch.Tensor,
    spec: Any,
    part: Callable[[str, Any], str] = part_of,
) -> list[dict[str, float]]:
    """L2 norms of the parts of M models, one dictionary a model.

    ``gradients_M``: (M, ...) by parameter name. ``scale_M``: what clipping has multiplied them by.
    ``part``: the key under which a parameter is counted.
    """
    squares: dict[str, torch.Tensor] = {}
    for name, gradient in gradients_M.items():
        # Each model's numbers lie together, so its sum does not depend on the others.
        square_M = gradient.reshape(len(gradient), -1).double().pow(2).sum(1)
        key = part(name, spec)
        squares[key] = squares[key] + square_M if key in squares else square_M
    unclipped = torch.stack(list(squares.values())).sqrt() / scale_M.double()
    return [dict(zip(squares, values, strict=True)) for values in unclipped.T.tolist()]
