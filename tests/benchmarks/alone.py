"""What a run of a study row costs on a CPU beside the bare steps of the single trainer.

The same row, text, length and thread count: ``redrop train --spec`` in a process of its own, then the
trainer's steps alone in another, in turn, so that the machine's drift falls on both. A run's start, data and
evaluations are not counted; its loop, its curve and its checkpoints are. Run with ``make bench``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from redrop.data import fetch, load, prepare
from redrop.record import PROVENANCE, write_json
from redrop.runtime.environment import device_name
from redrop.spec import RunSpec
from redrop.study import load_study, make_spec
from redrop.training.language_model import LanguageModelling
from redrop.training.trainer import Trainer

PROJECT = Path(__file__).resolve().parents[2]
TEXT = "python_docs"
"""A text that every Python has, so that nothing is fetched."""
MOST = 1.05
"""What a run may cost, in bare steps."""


def spec_of(iterations: int) -> RunSpec:
    """A row of the study's matched protocol, evaluated at its first and its last iteration only."""
    study = load_study(PROJECT / "config/studies/residual.yaml", PROJECT)
    settings = {"schedule.iterations": iterations, "evaluation.every": iterations}
    return make_spec(study, "matched", "skip1-0.025", TEXT, 1, settings)


def milliseconds_of_steps(iterations: int, data: Path) -> float:
    """A step of the single trainer alone, in this process."""
    torch.set_num_threads(1)
    trainer = Trainer(LanguageModelling(spec_of(iterations), load(TEXT, data), torch.device("cpu")))
    began = time.perf_counter()
    for _ in range(iterations):
        trainer.step()
    return 1e3 * (time.perf_counter() - began) / iterations


def in_a_process(*words: str) -> str:
    """What a Python command prints, on one thread."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *words], env=environment, check=True, text=True, stdout=subprocess.PIPE
    )
    return done.stdout


def milliseconds_of_a_run(iterations: int, data: Path, out: Path) -> float:
    """An iteration of ``redrop train``, as the run's own record has it."""
    spec = spec_of(iterations).to_json()
    words = ["train", "--spec", spec, "--data", str(data), "--out", str(out), "--device", "cpu"]
    in_a_process("-m", "redrop", *words)
    record = json.loads((out / PROVENANCE).read_text(encoding="utf-8"))
    return 1e3 * record["seconds"]["training"] / iterations


def main() -> None:
    """Time both, print the ratio, write json; exit status 1 above ``MOST``."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=300)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--steps-with", type=Path, metavar="DATA", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.steps_with:
        print(milliseconds_of_steps(options.iterations, options.steps_with))
        return
    steps, runs = [], []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        raw = Path(folder) / "raw"
        fetch(TEXT, raw)
        prepare(TEXT, raw, data / TEXT)
        alone = [__file__, "--iterations", str(options.iterations), "--steps-with", str(data)]
        for number in range(options.rounds):
            steps.append(float(in_a_process(*alone)))
            runs.append(milliseconds_of_a_run(options.iterations, data, Path(folder) / str(number)))
    ratio = statistics.median(run / step for run, step in zip(runs, steps, strict=True))
    found = {
        "device": device_name("cpu"),
        "torch": torch.__version__,
        "iterations": options.iterations,
        "ms_a_step": steps,
        "ms_an_iteration_of_a_run": runs,
        "ratio": ratio,
        "most": MOST,
    }
    print(f"{found['device']}, torch {torch.__version__}; one thread, {options.rounds} rounds")
    print(
        f"a bare step {statistics.median(steps):.1f} ms, a run's iteration {statistics.median(runs):.1f} ms"
    )
    print(f"ratio {ratio:.3f}, at most {MOST}")
    if options.json:
        write_json(options.json, found)
    sys.exit(0 if ratio <= MOST else 1)


if __name__ == "__main__":
    main()
