"""From what a person types to a run: its folder, its id, or the beginning of its id."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from redrop.errors import RecordError
from redrop.layout import ResultsLayout
from redrop.record import METRICS, SPEC
from redrop.runtime.pool import WANTED
from redrop.spec import RunSpec

LISTED = 10


@dataclass(frozen=True)
class Found:
    """A run and where it lies."""

    run: str
    folder: Path
    """Its own folder, which a run that nobody began does not have."""
    results: Path | None
    """The results folder that it is in; None for a folder that was named."""
    also: tuple[Path, ...] = ()
    """Other folders of the same run."""


def results_folders() -> list[Path]:
    """Where runs are looked for if nobody says where: one's own, the demo's, the published ones."""
    found = [Path("results"), Path("results/demo"), *sorted(Path("results/published").glob("*"))]
    return [folder for folder in found if (folder / "runs").is_dir() or (folder / "pool").is_dir()]


def find_run(text: str, folders: Sequence[Path]) -> Found:
    """The run that ``text`` names, in the first of ``folders`` that has it.

    Raises ``RecordError`` with suggestions where there is none, and with the candidates where there are
    several.
    """
    named = Path(text)
    if named.is_dir():
        if not any((named / file).exists() for file in (METRICS, SPEC)):
            raise RecordError(f"{text}: holds neither {METRICS} nor {SPEC}; name the folder of one run")
        return Found(named.resolve().name, named, None)
    places: dict[str, list[tuple[Path, Path]]] = {}
    for results in folders:
        for folder in ResultsLayout(results).run_folders():
            places.setdefault(folder.name, []).append((folder, results))
    matches = [run for run in places if run.startswith(text)]
    if not matches:  # perhaps of a run that nobody began: the folder that it would have
        wanted = ((spec, results) for results in folders for spec in asked_for(results))
        for spec, results in wanted:
            folder = ResultsLayout(results).runs(spec.study).of(spec)
            places.setdefault(spec.run, [(folder, results)])
        matches = [run for run in places if run.startswith(text)]
    if not matches:
        where = ", ".join(map(str, folders)) or "results"
        close = difflib.get_close_matches(text, places, n=3, cutoff=0.6)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise RecordError(f"{text}: no folder, and no run in {where} whose name begins so{hint}")
    if len(matches) > 1 and text not in matches:
        shown = ", ".join(sorted(matches)[:LISTED])
        more = f" and {len(matches) - LISTED} more" if len(matches) > LISTED else ""
        raise RecordError(f"{text}: {len(matches)} runs begin so: {shown}{more}; type more of the name")
    run = text if text in matches else matches[0]
    (folder, results), *others = places[run]
    return Found(run, folder, results, tuple(folder for folder, _ in others))


def asked_for(results: Path) -> Iterator[RunSpec]:
    """Runs that a workflow was asked for, finished or not."""
    for path in sorted((results / "pool").glob(f"*/{WANTED}")):
        yield from map(RunSpec.from_json, path.read_text(encoding="utf-8").splitlines())
