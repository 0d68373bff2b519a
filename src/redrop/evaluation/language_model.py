"""Loss of a character language model, without dropout: on a whole split, or on given windows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
import torch.nn.functional as F

BLOCK = 2**20
"""Windows that are drawn at a time, at most: what an evaluation needs of memory does not grow beyond them."""


def windows_a_pass(device: torch.device) -> int:
    """Windows a forward pass: fixed on a device, because the last bit of a loss depends on it.

    Few on a CPU, to stay in its cache; many on an accelerator, to keep it busy.
    """
    return 16 if device.type == "cpu" else 256


def split_windows(n_characters: int, block_size: int) -> np.ndarray:
    """Starts of the non-overlapping windows of ``block_size`` inputs (and one more target) of a split."""
    return np.arange((n_characters - 1) // block_size) * block_size


def spread_windows(n_characters: int, block_size: int, count: int) -> np.ndarray:
    """``count`` starts spread evenly over a split, first and last window included."""
    last = n_characters - block_size - 1
    return np.linspace(0, last, count).round().astype(np.int64)


def take(
    tokens: np.ndarray, starts: np.ndarray, block_size: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets, int64 (windows, block_size) each, of the windows that begin at ``starts``."""
    windows = np.lib.stride_tricks.sliding_window_view(tokens, block_size + 1)[starts]
    both = torch.from_numpy(windows.astype(np.int64))
    if device.type != "cpu":
        both = both.pin_memory().to(device, non_blocking=True)
    return both[:, :-1], both[:, 1:]


def batches(starts: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """``starts`` in parts of ``size``, the last one shorter."""
    for begin in range(0, len(starts), size):
        yield starts[begin : begin + size]


def draw_windows(generator: np.random.Generator, high: int, count: int) -> Iterator[np.ndarray]:
    """``count`` random starts below ``high``, a block at a time: the numbers that one draw would give."""
    for begin in range(0, count, BLOCK):
        yield generator.integers(0, high, min(BLOCK, count - begin))


@torch.no_grad()
def mean_loss(
    model: torch.nn.Module,
    tokens: np.ndarray,
    starts: np.ndarray | Iterable[np.ndarray],
    check: Callable[[], None] = lambda: None,
) -> float:
    """Mean cross entropy in nats a character over the windows at ``starts``, float32, no dropout.

    ``starts``: all of them, or block by block; ``check`` is called before every forward pass.
    """
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    total, count = 0.0, 0
    for block in [starts] if isinstance(starts, np.ndarray) else starts:
        for chunk in batches(block, windows_a_pass(device)):
            check()
            x_BT, y_BT = take(tokens, chunk, model.spec.block_size, device)
            losses = F.cross_entropy(model(x_BT).flatten(0, 1), y_BT.flatten(), reduction="sum")
            total += losses.double().item()
        count += len(block)
    model.train(training)
    return total / (count * model.spec.block_size)
