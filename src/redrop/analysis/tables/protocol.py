"""Every setting of every protocol: its value, its source, and what these runs changed of it."""

from __future__ import annotations

import itertools
from typing import Any

from redrop.analysis.collect import Results
from redrop.analysis.settings import difference, flat, show, study_spec
from redrop.analysis.study_results import StudyResults
from redrop.analysis.table import Builder, Table
from redrop.study import Protocol, Setting, Study

COLUMNS = {
    "Setting": "{setting}",
    "Value": "{shown}",
    "Source": "{source}",
    "Applies to": "{applies_to}",
    "Note": "{note}",
}
ORDER = 80
SECTION = "settings"

SOURCES = (
    "Sources: stated in the paper; authors-code, read in or established from the authors' repository; "
    "inferred from their records; chosen by us."
)
LR_DROP_SOURCES = (
    "Sources: stated in the paper's abstract or a review of it; inferred from R-Drop's published code, its "
    "tools' defaults and the works that the paper follows; chosen by us."
)
OVERRIDES = (
    " A line marked as an override is not in the study file: it was found by comparing the runs with it."
)
ALL, REST = "all rows", "the other rows"
OVERRIDE = "override of the config that made these runs"


def build(data: StudyResults) -> Table:
    """One line a setting and value; a value that only some rows have names them."""
    study, builder = data.study, Builder(COLUMNS, frozenset(COLUMNS))
    for name in data.tasks():
        if name not in study.protocols:
            continue
        protocol = study.protocols[name]
        changed = _overridden(data.results, study, name)
        known = [protocol.settings, *protocol.tasks.values(), *protocol.rows.values()]
        for key in dict.fromkeys([*itertools.chain(*known), *changed]):
            lines = _lines(protocol, key)
            lines += [
                (Setting(value, "chosen", f"{OVERRIDE}; the study file has {was}"), where)
                for (value, was), where in changed.get(key, {}).items()
            ]
            for setting, where in lines:
                raw = {
                    "protocol": name,
                    "setting": key,
                    "value": "null" if setting.value is None else setting.value,
                    "source": setting.source,
                    "applies_to": where,
                    "note": setting.note,
                }
                builder.add(data.heading(name), raw, shown=show(setting.value))
    caption = (SOURCES if study.reads == "corpus" else LR_DROP_SOURCES) + OVERRIDES
    return builder.table("protocol", f"{study.title}: settings and their sources", caption)


def _lines(protocol: Protocol, key: str) -> list[tuple[Setting, str]]:
    """The setting's values and the rows that have each."""

    def by_value(settings: dict[str, dict[str, Setting]]) -> list[tuple[Setting, list[str]]]:
        found: dict[Setting, list[str]] = {}
        for name in (name for name, own in settings.items() if key in own):
            found.setdefault(settings[name][key], []).append(name)
        return list(found.items())

    special, by_task = by_value(protocol.rows), by_value(protocol.tasks)
    lines = [(setting, ", ".join(names)) for setting, names in [*by_task, *special]]
    named = sum(len(configs) for _, configs in special)
    if by_task:  # a task's setting stands for the protocol's own
        return lines
    if named < len(protocol.rows) and key in protocol.settings:
        return [(protocol.settings[key], REST if named else ALL), *lines]
    if named == len(protocol.rows) and len(special) == 1:
        return [(special[0][0], ALL)]
    return lines


def _overridden(results: Results, study: Study, name: str) -> dict[str, dict[tuple[Any, str], str]]:
    """Setting -> (the runs' value, the study's as text) -> which runs."""
    found: dict[str, dict[tuple[Any, str], dict[str, None]]] = {}
    configs: set[str] = set()
    for spec in (record.spec for record in results.records):
        if (spec.study, spec.protocol) != (study.name, name):
            continue
        own = study_spec(study, name, spec.config, spec.task, spec.seed)
        if own is None:
            continue
        configs.add(spec.config)
        was = flat(own)
        for key, value in difference(flat(spec), was).items():
            place = value, show(was.get(key))
            found.setdefault(key, {}).setdefault(place, {})[spec.config] = None

    def runs(where: dict[str, None]) -> str:
        return "all runs" if set(where) == configs else "runs of " + ", ".join(where)

    return {key: {place: runs(where) for place, where in own.items()} for key, own in found.items()}
