"""Methods ranked by what they gain over plain training, at equal updates and at equal compute."""

from __future__ import annotations

from typing import Any

from redrop.analysis.decision.comparison import Comparison
from redrop.analysis.league import LOSS, Entry, League, leagues
from redrop.analysis.study_results import StudyResults
from redrop.analysis.summary import DASH, show_number, summarise
from redrop.analysis.table import Builder, Table

ORDER = 5
COLUMNS = [
    "Method",
    "n",
    "Last",
    "Lowest",
    "Gain, equal updates",
    "Verdict",
    "Better in",
    "Gain, equal compute",
    "Passes",
    "Time",
]
CAPTION = (
    "Each method against plain training (the first row), paired by seed, mean with its 95 % interval; "
    "positive is better. Last: validation loss at the last iteration in nats a character, or mean score "
    "over the tasks in points; Lowest: lowest of the run's evaluations. Equal updates: both were updated as "
    "often (a row that stops early is compared as it is). Equal compute: plain training was given as many "
    "passes of a batch through the model as the method made, so twice the updates where an update has two. "
    "Verdict: supported is a gain, contradicted a loss, equivalent a difference too small to matter. Better "
    "in: share of the seeds in which the method is ahead, with its interval. Time: of an update, in those "
    "of plain training, medians; machines were shared. Rows are in the order of their gain, which with few "
    "seeds is mostly chance where intervals overlap."
)


def build(data: StudyResults) -> Table:
    """A section a protocol (and text), a row a method."""
    builder = Builder(COLUMNS, frozenset({"Method", "Verdict"}))
    for league in leagues(data):
        for entry in (league.plain, *league.entries):
            _add(builder, data, league, entry)
    return builder.table("league", f"{data.study.title}: who gains what", CAPTION)


def _add(builder: Builder, data: StudyResults, league: League, entry: Entry) -> None:
    form = ".4f" if league.metric == LOSS else ".2f"
    last, lowest = summarise(entry.values.values()), summarise(entry.lowest.values())
    updates, compute = entry.equal_updates, entry.equal_compute
    share = updates.improvement if updates.n else None
    cells = {
        "Method": entry.config,
        "n": str(last.n or DASH),
        "Last": last.show(form),
        "Lowest": lowest.show(form),
        "Gain, equal updates": _gain(updates, form),
        "Verdict": updates.verdict if updates.n else DASH,
        "Better in": f"{share.share:.0%} ({share.low:.0%} to {share.high:.0%})" if share else DASH,
        "Gain, equal compute": _gain(compute, form),
        "Passes": str(entry.passes or DASH),
        "Time": show_number(entry.time, ".2f"),
    }
    raw: dict[str, Any] = {
        "protocol": league.protocol,
        "task": ", ".join(league.tasks),
        "config": entry.config,
        "metric": league.metric,
        "n": last.n,
        "last": last.mean,
        "last_sd": last.sd,
        "lowest": lowest.mean,
        "passes": entry.passes,
        "time": entry.time,
        "improvement": share.share if share else None,
    }
    for name, found in (("updates", updates), ("compute", compute)):
        low, high = found.interval() if found.n else (None, None)
        raw |= {f"gain_{name}": found.mean, f"low_{name}": low, f"high_{name}": high, f"n_{name}": found.n}
    where = f"{league.protocol}, {', '.join(league.tasks)}"
    builder.row(f"{where}: {data.study.protocols[league.protocol].title}", cells, raw, [])


def _gain(found: Comparison, form: str) -> str:
    if not found.n:
        return DASH
    low, high = (show_number(end, f"+{form}") for end in found.interval())
    mean = show_number(found.mean, f"+{form}")
    return mean if DASH in (low, high) else f"{mean} ({low} to {high})"
