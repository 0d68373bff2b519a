"""The authors' figures: read with every fault named, and equal to their records."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from redrop.analysis.author_curves import FILES, read_recorded
from redrop.analysis.build import find_reported
from redrop.analysis.reported import LOSSES, comparable, read_reported
from redrop.analysis.settings import overrides
from redrop.errors import ConfigError
from redrop.record import DONE, RunRecord
from redrop.spec import RunSpec
from support import PROJECT, STUDY, spec_of

HEADER = "study,protocol,config,task,metric,value,source\n"
LINE = "residual,authors,a0r0,tiny_shakespeare,val_loss_last,1.8295,their records\n"


def test_a_figure_an_unknown_one_and_the_sources(tmp_path: Path) -> None:
    path = tmp_path / "residual.csv"
    path.write_text(HEADER + LINE + "residual,authors,a2r0,tiny_shakespeare,val_loss_last,,their paper\n")
    found = read_reported(path, STUDY)
    assert found.value("authors", "a0r0", "tiny_shakespeare", "val_loss_last") == 1.8295
    assert math.isnan(found.value("authors", "a2r0", "tiny_shakespeare", "val_loss_last"))
    assert math.isnan(found.value("matched", "skip1-0", "tiny_shakespeare", "val_loss_last"))
    assert found.sources == ("their records",)


FAULTS = {
    "columns": (HEADER.replace("metric", "score"), 1, "the columns must be study,protocol"),
    "empty": ("", 1, "the columns must be study,protocol"),
    "cells": (HEADER + LINE.replace(",their records", ""), 2, "it must have 7 cells"),
    "more cells": (HEADER + LINE.replace("\n", ",x\n"), 2, "it must have 7 cells"),
    "study": (HEADER + LINE.replace("residual", "glue"), 2, "study: 'glue' is not one of residual"),
    "source": (HEADER + LINE.replace("their records", ""), 2, "source is empty"),
    "protocol": (HEADER + LINE.replace("authors", "author"), 2, "protocol: 'author' .*mean 'authors'"),
    "config": (HEADER + LINE.replace("a0r0", "a00r0"), 2, "config: 'a00r0' .*did you mean 'a0r0'"),
    "task": (HEADER + LINE.replace("tiny_s", "s"), 2, "task: 'shakespeare'"),
    "metric": (HEADER + LINE.replace("val_loss_last", "loss"), 2, "metric: 'loss'"),
    "twice": (HEADER + LINE + LINE, 3, "authors/a0r0/tiny_shakespeare/val_loss_last is given twice"),
    "number": (HEADER + LINE.replace("1.8295", "about 2"), 2, "value 'about 2' is no finite number"),
    "finite": (HEADER + LINE + LINE.replace("a0r0", "a2r0").replace("1.8295", "nan"), 3, "leave it empty"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_with_file_line_and_cause(fault: str, tmp_path: Path) -> None:
    text, line, cause = FAULTS[fault]
    path = tmp_path / "residual.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"residual.csv: line {line}: .*{cause}"):
        read_reported(path, STUDY)


def test_a_missing_file_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"residual\.csv: no such file"):
        read_reported(tmp_path / "residual.csv", STUDY)
    (tmp_path / "residual.csv").write_bytes(HEADER.encode() + b"\xff\xfe\n")
    with pytest.raises(ConfigError, match=r"residual\.csv: not UTF-8"):
        read_reported(tmp_path / "residual.csv", STUDY)


@pytest.mark.parametrize(
    ("corpus", "settings", "verdict"),
    [
        ("tiny_shakespeare", {}, True),
        ("tiny_shakespeare", {"evaluation__every": 100, "schedule__precision": "bf16"}, True),
        ("tiny_shakespeare", {"schedule__stop_at": 300}, False),
        ("tiny_shakespeare", {"model__n_embd": 64}, False),
        ("python_docs", {}, False),
    ],
)
def test_only_a_run_at_their_size_on_their_corpus_is_comparable(
    corpus: str, settings: dict[str, object], verdict: bool
) -> None:
    values = spec_of("a2r025", **settings).to_dict()
    spec = RunSpec.from_dict(values | {"data": {"corpus": corpus}})
    record = RunRecord(spec.run, spec, DONE, None, {}, {}, Path())
    assert comparable(record, overrides(STUDY, spec)) is verdict


def notebook_name(run: str) -> str:
    """``res1_dropout_0.0`` is our ``res1-0``."""
    sweep, _, rate = run.partition("_dropout_")
    return f"{sweep}-{float(rate):g}"


def their_rows(protocol: str) -> list[str]:
    """Rows that are the authors'; controls of ours carry a tag."""
    known = STUDY.protocol(protocol)
    return [config for config in known.rows if not known.tags[config]]


def test_our_copy_equals_the_authors_records(reference: Path) -> None:
    ours = read_reported(PROJECT / "config/reported/residual.csv", STUDY).values
    theirs = {}
    for protocol, file in (("authors", "nanogpt_runs.csv"), ("notebook", "notebook_runs.csv")):
        with (reference / "residual" / file).open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                if protocol == "notebook" and not row["sweep"].startswith("skip"):
                    continue
                config = notebook_name(row["run"]) if protocol == "notebook" else row["run"]
                theirs |= {
                    (protocol, config, "tiny_shakespeare", name): round(float(row[name]), 4)
                    for name in LOSSES
                }
    assert ours == theirs
    assert {key[1] for key in ours} == {*their_rows("authors"), *their_rows("notebook")}


def test_the_authors_recorded_ends_are_the_reported_ones(reference: Path) -> None:
    """Every configuration of both protocols is found in the records under its own name."""
    reported = find_reported(STUDY)
    for protocol, file in FILES.items():
        curves = read_recorded(reference / file)
        for config in their_rows(protocol):
            last = reported.value(protocol, config, "tiny_shakespeare", "val_loss_last")
            assert curves[config][-1][1] == pytest.approx(last, abs=6e-5), config
