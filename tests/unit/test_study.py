"""The study file says what the records say, and a config that is not allowed is refused by name."""

from __future__ import annotations

import copy
import csv
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from redrop.errors import ConfigError
from redrop.study import SOURCES, Study, load_part, load_study, merge_config, resolve, select
from redrop.yaml_files import read_yaml
from support import spec_of


def config_of(**over: Any) -> dict[str, Any]:
    selection = {"protocols": ["authors"], "seeds": [1], "corpora": ["tiny_shakespeare"]} | over
    return {
        "results": "results",
        "mirror": None,
        "label": None,
        "only": None,
        "studies": {"residual": [selection]},
    }


def runs_of(config: dict[str, Any], project: Path) -> set[str]:
    return set(resolve(config, project).specs["residual"])


def test_the_authors_rows_are_those_of_their_records(reference: Path, residual: Study) -> None:
    with (reference / "residual/nanogpt_runs.csv").open() as file:
        records = list(csv.DictReader(file))
    authors = residual.protocols["authors"]
    assert [record["run"] for record in records] == [row for row in authors.rows if not authors.tags[row]]
    for record in records:
        spec = spec_of(record["run"])
        for rate in ("embedding", "attention", "attention_output", "mlp"):
            assert getattr(spec.model, f"{rate}_dropout") == float(record["attn_mlp_dropout"])
        for skip in ("skip1", "skip2", "skip4"):
            text = record[f"{skip}_dropout"]
            assert getattr(spec.model, f"{skip}_dropout") == (float(text) if text else None)
        assert record["residual_stream"].startswith(spec.model.residual_stream)
        assert spec.model.n_block == int(record["blocks"])
        assert spec.schedule.iterations == int(record["iterations"])


def test_the_notebook_rows_are_those_of_their_records(reference: Path, residual: Study) -> None:
    with (reference / "residual/notebook_runs.csv").open() as file:
        records = [r for r in csv.DictReader(file) if r["sweep"] in ("skip-1", "skip-2", "skip-4")]
    notebook = residual.protocols["notebook"]
    rows = [config for config in notebook.rows if not notebook.tags[config]]  # others are ours
    assert len(records) == len(rows) == 12
    by_rates = {}
    for config in rows:
        spec = spec_of(config, "notebook")
        model = spec.model
        by_rates[model.skip1_dropout, model.skip2_dropout, model.skip4_dropout] = spec
    for record in records:
        rates = [record[f"{s}_dropout"] for s in ("skip1", "skip2", "skip4")]
        spec = by_rates[tuple(float(rate) if rate else None for rate in rates)]
        assert spec.model.n_block == int(record["blocks"])
        assert spec.schedule.iterations == int(record["iterations"])


def test_matched_rows_differ_in_what_they_are_compared_for_only(residual: Study) -> None:
    for config in residual.protocols["matched"].rows:
        spec = spec_of(config, "matched")
        assert spec.schedule.iterations == 50000
        deep = config.startswith("deep-")
        assert spec.model.n_layer == (24 if deep else 4)
        prenorm = config.startswith("prenorm-")
        assert spec.model.residual_stream == ("pre-norm" if prenorm else "normalised")


def test_as_written_is_the_same_rows_with_16_layers(residual: Study) -> None:
    authors = residual.protocols["authors"]
    assert list(residual.protocols["as-written"].rows) == [
        row for row in authors.rows if not authors.tags[row]
    ]
    for config in residual.protocols["as-written"].rows:
        spec = spec_of(config, "as-written")
        assert (spec.model.n_layer, spec.schedule.iterations) == (16, 50000)


def test_a_row_of_ours_among_the_authors_is_marked_as_chosen(residual: Study) -> None:
    """The control of a2r025 differs from it in the rate alone."""
    rows = residual.protocols["authors"].rows
    assert {setting.source for setting in rows["a2r000"].values()} == {"chosen"}
    assert {setting.source for setting in rows["a2r025"].values()} == {"authors-code"}
    control, theirs = spec_of("a2r000"), spec_of("a2r025")
    assert theirs.model.skip1_dropout == 0.025
    assert dataclasses.replace(control.model, skip1_dropout=0.025) == theirs.model
    assert (control.schedule, control.optimiser) == (theirs.schedule, theirs.optimiser)


def test_every_value_has_a_source(residual: Study) -> None:
    for protocol in residual.protocols.values():
        for settings in (protocol.settings, *protocol.rows.values()):
            for setting in settings.values():
                assert setting.source in SOURCES


def test_rows_with_a_tag_run_only_where_it_is_asked_for(project: Path) -> None:
    plain = runs_of(config_of(protocols=["matched"]), project)
    tagged = runs_of(config_of(protocols=["matched"], tags=["large"]), project)
    assert {run.split("-tiny")[0] for run in tagged - plain} == {
        "matched-deep-skip1-0",
        "matched-deep-skip1-0.025",
    }


def test_a_mistyped_tag_and_a_pattern_that_selects_nothing_are_refused(project: Path) -> None:
    with pytest.raises(ConfigError, match=r"residual: tags: 'lage' is not one of .*did you mean 'large'"):
        runs_of(config_of(protocols=["matched"], tags=["lage"]), project)
    with pytest.raises(ConfigError, match=r"matched: .*'deep-\*' has tags .*; write tags: \[large\]"):
        runs_of(config_of(protocols=["matched"], configs=["skip1-0", "deep-*"]), project)
    assert len(runs_of(config_of(protocols=["matched"], configs=["deep-*"], tags=["large"]), project)) > 0
    with pytest.raises(ConfigError, match=r"matched: no configuration matches 'dep-\*'"):
        runs_of(config_of(protocols=["matched"], configs=["dep-*"]), project)


def test_a_new_seed_or_row_changes_no_other_run(project: Path) -> None:
    one = runs_of(config_of(configs=["a2r025"]), project)
    more = runs_of(config_of(configs=["a2r0*"], seeds=[1, 2]), project)
    assert one < more
    shorter = runs_of(config_of(configs=["a2r025"], settings={"schedule.iterations": 9}), project)
    assert not one & shorter


def test_the_same_run_asked_for_twice_is_one_run(residual: Study) -> None:
    selection = {"protocols": ["authors"], "seeds": [1], "corpora": ["tiny_shakespeare"]}
    assert len(select(residual, [selection, selection])) == 20


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"protocols": ["author"]}, ["'author'", "did you mean 'authors'"]),
        ({"corpora": ["tiny_shakespear"]}, ["'tiny_shakespear'", "tiny_shakespeare"]),
        ({"configs": ["a9*"]}, ["'a9*'"]),
        ({"seeds": []}, ["seeds"]),
        ({"seeds": [1, 1]}, ["seeds", "non-unique"]),
        ({"seeds": [-1]}, ["-1"]),
        ({"seed": [1]}, ["seed", "did you mean 'seeds'"]),
        ({"settings": {"model.n_layr": 2}}, ["model.n_layr", "did you mean 'n_layer'"]),
        ({"settings": {"data.corpus": "python_docs"}}, ["data.corpus", "corpora"]),
        ({"settings": {"model.mlp_dropout": 2}}, ["model.mlp_dropout", "2.0", "[0.0, 1.0]"]),
    ],
)
def test_a_bad_selection_is_named(over: dict[str, Any], words: list[str], project: Path) -> None:
    with pytest.raises(ConfigError) as error:
        resolve(config_of(**over), project)
    for word in words:
        assert word in str(error.value)


def test_unknown_studies_and_top_level_keys_are_named(project: Path) -> None:
    config = config_of()
    config["studies"] = {"residul": config["studies"]["residual"]}
    with pytest.raises(ConfigError, match="'residual'"):
        resolve(config, project)
    with pytest.raises(ConfigError, match=r"result.*did you mean 'results'"):
        resolve(config_of() | {"result": "x"}, project)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda raw: raw["protocols"]["authors"]["rows"][0].update(drp=0.1), ["drp", "did you mean 'drop'"]),
        (lambda raw: raw["protocols"]["authors"]["rows"].append({"config": "a0r0"}), ["a0r0", "twice"]),
        (lambda raw: raw["settings"]["model.n_head"].update(source="guessed"), ["guessed"]),
        (lambda raw: raw["settings"]["model.n_head"].pop("source"), ["source"]),
        (lambda raw: raw["protocols"]["authors"]["sweeps"]["skip-1"]["configs"].append("x"), ["'x'"]),
        (lambda raw: raw["protocols"]["authors"]["rows"][0].update(config="a/b"), ["a/b"]),
        (lambda raw: raw["protocols"]["as-written"].update(rows_from="author"), ["as-written", "rows"]),
    ],
)
def test_a_bad_study_file_is_named(spoil: Any, words: list[str], project: Path, tmp_path: Path) -> None:
    import yaml

    raw = copy.deepcopy(read_yaml(project / "config/studies/residual.yaml"))
    spoil(raw)
    path = tmp_path / "residual.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    with pytest.raises(ConfigError) as error:
        load_study(path, project)
    for word in [str(path), *words]:
        assert word in str(error.value)


def test_yaml_faults_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a: 1\nb: 2\na: 3\n")
    with pytest.raises(ConfigError, match="line 3: 'a' is given twice"):
        read_yaml(path)
    path.write_text("a: [1\n")
    with pytest.raises(ConfigError, match="not YAML"):
        read_yaml(path)
    path.write_text("a: !!python/object/apply:os.system ['true']\n")
    with pytest.raises(ConfigError, match="not YAML"):
        read_yaml(path)
    with pytest.raises(ConfigError, match="no such file"):
        read_yaml(tmp_path / "none.yaml")


def test_what_is_written_out_goes_before_what_is_merged(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n")
    assert read_yaml(path) == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}
    path.write_text("a: &a {x: 1}\nb: {<<: *a, y: 3, y: 4}\n")
    with pytest.raises(ConfigError, match="line 2: 'y' is given twice"):
        read_yaml(path)


def test_a_part_may_read_other_data_than_its_study(project: Path) -> None:
    whole, encoder = load_part("methods", project), load_part("methods_encoder", project)
    assert (whole.reads, encoder.reads, encoder.name) == ("corpus", "glue", "methods")
    with pytest.raises(ConfigError, match="a selection of it lists tasks, not corpora"):
        select(encoder, [{"protocols": ["encoder"], "seeds": [1], "corpora": ["tiny_shakespeare_tenth"]}])
    disputed = whole.protocols["decoder"].rows["send"]["objective.name"]
    assert "definition disputed" in disputed.note


def test_configs_merge_as_snakemake_merges_them() -> None:
    from snakemake.utils import update_config

    base = {"a": 1, "b": {"c": [1, 2], "d": {"e": 5}}}
    over = {"b": {"c": [3], "d": {"f": 6}}, "g": None}
    expected = copy.deepcopy(base)
    update_config(expected, over)
    assert merge_config(base, over) == expected
