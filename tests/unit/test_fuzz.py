"""Random edits: a config resolves or is a ``ConfigError``, a record is whole or a ``RecordError``.

The examples are the same every time (``derandomize``), so a failure here is not one of luck.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis_support import decay, write_run
from redrop.errors import ConfigError, RecordError
from redrop.record import CURVE, METRICS, RunRecord, checksum, read_curve, read_record
from redrop.spec import RunSpec
from redrop.study import load_study, resolve
from redrop.yaml_files import read_yaml
from support import PROJECT, small_spec, values_of


def bounded(examples: int) -> settings:
    """So many examples; what stands in the folder of a fixture is written anew in each."""
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def tried(kind: type[Exception], call: Callable[[], Any]) -> tuple[Any, str | None]:
    """What the call returns, or what it refuses with; any other error comes through."""
    try:
        return call(), None
    except kind as error:
        return None, str(error)


ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 1, 2**31, 2**63, -(2**63), 10**400]),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["", "..", "a/b", "$(x)", "a\nb", "null", "*", "x" * 300, "{run}", "\0", "residual"]),
)
VALUES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=8), st.integers()), inner, max_size=3),
    ),
    max_leaves=6,
)


def containers(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a tree of mappings and lists: what holds it, and its key there."""
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(pairs):
        yield tree, key
        yield from containers(value)


def edited(data: st.DataObject, tree: Any, edits: int = 2) -> Any:
    """``tree`` with a value replaced, taken out, renamed or added, a few times."""
    tree = copy.deepcopy(tree)
    for _ in range(data.draw(st.integers(1, edits))):
        places = list(containers(tree))
        if not places:
            break
        holder, key = data.draw(st.sampled_from(places))
        match data.draw(st.sampled_from(["replace", "replace", "take out", "rename", "add"])):
            case "replace":
                holder[key] = data.draw(VALUES)
            case "take out":
                del holder[key]
            case "rename" if isinstance(holder, dict):
                holder[data.draw(st.text(max_size=8))] = holder.pop(key)
            case "add" if isinstance(holder, dict):
                holder[data.draw(st.text(max_size=8))] = data.draw(VALUES)
            case _:
                holder.insert(0, data.draw(VALUES)) if isinstance(holder, list) else None
    return tree


CONFIGS = ("demo", "notebook", "generation", "minilm", "short")
BASE = {
    name: read_yaml(PROJECT / "config/config.yaml") | read_yaml(PROJECT / f"config/{name}.yaml")
    for name in CONFIGS
}

STUDIES = {path.stem: read_yaml(path) for path in (PROJECT / "config/studies").glob("*.yaml")}


@bounded(80)
@given(data=st.data(), name=st.sampled_from(CONFIGS))
def test_an_edited_config_resolves_or_is_refused(data: st.DataObject, name: str) -> None:
    config = edited(data, BASE[name])
    plan, refusal = tried(ConfigError, lambda: resolve(config, PROJECT))
    if refusal is None:
        for runs in plan.specs.values():
            assert all(RunSpec.from_json(spec.to_json()) == spec for spec in list(runs.values())[:3])
            assert all("/" not in run and len(run) < 255 for run in runs)


@bounded(60)
@given(data=st.data())
def test_an_edited_study_is_read_or_refused(data: st.DataObject, tmp_path: Path) -> None:
    study = data.draw(st.sampled_from(sorted(STUDIES)))
    raw = edited(data, STUDIES[study], edits=3)
    path = tmp_path / f"{study}.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    _, refusal = tried(ConfigError, lambda: load_study(path, PROJECT))
    assert refusal is None or str(path) in refusal


@bounded(200)
@given(data=st.data())
def test_the_bytes_of_a_config_are_read_or_refused(data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray((PROJECT / "config/short.yaml").read_bytes())
    scramble(data, content)
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    _, refusal = tried(ConfigError, lambda: read_yaml(path))
    assert refusal is None or (str(path) in refusal and "\n" not in refusal)


@bounded(200)
@given(data=st.data())
def test_an_edited_spec_is_a_spec_or_refused(data: st.DataObject) -> None:
    values = edited(data, values_of(small_spec()))
    spec, refusal = tried(ConfigError, lambda: RunSpec.from_dict(values))
    assert refusal or RunSpec.from_json(spec.to_json()) == spec


@bounded(60)
@given(
    text=st.text(max_size=50)
    | st.sampled_from(["[" * 10**5, "1" * 5000, '{"a":' * 10**5, "NaN", '"\\ud800"'])
)
def test_any_text_is_a_spec_or_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        RunSpec.from_json(text)


def scramble(data: st.DataObject, content: bytearray) -> None:
    """Change some bytes, cut the end off, put bytes in, or flip one bit."""
    match data.draw(st.sampled_from(["bit", "bit", "byte", "cut", "insert", "double"])):
        case "bit":
            content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        case "byte":
            for _ in range(data.draw(st.integers(1, 5))):
                content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        case "cut":
            del content[data.draw(st.integers(0, len(content) - 1)) :]
        case "insert":
            place = data.draw(st.integers(0, len(content)))
            content[place:place] = data.draw(st.binary(min_size=1, max_size=5))
        case "double":
            begin, end = sorted(data.draw(st.integers(0, len(content))) for _ in range(2))
            content[begin:begin] = content[begin:end]


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    """A record as training leaves it."""
    folder = write_run(tmp_path_factory.mktemp("record"), small_spec(), decay(1.5))
    return read_record(folder)


def meaning(record: RunRecord) -> tuple[Any, ...]:
    """All that a record says, apart from where it stands."""
    return record.spec, record.status, record.reason, record.data, record.metrics, record.files


@bounded(300)
@given(data=st.data())
def test_the_bytes_of_metrics_say_the_same_or_are_refused(
    data: st.DataObject, record: RunRecord, tmp_path: Path
) -> None:
    """A record that is read in spite of a changed byte is the same record: another space, 1e-8 for 1e-08."""
    content = bytearray((record.folder / METRICS).read_bytes())
    scramble(data, content)
    (tmp_path / METRICS).write_bytes(content)
    found, refusal = tried(RecordError, lambda: read_record(tmp_path))
    assert str(tmp_path / METRICS) in refusal if refusal else meaning(found) == meaning(record)


@bounded(150)
@given(data=st.data(), signed=st.booleans())
def test_edited_metrics_are_refused_or_well_formed(
    data: st.DataObject, signed: bool, record: RunRecord, tmp_path: Path
) -> None:
    """Also with a checksum that fits, or from before there were checksums: whatever is read has its types."""
    document = json.loads((record.folder / METRICS).read_text())
    if not signed:  # an older record
        del document["sha256"], document["files"]
    document = edited(data, document)
    try:
        if signed and isinstance(document, dict) and "sha256" in document:
            document["sha256"] = checksum(document)
        text = json.dumps(document)
    except (ValueError, TypeError):
        return  # not a document that could be written
    (tmp_path / METRICS).write_text(text)
    found, refusal = tried(RecordError, lambda: read_record(tmp_path))
    if refusal:
        assert str(tmp_path / METRICS) in refusal
        return
    assert isinstance(found.data, dict)
    assert all(isinstance(found.value(name), float | int) for name in found.metrics)
    assert found.run == document["run"]


@bounded(150)
@given(data=st.data(), known=st.booleans())
def test_the_bytes_of_a_curve_say_the_same_or_are_refused(
    data: st.DataObject, known: bool, record: RunRecord, tmp_path: Path
) -> None:
    content = bytearray((record.folder / CURVE).read_bytes())
    whole = read_curve(record.folder)
    scramble(data, content)
    (tmp_path / CURVE).write_bytes(content)
    rows, refusal = tried(RecordError, lambda: read_curve(tmp_path, record.files[CURVE] if known else None))
    if refusal:
        assert str(tmp_path / CURVE) in refusal
        return
    if known:
        assert rows == whole
    assert all(isinstance(row["iteration"], int) for row in rows)


@bounded(100)
@given(value=VALUES)
def test_any_document_is_no_record(value: Any, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
    (tmp_path / "run").mkdir()
    try:
        text = json.dumps(value)
    except (ValueError, TypeError):
        return
    for name in (METRICS, CURVE):
        (tmp_path / "run" / name).write_text(text + "\n")
    with pytest.raises(RecordError):
        read_record(tmp_path / "run")
    with pytest.raises(RecordError):
        read_curve(tmp_path / "run")
