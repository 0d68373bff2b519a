"""Getting what runs need: data sets and released models."""

from __future__ import annotations

import argparse
from pathlib import Path

from redrop.verbs.shared import AddVerb


def fetch(arguments: argparse.Namespace) -> None:
    """Get a data set's raw files."""
    from redrop import data

    record = data.fetch(arguments.name, arguments.to, arguments.mirror)
    for file in record.files:
        print(f"{file.path}: {file.path.stat().st_size:,} bytes from {file.origin}")


def prepare(arguments: argparse.Namespace) -> None:
    """Encode a data set's raw files."""
    from redrop import data

    print(f"{arguments.to}: {data.prepare(arguments.name, arguments.raw, arguments.to).summary}")


def fetch_model(arguments: argparse.Namespace) -> None:
    """Get a released model."""
    from redrop.models import sources

    source = sources.fetch(arguments.name, arguments.revision, arguments.to)
    print(f"{arguments.to}: {source['origin']}, {sources.WEIGHTS} has sha256 {source['sha256']}")


def add(verb: AddVerb) -> None:
    """The verbs of this file and their options."""
    option = verb("fetch", fetch)
    option("name", help="the data set")
    option("--to", type=Path, required=True, help="folder for the raw files")
    option("--mirror", help="folder with copies of data sets; default: REDROP_MIRROR")

    option = verb("prepare", prepare)
    option("name", help="the data set")
    option("--raw", type=Path, required=True, help="folder that `redrop fetch` filled")
    option("--to", type=Path, required=True, help="folder for the prepared files")

    option = verb("fetch-model", fetch_model)
    option("name", help="a known model, owner/name on the hub, or a folder")
    option("--revision", help="commit of a model on the hub that is not a known one")
    option("--to", type=Path, required=True, help="folder for its files")
