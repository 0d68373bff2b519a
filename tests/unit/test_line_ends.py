"""A checkout made where text has other line ends: its records are still the published ones."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from redrop.errors import RecordError
from redrop.record import check_whole, has_checksum

PUBLISHED = Path(__file__).resolve().parents[2] / "results/published"
RUNS = ["residual/runs/notebook-res1-0-*-s1342-*", "translation/runs/small-ce-*-s1-*"]


@pytest.mark.parametrize("pattern", RUNS)
def test_a_record_with_the_line_ends_of_windows_is_whole(pattern: str, tmp_path: Path) -> None:
    (source,) = PUBLISHED.glob(pattern)
    run = shutil.copytree(source, tmp_path / source.name)
    assert check_whole(run).files  # a record with checksums
    for path in run.iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert check_whole(run).metrics == check_whole(source).metrics
    curve = run / "curve.jsonl"
    curve.write_bytes(curve.read_bytes().replace(b"1", b"2", 1))
    with pytest.raises(RecordError, match="its checksum is not the one"):
        check_whole(run)


def test_only_line_ends_may_differ() -> None:
    digest = "98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4"  # sha256sum of "hi\n"
    assert [has_checksum(text, digest) for text in (b"hi\n", b"hi\r\n", b"hi", b"hi\r", b"Hi\n")] == [
        True, True, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["runs.csv", "runs/x/metrics.json", "forest.svg", "tables/claims.md"])
def test_git_keeps_the_line_ends_of_published_text(name: str, project: Path) -> None:
    path = f"results/published/residual/{name}"
    done = subprocess.run(
        ["git", "check-attr", "text", "eol", "--", path],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip("no git, or no checkout of it")
    assert done.stdout.splitlines() == [f"{path}: text: auto", f"{path}: eol: lf"]
