"""Which examples make up which batch: shuffled anew every epoch, of similar length within a batch."""

from __future__ import annotations

import numpy as np

from redrop.streams import NumpyStream


def epoch_batches(
    lengths: np.ndarray, batch_size: int, bucket_batches: int, seed: int, epoch: int
) -> list[np.ndarray]:
    """The batches of one epoch, arrays of example numbers; each example is in exactly one.

    Examples are shuffled, taken ``bucket_batches`` batches' worth at a time, sorted by length within
    that, cut into batches, and the batches shuffled. Everything is drawn from the run's data-order stream of
    that epoch, so a run that goes on in the middle of an epoch needs no state. The last batch of an epoch
    may be smaller.
    """
    generator = NumpyStream(seed, f"data order/epoch {epoch}").generator
    order = generator.permutation(len(lengths))
    size = batch_size * bucket_batches
    if bucket_batches > 1:
        buckets = (order[begin : begin + size] for begin in range(0, len(order), size))
        order = np.concatenate([bucket[np.argsort(lengths[bucket], kind="stable")] for bucket in buckets])
    batches = [order[begin : begin + batch_size] for begin in range(0, len(order), batch_size)]
    return [batches[i] for i in generator.permutation(len(batches))]


def token_batches(lengths: np.ndarray, batch_tokens: int) -> list[slice]:
    """Where to cut examples of ascending lengths into batches within ``batch_tokens``, or of one."""
    cuts, begin = [], 0
    for place, length in enumerate(lengths):
        if place > begin and (place + 1 - begin) * length > batch_tokens:
            cuts.append(slice(begin, place))
            begin = place
    return [*cuts, slice(begin, len(lengths))] if len(lengths) else []


def epoch_token_batches(lengths: np.ndarray, batch_tokens: int, seed: int, epoch: int) -> list[np.ndarray]:
    """The batches of one epoch by token count, arrays of example numbers; each example is in exactly one.

    Examples of equal length are shuffled among themselves, then the batches. Where a batch ends depends on
    the lengths alone, so every epoch has the same number of them.
    """
    generator = NumpyStream(seed, f"data order/epoch {epoch}").generator
    order = generator.permutation(len(lengths))
    order = order[np.argsort(lengths[order], kind="stable")]
    batches = [order[cut] for cut in token_batches(lengths[order], batch_tokens)]
    return [batches[i] for i in generator.permutation(len(batches))]
