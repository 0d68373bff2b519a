"""Which sets of documents with summaries there are, what their files look like and where they are.

Row counts are the official ones. Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from redrop.data.sources import RemoteFile
from redrop.data.summarization_toy import ROWS as TOY_ROWS

SPLITS = ("train", "valid", "test")
CNN_REVISION = "96df5e686bee6baa90b8bee7c28b81fa3fa6223d"
DIALOGSUM_COMMIT = "848cc8c05e0a04def79326539de827f1b28786a0"

Files = Mapping[str, tuple[RemoteFile, ...]]
"""Split -> its files."""


@dataclass(frozen=True, kw_only=True)
class SummarySet:
    """A data set: its files, and how it is prepared."""

    name: str
    about: str
    license: str
    keys: tuple[str, str] = ("id", "document")
    """Columns or JSON keys of the identifier and of the document."""
    references: Mapping[str, tuple[str, ...]] = field(hash=False)
    """Split -> columns or JSON keys of its reference summaries; `""` stands for every split not named."""
    rows: Mapping[str, int] = field(hash=False)
    """Official number of rows of each split, before cleaning, or how many of a single file are taken."""
    editions: Mapping[str, Files] = field(default_factory=dict, hash=False)
    """Edition -> its files. The first that a mirror has is taken, else the last one is downloaded."""
    git_blobs: Mapping[str, str] = field(default_factory=dict, hash=False)
    """File -> its id in git, pinned where no sha256 is published."""
    held_out: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Split -> rows (chosen), where the first rows of a single file are parted; train gets the others."""
    vocabulary: int = 8000
    """Tokens of the byte-level BPE, at most (chosen)."""
    learned_on: int = 20_000
    """Train examples that it is learned on, at most, spread evenly (chosen: CNN/DailyMail has 1.2 GB)."""
    sentences: str = "sentences"
    """How the references' sentences are told: a name in `evaluation.summarization.SPLITTERS`."""
    smaller: str = ""
    """A data set to name where this one cannot be had; it never takes its place."""
    generated: bool = False
    """Whether it is a toy: generated, never to be shown as real data."""

    def reference_keys(self, split: str) -> tuple[str, ...]:
        """Columns or JSON keys of a split's reference summaries."""
        return self.references.get(split) or self.references[""]


def _cnn(name: str, sha256: str | None = None) -> RemoteFile:
    return RemoteFile(
        name=name,
        url=f"https://huggingface.co/datasets/abisee/cnn_dailymail/resolve/{CNN_REVISION}/3.0.0/{name}",
        sha256=sha256,
        size=None,
        mirror=(f"cnn_dailymail/hub/{name}",),
        mirror_sha256=() if sha256 is None else (sha256,),
    )


def _dialogsum(name: str, size: int | None, sha256: str | None) -> RemoteFile:
    # Mirrors may hold other editions of these files, so their own sums decide; the edition says so.
    return RemoteFile(
        name=name,
        url=f"https://raw.githubusercontent.com/cylnlp/dialogsum/{DIALOGSUM_COMMIT}/DialogSum_Data/{name}",
        sha256=sha256,
        size=size,
        mirror=(f"dialogsum/{name}",),
    )


_CNN_VALIDATION = _cnn(
    "validation-00000-of-00001.parquet", "65a5ccce932b08f050114ce6e3c39355d563fa24f194052bb2f27d1c6c499c91"
)
_CNN_SAMPLE = RemoteFile(
    name="validation_1000.csv",
    # Only mirrors have this file, and `fetch` asks for it only there; the page is of the whole set.
    url="https://huggingface.co/datasets/abisee/cnn_dailymail",
    sha256=None,
    size=None,
    mirror=("cnn_dailymail/validation_1000.csv",),
    mirror_sha256=("fa0a78975e902c7e5bd59506bc5508f848add73bff87fef68670e934a742de67",),
)
_CNN_LICENSE = "Apache-2.0 as the hub has it; the articles are CNN's and the Daily Mail's"

SETS: dict[str, SummarySet] = {
    summary_set.name: summary_set
    for summary_set in (
        SummarySet(
            name="cnn_dailymail",
            about="news articles with their highlights (CNN/DailyMail 3.0.0)",
            license=_CNN_LICENSE,
            keys=("id", "article"),
            references={"": ("highlights",)},
            rows={"train": 287_113, "valid": 13_368, "test": 11_490},
            editions={
                f"hub {CNN_REVISION[:12]}": {
                    "train": tuple(_cnn(f"train-0000{i}-of-00003.parquet") for i in range(3)),
                    "valid": (_CNN_VALIDATION,),
                    "test": (
                        _cnn(
                            "test-00000-of-00001.parquet",
                            "04e322d2634a96dba76bf9a6294fbbe48e0b36abeae43f13d86ba2c3bebffe4e",
                        ),
                    ),
                }
            },
            sentences="lines",
            smaller="cnn_dailymail_sample",
        ),
        SummarySet(
            name="cnn_dailymail_sample",
            about="1,000 validation articles of CNN/DailyMail, parted anew: not the data set of any paper",
            license=_CNN_LICENSE,
            keys=("id", "article"),
            references={"": ("highlights",)},
            rows={"articles": 1000},
            editions={
                "sample: 1,000 validation articles, csv": {"articles": (_CNN_SAMPLE,)},
                f"sample: first 1,000 validation articles, hub {CNN_REVISION[:12]}": {
                    "articles": (_CNN_VALIDATION,)
                },
            },
            held_out={"valid": 100, "test": 100},
            sentences="lines",
        ),
        SummarySet(
            name="dialogsum",
            about="dialogues with a summary, three in the test split (DialogSum)",
            license="CC BY-NC-SA 4.0",
            keys=("fname", "dialogue"),
            references={"": ("summary",), "test": ("summary1", "summary2", "summary3")},
            rows={"train": 12_460, "valid": 500, "test": 500},
            editions={
                f"commit {DIALOGSUM_COMMIT[:12]}": {
                    "train": (_dialogsum("dialogsum.train.jsonl", None, None),),
                    "valid": (
                        _dialogsum(
                            "dialogsum.dev.jsonl",
                            471_830,
                            "436721e0a3571eef7072964f80e042fb151d8c6178db1a688ce8f803bbf0a13f",
                        ),
                    ),
                    "test": (
                        _dialogsum(
                            "dialogsum.test.jsonl",
                            639_707,
                            "6de36eca7e7b9b10975fd5ea3f47391df172d8b3c15d03d84d763cbaab015fda",
                        ),
                    ),
                }
            },
            git_blobs={"dialogsum.train.jsonl": "0a02b0f0cbe801a75384ba28364a7528b9340587"},
        ),
        SummarySet(
            name="toy_summaries",
            about="generated: one of three sentences is marked, its words are the summary (not real text)",
            license="MIT, as this project",
            references={"": ("summary",)},
            rows=TOY_ROWS,
            vocabulary=400,
            generated=True,
        ),
    )
}
"""Name -> data set."""
