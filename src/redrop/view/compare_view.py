"""``redrop compare``: what the comparison of two configurations or folders looks like, and its csv file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from redrop.analysis.stats import LEVEL
from redrop.analysis.summary import DASH, several, show_number
from redrop.record import write_text
from redrop.view.compare import EQUAL, NOT_COMPARED, Compared, Difference
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
    Column("unpaired", right=True, hide="0", spare=True),
    Column("equal files", right=True, hide="0", spare=True),
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
    table, before = Table(COLUMNS), None
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
    yield from _notes(found)
    for name, cells in compared.only.items():
        if cells:
            said = ", ".join(f"{cell.protocol}/{cell.config}/{cell.task}" for cell in cells[:LISTED])
            more = f" and {len(cells) - LISTED:,} more" if len(cells) > LISTED else ""
            yield Line(f"only in {name}: {several(len(cells), 'cell')}: {said}{more}")
    for folder, faults in compared.faults.items():
        if faults:
            yield Line(f"{folder}: {several(len(faults), 'damaged run')} left out", "bold red")
            yield from (Line(f"  {fault}") for fault in faults[:LISTED])


def _notes(found: Sequence[Difference]) -> Iterator[Line]:
    """What was compared and how, which cells moved, what was left out, and which settings differ."""
    compared = [each for each in found if each.refused is None]
    tested = [each for each in compared if each.interval.n > 1 and each.outcome != EQUAL]
    once = {(each.a, each.b): each for each in compared}.values()  # however many metrics are compared
    if compared:
        yield Line(
            f"{sum(each.moved for each in tested)} of {several(len(compared), 'comparison')} moved: the "
            f"{LEVEL:.0%} t interval of the difference, paired by seed, leaves 0 out"
            + (f"; about {(1 - LEVEL) * len(tested):.1g} would by chance" if tested else "")
        )
        pairs, equal = sum(len(each.differences) for each in once), sum(each.equal_files for each in once)
        yield Line(f"{equal:,} of {several(pairs, 'pair')} of runs have the same metrics.json, byte by byte")
    of_a, of_b = (sum(len(getattr(each, name)) for each in once) for name in ("unpaired_a", "unpaired_b"))
    if of_a or of_b:
        yield Line(
            f"left out of differences and means: {several(of_a, 'run')} of A and "
            f"{several(of_b, 'run')} of B without a finished partner of the same seed"
        )
    for each in found:
        if each.refused is not None:
            what = f"{_place(each)}, {_configs(each)} on {each.a.task}"
            yield Line(f"not compared: {what}: {each.refused}", "yellow")
    cells = {(each.a, each.b): each for each in found}.values()
    counts = Counter(setting for each in cells for setting in each.settings)
    if counts:
        yield Line("settings that differ (A / B):")
    for setting, count in counts.items():
        yield Line(f"  {setting}" + ("" if count == len(cells) else f" ({count} of {len(cells)} cells)"))


def _place(each: Difference) -> str:
    return f"{each.a.study}, {_both(each.a.protocol, each.b.protocol)}"


def _configs(each: Difference) -> str:
    return _both(each.a.config, each.b.config)


def _both(a: str, b: str) -> str:
    return a if a == b else f"{a} / {b}"


def _numbers(each: Difference) -> list[str]:
    """Means, whole numbers without decimals; difference; interval; counts of seeds and files."""
    found, means = each.interval, (each.summary_a.mean, each.summary_b.mean)
    shown = [show_number(mean, ",.0f" if mean.is_integer() else ".4f") for mean in means]
    ends = (found.mean, found.low, found.high)
    mean, low, high = (show_number(end, "+.4f") if end else "0" for end in ends)
    interval = f"[{low}, {high}]" if found.n > 1 and each.outcome != EQUAL else DASH
    unpaired = len(each.unpaired_a) + len(each.unpaired_b)
    return [*shown, mean, interval, str(found.n), str(unpaired), str(each.equal_files)]


def write_csv(path: Path, found: Sequence[Difference]) -> None:
    """One line a comparison; numbers in full, empty where there is none; differences as the seeds are."""
    import pandas as pd

    rows = [
        {
            "study": each.a.study,
            "protocol_a": each.a.protocol,
            "config_a": each.a.config,
            "protocol_b": each.b.protocol,
            "config_b": each.b.config,
            "task": each.a.task,
            "metric": each.metric,
            "higher_is_better": each.higher_is_better,
            "mean_a": each.summary_a.mean,
            "mean_b": each.summary_b.mean,
            "sd_a": each.summary_a.sd,
            "sd_b": each.summary_b.sd,
            "n": each.interval.n,
            "difference": each.interval.mean,
            "low": each.interval.low,
            "high": each.interval.high,
            "moved": each.moved,
            "outcome": each.outcome,
            "seeds": " ".join(map(str, each.differences)),
            "differences": " ".join(map(repr, each.differences.values())),
            "unpaired_a": " ".join(map(str, each.unpaired_a)),
            "unpaired_b": " ".join(map(str, each.unpaired_b)),
            "equal_files": each.equal_files,
            "settings": "; ".join(each.settings),
            "refused": each.refused,
        }
        for each in found
    ]
    write_text(path, pd.DataFrame(rows).to_csv(index=False, lineterminator="\n"))
