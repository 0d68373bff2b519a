"""The protocol table: every setting with its source, and what a config changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from analysis_support import results_of, write_config
from redrop.analysis.settings import difference, flat, show
from redrop.analysis.study_results import StudyResults
from redrop.analysis.tables import protocol
from redrop.study import SOURCES, Setting
from support import STUDY, spec_of


def test_every_setting_of_every_protocol_has_a_value_and_a_source(tmp_path: Path) -> None:
    table = protocol.build(StudyResults(results_of(tmp_path), STUDY))
    assert set(table.raw["source"]) <= set(SOURCES)
    for name, part in STUDY.protocols.items():
        lines = table.raw[table.raw["protocol"] == name]
        config = next(iter(part.rows))
        assert set(lines["setting"]) == set(flat(spec_of(config, name)))


def test_every_row_finds_its_own_value_and_source_in_the_table(tmp_path: Path) -> None:
    table = protocol.build(StudyResults(results_of(tmp_path), STUDY))
    lines: dict[tuple[str, str, str], tuple[str, str]] = {}
    for name, line in zip(table.raw["protocol"], table.frame.to_dict("records"), strict=True):
        for where in line["Applies to"].split(", "):
            place = name, line["Setting"], where
            assert place not in lines
            lines[place] = line["Value"], line["Source"]
    for name, part in STUDY.protocols.items():
        for config, row in part.rows.items():
            for key, value in flat(spec_of(config, name)).items():
                places = [(name, key, where) for where in (config, "all rows", "the other rows")]
                found = next(lines[place] for place in places if place in lines)
                assert found == (show(value), (part.settings | row)[key].source), (name, config, key)


def test_all_rows_stands_alone(tmp_path: Path) -> None:
    raw = protocol.build(StudyResults(results_of(tmp_path), STUDY)).raw
    for _, lines in raw.groupby(["protocol", "setting"]):
        assert ("all rows" in set(lines["applies_to"])) == (len(lines) == 1)


def test_a_setting_that_only_rows_have_is_there(tmp_path: Path) -> None:
    part = STUDY.protocols["notebook"]
    settings = {key: value for key, value in part.settings.items() if key != "model.n_head"}
    rows = {config: row | {"model.n_head": Setting(4, "inferred")} for config, row in part.rows.items()}
    study = replace(STUDY, protocols={"notebook": replace(part, settings=settings, rows=rows)})
    raw = protocol.build(StudyResults(results_of(tmp_path), study)).raw
    (line,) = raw[raw["setting"] == "model.n_head"].to_dict("records")
    assert (line["value"], line["source"], line["applies_to"]) == (4, "inferred", "all rows")


def test_a_setting_that_only_one_row_has_is_there(tmp_path: Path) -> None:
    part = STUDY.protocols["notebook"]
    settings = {key: value for key, value in part.settings.items() if key != "model.n_head"}
    rows = part.rows | {"res1-0": part.rows["res1-0"] | {"model.n_head": Setting(4, "inferred")}}
    study = replace(STUDY, protocols={"notebook": replace(part, settings=settings, rows=rows)})
    raw = protocol.build(StudyResults(results_of(tmp_path), study)).raw
    assert raw[raw["setting"] == "model.n_head"]["applies_to"].tolist() == ["res1-0"]


def overrides_of(folder: Path) -> list[tuple[str, str, str, str]]:
    frame = protocol.build(StudyResults(results_of(folder), STUDY)).frame
    lines = frame[frame["Note"].str.startswith("override of the config")]
    return [(row["Setting"], row["Value"], row["Applies to"], row["Note"]) for _, row in lines.iterrows()]


def test_without_an_override_there_is_no_such_line(tmp_path: Path) -> None:
    write_config(tmp_path, "a2r025", {1: 1.5})
    assert overrides_of(tmp_path) == []


def test_an_override_is_shown_with_what_the_study_has(tmp_path: Path) -> None:
    write_config(tmp_path, "a2r025", {1: 1.5}, schedule__iterations=300)
    write_config(tmp_path, "a2r1_2", {1: 1.5}, schedule__iterations=300, model__n_embd=64)
    head = "override of the config that made these runs; the study file has"
    assert overrides_of(tmp_path) == [
        ("model.n_embd", "64", "runs of a2r1_2", f"{head} 128"),
        ("schedule.iterations", "300", "runs of a2r025", f"{head} 50,000"),
        ("schedule.iterations", "300", "runs of a2r1_2", f"{head} 10,000"),
    ]


def test_an_override_of_every_run_says_so(tmp_path: Path) -> None:
    write_config(tmp_path, "a2r025", {1: 1.5}, model__n_embd=64)
    write_config(tmp_path, "a2r05", {1: 1.5}, model__n_embd=64)
    ((setting, value, where, _),) = overrides_of(tmp_path)
    assert (setting, value, where) == ("model.n_embd", "64", "all runs")


def test_a_setting_that_only_one_run_has_is_a_difference() -> None:
    """As one that came later and stands in a run's settings only where it is not at its default."""
    older, newer = {"a.x": 1, "a.y": 2}, {"a.x": 1, "a.y": 3, "a.z": 4}
    assert difference(newer, older) == {"a.y": 3, "a.z": 4}
    assert difference(older, newer) == {"a.y": 2, "a.z": "its default"}
    assert difference(older, older) == {}
