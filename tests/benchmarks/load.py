"""Thousands of runs: how long a plan, a dry run and ``redrop collect`` take (5,000 runs).

The runs are settings of four studies with many seeds; their folders are made up, but written by the
functions that write real ones. Every figure is a process of its own, as a person would start it: wall time,
and processor time, which another program on the machine does not change. Run with ``make bench``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from redrop.record import (
    CURVE,
    DONE,
    METRICS,
    PROVENANCE,
    SPEC,
    Metric,
    curve_text,
    metrics_document,
    write_json,
    write_text,
)
from redrop.runtime.environment import device_name
from redrop.spec import RunSpec
from redrop.study import resolve
from redrop.verbs.shared import read_config

PROJECT = Path(__file__).resolve().parents[2]
GLUE = ["cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte"]
IWSLT = [f"iwslt14_{pair}" for pair in ("de_en", "en_de")]
IWSLT += [f"iwslt17_{pair}" for pair in ("en_fr", "fr_en", "en_zh", "zh_en")]
EVALUATIONS = 21
"""Rows of a made-up curve."""


def config_of(share: float = 1.0) -> dict[str, Any]:
    """A config of four studies: 5,000 runs, or a ``share`` of the seeds."""

    def seeds(n: int) -> list[int]:
        return list(range(1, 1 + max(1, round(share * n))))

    residual = {"protocols": ["authors", "notebook", "matched"], "corpora": ["tiny_shakespeare"]}
    glue = {"protocols": ["bert-base", "roberta-large", "electra-large"], "tasks": GLUE}
    translation = {"protocols": ["iwslt"], "tasks": IWSLT}
    summarization = {"protocols": ["bart-large"], "tasks": ["cnn_dailymail", "dialogsum"]}
    studies = {
        "residual": [residual | {"seeds": seeds(38)}],
        "glue": [glue | {"seeds": seeds(30)}],
        "translation": [translation | {"seeds": seeds(20)}],
        "summarization": [summarization | {"seeds": seeds(8)}],
    }
    return {"label": "BENCHMARK: made-up numbers", "only": list(studies), "studies": studies}


def write_run(folder: Path, spec: RunSpec) -> None:
    """A finished run's folder with made-up numbers."""
    draw = random.Random(spec.run)
    names = ("val_loss_last", "val_loss_best", "train_loss_last", "gap_last", "score")
    metrics = {
        name: Metric(
            value=draw.gauss(2.0, 0.1),
            n=1742,
            split="validation",
            higher_is_better=False,
            signature="made up, nats a character, windows of 64, no dropout, whole split",
        )
        for name in names
    }
    curve = [
        {"iteration": 100 * i, "learning_rate": 1e-3, "train_loss": draw.random(), "val_loss": draw.random()}
        for i in range(EVALUATIONS)
    ]
    data = {"name": spec.data.data_set, "sha256": "0" * 64, "edition": "made up"}
    write_json(folder / SPEC, json.loads(spec.to_json()))
    write_text(folder / CURVE, curve_text(curve))
    write_json(folder / PROVENANCE, {"data": data, "seconds": {"training": 1.0, "evaluation": 1.0}})
    write_json(folder / METRICS, metrics_document(spec, DONE, None, data, metrics))


def run(command: list[str], folder: Path) -> tuple[float, float]:
    """Wall and processor seconds of a command; ends the benchmark if it fails."""
    with (folder / "output.txt").open("w") as output:
        begin = time.perf_counter()
        process = os.posix_spawn(
            sys.executable,
            [sys.executable, *command],
            os.environ | {"PYTHONPATH": str(PROJECT / "src")},
            file_actions=[(os.POSIX_SPAWN_DUP2, output.fileno(), n) for n in (1, 2)],
        )
        _, status, used = os.wait4(process, 0)
        seconds = time.perf_counter() - begin
    if status:
        sys.exit(f"{' '.join(command)} failed:\n{(folder / 'output.txt').read_text()[-3000:]}")
    return seconds, used.ru_utime + used.ru_stime


def snakemake(*words: str) -> list[str]:
    """The workflow in the folder that the process is in."""
    command = ["-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile"), "--quiet"]
    profile = str(PROJECT / "profiles/default")
    return [*command, "--workflow-profile", profile, "--configfile", "config.yaml", *words]


def redrop(verb: str, *words: str) -> list[str]:
    """A verb as a process."""
    return ["-m", "redrop", verb, "--config", "config.yaml", *words]


def main() -> None:
    """Time all, print a table, write json."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", type=float, default=1.0, help="of the 5,000 runs")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    target = None if options.json is None else options.json.resolve()
    config = config_of(options.share)
    plan = resolve(read_config([json.dumps(config)], PROJECT), PROJECT)
    specs = [spec for runs in plan.specs.values() for spec in runs.values()]
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.chdir(folder)
        Path("config.yaml").write_text(yaml.safe_dump(config))

        def timed(what: str, command: list[str], finished: int) -> None:
            found = [run(command, folder) for _ in range(options.rounds)]
            wall, processor = (statistics.median(column) for column in zip(*found, strict=True))
            rows.append({"what": what, "finished": finished, "seconds": wall, "cpu_seconds": processor})
            print(f"{what:32}{finished:>7,} finished{wall:>9.1f} s{processor:>9.1f} s of processor time")

        print(f"{len(specs):,} runs of {len(plan.specs)} studies, median of {options.rounds}")
        timed("plan", redrop("plan", "--project", str(PROJECT)), 0)
        timed("dry run", snakemake("--dry-run"), 0)
        fsync, os.fsync = os.fsync, lambda file: None  # the benchmark's own folders need not survive a crash
        missing = specs[:: max(1, len(specs) // 10)][:10]
        for spec in specs:
            if spec not in missing:
                write_run(plan.results / "runs" / spec.study / spec.run, spec)
        timed("dry run, ten runs to train", snakemake("--dry-run"), len(specs) - len(missing))
        for spec in missing:
            write_run(plan.results / "runs" / spec.study / spec.run, spec)
        os.fsync = fsync
        words = ("--project", str(PROJECT), "--out", "results/runs.csv")
        timed("redrop collect", redrop("collect", *words), len(specs))
        for name in plan.specs:  # stand for what was made of the runs: only their times count here
            for made in ("tables", "figures"):
                (plan.results / name / made).mkdir(parents=True)
            shutil.copyfile("results/runs.csv", plan.results / name / "runs.csv")
        timed("snakemake, nothing to do", snakemake(), len(specs))
        if "Nothing to be done" not in Path("output.txt").read_text():
            sys.exit(f"there was something to do:\n{Path('output.txt').read_text()[-3000:]}")
        lines = Path("results/runs.csv").read_text().count("\n")
        if lines != 1 + 5 * len(specs):
            sys.exit(f"collect wrote {lines} lines for {len(specs)} runs of 5 metrics")
    machine = {
        "device": device_name("cpu"),
        "python": sys.version.split()[0],
        "cpus": os.cpu_count(),
        "load_average": round(os.getloadavg()[1], 1),
    }
    print(f"{machine['device']}, {machine['cpus']} cores, load average {machine['load_average']}")
    if target is not None:
        write_json(target, {"machine": machine, "runs": len(specs), "rounds": options.rounds, "rows": rows})


if __name__ == "__main__":
    main()
