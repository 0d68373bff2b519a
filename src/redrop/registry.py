"""Things of one kind, a file each in a folder, found by name: optimisers, schedules, methods, model kinds.

To add one is to add a file. A file's name is its thing's name, with ``-`` for ``_`` unless the module says
otherwise in ``NAME``; a file that begins with ``_`` is a part of others. Names are needed where a spec is
checked, so importing such a file takes the standard library only: what is heavy is imported inside its
functions, or named as ``module:function``.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from redrop.checks import suggest
from redrop.errors import ConfigError


class Registry(Mapping[str, ModuleType]):
    """Name -> module, of all files in the folder of one package."""

    def __init__(self, package: str, what: str) -> None:
        """``package``: its name; ``what`` one of them is, for messages."""
        self.package, self.what = package, what

    @functools.cached_property
    def _modules(self) -> dict[str, ModuleType]:
        folder = importlib.import_module(self.package).__path__
        found = {}
        for entry in sorted(pkgutil.iter_modules(folder), key=lambda entry: entry.name):
            if entry.name.startswith("_"):
                continue
            module = importlib.import_module(f"{self.package}.{entry.name}")
            found[getattr(module, "NAME", entry.name.replace("_", "-"))] = module
        return found

    def __getitem__(self, name: str) -> ModuleType:
        """The module; raises ``ConfigError`` naming those that there are."""
        if name not in self._modules:
            folder = self.package.replace(".", "/")
            said = f"{self.what} {name!r} is not one of {', '.join(self)}{suggest(name, self)}"
            raise ConfigError(f"{said}; to add it, put a file into {folder}")
        return self._modules[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __contains__(self, name: object) -> bool:
        return name in self._modules


def resolve(path: str) -> Any:
    """What ``module:name`` stands for."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def options_of(module: ModuleType, spec: Any) -> dict[str, Any]:
    """What a part can be set to besides its section's fields, as ``spec``, the section, sets it."""
    declared = {name: option.default for name, option in getattr(module, "OPTIONS", {}).items()}
    return declared | getattr(spec, "options", {})
