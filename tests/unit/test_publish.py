"""Publishing and restoring: records travel whole, toy results do not travel at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis_support import decay, write_run
from redrop.analysis.publish import FILES, publish, restore
from redrop.errors import ConfigError, RecordError
from redrop.record import METRICS, checksum, write_json
from redrop.study import Plan, resolve

CONFIG = {
    "results": "results",
    "mirror": None,
    "label": None,
    "only": None,
    "studies": {
        "residual": [{"protocols": ["notebook"], "seeds": [1, 2], "corpora": ["tiny_shakespeare"]}],
    },
}


@pytest.fixture
def plan(project: Path) -> Plan:
    return resolve(CONFIG, project)


@pytest.fixture
def results(tmp_path: Path, plan: Plan) -> Path:
    """Two of the runs that the plan asks for, and one that it does not."""
    folder = tmp_path / "results"
    specs = list(plan.specs["residual"].values())
    other = type(specs[0]).from_dict(specs[0].to_dict() | {"seed": 99})
    for i, spec in enumerate([specs[0], specs[3], other]):
        run = write_run(folder / "runs", spec, decay(1.9 + 0.1 * i))
        (run / "spec.json").write_text(spec.to_json())
        (run / "provenance.json").write_text("{}")
    return folder


def test_what_is_published_can_be_restored_and_is_never_overwritten(
    plan: Plan, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDROP_REFERENCE", str(tmp_path / "the-authors-records"))
    target = tmp_path / "published" / "residual"
    paths = publish(plan, plan.studies["residual"], results, target)
    published = sorted(path.parent.name for path in target.glob(f"runs/*/{METRICS}"))
    assert len(published) == 2
    assert not any("s99" in run for run in published)
    assert all(path.stat().st_size for path in paths)
    assert {path.parent.name for path in paths} == {"residual", "tables", "figures"}
    assert not list(target.glob("figures/*recorded*"))  # the authors' curves stay where they are
    again = tmp_path / "again"
    assert restore("residual", tmp_path / "published", again) == 2
    assert restore("residual", tmp_path / "published", again) == 0
    for run in published:
        for name in FILES:
            original = results / "runs" / "residual" / run / name
            assert (again / "runs" / "residual" / run / name).read_bytes() == original.read_bytes()
    changed = again / "runs" / "residual" / published[0] / METRICS
    document = json.loads(changed.read_text().replace("1.9", "1.8"))
    write_json(changed, document | {"sha256": checksum(document)})
    for copy in (
        lambda: publish(plan, plan.studies["residual"], again, target),
        lambda: restore("residual", tmp_path / "published", again),
    ):
        with pytest.raises(RecordError, match="same run with different results"):
            copy()


def test_what_is_marked_as_no_result_is_not_published(
    project: Path, plan: Plan, results: Path, tmp_path: Path
) -> None:
    toy = resolve(CONFIG | {"label": "DEMO"}, project)
    with pytest.raises(ConfigError, match=r"label: 'DEMO'"):
        publish(toy, plan.studies["residual"], results, tmp_path / "published")
    assert not (tmp_path / "published").exists()
    with pytest.raises(ConfigError, match="no published runs"):
        restore("residual", tmp_path / "published", results)
