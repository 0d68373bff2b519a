"""GLUE tasks: the real files' counts, what is refused and how, and the generated tasks' truth.

The tests marked `needs_mirror` read real files from the folder that REDROP_MIRROR names. Nothing
reaches a network.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pooch
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from redrop import data
from redrop.data import base, glue
from redrop.data.glue import hold_out
from redrop.data.glue_files import make_split, read, read_tsv
from redrop.data.sets.glue import _toy as glue_toy
from redrop.data.sets.glue.glue_toy_pairs import pairs_truth
from redrop.data.sets.glue.glue_toy_score import score_truth
from redrop.data.tasks import TASKS
from redrop.errors import ConfigError, DataError
from support import make_mirror

MIRROR = os.environ.get("REDROP_MIRROR")
SOURCE_ROOT = Path(data.__file__).parents[2]
needs_mirror = pytest.mark.skipif(not MIRROR, reason="set REDROP_MIRROR to a folder with the real files")
pytestmark = pytest.mark.usefixtures("offline")

HERE = {"cola": "CoLA", "sst2": "SST-2", "mrpc": "MRPC", "stsb": "STS-B", "rte": "RTE"}
"""The tasks that the mirror has in full, with their folders."""
TOYS = ["toy_pairs", "toy_score"]


def make_task(name: str, folder: Path, mirror: str | Path | None = None) -> glue.TaskData:
    data.fetch(f"glue_{name}", folder / "raw", mirror)
    return data.prepare(f"glue_{name}", folder / "raw", folder / "prepared")


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    """The real tasks by name, each prepared once from the mirror."""
    prepared: dict[str, glue.TaskData] = {}

    def get(name: str) -> glue.TaskData:
        if name not in prepared:
            prepared[name] = make_task(name, tmp_path_factory.mktemp(name), MIRROR)
        return prepared[name]

    return get


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    make_task("toy_pairs", folder)
    return folder / "prepared"


# What the data sets are


def test_every_task_is_a_data_set():
    assert data.names("glue") == tuple(sorted(task.name for task in TASKS.values()))
    assert not any(name.startswith("glue") for name in data.names("corpus"))
    for name, task in TASKS.items():
        assert (task.task, data.get(task.name).name) == (name, f"glue_{name}")
        assert set(task.rows) == set(task.splits)
        assert hash(task)
        for split, counts in task.balance.items():
            assert sum(counts) == task.rows[split]
            assert len(counts) == len(task.labels)


def test_a_name_that_is_none_is_refused():
    with pytest.raises(ConfigError, match=r"'glue_rtee'\. Did you mean 'glue_rte'\?"):
        data.get("glue_rtee")
    with pytest.raises(DataError, match=r"glue_rte/meta\.json is missing: no prepared task"):
        data.load("glue_rte", root="somewhere")


def test_importing_the_tasks_is_light():
    code = "import sys; from redrop import data; data.get('glue_cola'); print(*sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(SOURCE_ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert not {"torch", "pyarrow", "pooch", "requests", "numpy", "pandas"} & set(done.stdout.split())


# The real files


def official_rows(name: str, split: str) -> list[dict[str, str]]:
    """The mirror's rows, by the standard library's reader."""
    header = ["source", "label", "mark", "sentence"] if name == "cola" else None
    path = Path(MIRROR) / "glue" / HERE[name] / f"{split}.tsv"
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream, header, delimiter="\t", quoting=csv.QUOTE_NONE))


@needs_mirror
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("cola", {"train": [2528, 6023], "dev": [322, 721]}),
        ("sst2", {"train": [29780, 37569], "dev": [428, 444]}),
        ("mrpc", {"train": [1194, 2474], "dev": [129, 279]}),
        ("rte", {"train": [1249, 1241], "dev": [146, 131]}),
    ],
)
def test_rows_and_balance_of_the_real_classification_tasks(real, name, counts):
    task_data = real(name)
    assert {split: np.bincount(s.labels).tolist() for split, s in task_data.splits.items()} == counts
    columns = {"mrpc": ("#1 String", "#2 String", "Quality"), "rte": ("sentence1", "sentence2", "label")}
    first, second, label = columns.get(name, ("sentence", None, "label"))
    values = list(TASKS[name].labels) if name == "rte" else ["0", "1"]
    for split, rows in task_data.splits.items():
        official = official_rows(name, split)
        assert rows.sentence1 == [row[first] for row in official]
        assert rows.sentence2 == (None if second is None else [row[second] for row in official])
        assert rows.labels.tolist() == [values.index(row[label]) for row in official]
        assert rows.idx.tolist() == list(range(len(official)))
        assert (rows.labels.dtype, rows.idx.dtype) == (np.int64, np.int32)


@needs_mirror
def test_the_real_scores(real):
    task_data = real("stsb")
    assert {split: len(rows) for split, rows in task_data.splits.items()} == {"train": 5749, "dev": 1500}
    for split, rows in task_data.splits.items():
        official = official_rows("stsb", split)
        assert rows.sentence1 == [row["sentence1"] for row in official]
        assert rows.sentence2 == [row["sentence2"] for row in official]
        assert rows.labels.dtype == np.float32
        np.testing.assert_array_equal(rows.labels, [np.float32(row["score"]) for row in official])
        assert (rows.labels.min(), rows.labels.max()) == (0, 5)
    assert pq.read_table(task_data.folder / "train.parquet").column("label").to_pylist()[1] == 3.8


@needs_mirror
def test_sentences_are_kept_as_they_are(real):
    train = real("sst2").splits["train"]
    assert train.sentence1[0] == "hide new secretions from the parental units "
    assert all(sentence.endswith(" ") for sentence in train.sentence1)
    assert real("mrpc").splits["dev"].sentence2[0].startswith('"The foodservice')


@needs_mirror
def test_rte_tsv_equals_the_released_parquet_row_by_row(real):
    for split, released in (("train", "train"), ("dev", "validation")):
        rows = real("rte").splits[split]
        table = pq.read_table(Path(MIRROR) / f"glue/RTE/hf_parquet/{released}.parquet").to_pydict()
        assert rows.sentence1 == table["sentence1"]
        assert rows.sentence2 == table["sentence2"]
        assert rows.labels.tolist() == table["label"]
        assert rows.idx.tolist() == table["idx"]
    names = pq.read_schema(Path(MIRROR) / "glue/RTE/hf_parquet/train.parquet").metadata[b"huggingface"]
    assert json.loads(names)["info"]["features"]["label"]["names"] == list(TASKS["rte"].labels)


@needs_mirror
def test_both_editions_of_rte_give_the_same_rows(real, tmp_path):
    released = Path(MIRROR) / "glue/RTE/hf_parquet"
    files = {
        f"glue/hub/rte/{split}-00000-of-00001.parquet": (released / f"{split}.parquet").read_bytes()
        for split in ("train", "validation")
    }
    hub = make_task("rte", tmp_path, make_mirror(tmp_path / "mirror", files))
    assert (hub.edition, hub.origin) == ("hub bcdcba79d07b", "mirror")
    assert real("rte").edition == "tsv"
    assert hub.sha256 == real("rte").sha256
    # What was fetched stays, whatever the mirror has now.
    kept = data.fetch("glue_rte", tmp_path / "raw", MIRROR)
    assert kept.edition == hub.edition


@needs_mirror
def test_qnli_without_train_says_what_to_fetch_and_where(tmp_path):
    with pytest.raises(DataError) as caught:
        data.fetch("glue_qnli", tmp_path, MIRROR)
    for part in (
        f"https://huggingface.co/datasets/nyu-mll/glue/resolve/{glue.REVISION}/qnli/train-00000-of-00001.parquet",
        f"{MIRROR}/glue/hub/qnli/train-00000-of-00001.parquet",
        f"missing: {MIRROR}/glue/QNLI/train.tsv, beside dev.tsv",
    ):
        assert part in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@needs_mirror
def test_the_real_qnli_dev_reads():
    rows = read_tsv(Path(MIRROR) / "glue/QNLI/dev.tsv", TASKS["qnli"])
    assert np.bincount(rows.labels).tolist() == list(TASKS["qnli"].balance["dev"])


@needs_mirror
def test_preparing_twice_gives_the_same_bytes(real, tmp_path):
    again = make_task("rte", tmp_path, MIRROR)
    assert sorted(path.name for path in again.folder.iterdir()) == [
        "dev.parquet",
        "meta.json",
        "train.parquet",
    ]
    for path in again.folder.iterdir():
        assert path.read_bytes() == (real("rte").folder / path.name).read_bytes()


@needs_mirror
@pytest.mark.parametrize(("name", "folder"), HERE.items())
def test_a_real_file_that_lacks_its_end_is_refused(tmp_path, name, folder):
    files = {}
    for split in ("train", "dev"):
        raw = (Path(MIRROR) / f"glue/{folder}/{split}.tsv").read_bytes()
        files[f"glue/{folder}/{split}.tsv"] = raw
    whole = files[f"glue/{folder}/dev.tsv"]
    files[f"glue/{folder}/dev.tsv"] = whole[: whole.rstrip(b"\n").rindex(b"\n") + 1]
    expected = TASKS[name].rows["dev"]
    with pytest.raises(DataError, match=rf"dev rows: expected {expected}, found {expected - 1}"):
        make_task(name, tmp_path, make_mirror(tmp_path / "mirror", files))
    assert not (tmp_path / "prepared").exists()


@needs_mirror
def test_a_real_file_with_one_label_changed_is_refused(tmp_path):
    files = {
        f"glue/CoLA/{split}.tsv": (Path(MIRROR) / f"glue/CoLA/{split}.tsv").read_bytes()
        for split in ("train", "dev")
    }
    files["glue/CoLA/train.tsv"] = files["glue/CoLA/train.tsv"].replace(b"gj04\t1\t", b"gj04\t0\t", 1)
    message = r"unacceptable, acceptable\): expected \(2528, 6023\), found \(2529, 6022\).*delete .*raw"
    with pytest.raises(DataError, match=message):
        make_task("cola", tmp_path, make_mirror(tmp_path / "mirror", files))


# Getting them


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if not task.generated])
def test_offline_without_a_mirror_nothing_is_made_up(tmp_path, name):
    task = TASKS[name]
    with pytest.raises(DataError, match=r"https://.*REDROP_MIRROR.*MIRROR/glue/.*/train\.tsv, MIRROR"):
        data.fetch(task.name, tmp_path)
    assert list(tmp_path.iterdir()) == []
    files = task.editions[glue.HUB_EDITION]
    assert len(files) == len(task.splits)
    assert all(glue.REVISION in file.url and len(file.sha256) == 64 and file.size for file in files)


def test_the_hub_files_are_downloaded_when_the_mirror_has_only_a_part(tmp_path, monkeypatch):
    asked = []

    class Downloader:
        def __init__(self, **kwargs):
            pass

        def __call__(self, url, output_file, pooch):
            asked.append(url.rsplit("/", 2)[1:])
            output_file.write(b"not what is pinned")

    monkeypatch.setattr(pooch, "HTTPDownloader", Downloader)
    tsv = b"index\tquestion\tsentence\tlabel\n0\tWho?\tMe.\tentailment\n"
    mirror = make_mirror(tmp_path / "mirror", {"glue/QNLI/dev.tsv": tsv})
    with pytest.raises(
        DataError, match=rf"wrong checksum.*missing: {mirror}/glue/QNLI/train.tsv, beside dev"
    ):
        data.fetch("glue_qnli", tmp_path / "raw", mirror)
    assert asked == [["qnli", "train-00000-of-00001.parquet"]]
    assert list((tmp_path / "raw").iterdir()) == []


def test_a_mirror_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"mirror folder .*typo does not exist"):
        data.fetch("glue_rte", tmp_path / "raw", tmp_path / "typo")


def test_a_bad_file_in_a_mirror_is_refused_when_it_is_fetched(tmp_path):
    files = {
        "glue/CoLA/train.tsv": b"gj04\t1\t\tA sentence.\n",
        "glue/CoLA/dev.tsv": b"gj04\t1\t\tA sentence.\ngj04\t2\t\tAnother.\n",
    }
    mirror = make_mirror(tmp_path / "mirror", files)
    message = r"mirror/glue/CoLA/dev\.tsv .*: dev\.tsv, line 2: the label '2' is none of 0, 1.*redrop fetch"
    with pytest.raises(DataError, match=message):
        data.fetch("glue_cola", tmp_path / "raw", mirror)
    assert [path.name for path in (tmp_path / "raw").glob("[!.]*")] == ["train.tsv"]


def test_too_few_rows_are_refused(tmp_path):
    files = {f"glue/CoLA/{split}.tsv": b"gj04\t1\t\tA sentence.\n" for split in ("train", "dev")}
    message = r"glue_cola has a wrong number of train rows: expected 8551, found 1.*redrop fetch glue_cola"
    with pytest.raises(DataError, match=message):
        make_task("cola", tmp_path, make_mirror(tmp_path / "mirror", files))
    assert not (tmp_path / "prepared").exists()


def test_raw_files_that_changed_are_refused(tmp_path):
    data.fetch("glue_toy_pairs", tmp_path / "raw")
    with (tmp_path / "raw/dev.tsv").open("a") as stream:
        stream.write("\n")
    with pytest.raises(DataError, match=r"dev\.tsv changed.*redrop fetch glue_toy_pairs"):
        data.prepare("glue_toy_pairs", tmp_path / "raw", tmp_path / "prepared")
    with pytest.raises(DataError, match=r"source\.json is missing.*redrop fetch glue_rte"):
        data.prepare("glue_rte", tmp_path / "nothing", tmp_path / "prepared")


# Reading TSV


def tsv(folder: Path, content: str | bytes) -> Path:
    path = folder / "train.tsv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


MNLI_COLUMNS = [
    "index",
    "prompt",
    *(f"p{i}" for i in range(6)),
    "sentence1",
    "sentence2",
    "label1",
    "gold_label",
]
GOOD = {
    "cola": ('a\t0\t*\tBooks "read.\nb\t1\t\tHe\u2028left\n', [0, 1], ['Books "read.', "He\u2028left"], None),
    "sst2": ("sentence\tlabel\r\n fine \t1\r\n", [1], [" fine "], None),
    "mrpc": (
        "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\tA.\tB.",
        [1],
        ["A."],
        ["B."],
    ),
    "stsb": (
        "score\tsentence1\tsentence2\n5.000\tA\tB\n0\tC\t\n2.5\tD\tE\n",
        [5, 0, 2.5],
        list("ACD"),
        ["B", "", "E"],
    ),
    "mnli": (
        "\t".join(MNLI_COLUMNS) + "\n" + "\t".join(f"v{i}" for i in range(11)) + "\tcontradiction\n",
        [2],
        ["v8"],
        ["v9"],
    ),
    "qnli": ("index\tquestion\tsentence\tlabel\n0\tWho?\tMe.\tnot_entailment\n", [1], ["Who?"], ["Me."]),
    "qqp": (
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\tWho?\tHow?\t1\n4\t5\t6\tcut\n"
        "7\t8\t9\tWhy?\tWhere?\t0\n",
        [1, 0],
        ["Who?", "Why?"],
        ["How?", "Where?"],
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_the_layout_of_each_task_by_hand(tmp_path, name):
    content, labels, first, second = GOOD[name]
    rows = read_tsv(tsv(tmp_path, content), TASKS[name])
    assert rows.labels.tolist() == labels
    assert (rows.sentence1, rows.sentence2) == (first, second)
    # A row that QQP lost on the hub leaves a gap in the numbers there, too.
    assert rows.idx.tolist() == ([0, 2] if name == "qqp" else list(range(len(labels))))


RTE = "index\tsentence1\tsentence2\tlabel\n"
STSB = "index\tsentence1\tsentence2\tscore\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rte", "", r"train\.tsv has no rows"),
        ("rte", RTE, r"train\.tsv has no rows"),
        (
            "rte",
            "index\tsentence1\tlabel\n0\tA\tentailment\n",
            r"line 1: no column 'sentence2', only index, ",
        ),
        ("mrpc", "#1 String\t#2 String\nA\tB\n", r"line 1: no column 'Quality'"),
        (
            "rte",
            RTE + "0\tA\tB\tentailment\n1\tA\tB\tneutral\n",
            r"line 3: the label 'neutral' is none of ent",
        ),
        ("sst2", "sentence\tlabel\nfine\tpositive\n", r"line 2: the label 'positive' is none of 0, 1"),
        ("cola", "a\t\t\tA sentence.\n", r"line 1: the label '' is none of 0, 1"),
        ("stsb", STSB + "0\tA\tB\t5.2\n", r"line 2: the score '5\.2' is no number from 0 to 5"),
        ("stsb", STSB + "0\tA\tB\t-0.1\n", r"line 2: the score '-0\.1' is no"),
        ("stsb", STSB + "0\tA\tB\tnan\n", r"line 2: the score 'nan' is no"),
        ("stsb", STSB + "0\tA\tB\thigh\n", r"line 2: the score 'high' is no"),
        ("rte", RTE + "0\tA\tB\n", r"line 2: 3 fields, expected 4 \(index, sentence1, sentence2, label\)"),
        ("rte", RTE + "0\tA\tB\tC\tentailment\n", r"line 2: 5 fields, expected 4"),
        ("rte", RTE + "0\tA\tB\tentailment\n\n", r"line 3: 1 fields, expected 4"),
        ("cola", "a\t1\tA sentence.\n", r"line 1: 3 fields, expected 4"),
        ("qqp", "question1\tquestion2\tis_duplicate\nA\tB\t1\tC\n", r"line 2: 4 fields, expected 3"),
        ("rte", RTE.encode() + b"0\tA\xff\tB\tentailment\n", r"line 2: byte 0xff is not UTF-8"),
    ],
)
def test_a_bad_tsv_is_refused_with_file_line_and_value(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message) as caught:
        read_tsv(tsv(tmp_path, content), TASKS[name])
    assert str(tmp_path / "train.tsv") in str(caught.value)
    assert f"redrop fetch glue_{name}" in str(caught.value)


# Reading parquet

COLUMNS = {
    "premise": ["A", "B"],
    "hypothesis": ["C", "D"],
    "label": [2, 0],
    "idx": pa.array([0, 5], pa.int32()),
}


def parquet(path: Path, **columns) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_a_hub_file_reads(tmp_path):
    rows = read(parquet(tmp_path / "x.parquet", **COLUMNS), TASKS["mnli"])
    assert (rows.sentence1, rows.sentence2) == (["A", "B"], ["C", "D"])
    assert (rows.labels.tolist(), rows.idx.tolist()) == ([2, 0], [0, 5])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": [0, -1]}, r"row 1: the label -1 is not from 0 to 2"),
        ({"label": [0, 3]}, r"row 1: the label 3 is not from 0 to 2"),
        ({"label": [0, None]}, r"the column 'label' is int64 with 1 empty values"),
        ({"label": ["a", "b"]}, r"the column 'label' is string"),
        ({"premise": [1, 2]}, r"the column 'premise' is int64"),
        ({"hypothesis": None}, r"no column 'hypothesis', only premise, label, idx"),
    ],
)
def test_a_bad_hub_file_is_refused(tmp_path, changes, message):
    columns = {name: values for name, values in (COLUMNS | changes).items() if values is not None}
    with pytest.raises(DataError, match=message) as caught:
        read(parquet(tmp_path / "x.parquet", **columns), TASKS["mnli"])
    assert str(tmp_path / "x.parquet") in str(caught.value)
    assert "redrop fetch glue_mnli" in str(caught.value)


def test_what_is_no_parquet_is_refused(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"x\.parquet cannot be read as parquet"):
        read(tmp_path / "x.parquet", TASKS["mnli"])


def test_both_editions_of_a_score_are_the_same_number(tmp_path):
    raw = "score\tsentence1\tsentence2\n3.800\tA\tB\n2.33333333333333\tA\tB\n"
    table = {"sentence1": ["A", "A"], "sentence2": ["B", "B"], "idx": [0, 1]}
    hub = parquet(tmp_path / "x.parquet", label=np.array([3.8, 2.33333333333333], np.float32), **table)
    splits = [read_tsv(tsv(tmp_path, raw), TASKS["stsb"]), read(hub, TASKS["stsb"])]
    assert len({base.fingerprint({"train": split}) for split in splits}) == 1


# Prepared folders


def edit_meta(folder: Path, **changes) -> None:
    path = folder / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_rows(folder: Path) -> None:
    table = pq.read_table(folder / "dev.parquet")
    sentences = table.column("sentence1").to_pylist()
    sentences[7] += " "
    pq.write_table(table.set_column(1, "sentence1", pa.array(sentences)), folder / "dev.parquet")


def swap_labels(folder: Path) -> None:
    table = pq.read_table(folder / "train.parquet")
    labels = table.column("label").to_pylist()
    pq.write_table(table.set_column(3, "label", pa.array(labels[::-1])), folder / "train.parquet")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (edit_rows, r"do not match meta\.json: its sha256 is"),
        (swap_labels, r"do not match meta\.json: its sha256 is"),
        (lambda f: shutil.copy(f / "train.parquet", f / "dev.parquet"), r"its rows is \{'dev': 300, 'train"),
        (lambda f: edit_meta(f, sha256="0" * 64), r"its sha256 is '0000"),
        (lambda f: edit_meta(f, label_counts={}), r"its label_counts is \{\}"),
        (lambda f: edit_meta(f, labels=["a", "b"]), r"its labels is \['a', 'b'\]"),
        (lambda f: edit_meta(f, name="glue_wnli"), r"holds 'glue_wnli', not 'glue_toy_pairs'"),
        (lambda f: edit_meta(f, task="wnli"), r"its task is 'wnli', theirs 'toy_pairs'"),
        (lambda f: edit_meta(f, format=1), r"not a task description of format 'glue 1'"),
        (lambda f: edit_meta(f, origin=None), r"origin missing or of the wrong kind"),
        (lambda f: (f / "meta.json").write_text("{"), r"meta\.json is damaged"),
        (lambda f: (f / "meta.json").unlink(), r"meta\.json is missing: no prepared task"),
        (lambda f: (f / "dev.parquet").unlink(), r"dev\.parquet is missing"),
        (lambda f: (f / "dev.parquet").write_bytes(b"PAR1"), r"dev\.parquet cannot be read"),
    ],
)
def test_a_prepared_folder_that_was_edited_is_refused(tmp_path, toy_folder, edit, message):
    folder = tmp_path / "glue_toy_pairs"
    shutil.copytree(toy_folder, folder)
    assert TASKS["toy_pairs"].load(folder).sha256 == TASKS["toy_pairs"].load(toy_folder).sha256
    edit(folder)
    with pytest.raises(DataError, match=message) as caught:
        TASKS["toy_pairs"].load(folder)
    assert "redrop prepare glue_toy_pairs" in str(caught.value)


def test_meta_says_what_was_prepared(toy_folder):
    meta = json.loads((toy_folder / "meta.json").read_text())
    raw = meta.pop("raw_sha256")
    assert set(raw) == {"train.tsv", "dev.tsv"}
    assert len(meta.pop("sha256")) == 64
    assert meta == {
        "format": "glue 1",
        "name": "glue_toy_pairs",
        "task": "toy_pairs",
        "kind": "classification",
        "labels": ["fewer", "more"],
        "origin": "generated",
        "edition": "toy 2",
        "rows": {"train": 1200, "dev": 300},
        "label_counts": {
            "train": {"fewer": 600, "more": 600},
            "dev": {"fewer": 150, "more": 150},
        },
    }
    schema = pq.read_schema(toy_folder / "train.parquet")
    assert schema.names == ["idx", "sentence1", "sentence2", "label"]
    assert schema.types == [pa.int32(), pa.string(), pa.string(), pa.int64()]


def test_the_fingerprint_by_hand():
    split = make_split(["a", "\u00e9"], None, [1, 0], [0, 1])
    lines = b'["dev",2]\n[0,"a",1]\n[1,"\\u00e9",0]\n'
    assert base.fingerprint({"dev": split}) == hashlib.sha256(lines).hexdigest()
    pair = make_split(["a"], ["b"], [3.8], [4])
    assert base.fingerprint({"dev": pair}) == hashlib.sha256(b'["dev",1]\n[4,"a","b",3.8]\n').hexdigest()


# The generated tasks


def test_every_row_of_toy_pairs_is_true(tmp_path):
    task_data = make_task("toy_pairs", tmp_path)
    assert (task_data.origin, task_data.edition) == ("generated", "toy 2")
    for rows in task_data.splits.values():
        for first, second, label in zip(rows.sentence1, rows.sentence2, rows.labels, strict=True):
            assert label == pairs_truth(first, second)
            assert glue_toy.marked(first) != glue_toy.marked(second)
        assert np.bincount(rows.labels).tolist() == [len(rows) // 2] * 2


def test_every_row_of_toy_score_is_true(tmp_path):
    task_data = make_task("toy_score", tmp_path)
    for rows in task_data.splits.values():
        assert rows.labels.dtype == np.float32
        for first, second, score in zip(rows.sentence1, rows.sentence2, rows.labels, strict=True):
            assert score == score_truth(first, second)
        counts = Counter(rows.labels.tolist())
        assert set(counts) == {half / 2 for half in range(11)}
        assert max(counts.values()) - min(counts.values()) <= 1


def test_the_truths_by_hand():
    """Marked: anna and sees and red and boats and today; not: emma, sells, warm, trees, there."""
    assert glue_toy.marked("anna sells warm boats there") == 2
    assert pairs_truth("anna sees red boats today", "emma sees red boats today") == 1
    assert pairs_truth("emma sells warm trees there", "emma sells red trees there") == 0
    assert score_truth("anna sees red boats today", "emma sees red trees there") == 3.5


@pytest.mark.parametrize("name", TOYS)
def test_toy_sentences_are_five_of_forty_words_and_no_pair_comes_twice(tmp_path, name):
    splits = make_task(name, tmp_path).splits
    pairs = [pair for rows in splits.values() for pair in zip(rows.sentence1, rows.sentence2, strict=True)]
    assert len(set(pairs)) == len(pairs) == 1500
    sentences = [sentence.split() for pair in pairs for sentence in pair]
    assert {len(words) for words in sentences} == {5}
    used = {word for words in sentences for word in words}
    assert used == {word for kind in glue_toy.WORDS for word in kind}
    assert len(used) == 40


@pytest.mark.parametrize(("name", "sha256"), [("toy_pairs", "03d6bf6be4ad"), ("toy_score", "581ae17c7a5d")])
def test_generated_tasks_do_not_depend_on_the_process(tmp_path, name, sha256):
    code = (
        "import sys; from redrop import data; name, root = sys.argv[1:]; "
        "data.fetch(name, root + '/raw'); data.prepare(name, root + '/raw', root + '/prepared')"
    )
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONPATH": str(SOURCE_ROOT), "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code, f"glue_{name}", str(tmp_path / seed)]
        subprocess.run(command, env=environment, check=True)
    files = sorted(path.relative_to(tmp_path / "1") for path in (tmp_path / "1").glob("*/*"))
    assert len(files) == 6
    for file in files:
        assert (tmp_path / "1" / file).read_bytes() == (tmp_path / "2" / file).read_bytes()
    # Rows that change need another name in glue_toy.EDITION.
    assert TASKS[name].load(tmp_path / "1/prepared").sha256.startswith(sha256)


# Holding out


def test_a_held_out_tenth(toy_folder):
    train = TASKS["toy_pairs"].load(toy_folder).splits["train"]
    rest, held = hold_out(train)
    assert (len(rest), len(held)) == (1080, 120)
    for part in (rest, held):
        assert part.idx.tolist() == sorted(part.idx.tolist())
        for row in (0, 57, len(part) - 1):
            i = part.idx[row]
            assert part.sentence1[row] == train.sentence1[i]
            assert part.sentence2[row] == train.sentence2[i]
            assert part.labels[row] == train.labels[i]
    assert sorted([*rest.idx, *held.idx]) == train.idx.tolist()
    assert hold_out(train)[1].idx.tolist() == held.idx.tolist()
    assert hold_out(train, seed=1)[1].idx.tolist() != held.idx.tolist()
    assert len(hold_out(train, fraction=0.25)[1]) == 300
    assert set(held.idx.tolist()) == set(np.random.default_rng(0).permutation(1200)[:120].tolist())


def test_holding_out_of_one_sentence_and_scores():
    rows = make_split(list("abcdefghij"), None, np.arange(10) / 4, range(10))
    rest, held = hold_out(rows)
    assert (len(rest), len(held), held.sentence2) == (9, 1, None)
    assert held.labels.dtype == np.float32
    assert held.labels[0] == held.idx[0] / 4
    assert [ord(letter) - ord("a") for letter in rest.sentence1] == rest.idx.tolist()


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, 0.99])
def test_a_fraction_that_leaves_nothing_is_refused(fraction):
    rows = make_split(["a", "b"], None, [0, 1], [0, 1])
    with pytest.raises(ValueError, match=r"between 0 and 1|leaves none"):
        hold_out(rows, fraction)


def test_the_arrays_are_read_only(toy_folder):
    train = TASKS["toy_pairs"].load(toy_folder).splits["train"]
    with pytest.raises(ValueError, match="read-only"):
        train.labels[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        hold_out(train)[0].idx[0] = 1
