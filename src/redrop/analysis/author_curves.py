"""The authors' recorded curves of paper B, read from a folder of the user's: they are no part of the project.

``REDROP_REFERENCE`` names the folder; what is drawn from it is not published. Light: the Snakefile asks
whether the folder was named.
"""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

from redrop.errors import ConfigError

AUTHORS_CORPUS = "tiny_shakespeare"
"""The corpus that the authors' figures of this project are for."""
VARIABLE = "REDROP_REFERENCE"
FILES = {"authors": "residual/nanogpt_curves.csv", "notebook": "residual/notebook_curves.csv"}
"""Protocol -> the file below the folder; other protocols were never run by the authors."""
NOTEBOOK_RUN = re.compile(r"res(\d)_dropout_([\d.]+)")

Curve = list[tuple[int, float]]
"""Iteration and validation loss."""


def recorded_file(protocol: str) -> Path | None:
    """Where the curves of a protocol should be; None: there are none, or no folder is named."""
    folder = os.environ.get(VARIABLE)
    return Path(folder) / FILES[protocol] if folder and protocol in FILES else None


def read_recorded(path: Path) -> dict[str, Curve]:
    """Configuration -> its recorded validation loss; raises ``ConfigError`` naming the file and the line."""
    curves: dict[str, Curve] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            for row in reader:
                try:
                    point = int(row["iteration"]), float(row["val_loss"])
                    curves.setdefault(_config(row["run"]), []).append(point)
                except (KeyError, TypeError, ValueError) as error:
                    raise ConfigError(
                        f"{path}: line {reader.line_num}: not run, iteration, val_loss ({error!r})"
                    ) from error
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: no such file; {VARIABLE} names the folder of the authors' records: correct or unset it"
        ) from error
    return curves


def _config(run: str) -> str:
    """The study's name of a recorded run: res1_dropout_0.0 is res1-0."""
    found = NOTEBOOK_RUN.fullmatch(run)
    return f"res{found[1]}-{float(found[2]):g}" if found else run
