"""CNN/DailyMail 3.0.0 on the hub (abisee/cnn_dailymail), at a pinned revision."""

from __future__ import annotations

from redrop.data.sources import RemoteFile
from redrop.data.sources import hub_file as on_the_hub

REVISION = "96df5e686bee6baa90b8bee7c28b81fa3fa6223d"
LICENSE = "Apache-2.0 as the hub has it; the articles are CNN's and the Daily Mail's"


def hub_file(name: str, split: str, sha256: str | None = None) -> RemoteFile:
    """One of the hub's parquet files."""
    place = f"abisee/cnn_dailymail/resolve/{REVISION}/3.0.0/{name}"
    return on_the_hub(place, "cnn_dailymail/hub", sha256, split=split)


def validation_file(split: str) -> RemoteFile:
    """The validation articles, read as another split's too."""
    sha256 = "65a5ccce932b08f050114ce6e3c39355d563fa24f194052bb2f27d1c6c499c91"
    return hub_file("validation-00000-of-00001.parquet", split, sha256)
