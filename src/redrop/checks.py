"""Refusals of a bad value: each names the key, the value and what is allowed. Standard library only."""

from __future__ import annotations

import difflib
import re
import typing

from redrop.errors import ConfigError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def suggest(name: object, allowed: typing.Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` when ``name`` is close to an allowed name, else an empty text."""
    close = difflib.get_close_matches(str(name), list(allowed), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


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
    if not NAME.fullmatch(value):
        raise ConfigError(
            f"{key}: {value!r} is not a name; use letters, digits, '.', '_' and '-', "
            "and begin with a letter or a digit"
        )
