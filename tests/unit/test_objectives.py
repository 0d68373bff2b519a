"""The objectives against hand-worked cases, independent computations and numerical gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import log_softmax as scipy_log_softmax
from scipy.stats import entropy

from redrop.objectives.consistency import (
    attention_consistency,
    hidden_consistency,
    output_consistency,
    over_layers,
    real_pairs,
    symmetric_kl,
)
from redrop.objectives.cross_entropy import task_losses, task_of_passes

GENERATOR = torch.Generator()


def doubled_task_loss(logits: torch.Tensor, labels: torch.Tensor, passes: str) -> torch.Tensor:
    return task_of_passes([task_losses(half, labels).mean() for half in logits.chunk(2)], passes)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=GENERATOR.manual_seed(seed))


def test_cross_entropy_by_hand() -> None:
    """Logits 0 and ln 3 give probabilities 1/4 and 3/4."""
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, math.log(3.0)]])
    labels = torch.tensor([0, 1])
    assert task_losses(logits, labels).tolist() == pytest.approx([math.log(4), math.log(4 / 3)])
    scores = torch.tensor([[1.0], [4.0]])
    assert task_losses(scores, torch.tensor([1.5, 2.0])).tolist() == pytest.approx([0.25, 4.0])


def test_the_passes_are_weighted_as_stated() -> None:
    first, second = random(6, 3), random(6, 3, seed=1)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    one = torch.nn.functional.cross_entropy(first, labels).item()
    two = torch.nn.functional.cross_entropy(second, labels).item()
    both = torch.cat([first, second])
    assert doubled_task_loss(both, labels, "mean").item() == pytest.approx((one + two) / 2, abs=1e-9)
    assert doubled_task_loss(both, labels, "sum").item() == pytest.approx(one + two, abs=1e-9)
    assert doubled_task_loss(both, labels, "half-first").item() == pytest.approx(one / 2, abs=1e-9)


def test_symmetric_kl_by_hand() -> None:
    """p = (1/4, 3/4), q = (1/2, 1/2): KL(p||q) = 3/4 ln 3/2 - 1/4 ln 2, KL(q||p) = ln(2/sqrt 3)."""
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])
    forward = 0.75 * math.log(1.5) - 0.25 * math.log(2.0)
    backward = math.log(2 / math.sqrt(3.0))
    assert symmetric_kl(logits).tolist() == pytest.approx([(forward + backward) / 2])


@pytest.mark.parametrize("seed", range(3))
def test_symmetric_kl_is_scipys(seed: int) -> None:
    logits = 3 * random(8, 5, seed=seed)
    p, q = np.exp(scipy_log_softmax(logits.numpy(), axis=1)).reshape(2, 4, 5)
    expected = (entropy(p, q, axis=1) + entropy(q, p, axis=1)) / 2
    assert symmetric_kl(logits).numpy() == pytest.approx(expected, abs=1e-9)
    assert output_consistency(logits, "batchmean").item() == pytest.approx(expected.mean(), abs=1e-9)
    assert output_consistency(logits, "sum").item() == pytest.approx(expected.sum(), abs=1e-9)


def test_a_regression_compares_outputs() -> None:
    scores = torch.tensor([[1.0], [2.0], [1.5], [0.0]])
    assert output_consistency(scores, "sum").item() == pytest.approx((0.25 + 4.0) / 2)


def hand_hidden() -> tuple[torch.Tensor, torch.Tensor]:
    """Two examples of two tokens, the last of which is padding in the second."""
    first = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [9.0, 9.0]]])
    second = torch.tensor([[[1.0, 0.0], [3.0, 3.0]], [[2.0, 0.0], [0.0, 0.0]]])
    return torch.cat([first, second]), torch.tensor([[True, True], [True, False]])


def test_hidden_consistency_by_hand() -> None:
    """Mean squares of the three real tokens: 4/2, 1/2, 4/2."""
    hidden, real = hand_hidden()
    assert hidden_consistency(hidden, real, "mean").item() == pytest.approx(4.5 / 3)
    assert hidden_consistency(hidden, real, "sum").item() == pytest.approx(4.5 / 2)


def test_attention_consistency_by_hand() -> None:
    """One example, two heads, two tokens of which one is real: only the pair (0, 0) counts."""
    first = torch.tensor([[[[0.5, 7.0], [7.0, 7.0]], [[0.25, 7.0], [7.0, 7.0]]]])
    second = torch.tensor([[[[0.0, 1.0], [1.0, 1.0]], [[0.75, 1.0], [1.0, 1.0]]]])
    real = torch.tensor([[True, False]])
    both, pairs = torch.cat([first, second]), real_pairs(real, real)
    for tokens in ("mean", "sum"):
        assert attention_consistency(both, pairs, tokens, "mean").item() == pytest.approx(0.25)
        assert attention_consistency(both, pairs, tokens, "sum").item() == pytest.approx(0.5)
    whole = real_pairs(torch.ones(1, 2, dtype=torch.bool), torch.ones(1, 2, dtype=torch.bool))
    assert attention_consistency(both, whole, "sum", "mean").item() == pytest.approx(0.25 + 3 * 36)


@pytest.mark.parametrize("tokens", ["mean", "sum"])
@pytest.mark.parametrize("heads", ["mean", "sum"])
def test_layer_terms_agree_with_loops(tokens: str, heads: str) -> None:
    B, T, C, H = 3, 4, 5, 2
    hidden, attention = random(2 * B, T, C), random(2 * B, H, T, T, seed=1)
    lengths = [4, 2, 3]
    real = torch.tensor([[t < n for t in range(T)] for n in lengths])
    hidden_sum = attention_sum = 0.0
    for b, n in enumerate(lengths):
        for t in range(n):
            hidden_sum += sum((hidden[b, t, c] - hidden[B + b, t, c]).item() ** 2 for c in range(C)) / C
            for s in range(n):
                squares = [(attention[b, h, t, s] - attention[B + b, h, t, s]).item() ** 2 for h in range(H)]
                attention_sum += sum(squares) / (H if heads == "mean" else 1)
    n_hidden = B if tokens == "sum" else sum(lengths)
    n_pairs = B if tokens == "sum" else sum(n * n for n in lengths)
    assert hidden_consistency(hidden, real, tokens).item() == pytest.approx(hidden_sum / n_hidden, abs=1e-9)
    found = attention_consistency(attention, real_pairs(real, real), tokens, heads).item()
    assert found == pytest.approx(attention_sum / n_pairs, abs=1e-9)


def test_layers_are_averaged_or_summed() -> None:
    terms = [torch.tensor(1.0), torch.tensor(4.0)]
    assert (over_layers(terms, "mean").item(), over_layers(terms, "sum").item()) == (2.5, 5.0)


def test_equal_passes_have_no_inconsistency() -> None:
    logits, hidden, attention = random(3, 4), random(3, 4, 5), random(3, 2, 4, 4)
    real = torch.ones(3, 4, dtype=torch.bool)
    assert output_consistency(logits.repeat(2, 1), "sum").item() == 0.0
    assert hidden_consistency(hidden.repeat(2, 1, 1), real, "sum").item() == 0.0
    twice = attention.repeat(2, 1, 1, 1)
    assert attention_consistency(twice, real_pairs(real, real), "sum", "sum").item() == 0.0


def test_gradients_are_the_numerical_ones() -> None:
    """Through both passes: neither side of a divergence is detached."""
    real = torch.tensor([[True, True, False], [True, True, True]])
    labels = torch.tensor([0, 2])
    cases = {
        "task": (lambda x: doubled_task_loss(x, labels, "sum"), (4, 3)),
        "output": (lambda x: output_consistency(x, "sum"), (4, 3)),
        "score": (lambda x: output_consistency(x, "batchmean"), (4, 1)),
        "hidden": (lambda x: hidden_consistency(x, real, "mean"), (4, 3, 2)),
        "attention": (
            lambda x: attention_consistency(x, real_pairs(real, real), "mean", "mean"),
            (4, 2, 3, 3),
        ),
    }
    for name, (function, shape) in cases.items():
        assert torch.autograd.gradcheck(function, random(*shape).requires_grad_()), name


def test_half_precision_is_left_for_the_difference() -> None:
    hidden = torch.tensor([[[1.0]], [[1.0078125]]], dtype=torch.bfloat16)
    found = hidden_consistency(hidden, torch.tensor([[True]]), "mean")
    assert (found.dtype, found.item()) == (torch.float32, 0.0078125**2)
