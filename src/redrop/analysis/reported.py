"""What others report: config/reported/<study>.csv, one row a configuration, task and metric."""

from __future__ import annotations

import contextlib
import csv
import math
from dataclasses import dataclass
from pathlib import Path

from redrop.analysis.author_curves import AUTHORS_CORPUS
from redrop.analysis.scoring import SHOWN
from redrop.checks import check_choice
from redrop.errors import ConfigError
from redrop.record import RunRecord
from redrop.study import Study, task_names

COLUMNS = ["study", "protocol", "config", "task", "metric", "value", "source"]

LOSSES = ("val_loss_last", "val_loss_best", "train_loss_last")
GAIN = "gain"
"""Difference of a task's first metric to the study's baseline, in points."""
AVERAGE = "average"
"""In place of a task: the mean over a study's tasks."""

FREE = ("evaluation.", "schedule.precision")
"""Settings in which a run may differ from its row and still be compared with the authors' figure:
they say how it is computed and measured, not what is trained (the authors used bf16, the study
fp32)."""


@dataclass(frozen=True)
class Reported:
    """Figures and their sources."""

    values: dict[tuple[str, str, str, str], float]
    """By protocol, configuration, task and metric; an unknown figure is absent."""
    origins: dict[tuple[str, str, str, str], str]
    """Where each is from."""

    @property
    def sources(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys(self.origins.values()))

    def value(self, protocol: str, config: str, task: str, metric: str) -> float:
        """The reported figure, NaN where it is not known."""
        return self.values.get((protocol, config, task, metric), math.nan)

    def origin(self, protocol: str, config: str, task: str, metric: str) -> str:
        """Where a known figure is from."""
        return self.origins[protocol, config, task, metric]


NOTHING = Reported({}, {})


def read_reported(path: Path, study: Study) -> Reported:
    """Read and check the file; raises ``ConfigError`` naming file, line and what is wrong."""
    values: dict[tuple[str, str, str, str], float] = {}
    origins: dict[tuple[str, str, str, str], str] = {}
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames != COLUMNS:
                raise ConfigError(
                    f"{path}: line 1: the columns must be {','.join(COLUMNS)}, "
                    f"not {','.join(reader.fieldnames or [])}"
                )
            for row in reader:
                where = f"{path}: line {reader.line_num}"
                key = _key(row, study, where)
                if key in values:
                    raise ConfigError(f"{where}: {'/'.join(key)} is given twice")
                if row["value"]:
                    values[key] = _number(row["value"], where)
                    origins[key] = row["source"]
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; give one that is there") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: not UTF-8 text, or no csv ({error}); save it as csv in UTF-8") from error
    return Reported(values, origins)


def comparable(record: RunRecord, changed: dict[str, object]) -> bool:
    """Whether a run that ``changed`` these settings of its row can be held against the authors'."""
    real = [key for key in changed if not key.startswith(FREE)]
    return record.spec.task == AUTHORS_CORPUS and not real


def _key(row: dict[str, str], study: Study, where: str) -> tuple[str, str, str, str]:
    if None in row or None in row.values():
        raise ConfigError(f"{where}: it must have {len(COLUMNS)} cells")
    if not row["source"]:
        raise ConfigError(f"{where}: source is empty; say where the figure is from")
    check_choice(f"{where}: study", row["study"], [study.name])
    check_choice(f"{where}: protocol", row["protocol"], study.protocols)
    check_choice(f"{where}: config", row["config"], study.protocols[row["protocol"]].rows)
    check_choice(f"{where}: task", row["task"], (*task_names(study.reads), AVERAGE))
    metrics = LOSSES if study.reads == "corpus" else (*SHOWN[study.reads], GAIN)
    check_choice(f"{where}: metric", row["metric"], metrics)
    return row["protocol"], row["config"], row["task"], row["metric"]


def _number(text: str, where: str) -> float:
    with contextlib.suppress(ValueError):
        if math.isfinite(float(text)):
            return float(text)
    raise ConfigError(f"{where}: value {text!r} is no finite number; leave it empty if not known")
