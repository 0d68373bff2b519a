"""Which tables and figures a study can have: one for each file in a folder, which says what it is for.

Read by the Snakefile in every job, so these files are looked at and not imported: that needs pandas and
matplotlib.
"""

from __future__ import annotations

import ast
import pkgutil
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from redrop.checks import check_choice
from redrop.errors import ConfigError

ANALYSIS = Path(__file__).parent / "analysis"


def _names(folder: str) -> tuple[str, ...]:
    """``final-loss`` for final_loss.py, sorted."""
    return tuple(module.name.replace("_", "-") for module in pkgutil.iter_modules([str(ANALYSIS / folder)]))


TABLES = _names("tables")
FIGURES = _names("figures")


@cache
def fits(folder: str, name: str) -> tuple[str, ...]:
    """What a study must read to have the table or figure: its file's ``FITS``; empty: any."""
    text = (ANALYSIS / folder / f"{name.replace('-', '_')}.py").read_text(encoding="utf-8")
    found = re.search(r"^FITS = (\(.*?\))$", text, flags=re.DOTALL | re.MULTILINE)
    return ast.literal_eval(found[1]) if found else ()


def check_presented(where: str, folder: str, names: Iterable[str], reads: str) -> None:
    """Refuse ``tables`` or ``figures`` that do not exist, or are not for studies that read this."""
    for name in names:
        check_choice(f"{where}: {folder}", name, TABLES if folder == "tables" else FIGURES)
        known = fits(folder, name)
        if known and reads not in known:
            said = f"{name!r} is for studies that read {' or '.join(known)}, this one reads {reads}"
            raise ConfigError(f"{where}: {folder}: {said}; leave it out")
