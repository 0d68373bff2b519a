"""What a results folder holds: an own one, the demo's, a published one, or nothing yet.

own, demo    FOLDER/runs/STUDY/RUN/        tables and figures in FOLDER/PART/
published    FOLDER/STUDY/runs/RUN/        in FOLDER/STUDY/, of a part in FOLDER/STUDY/PART/
one study    FOLDER/runs/RUN/              in FOLDER/, of a part in FOLDER/PART/
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from redrop.analysis.collect import Results
from redrop.errors import ConfigError
from redrop.layout import EMPTY, OWN, PUBLISHED, ResultsLayout


@dataclass(frozen=True)
class ResultsFolder:
    """A folder, what kind it is, and its runs."""

    path: Path
    kind: str
    studies: dict[str, Results]
    """Study -> all of its runs, whichever config they are of."""
    faults: tuple[str, ...]
    """What is wrong with the runs that are left out because they are damaged."""

    def place(self, study: str, part: str) -> Path:
        """Where tables and figures of a study, or of a part of one, lie if they were built."""
        if self.kind in (OWN, EMPTY):
            return self.path / part
        base = self.path / study if self.kind == PUBLISHED else self.path
        return base if part == study else base / part

    def relative(self, path: Path) -> str:
        """A path as the page names it: from the results folder on."""
        return path.relative_to(self.path).as_posix()


def read_folder(folder: Path, wanted: set[str] | None = None) -> ResultsFolder:
    """Read every run of ``folder``, or those ``wanted``; a demo or a published folder inside it is another.

    Damaged ones are left out. Raises ``ConfigError`` where there is no such folder, ``RecordError`` where all
    are damaged and, without ``wanted``, for two runs in one place.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ConfigError(f"--results: {folder} is no folder (results, results/demo, results/published, ...)")
    kind = ResultsLayout(folder).kind
    tops = [folder / "runs"] if kind != PUBLISHED else sorted(folder.glob("*/runs"))
    loaded = [Results.load(top, wanted) for top in tops]
    every = Results([record for results in loaded for record in results.records])
    studies = dict.fromkeys(record.spec.study for record in every.records)
    faults = tuple(fault for results in loaded for fault in results.faults)
    return ResultsFolder(folder, kind, {study: every.of_study(study) for study in studies}, faults)
