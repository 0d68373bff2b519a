"""The steps that turn released sentences into what a translation model reads, one pure function each.

They follow the usual recipe for IWSLT14 (fairseq's prepare-iwslt14.sh), with sacremoses in place of the
Moses scripts. What differs was measured on 170,666 lines of German and English, against the rules of
tokenizer.perl (Moses's master) transcribed and run in Perl. sacremoses 0.2.0 leaves the period on a last
word that looks like an abbreviation (`the u.s.`, `usw.`), which tokenizer.perl splits off: in 0.01 % of
Multi30k's English training lines, 0.05 % of its German ones, 0.07 % of Tatoeba's and 0.15 to 0.26 % of
IWSLT14's. Nothing else differed. `tokenise` splits that period too, and then every line was the same.

The published IWSLT14 text, detokenised, does not come back whole when it is tokenised again: 88.6 % of
the German and 92.5 % of the English validation lines do, 93.0 % and 96.3 % of the test lines. It is the
same with tokenizer.perl: that text is lower-cased, and Moses leaves a period on its word when a small
letter follows. But for periods on or off their words, 6 of the 28,066 lines differ, in runs of dots.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

SEPARATOR = "@@"
"""Ends every symbol that is not the last of its word."""
MAX_WORD = 1000
"""Characters of a token, as in Moses."""
RULES = ("empty", "length", "ratio", "word")
"""Why a pair is dropped, see `drop_reason`."""


def tidy(line: str) -> str:
    """`line` with every run of white space as one space, and none around it."""
    return " ".join(line.split())


def straighten(line: str) -> str:
    """`line` with straight apostrophes: the recipe does this to the test sets, not to the training text."""
    return line.replace("\u2019", "'")


def separate(line: str) -> str:
    """`line` with a space around every Chinese character, which makes each a token."""
    from sacremoses.util import is_cjk

    return "".join(f" {character} " if is_cjk(character) else character for character in line)


def tokenise(lines: Sequence[str], language: str) -> list[str]:
    """The tokens of each line, separated by spaces, with Moses's escapes (`&apos;`, `&quot;`, `&amp;`).

    Hyphens stay inside words. `language` is a code of Moses; in Chinese (`zh`) every character is a token.
    """
    tokenizer = _tokenizer(language)
    found: dict[str, str] = {}
    for line in lines:
        if line not in found:
            text = separate(line) if language == "zh" else line
            found[line] = split_last_period(tidy(tokenizer.tokenize(text, return_str=True, escape=True)))
    return [found[line] for line in lines]


def split_last_period(tokens: str) -> str:
    """`tokens` with the last word's period, if it is no ellipsis, split off: sacremoses does not do it."""
    last = tokens.rpartition(" ")[2]
    return f"{tokens[:-1]} ." if last.endswith(".") and last.strip(".") else tokens


def drop_reason(
    counts: tuple[int, int], longest: int, limits: tuple[int, int] | None, ratio: float | None
) -> str | None:
    """Why a pair with that many tokens on its two sides is dropped; None when it is kept.

    The rules of Moses's clean-corpus-n.perl, the first that applies: `empty`, a side without tokens;
    `length`, a side with fewer or more tokens than `limits`; `ratio`, more than `ratio` times as many
    tokens on one side as on the other; `word`, a token of over 1,000 characters (`longest`). With
    `limits` None, as for test sets, only the first.
    """
    fewer, more = sorted(counts)
    if fewer == 0:
        return "empty"
    if limits is None:
        return None
    if fewer < limits[0] or more > limits[1]:
        return "length"
    if ratio is not None and more / fewer > ratio:
        return "ratio"
    return "word" if longest > MAX_WORD else None


def clean(
    first: Sequence[str], second: Sequence[str], limits: tuple[int, int] | None, ratio: float | None
) -> tuple[list[int], Counter[str]]:
    """Numbers of the tokenised pairs that are kept, and how many were dropped by each rule."""
    kept, dropped = [], Counter()
    for row, sides in enumerate(zip(first, second, strict=True)):
        words = [side.split() for side in sides]
        longest = max((len(word) for side in words for word in side), default=0)
        reason = drop_reason((len(words[0]), len(words[1])), longest, limits, ratio)
        if reason is None:
            kept.append(row)
        else:
            dropped[reason] += 1
    return kept, dropped


def every(rows: Sequence[int], n: int) -> tuple[list[int], list[int]]:
    """`rows` without the n-th, 2n-th, ... of them, and those: counted from 1, as awk's `NR % n == 0`."""
    return [row for number, row in enumerate(rows, 1) if number % n], list(rows[n - 1 :: n])


def share_of(text: str) -> int:
    """A number from 0 to 99 that depends on the text alone: its sha256's first eight bytes, modulo 100."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "big") % 100


def part(keys: Sequence[str], shares: Mapping[str, int]) -> dict[str, list[int]]:
    """Numbers of the rows of each split: `shares` per cent to each named, the rest to `train`.

    Rows of one key go to one split, and adding rows moves no other.
    """
    names = [name for name, percent in shares.items() for _ in range(percent)]
    rows: dict[str, list[int]] = {"train": [], **{name: [] for name in shares}}
    for row, key in enumerate(keys):
        number = share_of(key)
        rows[names[number] if number < len(names) else "train"].append(row)
    return rows


def learn_codes(lines: Iterable[str], merges: int) -> str:
    """The BPE merges of tokenised text, as subword-nmt's learn_bpe writes them; fewer where it runs out."""
    from subword_nmt.learn_bpe import learn_bpe

    codes = io.StringIO()
    if not merges:
        return "#version: 0.2\n"
    # It draws a progress bar, which is of no use in a log.
    with contextlib.redirect_stderr(io.StringIO()):
        learn_bpe(lines, codes, merges)
    return codes.getvalue()


def apply_codes(codes: str, lines: Iterable[str]) -> list[str]:
    """The symbols of tokenised lines, as subword-nmt's apply_bpe writes them; without merges, the tokens."""
    if codes.count("\n") < 2:
        return list(lines)
    from subword_nmt.apply_bpe import BPE

    bpe = BPE(io.StringIO(codes), separator=SEPARATOR)
    return [bpe.process_line(line) for line in lines]


def vocabulary(lines: Iterable[str]) -> tuple[str, ...]:
    """The symbols of `lines`, the most frequent first, equally frequent ones by code points."""
    counts = Counter(symbol for line in lines for symbol in line.split(" "))
    return tuple(sorted(counts, key=lambda symbol: (-counts[symbol], symbol)))


@functools.cache
def _tokenizer(language: str):
    from sacremoses import MosesTokenizer

    return MosesTokenizer(language)
