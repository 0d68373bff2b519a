"""Refusals of a bad value: each names the key, the value and what is allowed. Standard library only."""

from __future__ import annotations

import difflib
import json
import re
import typing
from collections import Counter

from redrop.errors import ConfigError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
UNFIT = re.compile(r"[{}\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Characters that no folder of ours has: Snakemake's wildcards, control characters, halves of characters."""
LONGEST_NAME = 80
"""Characters of a name: several of them make up a folder's name, which may have 255."""


def suggest(name: object, allowed: typing.Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` when ``name`` is close to an allowed name, else an empty text."""
    close = difflib.get_close_matches(str(name), list(allowed), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def unknown(said: str, name: object, known: typing.Iterable[str]) -> ConfigError:
    """The error for a name that is not among the known ones; ``said`` names place and name."""
    known = list(known)
    return ConfigError(f"{said} (known: {', '.join(known) or 'none'}){suggest(name, known)}")


def check_choice(key: str, value: object, allowed: typing.Collection[str]) -> None:
    """Refuse a value outside ``allowed``, naming the key, the value and what is allowed."""
    if value not in allowed:
        names = ", ".join(sorted(allowed))
        raise ConfigError(f"{key}: {value!r} is not one of {names}{suggest(value, allowed)}")


def check_range(key: str, value: float, low: float, high: float = float("inf")) -> None:
    """Refuse a number outside [low, high] (NaN included)."""
    if not low <= value <= high:
        bound = f"in [{low}, {high}]" if high != float("inf") else f"at least {low}"
        raise ConfigError(f"{key}: {value!r} is out of range; it must be {bound}")


def check_name(key: str, value: str) -> None:
    """Refuse a name that could not be a part of a path or a command line."""
    if not NAME.fullmatch(value) or len(value) > LONGEST_NAME:
        shown = repr(value) if len(value) <= LONGEST_NAME else f"{value[:LONGEST_NAME]!r}..."
        allowed = "use letters, digits, '.', '_' and '-', begin with a letter or a digit"
        raise ConfigError(f"{key}: {shown} is not a name; {allowed}, {LONGEST_NAME} characters at most")


def check_path(key: str, value: str | None) -> None:
    """Refuse a path that Snakemake could not have in a rule; spaces, quotes and dollar signs are fine."""
    if value is not None and (UNFIT.search(value) or value.startswith(("~", "-"))):
        remedy = "leave out braces and control characters, and do not begin with ~ or -"
        raise ConfigError(f"{key}: {value!r} cannot be a folder here; {remedy}")


def parse_json(text: str, what: str) -> typing.Any:
    """The value that a JSON text stands for; raises ``ConfigError`` naming ``what`` and the fault."""

    def unique(pairs: list[tuple[str, typing.Any]]) -> dict[str, typing.Any]:
        for key, count in Counter(key for key, _ in pairs).items():
            if count > 1:
                raise ConfigError(f"{what}: {key!r} is given twice; keep one of them")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{what} is not JSON: {error}; correct it or copy it anew") from error
