"""Names of the tables and figures that a study can have: one for each file in a folder.

Read by the Snakefile in every job, so nothing in these folders is imported: that needs pandas and matplotlib.
"""

from __future__ import annotations

import pkgutil
from pathlib import Path

ANALYSIS = Path(__file__).parent / "analysis"


def _names(folder: str) -> tuple[str, ...]:
    """``final-loss`` for final_loss.py, sorted."""
    return tuple(module.name.replace("_", "-") for module in pkgutil.iter_modules([str(ANALYSIS / folder)]))


TABLES = _names("tables")
FIGURES = _names("figures")
