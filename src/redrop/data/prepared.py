"""meta.json: what a prepared folder says about itself; written last, its presence says that all is there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from redrop.errors import DataError

META_FILE = "meta.json"


def read_meta(folder: Path, form: object, what: str, kinds: Mapping[str, type]) -> dict[str, Any]:
    """The description of the `what` (`corpus`, `task`, ...) that stands in `folder`.

    `form` is the format that it must name, `kinds` the types of its entries. Raises DataError naming the file
    and the command that makes it again.
    """
    path = folder / META_FILE
    again = prepare_again(folder)
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing: no prepared {what} is there. {again}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is damaged ({error}). {again}") from error
    if not isinstance(meta, dict) or meta.get("format") != form:
        raise DataError(f"{path} is not a {what} description of format {form!r}. {again}")
    wrong = [key for key, kind in kinds.items() if not isinstance(meta.get(key), kind)]
    if wrong:
        raise DataError(f"{path}: {', '.join(wrong)} missing or of the wrong kind. {again}")
    return meta


def prepare_again(folder: Path) -> str:
    """The command for a folder without a readable description; its name is the best guess at the data set."""
    return f"Run `redrop prepare {folder.name}`."
