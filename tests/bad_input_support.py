"""A small finished project in a folder, which bad-input cases spoil, and what a person is told of it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from redrop.cli import main
from redrop.data.corpus import prepare_corpus
from redrop.places import Places
from redrop.record import checksum
from redrop.runtime.launch import Workplace, run
from redrop.spec import RunSpec
from redrop.training.checkpoint import Checkpoint
from support import PROJECT, make_mirror, small_spec, toy_text

CORPUS = "tiny_shakespeare"
SELECTION = {"protocols": ["authors"], "configs": ["a2r025"], "seeds": [1], "corpora": [CORPUS]}


@dataclass(frozen=True)
class Place:
    """Where a case happens; everything in it is there before the command is given."""

    root: Path

    @property
    def spec(self) -> RunSpec:
        """The run that is finished."""
        return small_spec()

    @property
    def run(self) -> Path:
        """Its folder."""
        return self.root / "results/runs/residual" / self.spec.run

    @property
    def corpus(self) -> Path:
        """Its prepared text."""
        return self.root / "results/data" / CORPUS

    @property
    def metrics(self) -> dict[str, Any]:
        """Its metrics.json, to be spoilt and written with ``resign``."""
        return json.loads((self.run / "metrics.json").read_text())

    def resign(self, document: dict[str, Any]) -> None:
        """Write metrics.json with a checksum that fits: what is wrong with it must be seen all the same."""
        rest = {key: value for key, value in document.items() if key != "sha256"}
        self.write(self.run / "metrics.json", json.dumps(rest | {"sha256": checksum(rest)}))

    def write(self, path: Path | str, content: str | bytes) -> Path:
        """Write a file of the place, whatever stood there."""
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def config(self, content: str | bytes | dict[str, Any]) -> list[str]:
        """A config file, and the command that reads it."""
        text = yaml.safe_dump(content) if isinstance(content, dict) else content
        return ["plan", "--config", str(self.write("mine.yaml", text))]

    def selection(self, **over: Any) -> list[str]:
        """The same with one selection of the study."""
        return self.config({"only": ["residual"], "studies": {"residual": [SELECTION | over]}})

    def study(self, spoil: Callable[[str], str]) -> list[str]:
        """A project whose study file is spoilt, and the command that reads it."""
        for part in ("config", "workflow/schemas"):
            shutil.copytree(PROJECT / part, self.root / "project" / part)
        path = self.root / "project/config/studies/residual.yaml"
        text = path.read_text()
        spoilt = spoil(text)
        assert spoilt != text
        path.write_text(spoilt)
        return ["plan", "--project", str(self.root / "project")]

    def train(self, spec: str | None = None, out: str = "out", *words: str) -> list[str]:
        """The command that trains; by default another run than the finished one."""
        text = small_spec(seed=2).to_json() if spec is None else spec
        command = ["train", "--spec", text, "--out", str(self.root / out), "--device", "cpu"]
        return [*command, "--data", str(self.root / "results/data"), *words]

    def again(self) -> list[str]:
        """The command that trains the finished run, which is there already."""
        return self.train(self.spec.to_json(), str(self.run))

    def collect(self) -> list[str]:
        """The command that reads every record."""
        return ["collect", "--results", str(self.root / "results"), "--out", str(self.root / "runs.csv")]

    def figure(self) -> list[str]:
        """The command that reads the curves."""
        command = ["figure", "--study", "residual", "--all-runs", "--out", str(self.root / "figures")]
        return [*command, "--results", str(self.root / "results"), "authors-curves-skip-1"]

    def restore(self) -> list[str]:
        """The command that copies published runs, which are those of the results."""
        (self.root / "published/residual").mkdir(parents=True)
        shutil.copytree(self.root / "results/runs/residual", self.root / "published/residual/runs")
        shutil.rmtree(self.root / "results/runs")
        return self.restore_command

    @property
    def restore_command(self) -> list[str]:
        """The same without the copying."""
        command = ["restore", "residual", "--published", str(self.root / "published")]
        return [*command, "--results", str(self.root / "results")]

    def fetch(self, name: str, files: dict[str, bytes]) -> list[str]:
        """A mirror with these files and their sums, and the command that asks it."""
        make_mirror(self.root / "mirror", files)
        return ["fetch", name, "--to", str(self.root / "raw"), "--mirror", str(self.root / "mirror")]

    def checkpoint(self, spec: RunSpec) -> Checkpoint:
        """Where a run of ``train`` keeps its checkpoint."""
        return Checkpoint(self.root / "out/checkpoints" / spec.run, spec.run)


@dataclass(frozen=True)
class Case:
    """One bad input: what it is, how it comes to be, the words that what a person is told must hold."""

    what: str
    spoil: Callable[[Place], list[str]] = field(repr=False)
    """Makes it and returns the command."""
    words: tuple[str, ...]
    """The thing first, the remedy last."""


def make_place(root: Path) -> Place:
    """A prepared corpus and a run that was trained on it."""
    place = Place(root)
    text = toy_text(6000, 0)
    prepare_corpus(text, place.corpus, name=CORPUS, origin="generated", edition="toy")
    with contextlib.redirect_stderr(io.StringIO()):
        main(place.again())
    return place


def contents(root: Path) -> dict[str, str]:
    """Every file below ``root`` -> its checksum."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def told(command: list[str]) -> str:
    """What the command ends with; an error that was not foreseen comes through as it is."""
    stderr = io.StringIO()
    with contextlib.redirect_stderr(stderr), pytest.raises(SystemExit) as end:
        main(command)
    code = end.value.code
    return code if isinstance(code, str) else stderr.getvalue().strip().splitlines()[-1]  # argparse's


def flipped(content: bytes, place: int = -1) -> bytes:
    """``content`` with one bit changed, in the middle by default."""
    place = len(content) // 2 if place < 0 else place
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def train_until(place: Place, iteration: int) -> None:
    """Train the run of ``Place.train`` up to there and stop it as a scheduler does."""
    spec = small_spec(seed=2)
    here = iter(range(iteration - place.checkpoint(spec).iteration() + 1))
    workplace = Workplace(
        places=Places(place.root / "results/data", place.root / "models"),
        checkpoints=place.root / "out/checkpoints",
        device=torch.device("cpu"),
        should_stop=lambda: next(here, None) is None,
    )
    assert not run(spec, out=place.root / "out", workplace=workplace)
    assert place.checkpoint(spec).iteration() > 0
