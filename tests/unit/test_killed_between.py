"""Killed before any single file operation of training, a run that is asked for again comes out the same.

The process is a fork, which ends without a further word before the chosen operation, as SIGKILL ends it; what
a write had written so far, half of it, stays.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import shutil
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from bad_input_support import Place
from redrop.places import Places
from redrop.runtime.launch import Workplace, run
from redrop.runtime.pool import Pool
from redrop.training import loop
from redrop.training.checkpoint import Checkpoint
from support import small_spec

SPEC = small_spec(seed=2, schedule__iterations=2, evaluation__every=2)


class Operations:
    """Counts what changes the file system; the process ends before number ``last``, from 0."""

    def __init__(self, last: int) -> None:
        self.count, self.last = 0, last
        for name in ("replace", "unlink", "rmdir", "mkdir", "ftruncate"):
            setattr(os, name, self.counted(getattr(os, name)))
        for name in ("write_bytes", "write_text"):
            setattr(Path, name, self.halved(getattr(Path, name)))

    def counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*words: Any, **more: Any) -> Any:
            self.count += 1
            if self.count > self.last:
                os._exit(9)
            return real(*words, **more)

        return operation

    def halved(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def write(path: Path, content: Any, *words: Any, **more: Any) -> Any:
            self.count += 1
            if self.count > self.last:
                real(path, content[: len(content) // 2], *words, **more)
                os._exit(9)
            return real(path, content, *words, **more)

        return write


def killed(last: int, act: Callable[[], None]) -> bool:
    """Do it in a process that is killed before that operation; whether it came so far."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads: they do nothing here
        child = os.fork()
    if not child:
        try:
            Operations(last)
            act()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def train(root: Path) -> None:
    workplace = Workplace(
        places=Places(root / "results/data", root / "models"),
        checkpoints=root / "checkpoints",
        device=torch.device("cpu"),
        checkpoint_seconds=0.0,
    )
    pool = Pool(root / "pool", root / "runs")
    assert run(SPEC, out=root / "runs" / SPEC.run, workplace=workplace, pool=pool)


@pytest.mark.parametrize("outputs", ["stay", "are deleted"])
def test_it_comes_out_the_same_and_goes_on_where_it_was(
    outputs: str, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Snakemake deletes what a job that failed has declared; a person's shell does not."""
    # Where no time goes by, there is a checkpoint at every iteration.
    monkeypatch.setattr(loop, "time", types.SimpleNamespace(perf_counter=lambda: 0.0))
    straight = tmp_path / "straight"
    shutil.copytree(place.root, straight)
    train(straight)
    whole = {
        name: (straight / "runs" / SPEC.run / name).read_bytes()
        for name in ("metrics.json", "curve.jsonl", "spec.json")
    }
    for last in itertools.count():
        root = tmp_path / f"killed-{last}"
        shutil.copytree(place.root, root)
        out, stored = root / "runs" / SPEC.run, root / "pool" / SPEC.run
        was_killed = killed(last, functools.partial(train, root))
        if outputs == "are deleted":
            shutil.rmtree(out, ignore_errors=True)
        done = [folder for folder in (stored, out) if (folder / "metrics.json").exists()]
        provenance = (done[0] / "provenance.json").read_bytes() if done else None
        reached = Checkpoint(root / "checkpoints" / SPEC.run, SPEC.run).iteration()
        train(root)
        assert {name: (out / name).read_bytes() for name in whole} == whole, root.name
        assert not list(root.glob("checkpoints/*/*")), root.name
        assert not [path for path in root.glob("pool/*") if path.is_dir()], root.name
        if done:  # it is not trained again
            assert (out / "provenance.json").read_bytes() == provenance, root.name
        else:  # what was done since the last checkpoint is
            made = json.loads((out / "provenance.json").read_text())["last_process"]["iterations"]
            assert made == SPEC.schedule.iterations - reached, root.name
        shutil.rmtree(root)
        if not was_killed:
            break
    assert last > 35
