"""Monte-Carlo dropout (Gal and Ghahramani, arXiv 1506.02142): predictions are means over passes with masks.

Their cross entropy, which is at most the mean of the passes' own; and the mutual information of prediction
and masks, the entropy of the mean minus the mean of the entropies: how much the passes disagree, at least 0.
"""

from __future__ import annotations

import math

import torch

PASSES = 20


def monte_carlo(logits_KNV: torch.Tensor, targets_N: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross entropy of the mean and mutual information, nats, (N,) each, from the logits of K passes."""
    logs_KNV = logits_KNV.double().log_softmax(-1)
    mean_NV = logs_KNV.logsumexp(0) - math.log(len(logs_KNV))
    losses_N = -mean_NV.gather(-1, targets_N[:, None])[:, 0]
    entropy_N, entropy_KN = (-(logs.exp() * logs).sum(-1) for logs in (mean_NV, logs_KNV))
    return losses_N, entropy_N - entropy_KN.mean(0)
