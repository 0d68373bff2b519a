"""Tokenised texts, kept flat: a data set of sentences of any length is three arrays."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from redrop.atomic import replacing

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True)
class Tokens:
    """Examples as token ids: example i is ``ids[starts[i]:starts[i + 1]]``."""

    ids: np.ndarray
    """int32, all examples one after the other."""
    segments: np.ndarray | None
    """int8, of the same length: 1 in the second sentence where the model tells them apart; None: no pairs."""
    starts: np.ndarray
    """int64, one more than there are examples."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each example."""
        return np.diff(self.starts)

    def padded(self, examples: np.ndarray, pad: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids, int64 (examples, longest), ``pad`` behind the shorter ones; and which are real, bool."""
        import torch

        real, where = self._places(examples)
        ids = np.where(real, self.ids[where], pad).astype(np.int64)
        return torch.from_numpy(ids), torch.from_numpy(real)

    def batch(self, examples: np.ndarray, pad: int) -> dict[str, torch.Tensor]:
        """Inputs of an encoder, int64 (examples, longest): padded to the longest of them with ``pad``."""
        import torch

        ids, real = self.padded(examples, pad)
        _, where = self._places(examples)
        segments = torch.from_numpy(np.where(real, self.segments[where], 0).astype(np.int64))
        return {"input_ids": ids, "token_type_ids": segments, "attention_mask": real.long()}

    def _places(self, examples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which tokens of the padded rows are real, and where each stands (anywhere, if it is not)."""
        lengths = self.lengths[examples]
        places = np.arange(lengths.max())
        real = places < lengths[:, None]
        return real, np.where(real, self.starts[examples][:, None] + places, 0)

    def take(self, examples: np.ndarray) -> Tokens:
        """Some of the examples, in the order given."""
        parts = [np.arange(self.starts[i], self.starts[i + 1]) for i in examples]
        where = np.concatenate([self.starts[:0], *parts])
        segments = None if self.segments is None else self.segments[where]
        return Tokens(self.ids[where], segments, starts_of(self.lengths[examples]))


def starts_of(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """Where examples of such lengths begin, one after the other, and where the last one ends; int64."""
    return np.cumsum([0, *lengths]).astype(np.int64)


def tokenise(
    tokenizer: PreTrainedTokenizerFast, first: Sequence[str], second: Sequence[str] | None, max_length: int
) -> Tokens:
    """Token ids of sentences or pairs; beyond ``max_length`` the longer sentence is cut first."""
    pairs = [list(side) for side in (first, second) if side is not None]
    wanted = {"return_token_type_ids": True, "return_attention_mask": False}
    found = tokenizer(*pairs, truncation=True, max_length=max_length, **wanted)
    starts = starts_of([len(ids) for ids in found["input_ids"]])
    flat = {
        name: np.fromiter((x for row in found[name] for x in row), kind, starts[-1])
        for name, kind in (("input_ids", np.int32), ("token_type_ids", np.int8))
    }
    return Tokens(flat["input_ids"], flat["token_type_ids"], starts)


def cached_tokens(
    folder: Path,
    tokenizer: PreTrainedTokenizerFast,
    first: Sequence[str],
    second: Sequence[str] | None,
    max_length: int,
) -> Tokens:
    """``tokenise``, kept in ``folder`` under a name made of everything that it depends on."""
    tokenizer.backend_tokenizer.no_truncation()  # what an earlier call has set is not a part of it
    tokenizer.backend_tokenizer.no_padding()
    digest = hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode())
    for part in (str(max_length), "\0".join(first), "\0".join(second or ())):
        digest.update(b"\1" + part.encode())
    path = folder / f"tokens-{digest.hexdigest()[:16]}.npz"
    if path.exists():
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                return Tokens(stored["ids"], stored["segments"], stored["starts"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            path.unlink()  # damaged: it is only a cache
    tokens = tokenise(tokenizer, first, second, max_length)
    with replacing(path) as part, part.open("wb") as file:
        np.savez(file, ids=tokens.ids, segments=tokens.segments, starts=tokens.starts)
    return tokens
