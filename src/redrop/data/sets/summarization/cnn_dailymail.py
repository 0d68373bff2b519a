"""CNN/DailyMail 3.0.0: news articles with their highlights."""

from redrop.data.base import PairLengths
from redrop.data.sets.summarization._cnn import LICENSE, REVISION, hub_file, validation_file
from redrop.data.summarization import SummarySet

DATA_SET = SummarySet(
    name="cnn_dailymail",
    about="news articles with their highlights (CNN/DailyMail 3.0.0)",
    license=LICENSE,
    keys=("id", "article"),
    references={"": ("highlights",)},
    rows={"train": 287_113, "valid": 13_368, "test": 11_490},
    editions={
        f"hub {REVISION[:12]}": (
            *(hub_file(f"train-0000{i}-of-00003.parquet", "train") for i in range(3)),
            validation_file("valid"),
            hub_file(
                "test-00000-of-00001.parquet",
                "test",
                "04e322d2634a96dba76bf9a6294fbbe48e0b36abeae43f13d86ba2c3bebffe4e",
            ),
        )
    },
    sentences="lines",
    smaller="cnn_dailymail_sample",
    lengths=PairLengths(768.0, 64.0, 13_368, 11_490),  # measured on 1,000 validation articles
)
