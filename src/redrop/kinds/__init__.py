"""The kinds of models, a file each: all that the rest of the package needs to know of one.

A file has a record ``KIND``. Nobody asks for a kind's name; who has a spec asks ``spec.kind``. What is heavy
is named as ``module:function``. Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from redrop.registry import Registry

WINDOWS, EXAMPLES, PAIRS = "windows", "examples", "pairs"
"""What a batch is made of: windows of a text, labelled examples, inputs with outputs."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a kind of model needs."""

    sections: Mapping[str, type]
    """Of its spec, by name: data, model, objective, schedule, evaluation."""
    reads: str
    """``WINDOWS``, ``EXAMPLES`` or ``PAIRS``."""
    task: str
    """``module:function`` (spec, places, device, scratch) -> (Task, Source): data and model, ready."""
    build: str
    """``module:function`` that ``task`` makes the model with."""
    weights: tuple[str, ...]
    """The terms of paper A's objective that it can have, by their weights; see ``redrop.methods``."""
    sites: Mapping[str, str] = field(default_factory=dict)
    """Where methods can act on it: name of ``redrop.methods.SITES`` -> ``module:function`` (model)."""
    pack: str | None = None
    """``module:class`` that trains several as one batched program; None: it is trained alone."""
    shape: str | None = None
    """``module:function`` (spec, folder of models) -> Shape or None; None: its size is unknown."""
    gradient_part: str | None = None
    """``module:function`` (parameter's name, model section) -> key of its norm; None: not recorded."""
    shown: tuple[str, ...]
    """Metrics that tell how good a run is, the main one first."""
    points: float = 1.0
    """What its scores are multiplied by to be points from 0 to 100."""
    decodes: bool = False
    """Whether it is scored on outputs that were searched for."""
    size: Callable[[Any], str]
    """Its model section -> how large it is, as text."""
    check: Callable[[Any], None] = lambda spec: None
    """Refuses a spec whose sections do not go together, with ``ConfigError``."""


KINDS = Registry(__name__, "kind of model")
"""``model.name`` -> module with a ``KIND``."""
