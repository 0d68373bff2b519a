"""The RO-Crate says of each run what its record and provenance say."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from redrop.errors import ConfigError
from ro_crate import make_crate

PUBLISHED = Path(__file__).resolve().parents[2] / "results/published"
RUNS = ("glue/runs/minilm-ce-cola-s1-cb050ac6", "residual/runs/authors-a2r1-tiny_shakespeare-s1337-666c77b4")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Two published runs."""
    for run in RUNS:
        shutil.copytree(PUBLISHED / run, tmp_path / run)
    return tmp_path


def test_every_run_is_an_action(published: Path) -> None:
    rocrate = pytest.importorskip("rocrate.rocrate")
    make_crate(published).metadata.write(published)
    crate = rocrate.ROCrate(published)  # what was written is read back
    actions = {action["result"].id: action for action in crate.get_by_type("CreateAction")}
    assert actions.keys() == {f"{run}/" for run in RUNS}
    for run in RUNS:
        action, folder = actions[f"{run}/"], published / run
        made, metrics = (
            json.loads((folder / f"{name}.json").read_text()) for name in ("provenance", "metrics")
        )
        assert action["endTime"] == made["finished"]
        assert action["instrument"]["softwareVersion"] == f"commit {made['git']['commit']}"
        read, *models = action["object"] if isinstance(action["object"], list) else [action["object"]]
        assert read["identifier"] == f"sha256:{metrics['data']['sha256']}"
        assert read["license"]
        assert [model["identifier"] for model in models] == [
            f"sha256:{sum_}" for sum_ in [metrics["data"].get("model_sha256")] if sum_
        ]
    assert {study.id for study in crate.root_dataset["hasPart"]} >= {"glue/", "residual/"}


def test_what_is_lacking_is_named(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rocrate.rocrate", None)
    with pytest.raises(ConfigError, match="pip install rocrate"):
        make_crate(published)
