"""Which packages a GPU machine would lack, hidden from the processes of a test.

``sitecustomize.py`` in a folder on PYTHONPATH is imported by every Python process at its start; the one
written here makes that hidden packages are not found, as if they were not installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

SITE = """
import sys
from importlib.machinery import PathFinder


class Visible(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name.partition(".")[0] in {names!r}
        return None if hidden else super().find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = Visible
"""


def canonical(name: str) -> str:
    """A distribution's name as packaging tools compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def with_needs(names: Iterable[str]) -> set[str]:
    """Distributions and all that they need, without extras."""
    found: set[str] = set()
    left = [canonical(name) for name in names]
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        try:
            needs = requires(name) or []
        except PackageNotFoundError:
            continue  # of another platform
        left += [canonical(re.split(r"[ <>=!~;\[(]", need)[0]) for need in needs if "extra ==" not in need]
    return found


def hide_all_but(there: set[str], folder: Path) -> set[str]:
    """Write the ``sitecustomize.py`` that hides every installed module of no distribution in ``there``."""
    modules = packages_distributions().items()
    names = {module for module, made in modules if not {canonical(one) for one in made} & there}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(SITE.format(names=names), encoding="utf-8")
    return names
