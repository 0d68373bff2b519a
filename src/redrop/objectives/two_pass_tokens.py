"""Cross entropy and divergence of two passes over a vocabulary, in one sweep over the target tokens.

By autograd this takes some thirty passes over tensors of (2N, V), which are most of what a small model's
update with R-Drop costs beyond two of plain training. Here the gradient is in closed form and is computed for
a few tokens at a time: what is worked on stays in the cache, and only the logits are kept.

Shapes: M target positions of a batch, N of them real, V vocabulary; 2M rows, all of the first pass go first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from redrop.objectives import full_precision

ELEMENTS = {"cpu": 2**19}
"""Numbers of a pass's distributions at once: what a core's cache holds. Elsewhere:"""
OTHERWISE = 2**25

Pair = tuple[torch.Tensor, torch.Tensor]


def two_pass_tokens(
    logits_2BTV: torch.Tensor, target_BT: torch.Tensor, real_BT: torch.Tensor, smoothing: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum of both passes' smoothed cross entropies, and their symmetric divergence; nats, scalars.

    Each a mean over the real tokens: ``smoothed_cross_entropy`` of both halves, and ``token_consistency``
    with ``symmetric_kl``. There is no second derivative.
    """
    rows_N = real_BT.flatten().nonzero().squeeze(1)
    target_N = target_BT.flatten()[rows_N]
    task, divergence = _Sums.apply(logits_2BTV.flatten(0, 1), rows_N, target_N, smoothing)
    return task / len(rows_N), divergence / len(rows_N)


class _Sums(torch.autograd.Function):
    """Both terms, summed over the real tokens."""

    @staticmethod
    def forward(
        ctx: Any, logits_2MV: torch.Tensor, rows_N: torch.Tensor, target_N: torch.Tensor, smoothing: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        ctx.save_for_backward(logits_2MV, rows_N, target_N)
        ctx.smoothing = smoothing
        task = divergence = full_precision(logits_2MV[:0]).sum()
        for part, passes in _tokens(logits_2MV, rows_N):
            for log_p, _ in passes:
                hit = log_p.gather(1, target_N[part, None]).sum()
                task = task - (1.0 - smoothing) * hit - smoothing / log_p.shape[1] * log_p.sum()
            (log_p, p), (log_q, q) = passes
            divergence = divergence + 0.5 * torch.dot(p.sub_(q).view(-1), log_p.sub_(log_q).view(-1))
        return task, divergence

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_task: torch.Tensor, of_divergence: torch.Tensor) -> tuple[Any, ...]:
        logits_2MV, rows_N, target_N = ctx.saved_tensors
        grad_2MV = torch.empty_like(logits_2MV)
        grads = grad_2MV.chunk(2)
        padding = torch.ones_like(grads[0][:, 0], dtype=torch.bool).index_fill_(0, rows_N, False).nonzero()
        for grad in grads:
            grad.index_fill_(0, padding.squeeze(1), 0.0)
        for part, ((log_p, p), (log_q, q)) in _tokens(logits_2MV, rows_N):
            apart = log_p.sub_(log_q).mul_(0.5 * of_divergence)
            away = torch.sub(p, q, out=log_q).mul_(0.5 * of_divergence)
            for own, sign, grad in zip((p, q), (1.0, -1.0), grads, strict=True):
                # p (log p - log q - its mean) + p - q, halved, is the divergence's; p - target the task's.
                new = (apart - (own * apart).sum(1, keepdim=True)).mul_(sign).add_(of_task).mul_(own)
                new.add_(away, alpha=sign).sub_(of_task * (ctx.smoothing / own.shape[1]))
                hit = (of_task * (ctx.smoothing - 1.0)).expand(len(own), 1)
                new.scatter_add_(1, target_N[part, None], hit)
                grad.index_copy_(0, rows_N[part], new.to(grad.dtype))
        return grad_2MV, None, None, None


def _tokens(logits_2MV: torch.Tensor, rows_N: torch.Tensor) -> Iterator[tuple[slice, list[Pair]]]:
    """Some real tokens at a time: which, and of each pass log p and p."""
    count = max(1, ELEMENTS.get(logits_2MV.device.type, OTHERWISE) // logits_2MV.shape[1])
    for begin in range(0, len(rows_N), count):
        part = slice(begin, begin + count)
        yield part, [_distribution(half.index_select(0, rows_N[part])) for half in logits_2MV.chunk(2)]


def _distribution(logits_NV: torch.Tensor) -> Pair:
    """Log p and p with one exponential each, which is what a softmax costs."""
    log_p = full_precision(logits_NV)
    log_p.sub_(log_p.amax(1, keepdim=True))
    p = log_p.exp()
    total = p.sum(1, keepdim=True)
    return log_p.sub_(total.log()), p.div_(total)
