"""Inputs and outputs of an encoder-decoder as token ids: translations, and articles with summaries."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from redrop.data.tokens import Tokens, cached_tokens, starts_of
from redrop.data.translation import CODES_FILE, VOCABULARY_FILE
from redrop.record import Metric, write_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Score = Callable[[list[str], str], dict[str, Metric]]
"""Hypotheses for all inputs of a split, and the split's name -> metrics, the one that counts first."""


class SymbolCodec:
    """Texts that are split into symbols by spaces, such as BPE's; ids 0 to 2 are padding, end, unknown."""

    pad, end, unknown = 0, 1, 2

    def __init__(self, symbols: Sequence[str], codes: Path | None = None) -> None:
        """``codes``: the file with the BPE's merges, which is saved with the symbols."""
        self.codes = codes
        self.symbols = ("<pad>", "</s>", "<unk>", *symbols)
        self.size = len(self.symbols)
        self._number = {symbol: number for number, symbol in enumerate(self.symbols) if number > self.unknown}

    def encode(self, texts: Sequence[str], max_length: int | None = None) -> Tokens:
        """Ids of each text's symbols, then the end mark."""
        cut = None if max_length is None else max_length - 1
        rows = [
            [*(self._number.get(symbol, self.unknown) for symbol in text.split()[:cut]), self.end]
            for text in texts
        ]
        starts = starts_of(list(map(len, rows)))
        ids = np.fromiter(chain.from_iterable(rows), np.int32, starts[-1])
        return Tokens(ids, None, starts)

    def decode(self, ids: Sequence[int]) -> str:
        """Symbols joined by spaces; an unknown one is written ``<unk>``."""
        return " ".join(self.symbols[i] for i in ids if i not in (self.pad, self.end))

    def save(self, folder: Path) -> None:
        """The symbols, one a line, and the merges, named as in a prepared parallel text."""
        symbols = "".join(f"{symbol}\n" for symbol in self.symbols[self.unknown + 1 :])
        write_text(folder / VOCABULARY_FILE, symbols)
        if self.codes is not None:
            shutil.copyfile(self.codes, folder / CODES_FILE)


class TokenizerCodec:
    """A tokenizer of ``transformers``, with marks around each text as it was made."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, cache: Path) -> None:
        self.tokenizer, self._cache = tokenizer, cache
        self.size = len(tokenizer)
        self.pad, self.end = tokenizer.pad_token_id, tokenizer.eos_token_id

    def encode(self, texts: Sequence[str], max_length: int | None = None) -> Tokens:
        """Ids of each text between its marks; kept in the cache."""
        limit = max_length or int(1e9)
        return cached_tokens(self._cache, self.tokenizer, texts, None, limit)

    def decode(self, ids: Sequence[int]) -> str:
        """The text, without marks and spaces around it."""
        return self.tokenizer.decode(list(ids), skip_special_tokens=True).strip()

    def save(self, folder: Path) -> None:
        """The tokenizer in ``transformers``' layout."""
        self.tokenizer.save_pretrained(folder)


Codec = SymbolCodec | TokenizerCodec
"""Text to token ids, ``size`` of them, and back; ``end`` closes an output, and starts the decoder, too."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """The examples of one split."""

    source: Tokens
    target: Tokens

    def __len__(self) -> int:
        return len(self.source)

    @property
    def longest(self) -> np.ndarray:
        """The longer side's tokens of each pair."""
        return np.maximum(self.source.lengths, self.target.lengths)


@dataclass(frozen=True, eq=False)
class TextPairs:
    """A task of translation or summarisation, encoded."""

    codec: Codec
    splits: dict[str, Pairs]
    """``train``, ``valid``, then the test sets, the main one first."""
    score: Score
    references: dict[str, list[str]]
    """Split -> what an output is compared with, the first one where there are several."""
    metrics: tuple[str, ...]
    """Names of what ``score`` gives, the one that counts first."""
    finish: Callable[[str], str]
    """Decoded text as hypotheses are scored and saved."""

    @property
    def tests(self) -> list[str]:
        """Names of the test sets."""
        return [name for name in self.splits if name not in ("train", "valid")]
