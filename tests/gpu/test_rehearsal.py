"""The first half hour on a GPU, rehearsed on the CPU at tiny sizes, without the packages that it lacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

HERE = Path(__file__).parent
sys.path.append(str(HERE))

import first_half_hour  # noqa: E402
import parity  # noqa: E402
import pieces  # noqa: E402
import prepare  # noqa: E402
import training  # noqa: E402
from hidden import hide_all_but, with_needs  # noqa: E402

from redrop.layout import ResultsLayout  # noqa: E402
from redrop.places import Places  # noqa: E402
from redrop.record import METRICS, PROVENANCE, check_whole, read_json, write_json  # noqa: E402
from redrop.runtime.launch import Workplace, run  # noqa: E402
from redrop.runtime.pool import Pool  # noqa: E402
from redrop.spec import RunSpec  # noqa: E402

PIECE = 200_000
HELPERS = {"redrop", "pytest-xdist", "execnet", "pip"}
"""Not hidden: the checkout itself, and what this test process runs in."""


def specs_in(tree: Path) -> list[RunSpec]:
    return [RunSpec.from_json(line) for line in (tree / "specs.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process on a machine that has what is expected there, and PACKAGES."""
    folder = tmp_path_factory.mktemp("site")
    allowed = with_needs(prepare.EXPECTED) | set(prepare.PACKAGES) | HELPERS
    assert {"snakemake", "altair", "subword_nmt"} <= hide_all_but(allowed, folder)
    return os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is copied along, with a generated text and six small runs."""
    folder = tmp_path_factory.mktemp("copied") / "gpu"
    prepare.make(folder, rehearse=True)
    return folder


def rehearse(folder: Path, tree: Path, there: dict[str, str], *options: str) -> tuple[Path, dict[str, Any]]:
    """One call on a machine of its own; what comes back from it, and its report."""
    out = folder / "out"
    script = [sys.executable, str(HERE / "first_half_hour.py"), "--rehearse", "--device", "cpu"]
    where = ["--tree", str(tree), "--work", str(folder / "work"), "--out", str(out), "--piece", str(PIECE)]
    command = [*script, *where, "--pack", "4", "--minutes", "60", *options]
    done = subprocess.run(command, env=there, capture_output=True, text=True, check=False)
    log = out / "log.txt"
    assert done.returncode == 0, done.stdout + done.stderr + (log.read_text() if log.exists() else "")
    return out, read_json(out / "report.json")


def test_a_stopped_half_hour_goes_on_from_what_came_back(
    tmp_path: Path, tree: Path, there: dict[str, str]
) -> None:
    specs = specs_in(tree)
    out, report = rehearse(tmp_path / "first", tree, there, "--updates", "8")
    steps = report["steps"]
    assert [step["status"] for step in steps.values()] == ["passed"] * 5
    assert len(steps["parity"]["result"]["without_dropout"]) == 6
    assert [row["models"] for row in steps["benchmark"]["result"]["rows"]] == [1, 2, 3]
    begun = steps["training"]["result"]["begun"]
    assert len(begun) == 4
    assert all(0 < iteration < 12 for iteration in begun.values())
    assert report["left_out"] == steps["training"]["result"]["finished"] == []
    archive = sorted(out.glob(f"{pieces.NAME}.*"))
    assert len(archive) > 1
    assert all(piece.stat().st_size <= PIECE for piece in archive)

    out, report = rehearse(tmp_path / "second", tree, there, "--resume", str(out))
    assert sorted(report["steps"]["training"]["result"]["finished"]) == sorted(spec.run for spec in specs)
    assert report["steps"]["tests"]["seconds"] == steps["tests"]["seconds"], "what passed was done again"
    assert "from iteration" in (out / "log.txt").read_text()

    published = tmp_path / "here"
    pieces.unpack(out, published)
    folders = list(ResultsLayout(published).run_folders())
    assert [check_whole(folder).status for folder in folders] == ["done"] * len(specs)
    assert {folder.name for folder in folders} == {spec.run for spec in specs}
    assert not list(published.rglob("last.pt"))
    straight = Workplace(
        places=Places(tree / "data", tree / "models"),
        checkpoints=tmp_path / "checkpoints",
        device=torch.device("cpu"),
        pack=2,
    )
    pool = Pool(tmp_path / "pool", runs=tmp_path)
    run(specs[0], out=tmp_path / specs[0].run, workplace=straight, pool=pool)
    ours, theirs = (root / specs[0].run / METRICS for root in (published / "runs/residual", tmp_path))
    assert ours.read_bytes() == theirs.read_bytes()


def test_the_copied_packages_are_those_that_are_needed(there: dict[str, str]) -> None:
    """``there`` hides all others; each of these is imported by what runs there."""
    paths = [HERE, HERE.parent, HERE.parent / "unit", HERE.parent / "benchmarks"]
    code = "import sys, conftest, test_cuda, redrop.runtime.launch; print(*sys.modules)"
    environment = there | {"PYTHONPATH": os.pathsep.join([there["PYTHONPATH"], *map(str, paths)])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    modules = {"rpds-py": "rpds"} | {
        name: name.replace("-", "_") for name in prepare.PACKAGES if name != "rpds-py"
    }
    unused = [name for name, module in modules.items() if module not in done.stdout.split()]
    assert not unused, f"{unused} are copied along for nothing"


def test_runs_are_in_the_order_in_which_every_minute_counts() -> None:
    specs = prepare.ordered()
    kinds = [(spec.schedule.iterations, spec.seed == prepare.FIRST_SEED) for spec in specs]
    first = [kinds.index(kind) for kind in ((50_000, True), (10_000, True), (50_000, False), (500_000, True))]
    assert first == sorted(first)
    assert kinds.index((500_000, True)) == sum(iterations < 500_000 for iterations, _ in kinds)
    assert {spec.schedule.precision for spec in specs} == {"bf16"}
    assert len({spec.run for spec in specs}) == len(specs)
    left = {spec.run for spec in prepare.unpublished(specs)}
    assert left < {spec.run for spec in specs}, "some of these are published"


def test_a_step_that_fails_or_hangs_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def step(name: str, code: str, seconds: float = 60.0) -> first_half_hour.Step:
        return first_half_hour.Step(name, seconds, (sys.executable, "-c", code))

    hangs = "import signal; print('hangs', flush=True); signal.pause()"
    made = [step("bad", "raise SystemExit(3)"), step("slow", hangs, 1.0), step("good", "print('good')")]
    monkeypatch.setattr(first_half_hour, "steps_of", lambda *_: made)
    monkeypatch.setattr(first_half_hour, "training", lambda *_: step("training", "print('trains')"))
    words = ["--out", str(tmp_path / "out"), "--work", str(tmp_path / "work"), "--tree", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["first_half_hour.py", *words])
    assert first_half_hour.main() == 1
    statuses = {
        name: step["status"] for name, step in read_json(tmp_path / "out/report.json")["steps"].items()
    }
    assert statuses == {
        "bad": "failed (exit status 3)",
        "slow": "out of time (after 1 s)",
        "good": "passed",
        "training": "passed",
    }
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == statuses


def test_pieces_hold_what_has_room_in_their_order(tmp_path: Path) -> None:
    root = tmp_path / "work"
    root.mkdir()
    draw = np.random.default_rng(0)
    files = [root / name for name in ("b", "a", "c")]
    for path in files:
        path.write_bytes(draw.bytes(100_000))
    out = tmp_path / "out"
    left_out = pieces.pack(root, files, out, piece=30_000, limit=280_000)
    assert left_out == [root / "c"]
    found = sorted(out.iterdir())
    assert [path.stat().st_size for path in found[:-1]] == [30_000] * (len(found) - 1)
    assert sum(path.stat().st_size for path in found) <= 280_000
    assert pieces.unpack(out, tmp_path / "back") == 2
    assert (tmp_path / "back/a").read_bytes() == files[1].read_bytes()
    found[1].unlink()
    with pytest.raises(FileNotFoundError, match="not all pieces"):
        pieces.unpack(out, tmp_path / "again")


def test_losses_out_of_tolerance_are_found() -> None:
    expected = np.linspace(4.0, 2.0, 10)[None].repeat(2, axis=0)
    tolerance = parity.TOLERANCES["fp32"]
    assert parity.compared(expected.copy(), expected, tolerance)["passed"]
    for where, wrong in (((1, 0), 4.001), ((0, 3), 2.0), ((1, 9), np.nan)):
        found = expected.copy()
        found[where] = wrong
        assert not parity.compared(found, expected, tolerance)["passed"]
    biased = expected + np.arange(10) * tolerance.any / 10  # no single loss is out of its tolerance
    assert not parity.compared(biased, expected, tolerance)["passed"]


def test_other_means_are_found() -> None:
    draw = np.random.default_rng(1)
    ours, theirs = (draw.normal(2.0, 0.01, (count, 20)) for count in (8, 4))
    assert parity.same_mean(ours, theirs)["passed"]
    assert not parity.same_mean(ours + 0.05, theirs)["passed"]
    assert parity.same_mean(ours[:1], ours[1:])["passed"]
    assert not parity.same_mean(ours[:1] + 0.1, ours[1:])["passed"]
    assert not parity.same_mean(ours * np.nan, theirs)["passed"]


def test_a_record_from_a_copied_tree_names_its_commit(tmp_path: Path) -> None:
    tree = {"commit": "abc", "dirty": False, "source": "..."}
    for found, expected in ((None, "abc"), ("def", "def")):
        made = {"git": {"commit": found, "dirty": None if found is None else False}, "device": "cpu"}
        write_json(tmp_path / PROVENANCE, made)
        training.name_commit(tmp_path, tree)
        git = {"commit": expected, "dirty": False}
        assert read_json(tmp_path / PROVENANCE) == {"git": git, "device": "cpu"}


def test_the_largest_pack_is_taken_that_ends_in_time() -> None:
    spec = prepare.ordered()[0]
    times = ((1, 4.0, None), (4, 4.0, 1.0), (20, 8.0, 2.0), (60, 20.0, 6.0))
    rows = [{"models": models, "ms_a_step": step, "evaluation_s": pause} for models, step, pause in times]
    assert training.choose_pack(rows, spec, 600) == 20  # 400 s and 51 evaluations of 2 s
    assert training.choose_pack(rows, spec, 500) == 4
    assert training.choose_pack(rows, spec, 3600) == 60
    assert training.choose_pack(rows, spec, 60) == 20  # none: the usual size
