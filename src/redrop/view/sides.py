"""One side of a comparison: the cells of a results folder. A cell is a configuration on a task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from redrop.analysis.collect import Group, Results, read_runs
from redrop.checks import suggest
from redrop.errors import ConfigError
from redrop.record import RunRecord


@dataclass(frozen=True)
class Cell:
    """Which configuration, on what."""

    study: str
    protocol: str
    config: str
    task: str


@dataclass(frozen=True)
class Side:
    """The runs of one results folder that could be read, and what is wrong with the others."""

    name: str
    results: Results
    faults: tuple[str, ...] = ()

    @property
    def cells(self) -> list[Cell]:
        """All cells that have runs; those of one task together."""
        specs = (record.spec for record in self.results.records)
        found = {Cell(s.study, s.protocol, s.config, s.task) for s in specs}
        return sorted(found, key=lambda cell: (cell.study, cell.protocol, cell.task, cell.config))

    def group(self, cell: Cell) -> Group:
        """A cell's runs; raises ``RecordError`` where they cannot be averaged."""
        return self.results.group(cell.study, cell.protocol, cell.config, cell.task)


def read_side(folder: Path, wanted: set[str] | None = None) -> Side:
    """All runs below a results folder, or below any folder; damaged ones are named in ``faults``.

    ``wanted``: ids of the runs that count. Raises ``ConfigError`` where there is not a single run, and
    ``RecordError`` where none can be read.
    """
    place = folder / "runs" if (folder / "runs").is_dir() else folder
    records: dict[str, RunRecord] = {}
    found, faults = read_runs(place)
    for record in found:
        if wanted is None or record.spec.run in wanted:
            records.setdefault(record.run, record)
    if not found:
        raise ConfigError(f"{folder}: holds no finished run; name a results folder, such as results")
    return Side(str(folder), Results(list(records.values())), faults)


def only_in(a: Side, b: Side) -> list[Cell]:
    """Cells of ``a`` that ``b`` has no run of."""
    others = set(b.cells)
    return [cell for cell in a.cells if cell not in others]


def matching_cells(side: Side, text: str, task: str | None = None) -> list[Cell]:
    """The cells that ``config``, ``protocol/config`` or ``protocol/config/task`` names.

    Raises ``ConfigError`` with what there is, where it names none.
    """
    words = text.split("/")
    if len(words) > 3:
        raise ConfigError(f"{text}: no folder; write CONFIG, PROTOCOL/CONFIG or PROTOCOL/CONFIG/TASK")
    keys = ("config",) if len(words) == 1 else ("protocol", "config", "task")[: len(words)]
    wanted = dict(zip(keys, words, strict=True))
    if task is not None:
        wanted["task"] = task
    found = [cell for cell in side.cells if all(getattr(cell, key) == word for key, word in wanted.items())]
    if not found:
        hint = suggest(text, {"/".join(getattr(cell, key) for key in keys) for cell in side.cells})
        where = f" on {task}" if task else ""
        raise ConfigError(f"{text}: no folder, and no run of it{where} in {side.name}{hint}")
    return found
