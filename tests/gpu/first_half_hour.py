"""What is done first on a GPU: look, test, compare, time, then train paper B until the time is over.

Here, with a network, once:

    make gpu-tree                                  # fills gpu/, which git ignores

There, without one, in a copy of the checkout with gpu/ in it (python3: one that has torch and transformers):

    python3 tests/gpu/first_half_hour.py --out FOLDER --minutes 9.5    # or: make gpu OUT=FOLDER MINUTES=9.5

Again with the same --work (results/gpu) it goes on: what passed is not done again, and all the time is for
training. Where results/gpu is gone, it goes on from what came back: --resume FOLDER-OF-BEFORE. Say with
--more-minutes how much time later calls on the same machine will have: then packs are chosen for it.

What comes back in FOLDER, at most 6 files, each below 16 MB:

    report.json         of each step: passed, failed, out of time; its seconds and what it found
    log.txt             what all of them printed
    trained.tar.gz.NN   records of finished runs, the steps' results, checkpoints as far as there is room

To publish what was trained, here:

    python3 tests/gpu/first_half_hour.py --out FOLDER --unpack             # into results/gpu
    redrop publish residual --results results/gpu --config config/as-published.yaml
    redrop publish residual --results results/gpu --config tests/gpu/seeds-and-long-runs.yaml
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
sys.path[:0] = [str(PROJECT / "src")]

from pieces import PIECE, pack, unpack  # noqa: E402

RESERVED_SECONDS = 35.0
"""At the end: a last checkpoint, and the archive."""
LIMIT = 58 * 2**20
"""Bytes of all pieces together."""


@dataclass(frozen=True)
class Step:
    """One step: a process of its own, so that nothing that it does to the GPU or itself stops the next."""

    name: str
    seconds: float
    """The most that it may take."""
    command: tuple[str, ...]


def steps_of(given: argparse.Namespace, reports: Path) -> list[Step]:
    """All but training, in their order."""
    common = ["--device", given.device, "--tree", str(given.tree), *["--rehearse"] * given.rehearse]

    def own(name: str) -> tuple[str, ...]:
        return (
            sys.executable,
            str(HERE / f"{name}.py"),
            *common,
            "--json",
            str(reports / f"{name}-result.json"),
        )

    cuda_tests = ("-m", "pytest", "-q", "-W", "default", "-p", "no:cacheprovider", "tests/unit/test_cuda.py")
    return [
        Step("environment", 60, own("environment")),
        Step("tests", 150, (sys.executable, *cuda_tests)),
        Step("parity", 150, own("parity")),
        Step("benchmark", 90, own("benchmark")),
    ]


def training(given: argparse.Namespace, reports: Path, until: float) -> Step:
    """The rest of the time."""
    command = [sys.executable, str(HERE / "training.py"), "--device", given.device, "--tree", str(given.tree)]
    command += [
        "--work",
        str(given.work),
        "--until",
        str(until),
        "--json",
        str(reports / "training-result.json"),
    ]
    command += ["--benchmark", str(reports / "benchmark-result.json")]
    command += ["--more-seconds", str(60 * given.more_minutes), *["--rehearse"] * given.rehearse]
    for name in ("updates", "pack"):
        if getattr(given, name) is not None:
            command += [f"--{name}", str(getattr(given, name))]
    return Step("training", until - time.time() + RESERVED_SECONDS - 15, tuple(command))


def environment(tree: Path) -> dict[str, str]:
    """For the steps: where redrop, the tests' helpers and the packages that were copied along are."""
    paths = [PROJECT / "src", PROJECT / "tests", PROJECT / "tests/benchmarks", HERE, tree / "packages"]
    before = os.environ.get("PYTHONPATH")
    text = os.pathsep.join([*map(str, paths), *([before] if before else [])])
    return os.environ | {"PYTHONPATH": text, "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}


def perform(step: Step, seconds: float, tree: Path, reports: Path, log: Path) -> dict[str, Any]:
    """Run a step for at most ``seconds`` and write how it went to ``reports``."""
    begin = time.monotonic()
    with log.open("ab") as sink:
        sink.write(f"\n==== {step.name}\n".encode())
        sink.flush()
        try:
            done = subprocess.run(
                step.command,
                cwd=PROJECT,
                env=environment(tree),
                stdout=sink,
                stderr=subprocess.STDOUT,
                timeout=seconds,
                check=False,
            )
            status = "passed" if done.returncode == 0 else f"failed (exit status {done.returncode})"
        except subprocess.TimeoutExpired:
            status = f"out of time (after {seconds:.0f} s)"
    report = {"status": status, "seconds": round(time.monotonic() - begin, 1), "source": source_of(tree)}
    (reports / f"{step.name}.json").write_text(json.dumps(report), encoding="utf-8")
    print(f"{step.name}: {status}, {report['seconds']} s", flush=True)
    return report


def source_of(tree: Path) -> str | None:
    """The checksum of the code that a tree was made of: what passed with other code is done again."""
    return (read(tree / "tree.json") or {}).get("source")


def has_passed(report: Path, tree: Path) -> bool:
    """Whether a step passed before, with the same code."""
    found = read(report) or {}
    return found.get("status") == "passed" and found["source"] == source_of(tree)


def read(path: Path) -> Any:
    """JSON, or None where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def gather(names: Sequence[str], reports: Path, left_out: Sequence[str]) -> dict[str, Any]:
    """All steps' outcomes and results; what had no room in the archive."""
    found = {
        name: (read(reports / f"{name}.json") or {"status": "not run"})
        | {"result": read(reports / f"{name}-result.json")}
        for name in names
    }
    return {"steps": found, "left_out": list(left_out)}


def worth_keeping(work: Path) -> list[Path]:
    """Files for the archive: results and records first, then checkpoints, those that are furthest first."""
    order = read(work / "reports/training-result.json") or {"begun": {}}
    begun = sorted(order["begun"], key=lambda run: -order["begun"][run])  # stable: else as in specs.jsonl
    small = [path for part in ("reports", "runs", "pool") for path in sorted((work / part).rglob("*"))]
    checkpoints = [work / "checkpoints/residual" / run / "last.pt" for run in begun]
    rest = sorted(set((work / "checkpoints").rglob("last.pt")) - set(checkpoints))
    return [path for path in (*small, *checkpoints, *rest) if path.is_file() and path.suffix != ".lock"]


def write_out(
    given: argparse.Namespace, names: Sequence[str], reports: Path, log: Path, left_out: Sequence[str] = ()
) -> None:
    """What came of the steps so far; of an earlier time's archive nothing is changed."""
    report = json.dumps(gather(names, reports, left_out), indent=1)
    (given.out / "report.json").write_text(report, encoding="utf-8")
    if log.exists():
        (given.out / "log.txt").write_bytes(log.read_bytes()[-2 * 2**20 :])


def main() -> int:
    """All steps; exit status 1 where one did not pass."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="what comes back is written here")
    parser.add_argument("--minutes", type=float, default=9.5, help="for everything (default: %(default)s)")
    parser.add_argument("--more-minutes", type=float, default=0.0, help="of later calls with this --work")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--work", type=Path, default=PROJECT / "results/gpu", help="default: results/gpu")
    parser.add_argument("--tree", type=Path, default=PROJECT / "gpu", help="default: gpu/")
    parser.add_argument("--resume", type=Path, metavar="FOLDER", help="go on from what came back")
    parser.add_argument("--unpack", action="store_true", help="only unpack what is in --out, into --work")
    parser.add_argument("--rehearse", action="store_true", help="tiny sizes, to see that everything runs")
    parser.add_argument("--updates", type=int, help="stop training after about so many")
    parser.add_argument(
        "--pack", type=int, help="runs that are trained together; default: as the benchmark says"
    )
    parser.add_argument("--piece", type=int, default=PIECE, help="bytes a piece of the archive")
    given = parser.parse_args()
    for name in ("out", "work", "tree"):
        setattr(given, name, getattr(given, name).resolve())
    begin = time.time()
    given.work.mkdir(parents=True, exist_ok=True)
    if given.unpack or given.resume is not None:
        count = unpack(given.out if given.unpack else given.resume, given.work)
        print(f"{count} files unpacked to {given.work}")
    if given.unpack:
        return 0
    given.out.mkdir(parents=True, exist_ok=True)
    reports, log = given.work / "reports", given.work / "reports/log.txt"
    reports.mkdir(exist_ok=True)
    end = begin + 60 * given.minutes
    steps = steps_of(given, reports)
    names = [*(step.name for step in steps), "training"]
    for step in steps:
        left = end - RESERVED_SECONDS - time.time()
        if left > 0 and not has_passed(reports / f"{step.name}.json", given.tree):
            perform(step, min(step.seconds, left), given.tree, reports, log)
            write_out(given, names, reports, log)
    last = training(given, reports, end - RESERVED_SECONDS)
    if last.seconds > 0:
        perform(last, last.seconds, given.tree, reports, log)
    write_out(given, names, reports, log)
    left_out = pack(given.work, worth_keeping(given.work), given.out, piece=given.piece, limit=LIMIT)
    write_out(given, names, reports, log, [path.relative_to(given.work).as_posix() for path in left_out])
    statuses = {name: (read(reports / f"{name}.json") or {}).get("status") for name in names}
    print(json.dumps(statuses))
    return 0 if all(status == "passed" for status in statuses.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
