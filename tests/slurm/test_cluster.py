"""The tests' own SLURM never takes another's place."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurm import cluster


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of /etc/slurm, for somebody who may do everything."""
    monkeypatch.setattr(cluster, "ETC", tmp_path)
    monkeypatch.setattr(cluster, "COMMANDS", ())
    monkeypatch.setattr(cluster.os, "geteuid", lambda: 0)
    monkeypatch.setattr(cluster.os, "mknod", lambda *_: None)
    return tmp_path


def test_a_configuration_of_another_cluster_is_left_alone(etc: Path) -> None:
    assert cluster.why_not() is None
    (etc / "slurm.conf").write_text("ClusterName=real\n")
    assert cluster.why_not() == f"SLURM: {etc}/slurm.conf is another cluster's; it is left alone"
    cluster._remove_configuration()
    assert (etc / "slurm.conf").read_text() == "ClusterName=real\n"


def test_its_own_configuration_is_replaced_and_removed(etc: Path) -> None:
    (etc / "slurm.conf").write_text(f"{cluster.MARK}ClusterName=redroptest\n")
    assert cluster.why_not() is None
    cluster._remove_configuration()
    assert not list(etc.iterdir())


def test_what_is_missing_is_named(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "COMMANDS", ("no-such-daemon",))
    assert cluster.why_not() == f"SLURM: no-such-daemon not found; apt-get install {cluster.PACKAGES}"
    monkeypatch.setattr(cluster, "COMMANDS", ())
    monkeypatch.setattr(cluster.os, "geteuid", lambda: 1000)
    assert "by root only" in (cluster.why_not() or "")
