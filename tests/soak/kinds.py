"""What is killed: one command each, and what it must leave behind.

Commands run in forks of one process that has imported everything, so that kills meet work rather than the
seconds in which Python imports torch; only the whole workflow is a process of its own.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import random
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from redrop import cli, data
from redrop.data.corpus import prepare_corpus
from redrop.data.sets.corpus import tiny_shakespeare
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
from redrop.spec import RunSpec
from redrop.study import load_study, make_spec, merge_config, resolve
from redrop.yaml_files import read_yaml
from support import toy_text

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Kind:
    """A command that is killed and repeated in one folder until it ends."""

    name: str
    """As it stands in the published table."""
    share: float
    """Part of all kills."""
    command: Callable[[Path], None]
    """Do it in this folder, in a fork; or, for ``words``, nothing."""
    results: tuple[str, ...]
    """Patterns of the files in the folder that must come out byte-equal."""
    words: tuple[str, ...] = ()
    """A command line that is run in the folder instead."""
    prepare: Callable[[Path], None] | None = None
    """Done to each new folder first."""


def redrop(*words: object) -> None:
    """A verb, in this process."""
    cli.main([str(word) for word in words])


def spec_of(study: str, protocol: str, config: str, task: str, **settings: Any) -> RunSpec:
    """A row of a study with settings written section__name=value."""
    loaded = load_study(PROJECT / "config/studies" / f"{study}.yaml", PROJECT)
    override = {key.replace("__", "."): value for key, value in settings.items()}
    return make_spec(loaded, protocol, config, task, 1, override)


CHARACTERS = partial(
    spec_of,
    "residual",
    "authors",
    "a2r25_2",
    "tiny_shakespeare",
    model__n_layer=2,
    model__n_embd=32,
    model__n_head=2,
    model__block_size=32,
    schedule__iterations=200,
    evaluation__every=50,
    evaluation__sampled_batches=4,
)
GLUE = partial(spec_of, "glue", "toy", "lrdrop", "toy_pairs", schedule__epochs=2.0)
DECODES = {"schedule__updates": 10, "evaluation__every": 5, "evaluation__beam": 5}
"""A run that decodes for longer than it trains."""
TRANSLATION = partial(spec_of, "translation", "toy", "ce", "toy_xx_yy", **DECODES)


def copy_data(name: str, shared: Path, folder: Path) -> None:
    """A data set of the folder's own: tokenised texts are kept beside it."""
    shutil.copytree(shared / "data" / name, folder / "data" / name)


def train(spec: RunSpec, folder: Path) -> None:
    """One run, with frequent checkpoints."""
    words = ["train", "--spec", spec.to_json(), "--device", "cpu", "--checkpoint-every", "0.2"]
    redrop(*words, "--data", folder / "data", "--models", folder / "models", "--out", folder / "run")


def make_runs(folder: Path, count: int) -> None:
    """Finished runs with made-up numbers under ``folder``, to be collected."""
    study = load_study(PROJECT / "config/studies/residual.yaml", PROJECT)
    draw = random.Random(0)
    for seed in range(count):
        for config in ("a2r0", "a2r025", "a0r0", "a2r0_4"):
            spec = make_spec(study, "authors", config, "tiny_shakespeare", seed, {})
            row = {"iteration": 0, "train_loss": 4.0, "val_loss": draw.random(), "learning_rate": 0.0}
            metric = Metric(
                value=row["val_loss"], n=100, split="validation", higher_is_better=False, signature="made up"
            )
            metrics = dict.fromkeys(("val_loss_last", "val_loss_best", "train_loss_last"), metric)
            of = folder / "results/runs/residual" / spec.run
            write_text(of / CURVE, curve_text([row, row | {"iteration": 50_000}]))
            write_json(of / SPEC, spec.to_dict())
            write_json(of / PROVENANCE, {})
            write_json(of / METRICS, metrics_document(spec, DONE, None, {"name": "made up"}, metrics))


def collect(shared: Path, folder: Path) -> None:
    """One long table of all runs."""
    redrop("collect", "--results", shared / "results", "--out", folder / "runs.csv")


def tables(shared: Path, folder: Path) -> None:
    """A study's tables."""
    words = ["--study", "residual", "--all-runs", "--project", PROJECT]
    redrop("table", "--results", shared / "results", *words, "--out", folder / "tables")


TEXT = partial(toy_text, 1_500_000, 0)
"""Stands for the downloaded text: large enough that a kill can meet the transfer."""


def pinned(raw: bytes) -> None:
    """Let the pinned sums of Tiny Shakespeare be those of ``raw``, in this process."""
    digest = hashlib.sha256(raw).hexdigest()
    pinned_set = tiny_shakespeare.DATA_SET
    ((edition, (text,)),) = pinned_set.editions.items()
    text = dataclasses.replace(text, sha256=digest, size=len(raw), mirror_sha256=(digest,))
    tiny_shakespeare.DATA_SET = dataclasses.replace(pinned_set, editions={edition: (text,)})


def fetch_from_mirror(shared: Path, folder: Path) -> None:
    """Copy and check the raw text."""
    redrop("fetch", "tiny_shakespeare", "--to", folder / "raw", "--mirror", shared / "mirror")


def download(address: str, folder: Path) -> None:
    """The raw text from a server on this machine that takes its time."""
    import requests

    get = requests.get
    requests.get = lambda url, **words: get(address, **words)  # all but the encryption is as it always is
    os.environ.pop(data.MIRROR_VARIABLE, None)
    redrop("fetch", "tiny_shakespeare", "--to", folder / "raw")


def prepare(shared: Path, folder: Path) -> None:
    """Encode the raw text, and learn and apply a BPE code on a generated parallel one."""
    redrop("prepare", "tiny_shakespeare", "--raw", shared / "raw/tiny_shakespeare", "--to", folder / "text")
    redrop("prepare", "toy_translation", "--raw", shared / "raw/toy_translation", "--to", folder / "pairs")


WORKFLOW = {
    "label": "SOAK",
    "only": ["residual"],
    "studies": {
        "residual": [
            {
                "protocols": ["authors"],
                "configs": ["a2r025", "a2r0_4", "a0r0"],
                "seeds": [1],
                "corpora": ["python_docs"],
                "settings": {
                    "model.n_layer": 2,
                    "model.n_head": 2,
                    "model.n_embd": 16,
                    "model.block_size": 128,
                    "schedule.iterations": 60,
                    "evaluation.every": 30,
                },
            }
        ]
    },
}


def write_config(folder: Path) -> None:
    """The workflow's config, in its folder."""
    (folder / "config.yaml").write_text(yaml.safe_dump(WORKFLOW))


def workflow() -> Kind:
    """Snakemake from the raw data to the long table: three runs, two at a time."""
    config = merge_config(read_yaml(PROJECT / "config/config.yaml"), WORKFLOW)
    runs = [f"results/runs/residual/{run}" for run in resolve(config, PROJECT).specs["residual"]]
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile"), "--quiet"]
    command += ["--workflow-profile", str(PROJECT / "profiles/default"), "--configfile", "config.yaml"]
    command += ["--cores", "2", "results/residual/runs.csv"]
    return Kind(
        name="the whole workflow (`snakemake`)",
        share=0.06,
        command=lambda folder: None,
        words=tuple(command),
        results=(
            *(f"{run}/{file}" for run in runs for file in (METRICS, CURVE, SPEC)),
            *("results/residual/runs.csv", "results/data/python_docs/*", "results/downloads/python_docs/*"),
        ),
        prepare=write_config,
    )


def training(name: str, share: float, spec: RunSpec, shared: Path, *more: str) -> Kind:
    """A run that is killed."""
    return Kind(
        name=name,
        share=share,
        command=partial(train, spec),
        results=tuple(f"run/{file}" for file in (METRICS, CURVE, SPEC, *more)),
        prepare=partial(copy_data, spec.data.data_set, shared),
    )


def kinds(shared: Path, address: str) -> Sequence[Kind]:
    """All of them; ``shared`` holds what several read, ``address`` is the server's."""
    return (
        training("training, paper B's model", 0.22, CHARACTERS(), shared),
        training("training and evaluation, GLUE", 0.16, GLUE(), shared, "predictions.csv.gz"),
        training("training and decoding, translation", 0.16, TRANSLATION(), shared, "predictions.csv.gz"),
        Kind("`redrop collect`", 0.1, partial(collect, shared), ("runs.csv",)),
        Kind("`redrop table`", 0.08, partial(tables, shared), ("tables/*",)),
        Kind("`redrop fetch`, from a mirror", 0.05, partial(fetch_from_mirror, shared), ("raw/*",)),
        Kind("`redrop fetch`, a download", 0.09, partial(download, address), ("raw/*",)),
        Kind("`redrop prepare`", 0.08, partial(prepare, shared), ("text/*", "pairs/*")),
        workflow(),
    )


def make_shared(shared: Path) -> bytes:
    """What the kinds read: a mirror, raw and prepared data, finished runs. Returns the text."""
    raw = TEXT().encode()
    pinned(raw)
    mirror = shared / "mirror"
    (mirror / "char").mkdir(parents=True)
    (mirror / "char/tinyshakespeare.txt").write_bytes(raw)
    line = f"{hashlib.sha256(raw).hexdigest()}  ./char/tinyshakespeare.txt\n"
    (mirror / "SHA256SUMS").write_text(line)
    generated = [spec.data.data_set for spec in (GLUE(), TRANSLATION())]
    for name in ("tiny_shakespeare", *generated):
        redrop("fetch", name, "--to", shared / "raw" / name, "--mirror", mirror)
    for name in generated:
        redrop("prepare", name, "--raw", shared / "raw" / name, "--to", shared / "data" / name)
    names = {"name": "tiny_shakespeare", "origin": "generated", "edition": "toy"}
    prepare_corpus(toy_text(60_000, 0), shared / "data/tiny_shakespeare", **names)
    make_runs(shared, 12)
    return raw
