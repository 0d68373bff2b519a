"""What the steps of the first half hour share: folders, options, the small sizes of a rehearsal."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

from redrop.record import write_json
from redrop.spec import RunSpec
from support import PROJECT, SMALL, STUDY, make_spec

CORPUS = "tiny_shakespeare"


def spec_of(config: str, seed: int, *, rehearse: bool, **settings: Any) -> RunSpec:
    """A row of paper B at its own size, or at the rehearsal's; settings are written section__name=value."""
    override = {key.replace("__", "."): value for key, value in settings.items()}
    return make_spec(STUDY, "authors", config, CORPUS, seed, (SMALL if rehearse else {}) | override)


def options(doc: str) -> argparse.ArgumentParser:
    """The options that every step has."""
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--tree", type=Path, default=PROJECT / "gpu", help="what prepare.py made")
    parser.add_argument("--rehearse", action="store_true", help="tiny sizes, to see that everything runs")
    parser.add_argument("--json", type=Path, required=True, help="where the result is written")
    return parser


def digest(folder: Path) -> str:
    """SHA-256 of a folder's Python files, by name and content."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        found.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def finish(path: Path, result: dict[str, Any], faults: list[str]) -> int:
    """Write a step's result; the exit status: 1 where something is not as it should be."""
    write_json(path, result | {"faults": faults})
    for fault in faults:
        print(f"FAULT: {fault}")
    return 1 if faults else 0
