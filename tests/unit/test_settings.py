"""Settings come and go, and no run becomes another one by it: the worked example of docs/architecture.md."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from redrop import settings, spec
from redrop.analysis.collect import Results
from redrop.analysis.publish import restore
from redrop.cli import main
from redrop.errors import ConfigError, RecordError
from redrop.layout import ResultsLayout, RunFolders
from redrop.record import METRICS, checksum, read_record
from redrop.settings import Option, Options, added
from redrop.spec import OptimiserSpec, RunSpec, id_of
from support import small_spec, spec_of, values_of

PUBLISHED = Path(__file__).resolve().parents[2] / "results/published"


@dataclass(frozen=True, kw_only=True)
class GrownOptimiserSpec(OptimiserSpec):
    """Two settings that came later: one of every optimiser, and those that a single one has."""

    amsgrad: bool = added(False)
    options: Options = added({})

    @classmethod
    def known_options(cls, values: dict[str, Any]) -> dict[str, Option]:
        return {"momentum": Option(0.9, low=0.0, high=1.0), "mode": Option("fast", choices=("fast", "slow"))}


@dataclass(frozen=True, kw_only=True)
class GrownRunSpec(RunSpec):
    optimiser: GrownOptimiserSpec


@pytest.fixture
def grown(monkeypatch: pytest.MonkeyPatch) -> type[RunSpec]:
    monkeypatch.setattr(spec, "GrownOptimiserSpec", GrownOptimiserSpec, raising=False)
    return GrownRunSpec


def test_a_setting_that_comes_later_changes_no_id(grown: type[RunSpec]) -> None:
    old = small_spec()
    new = grown.from_json(old.to_json())
    assert new.optimiser.amsgrad is False
    assert (new.run, new.to_json()) == (old.run, old.to_json())
    values = values_of(old)
    values["optimiser"]["amsgrad"] = True
    other = grown.from_dict(values)
    assert other.run != old.run
    assert json.loads(other.to_json()) == values
    values["optimiser"]["amsgrad"] = False
    assert grown.from_dict(values).run == old.run


def test_a_setting_of_one_part_stands_beside_the_others(grown: type[RunSpec]) -> None:
    values = values_of(small_spec())
    values["optimiser"] |= {"momentum": 1, "mode": "slow"}
    one = grown.from_dict(values)
    assert one.optimiser.options == {"momentum": 1.0, "mode": "slow"}
    assert json.loads(one.to_json())["optimiser"]["momentum"] == 1.0
    assert grown.from_json(one.to_json()) == one
    assert hash(one) != hash(grown.from_dict(values_of(small_spec())))
    values["optimiser"] |= {"momentum": 0.9, "mode": "fast"}
    assert grown.from_dict(values).run == small_spec().run


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("momentum", 1.5, ["optimiser.momentum", "1.5", "[0.0, 1.0]"]),
        ("momentum", "high", ["optimiser.momentum", "'high'", "float"]),
        ("mode", "slo", ["optimiser.mode", "did you mean 'slow'"]),
        ("momentumm", 0.5, ["optimiser.momentumm", "unknown setting", "did you mean 'momentum'"]),
        ("amsgrad", 1, ["optimiser.amsgrad", "bool"]),
    ],
)
def test_a_bad_one_is_named(key: str, value: object, words: list[str], grown: type[RunSpec]) -> None:
    values = values_of(small_spec())
    values["optimiser"][key] = value
    with pytest.raises(ConfigError) as error:
        grown.from_dict(values)
    for word in words:
        assert word in str(error.value)


def test_a_section_without_settings_of_its_parts_has_none() -> None:
    values = values_of(small_spec())
    values["schedule"]["momentum"] = 0.5
    with pytest.raises(ConfigError, match=r"schedule\.momentum: unknown setting"):
        RunSpec.from_dict(values)


def test_a_retired_setting_is_read_and_forgotten() -> None:
    """How a run was computed is no setting any more; ids keep the value that it has alone."""
    values = values_of(small_spec())
    assert values["engine"] == {"lanes": 1, "name": "single"}
    packed = values | {"engine": {"lanes": 4, "name": "sweep"}}
    without = {key: value for key, value in values.items() if key != "engine"}
    assert {RunSpec.from_dict(one) for one in (values, packed, without)} == {small_spec()}
    assert id_of(values) == small_spec().run
    assert id_of(packed) != small_spec().run
    assert spec_of(engine__name="sweep", engine__lanes=8) == spec_of()  # as earlier configs say it

    class Section:
        RETIRED: ClassVar = {"threads": 1}

    with pytest.raises(ConfigError, match="engines: unknown setting"):
        RunSpec.from_dict(without | {"engines": values["engine"]})
    made = dataclasses.make_dataclass("Made", [("rate", float)], bases=(Section,), frozen=True)
    assert settings.to_dict(made(0.5)) == {"threads": 1, "rate": 0.5}


def test_every_published_record_is_read_with_its_id() -> None:
    folders = sorted(path.parent for path in PUBLISHED.glob(f"*/runs/*/{METRICS}"))
    assert len(folders) >= 214
    packed = 0
    for folder in folders:
        record = read_record(folder)
        assert record.run == folder.name
        assert RunFolders(folder.parent).of(record.spec) == folder
        packed += record.run != record.spec.run
    assert packed >= 74


def an_earlier_record(name: str = "matched-skip1-0-tiny_shakespeare-s1337-*") -> Path:
    (folder,) = (PUBLISHED / "residual/runs").glob(name)
    return folder


def test_a_record_of_an_earlier_version_counts_as_the_run(tmp_path: Path) -> None:
    """It keeps its folder; whoever asks for the run by today's settings finds it there."""
    record = read_record(an_earlier_record())
    assert record.run != record.spec.run
    results = ResultsLayout(tmp_path / "results")
    assert restore("residual", PUBLISHED, results.path) == len(list((PUBLISHED / "residual/runs").iterdir()))
    runs = results.runs("residual")
    assert runs.of(record.spec).name == record.run
    assert runs.is_finished(record.spec)
    unknown = dataclasses.replace(record.spec, seed=1)
    assert runs.of(unknown).name == unknown.run
    assert not runs.is_finished(unknown)
    found = Results.load(runs.path, {record.spec.run, unknown.run})
    assert [one.run for one in found.records] == [record.run]
    group = found.group("residual", "matched", "skip1-0", "tiny_shakespeare")
    assert (len(group.done), group.missing) == (1, 1)
    out = runs.of(record.spec)
    main(["train", "--spec", record.spec.to_json(), "--out", str(out), "--data", str(tmp_path / "none")])
    assert read_record(out).run == record.run  # trained by nobody: there is no data


def test_of_two_records_of_one_run_todays_counts(tmp_path: Path) -> None:
    old = an_earlier_record()
    shutil.copytree(old, tmp_path / old.name)
    spec_ = read_record(old).spec
    document = json.loads((old / METRICS).read_text())
    document |= {"spec": spec_.to_dict(), "run": spec_.run}
    if "sha256" in document:
        document["sha256"] = checksum(document)
    today = tmp_path / spec_.run
    today.mkdir()
    (today / METRICS).write_text(json.dumps(document))
    for name in ("curve.jsonl", "provenance.json", "spec.json"):
        shutil.copyfile(old / name, today / name)
    assert RunFolders(tmp_path).of(spec_) == today
    found = Results.load(tmp_path, {spec_.run})
    assert ([one.run for one in found.records], found.left_out) == ([spec_.run], 1)


def test_a_record_whose_settings_were_edited_is_refused(tmp_path: Path) -> None:
    old = an_earlier_record()
    document = json.loads((old / METRICS).read_text())
    document["spec"]["engine"]["lanes"] = 8
    (tmp_path / METRICS).write_text(json.dumps(document))
    with pytest.raises(RecordError, match="its settings are those of"):
        read_record(tmp_path)


def test_the_worked_example_of_the_documentation() -> None:
    """docs/architecture.md adds a field to the optimiser: no id changes, and setting it makes another run."""
    text = (PUBLISHED.parents[1] / "docs/architecture.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    source = f"@dataclass(frozen=True, kw_only=True)\nclass Grown(OptimiserSpec):\n{block}"
    names = {"dataclass": dataclass, "added": added, "OptimiserSpec": OptimiserSpec, "__name__": __name__}
    exec(source, names)  # what the page says to write
    made = dataclasses.make_dataclass(
        "GrownRun", [("optimiser", names["Grown"])], bases=(RunSpec,), frozen=True, kw_only=True
    )
    published = [
        json.loads(path.read_text())["spec"] for path in sorted(PUBLISHED.glob(f"*/runs/*/{METRICS}"))
    ]
    for values in published:
        before, after = RunSpec.from_dict(values), made.from_dict(values)
        assert (after.run, after.to_json()) == (before.run, before.to_json())
    assert len(published) >= 214
    values = values_of(small_spec())
    values["optimiser"]["amsgrad"] = True
    assert made.from_dict(values).run != small_spec().run
