"""Fill gpu/ with what a machine without a network lacks: packages, prepared data, the list of runs.

    make gpu-tree

The folder is ignored by git and has to be copied along with the checkout. Its files:

    packages/     PACKAGES for Python 3.12 on x86-64 Linux; everything else is expected there (EXPECTED)
    data/         Tiny Shakespeare, prepared (from REDROP_MIRROR, else from its address)
    specs.jsonl   paper B's runs that are not published yet, in the order in which they are trained
    tree.json     the commit, and a checksum of src/redrop by which a changed copy is noticed
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / "src"), str(PROJECT / "tests")]

from common import CORPUS, digest, spec_of  # noqa: E402

from redrop.data import fetch, prepare  # noqa: E402
from redrop.data.corpus import prepare_corpus  # noqa: E402
from redrop.layout import ResultsLayout  # noqa: E402
from redrop.record import write_json, write_text  # noqa: E402
from redrop.runtime.environment import git_state  # noqa: E402
from redrop.spec import RunSpec  # noqa: E402
from redrop.study import resolve  # noqa: E402
from redrop.verbs.shared import read_config  # noqa: E402
from support import toy_text  # noqa: E402

PACKAGES = ("jsonschema", "jsonschema-specifications", "referencing", "rpds-py", "pooch", "platformdirs")
"""What the CUDA tests and training import beside ``EXPECTED``."""
EXPECTED = [
    "attrs",
    "hypothesis",
    "jinja2",
    "matplotlib",
    "numpy",
    "nvidia-ml-py",
    "packaging",
    "pandas",
    "portalocker",
    "pytest",
    "pyyaml",
    "requests",
    "rich",
    "sacrebleu",
    "safetensors",
    "scipy",
    "tokenizers",
    "torch",
    "tqdm",
    "transformers",
]
"""What such a machine has, with what these need."""
CONFIGS = (PROJECT / "config/as-published.yaml", Path(__file__).with_name("seeds-and-long-runs.yaml"))
FIRST_SEED = 1337
LIMIT = 40_000_000
"""Bytes that may be copied along."""


def ordered() -> list[RunSpec]:
    """Paper B's runs at its own budget: one seed of every row, long rows before short ones, then more seeds.

    The runs of 500,000 iterations come last: each takes the time of ten others.
    """
    plans = [resolve(read_config([str(path)], PROJECT), PROJECT) for path in CONFIGS]
    asked = {run: spec for plan in plans for run, spec in plan.runs["residual"].items()}

    def turn(spec: RunSpec) -> tuple[bool, bool, bool]:
        iterations = spec.schedule.iterations
        first = spec.seed == FIRST_SEED
        return iterations > 50_000, not first, first and iterations < 50_000

    return sorted(asked.values(), key=turn)


def unpublished(specs: list[RunSpec]) -> list[RunSpec]:
    """Those whose record is not in results/published."""
    there = ResultsLayout(PROJECT / "results/published").runs("residual")
    return [spec for spec in specs if not there.is_finished(spec)]


def install(folder: Path) -> None:
    """The packages in the locked versions, and redrop's version, which a record names."""
    locked = dict(
        line.split("==") for line in (PROJECT / "requirements.lock").read_text().splitlines() if "==" in line
    )
    platforms = [f"--platform=manylinux{tag}_x86_64" for tag in ("_2_28", "_2_17", "2014")]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    where = ["--target", str(folder), "--python-version=3.12", "--only-binary=:all:", *platforms]
    subprocess.run([*pip, *where, *(f"{name}=={locked[name]}" for name in PACKAGES)], check=True)
    own = folder / f"redrop-{version('redrop')}.dist-info/METADATA"
    write_text(own, f"Metadata-Version: 2.1\nName: redrop\nVersion: {version('redrop')}\n")


def make(folder: Path, *, rehearse: bool) -> None:
    """All of it; ``rehearse``: a generated text, six small runs, no packages."""
    specs = unpublished(ordered())
    data = folder / "data" / CORPUS
    if rehearse:
        specs = [spec_of(spec.config, spec.seed, rehearse=True) for spec in ordered()[:6]]
        prepare_corpus(toy_text(6000, 0), data, name=CORPUS, origin="generated", edition="toy")
    else:
        shutil.rmtree(folder, ignore_errors=True)
        install(folder / "packages")
        fetch(CORPUS, folder / "raw")
        prepare(CORPUS, folder / "raw", data)
        shutil.rmtree(folder / "raw")
    write_text(folder / "specs.jsonl", "".join(spec.to_json() + "\n" for spec in specs))
    write_json(folder / "tree.json", git_state(PROJECT) | {"source": digest(PROJECT / "src/redrop")})
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {len(specs)} runs, {size / 1e6:.1f} MB")
    if size > LIMIT:
        sys.exit(f"{folder}: {size:,} bytes, more than the {LIMIT:,} that are copied along")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--to", type=Path, default=PROJECT / "gpu", help="default: gpu/")
    parser.add_argument("--rehearse", action="store_true", help="a generated text, small runs, no packages")
    given = parser.parse_args()
    make(given.to, rehearse=given.rehearse)
