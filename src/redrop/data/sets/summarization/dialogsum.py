"""DialogSum: dialogues with a summary, three in the test split, from the authors' repository."""

from __future__ import annotations

from redrop.data.base import PairLengths
from redrop.data.sources import RemoteFile
from redrop.data.summarization import SummarySet

COMMIT = "848cc8c05e0a04def79326539de827f1b28786a0"


def _file(name: str, split: str, size: int | None = None, sha256: str | None = None) -> RemoteFile:
    # Mirrors may hold other editions of these files, so their own sums decide; the edition says so.
    url = f"https://raw.githubusercontent.com/cylnlp/dialogsum/{COMMIT}/DialogSum_Data/{name}"
    return RemoteFile(name, url, sha256, size, mirror=(f"dialogsum/{name}",), split=split)


DATA_SET = SummarySet(
    name="dialogsum",
    about="dialogues with a summary, three in the test split (DialogSum)",
    license="CC BY-NC-SA 4.0",
    keys=("fname", "dialogue"),
    references={"": ("summary",), "test": ("summary1", "summary2", "summary3")},
    rows={"train": 12_460, "valid": 500, "test": 500},
    editions={
        f"commit {COMMIT[:12]}": (
            _file("dialogsum.train.jsonl", "train"),
            _file(
                "dialogsum.dev.jsonl",
                "valid",
                471_830,
                "436721e0a3571eef7072964f80e042fb151d8c6178db1a688ce8f803bbf0a13f",
            ),
            _file(
                "dialogsum.test.jsonl",
                "test",
                639_707,
                "6de36eca7e7b9b10975fd5ea3f47391df172d8b3c15d03d84d763cbaab015fda",
            ),
        )
    },
    git_blobs={"dialogsum.train.jsonl": "0a02b0f0cbe801a75384ba28364a7528b9340587"},
    lengths=PairLengths(208.5, 50.0, 500, 500),
)
