"""Which GLUE tasks there are (Wang et al. 2019, arXiv 1804.07461), and what their files look like.

Row counts are the official ones; sizes and sums of the hub's files are those of the pinned revision.
Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HELD_OUT = 0.1
"""Share of train that is held out where settings are chosen."""


@dataclass(frozen=True, kw_only=True)
class GlueTask:
    """What is asked, and how much of it there is."""

    name: str
    """Such as `cola`."""
    data_set: str
    """Name of its data set, such as `glue_cola`."""
    kind: str
    """`classification` or `regression` (a score from 0 to 5)."""
    labels: tuple[str, ...] = ()
    """Name of each class, in the order of the class numbers; empty for regression."""
    pair: bool
    """Whether there are two sentences."""
    dev_splits: tuple[str, ...] = ("dev",)
    """What it is evaluated on; MNLI has two."""
    rows: Mapping[str, int] = field(hash=False)
    """Official number of rows of each split."""
    balance: Mapping[str, tuple[int, ...]] = field(default_factory=dict, hash=False)
    """Official number of rows of each class, for the splits where it is known for sure."""
    generated: bool = False
    """Whether it is a toy: generated, never to be shown as real data."""

    @property
    def splits(self) -> tuple[str, ...]:
        """`train`, then the dev splits."""
        return ("train", *self.dev_splits)


@dataclass(frozen=True, kw_only=True)
class TaskFiles:
    """How a task's files look, and where they are."""

    folder: str = ""
    """Of the TSV files, in a mirror's `glue/`."""
    text: tuple[str, ...] = ("sentence1", "sentence2")
    """TSV columns of the sentences."""
    label: str = "label"
    """TSV column of the class or score."""
    values: tuple[str, ...] = ()
    """What the label column says for each class; empty: the class's name."""
    header: tuple[str, ...] = ()
    """Names of the TSV columns where the file does not begin with them."""
    drops_short_rows: bool = False
    """Whether a row with too few fields is left out, as it was for the hub; otherwise it is an error."""
    hub_text: tuple[str, ...] = ("sentence1", "sentence2")
    """Parquet columns of the sentences."""
    hub: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """Split -> bytes and sha256 of the parquet file."""
    about: str
    license: str = "none stated by GLUE; for research"


def _task(name: str, labels: tuple[str, ...] = (), *, pair: bool = True, **values: Any) -> GlueTask:
    kind = "classification" if labels else "regression"
    return GlueTask(name=name, data_set=f"glue_{name}", kind=kind, labels=labels, pair=pair, **values)


TASKS: dict[str, GlueTask] = {
    task.name: task
    for task in (
        _task(
            "cola",
            ("unacceptable", "acceptable"),
            pair=False,
            rows={"train": 8551, "dev": 1043},
            balance={"train": (2528, 6023), "dev": (322, 721)},
        ),
        _task(
            "sst2",
            ("negative", "positive"),
            pair=False,
            rows={"train": 67_349, "dev": 872},
            balance={"train": (29_780, 37_569), "dev": (428, 444)},
        ),
        _task(
            "mrpc",
            ("not_equivalent", "equivalent"),
            rows={"train": 3668, "dev": 408},
            balance={"train": (1194, 2474), "dev": (129, 279)},
        ),
        _task("stsb", rows={"train": 5749, "dev": 1500}),
        _task("qqp", ("not_duplicate", "duplicate"), rows={"train": 363_846, "dev": 40_430}),
        _task(
            "mnli",
            ("entailment", "neutral", "contradiction"),
            dev_splits=("dev_matched", "dev_mismatched"),
            rows={"train": 392_702, "dev_matched": 9815, "dev_mismatched": 9832},
        ),
        _task(
            "qnli",
            ("entailment", "not_entailment"),
            rows={"train": 104_743, "dev": 5463},
            balance={"dev": (2702, 2761)},
        ),
        _task(
            "rte",
            ("entailment", "not_entailment"),
            rows={"train": 2490, "dev": 277},
            balance={"train": (1249, 1241), "dev": (146, 131)},
        ),
        _task(
            "toy_pairs",
            ("fewer", "more"),
            rows={"train": 1200, "dev": 300},
            balance={"train": (600, 600), "dev": (150, 150)},
            generated=True,
        ),
        _task("toy_score", rows={"train": 1200, "dev": 300}, generated=True),
    )
}
"""Task name -> task: the eight of GLUE, then the two generated ones."""

FILES = {
    "cola": TaskFiles(
        folder="CoLA",
        text=("sentence",),
        values=("0", "1"),
        header=("source", "label", "original label", "sentence"),
        hub_text=("sentence",),
        hub={
            "train": (251124, "2e7538afa2000e63f5343f16a758d75c452661a384208399d2035cd2fce45c33"),
            "dev": (37551, "c14b7219a7d9f9fe3dd291fd000f6623ee413805eb108c9c49578ed50873e4ba"),
        },
        about="is the sentence acceptable English? (CoLA)",
    ),
    "sst2": TaskFiles(
        folder="SST-2",
        text=("sentence",),
        values=("0", "1"),
        hub_text=("sentence",),
        hub={
            "train": (3110468, "66a253e67968acfabcbe49dbe9da964b42ac1c851c40ab760e8c8942efdb3229"),
            "dev": (72819, "a1371f3b3a7b0bcefa8388799a9359dc3ce76c349cc0079507a7991364fd2a9b"),
        },
        about="is a phrase of a film review positive? (SST-2)",
    ),
    "mrpc": TaskFiles(
        folder="MRPC",
        text=("#1 String", "#2 String"),
        label="Quality",
        values=("0", "1"),
        hub={
            "train": (649281, "61fd41301e0e244b0420c4350a170c8e7cf64740335fc875a4af2d79af0df0af"),
            "dev": (75678, "33c007dbf5bfa8463d87a13e6226df8c0fcf2596c2cd39d0f3bb79754e00f50f"),
        },
        about="do two sentences from the news say the same? (MRPC)",
    ),
    "stsb": TaskFiles(
        folder="STS-B",
        label="score",
        hub={
            "train": (502065, "bbd93bbb988fd18437e02185fe3b2bd9a18350376c392e7820de9df1b247ed1f"),
            "dev": (150622, "152de7cf1fa34ee4df1c243bd209b02ade21a1d5c4fb3b7da5240f78e4000aa9"),
        },
        about="how similar are two sentences, from 0 to 5? (STS-B)",
    ),
    "qqp": TaskFiles(
        folder="QQP",
        text=("question1", "question2"),
        label="is_duplicate",
        values=("0", "1"),
        drops_short_rows=True,
        hub_text=("question1", "question2"),
        hub={
            "train": (33558839, "4d6f02e643f7c36e9a4f7d4971a5ee9bd74063a319452fe6c87850c739774cd7"),
            "dev": (3729274, "efd86a539c412d74874ee451573d7bd142f56c47fe36de033b9f367d8bb0fa71"),
        },
        about="do two questions on Quora ask the same? (QQP)",
    ),
    "mnli": TaskFiles(
        folder="MNLI",
        label="gold_label",
        hub_text=("premise", "hypothesis"),
        hub={
            "train": (52224361, "49a4a5508b89b8fed2c6e81d2c47d00f4759050a7048c6cc5d95d31122ced3c1"),
            "dev_matched": (1214936, "7f918c09d9c35446b8e8f06a5672f8ab704e2897fecbf52e2e154141f3d7c421"),
            "dev_mismatched": (1251152, "04aba92823a954be36fe1b69b61eed334c9eb1009daba0dd79f69d77b87c535c"),
        },
        about="does a premise entail or contradict a hypothesis? (MNLI)",
    ),
    "qnli": TaskFiles(
        folder="QNLI",
        text=("question", "sentence"),
        hub_text=("question", "sentence"),
        hub={
            "train": (17528917, "ebc7cb70a5bbde0b0336c3d51f31bb4df4673e908e8874b090b52169b1365c6c"),
            "dev": (872062, "e69311b81dc65589286091d9905a27617a90436dd215c7a59832fa8f4f336169"),
        },
        about="does the sentence hold the answer to the question? (QNLI)",
    ),
    "rte": TaskFiles(
        folder="RTE",
        hub={
            "train": (583976, "a6252ab17015d718f6de1effe0980f7b158df63e3d16207cd8bd396b608e5147"),
            "dev": (69020, "fb2aa2e04f551133ba663617a15ae133dc22b0f6a969bc0629b5ea6003ee9cf8"),
        },
        about="does one sentence entail the other? (RTE)",
    ),
    "toy_pairs": TaskFiles(
        about="generated: which sentence has more marked words? (not GLUE)",
        license="MIT, as this project",
    ),
    "toy_score": TaskFiles(
        label="score",
        about="generated: how many words are marked? (not GLUE)",
        license="MIT, as this project",
    ),
}
"""Task name -> its files."""
