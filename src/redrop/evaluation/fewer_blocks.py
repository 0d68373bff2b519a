"""Loss of a finished model with some of its blocks left out, and after each block.

LayerDrop (arXiv 1909.11556) prunes to evenly spaced blocks; LayerSkip (arXiv 2404.16710) leaves after any of
them, which is the same as leaving out all later ones. Nothing is trained for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch

from redrop.record import Metric


def evenly_spaced(count: int, of: int) -> tuple[int, ...]:
    """So many of the blocks 0 ... of - 1, the first one included: (0, 2) and (0, 1, 3) of 4."""
    return tuple(int(number * of / count + 0.5) for number in range(count))


@contextmanager
def only(blocks: Sequence[torch.nn.Module], kept: Sequence[int]) -> Iterator[None]:
    """Within the block the others give what they take."""
    with ExitStack() as hooks:
        for number, block in enumerate(blocks):
            if number not in kept:
                hook = block.register_forward_hook(lambda _, inputs, output: inputs[0])
                hooks.callback(hook.remove)
        yield


def losses(blocks: Sequence[torch.nn.Module], loss: Callable[[], float], n: int) -> dict[str, Metric]:
    """``loss``, a mean over ``n`` windows or examples, of every smaller number of blocks.

    ``val_loss_blocks_0_2``: of the blocks of these numbers alone; those that are the first ones are exits.
    """
    count = len(blocks)
    sets = {evenly_spaced(number, count) for number in range(1, count)}
    sets |= {tuple(range(number)) for number in range(1, count)}
    found = {}
    for kept in sorted(sets):
        with only(blocks, kept):
            value = loss()
        found["val_loss_blocks_" + "_".join(map(str, kept))] = Metric(
            value=value,
            n=n,
            split="validation",
            higher_is_better=False,
            signature=f"mean cross entropy, nats, no dropout, blocks {', '.join(map(str, kept))} of {count}",
        )
    return found
