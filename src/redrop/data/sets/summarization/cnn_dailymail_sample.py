"""1,000 validation articles of CNN/DailyMail, parted anew: never a stand-in for the whole."""

from redrop.data.base import PairLengths
from redrop.data.sets.summarization._cnn import LICENSE, REVISION, validation_file
from redrop.data.sources import RemoteFile
from redrop.data.summarization import SummarySet

DATA_SET = SummarySet(
    name="cnn_dailymail_sample",
    about="1,000 validation articles of CNN/DailyMail, parted anew: not the data set of any paper",
    license=LICENSE,
    keys=("id", "article"),
    references={"": ("highlights",)},
    rows={"articles": 1000},
    editions={
        "sample: 1,000 validation articles, csv": (
            RemoteFile(
                name="validation_1000.csv",
                # Only mirrors have this file, and it is asked for only there; the page is of the whole set.
                url="https://huggingface.co/datasets/abisee/cnn_dailymail",
                mirror=("cnn_dailymail/validation_1000.csv",),
                mirror_sha256=("fa0a78975e902c7e5bd59506bc5508f848add73bff87fef68670e934a742de67",),
                split="articles",
            ),
        ),
        f"sample: first 1,000 validation articles, hub {REVISION[:12]}": (validation_file("articles"),),
    },
    held_out={"valid": 100, "test": 100},
    sentences="lines",
    lengths=PairLengths(768.0, 64.0, 100, 100),
)
