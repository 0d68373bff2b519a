"""CNN/DailyMail 3.0.0 on the hub (abisee/cnn_dailymail), at a pinned revision."""

from __future__ import annotations

from redrop.data.sources import RemoteFile

REVISION = "96df5e686bee6baa90b8bee7c28b81fa3fa6223d"
LICENSE = "Apache-2.0 as the hub has it; the articles are CNN's and the Daily Mail's"


def hub_file(name: str, split: str, sha256: str | None = None) -> RemoteFile:
    """One of the hub's parquet files."""
    return RemoteFile(
        name=name,
        url=f"https://huggingface.co/datasets/abisee/cnn_dailymail/resolve/{REVISION}/3.0.0/{name}",
        sha256=sha256,
        size=None,
        mirror=(f"cnn_dailymail/hub/{name}",),
        mirror_sha256=() if sha256 is None else (sha256,),
        split=split,
    )


def validation_file(split: str) -> RemoteFile:
    """The validation articles, read as another split's too."""
    sha256 = "65a5ccce932b08f050114ce6e3c39355d563fa24f194052bb2f27d1c6c499c91"
    return hub_file("validation-00000-of-00001.parquet", split, sha256)
