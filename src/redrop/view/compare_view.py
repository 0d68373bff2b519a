"""``redrop compare``: what the comparison of two configurations or folders looks like, and its csv file."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from redrop.analysis.stats import LEVEL
from redrop.analysis.summary import DASH, MINUS
from redrop.record import write_text
from redrop.view.compare import Compared
from redrop.view.differences import EQUAL, NOT_COMPARED, Difference
from redrop.view.numbers import several
from redrop.view.screen import Block, Column, Line, Table

STYLES = {"A better": "green", "B better": "red", NOT_COMPARED: "yellow"}
DIRECTIONS = {True: "higher is better", False: "lower is better", None: "neither high nor low is better"}
LISTED = 10

COLUMNS = [
    Column("", folds=True),
    Column("A", right=True, spare=True),
    Column("B", right=True, spare=True),
    Column("A \N{MINUS SIGN} B", right=True),
    Column("95 % interval", right=True),
    Column("n", right=True),
    Column("unpaired", right=True, hide="0"),
    Column("equal files", right=True, hide="0"),
    Column("outcome", folds=True),
]


def blocks(compared: Compared, a: str, b: str) -> Iterator[Block]:
    """The table and what must be known to read it; ``a`` and ``b`` as they were typed."""
    found = compared.found
    yield Line(f"A: {a}\nB: {b}", "bold")
    metrics = {(each.metric, each.higher_is_better) for each in found if each.metric}
    if len(metrics) == 1:
        [(metric, higher)] = metrics
        yield Line(f"{metric}, {DIRECTIONS[higher]}")
    pairs, tasks = ({key(each) for each in found} for key in (_configs, lambda each: each.a.task))
    table = Table(COLUMNS)
    before = None
    for each in found:
        named = [_configs(each)] if len(pairs) > 1 else [each.a.task] if len(tasks) > 1 else []
        named += [each.metric] if len(metrics) > 1 and each.metric else []
        section = _place(each) if each.a.task in named else f"{_place(each)} on {each.a.task}"
        if section != before:
            table.row(section)
            before = section
        name = ": ".join(named) or _configs(each)
        table.row(name, *_numbers(each), each.outcome, style=STYLES.get(each.outcome, ""))
    yield table
    yield from notes(found)
    yield from _sides(compared)


def notes(found: Sequence[Difference]) -> Iterator[Line]:
    """What was compared and how, which cells moved, what was left out."""
    compared = [each for each in found if each.refused is None]
    tested = [each for each in compared if each.interval.n > 1 and each.outcome != EQUAL]
    moved = [each for each in tested if each.moved]
    if compared:
        yield Line(
            f"{len(moved)} of {several(len(compared), 'comparison')} moved: the {LEVEL:.0%} t interval of "
            "the difference, paired by seed, leaves 0 out"
            + (f"; about {(1 - LEVEL) * len(tested):.1g} would by chance" if tested else "")
        )
        pairs = sum(each.interval.n for each in _once(compared))
        equal = sum(each.equal_files for each in _once(compared))
        yield Line(f"{equal:,} of {several(pairs, 'pair')} of runs have the same metrics.json, byte by byte")
    once = _once(compared)
    unpaired = [sum(len(each.unpaired_a) for each in once), sum(len(each.unpaired_b) for each in once)]
    if any(unpaired):
        yield Line(
            f"left out of differences and means: {several(unpaired[0], 'run')} of A and "
            f"{several(unpaired[1], 'run')} of B without a finished partner of the same seed"
        )
    for each in found:
        if each.refused is not None:
            what = f"{_place(each)}, {_configs(each)} on {each.a.task}"
            yield Line(f"not compared: {what}: {each.refused}", "yellow")
    yield from _settings(compared)


def _sides(compared: Compared) -> Iterator[Line]:
    """Cells that only one side has, and records that could not be read."""
    for name, cells in (("A", compared.only_a), ("B", compared.only_b)):
        if cells:
            said = ", ".join(f"{cell.protocol}/{cell.config}/{cell.task}" for cell in cells[:LISTED])
            more = f" and {len(cells) - LISTED:,} more" if len(cells) > LISTED else ""
            yield Line(f"only in {name}: {several(len(cells), 'cell')}: {said}{more}")
    for side in {side.name: side for side in (compared.a, compared.b)}.values():
        if side.faults:
            yield Line(f"{side.name}: {several(len(side.faults), 'damaged run')} left out", "bold red")
            yield from (Line(f"  {fault}") for fault in side.faults[:LISTED])


def _once(found: Sequence[Difference]) -> list[Difference]:
    """One a pair of cells, however many metrics are compared."""
    return list({(each.a, each.b): each for each in found}.values())


def _settings(found: Sequence[Difference]) -> Iterator[Line]:
    """Settings that differ, each with the number of pairs of cells that it differs in."""
    once = _once(found)
    counts = Counter(setting for each in once for setting in each.settings)
    if counts:
        yield Line("settings that differ (A / B):")
        for setting, count in counts.items():
            where = "" if count == len(once) else f" ({count} of {len(once)} cells)"
            yield Line(f"  {setting}{where}")


def _place(each: Difference) -> str:
    return f"{each.a.study}, {_both(each.a.protocol, each.b.protocol)}"


def _configs(each: Difference) -> str:
    return _both(each.a.config, each.b.config)


def _both(a: str, b: str) -> str:
    return a if a == b else f"{a} / {b}"


def _numbers(each: Difference) -> list[str]:
    interval = each.interval
    shown = interval.n > 1 and each.outcome != EQUAL
    bounds = f"[{signed(interval.low)}, {signed(interval.high)}]" if shown else DASH
    unpaired = len(each.unpaired_a) + len(each.unpaired_b)
    return [
        unsigned(each.summary_a.mean),
        unsigned(each.summary_b.mean),
        signed(interval.mean),
        bounds,
        str(interval.n),
        str(unpaired),
        str(each.equal_files),
    ]


def signed(value: float) -> str:
    """``+0.0123``, with a proper minus sign; a dash for what is not a number."""
    if not math.isfinite(value):
        return DASH
    return f"{value:+.4f}".replace("-", MINUS) if value else "0"


def unsigned(value: float) -> str:
    """``1.8729``; ``3,000`` for a whole number."""
    if not math.isfinite(value):
        return DASH
    return (f"{value:,.0f}" if value.is_integer() else f"{value:.4f}").replace("-", MINUS)


def write_csv(path: Path, found: Sequence[Difference]) -> None:
    """One line a comparison; numbers in full, empty where there is none; differences as the seeds are."""
    sink = io.StringIO()
    rows = list(map(_csv_row, found))
    writer = csv.DictWriter(sink, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, sink.getvalue())


def _csv_row(each: Difference) -> dict[str, object]:
    return {
        "study": each.a.study,
        "protocol_a": each.a.protocol,
        "config_a": each.a.config,
        "protocol_b": each.b.protocol,
        "config_b": each.b.config,
        "task": each.a.task,
        "metric": each.metric,
        "higher_is_better": each.higher_is_better,
        "mean_a": _raw(each.summary_a.mean),
        "mean_b": _raw(each.summary_b.mean),
        "sd_a": _raw(each.summary_a.sd),
        "sd_b": _raw(each.summary_b.sd),
        "n": each.interval.n,
        "difference": _raw(each.interval.mean),
        "low": _raw(each.interval.low),
        "high": _raw(each.interval.high),
        "moved": each.moved,
        "outcome": each.outcome,
        "seeds": " ".join(map(str, each.differences)),
        "differences": " ".join(map(_raw, each.differences.values())),
        "unpaired_a": " ".join(map(str, each.unpaired_a)),
        "unpaired_b": " ".join(map(str, each.unpaired_b)),
        "equal_files": each.equal_files,
        "settings": "; ".join(each.settings),
        "refused": each.refused,
    }


def _raw(value: float) -> str:
    return repr(value) if math.isfinite(value) else ""
