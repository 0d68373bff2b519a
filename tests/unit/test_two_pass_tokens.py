"""One sweep over the tokens against the two terms by themselves, and its gradient against numbers."""

from __future__ import annotations

import pytest
import torch

from generation_support import token_consistency
from redrop.objectives import two_pass_tokens as module
from redrop.objectives.cross_entropy import smoothed_cross_entropy
from redrop.objectives.two_pass_tokens import two_pass_tokens

VOCABULARY = 11


def example(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    logits = 2.0 * torch.randn(6, 5, VOCABULARY, generator=draw, dtype=torch.float64)
    target = torch.randint(VOCABULARY, (3, 5), generator=draw)
    real = torch.arange(5) < torch.tensor([[5], [2], [4]])
    return logits.to(dtype).requires_grad_(), target, real


def by_parts(
    logits: torch.Tensor, target: torch.Tensor, real: torch.Tensor, smoothing: float
) -> tuple[torch.Tensor, torch.Tensor]:
    task = sum(smoothed_cross_entropy(half, target, real, smoothing) for half in logits.chunk(2))
    return task, token_consistency(logits, real)


@pytest.mark.parametrize("tokens", [1, 4, 100])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_is_the_two_terms(tokens: int, smoothing: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module.ELEMENTS, "cpu", tokens * VOCABULARY)  # 11 real tokens, so many at a time
    logits, target, real = example()
    found, expected = (how(logits, target, real, smoothing) for how in (two_pass_tokens, by_parts))
    for weights in ((1.0, 0.0), (0.0, 1.0), (0.5, 3.0)):
        gradients = []
        for terms in (found, expected):
            total = sum(weight * term for weight, term in zip(weights, terms, strict=True))
            gradients.append(torch.autograd.grad(total, logits, retain_graph=True)[0])
        torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0.0)


def test_its_gradient_is_that_of_small_differences() -> None:
    logits, target, real = example()
    assert torch.autograd.gradcheck(lambda x: two_pass_tokens(x, target, real, 0.1), (logits,))


def test_padding_has_no_gradient() -> None:
    logits, target, real = example()
    task, divergence = two_pass_tokens(logits, target, real, 0.1)
    (task + divergence).backward()
    there = logits.grad.abs().sum(-1) > 0.0
    assert there.equal(torch.cat([real, real]))


def test_half_precision_is_computed_in_float32_and_left_as_it_was() -> None:
    logits, target, real = example(torch.bfloat16)
    before = logits.detach().clone()
    task, divergence = two_pass_tokens(logits, target, real, 0.1)
    assert task.dtype == divergence.dtype == torch.float32
    exact = logits.detach().double().requires_grad_()
    expected = by_parts(exact, target, real, 0.1)
    torch.testing.assert_close((task.double(), divergence.double()), expected, rtol=1e-6, atol=0.0)
    (task + divergence).backward()
    sum(expected).backward()
    assert logits.grad.dtype == torch.bfloat16
    torch.testing.assert_close(logits.grad.double(), exact.grad, rtol=1e-2, atol=1e-4)
    assert logits.equal(before)


def test_two_equal_passes_differ_by_exactly_nothing() -> None:
    logits, target, real = example(torch.float32)
    same = torch.cat([logits[:3], logits[:3]]).detach().requires_grad_()
    _, divergence = two_pass_tokens(same, target, real, 0.1)
    (gradient,) = torch.autograd.grad(divergence, same)
    assert divergence.item() == 0.0
    assert not gradient.any()
