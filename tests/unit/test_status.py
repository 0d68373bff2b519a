"""`redrop status`: every state from what training really leaves, time left by hand, and nothing disturbed."""

from __future__ import annotations

import fcntl
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from analysis_support import decay, write_run
from redrop.cli import main
from redrop.errors import ConfigError
from redrop.record import DIVERGED, METRICS, write_json
from redrop.runtime.pool import Pool
from redrop.spec import RunSpec
from redrop.study import Plan
from redrop.training.checkpoint import Checkpoint
from redrop.view.lock_holders import LIST, held_locks
from redrop.view.screen import display
from redrop.view.status import Status, blocks, document, read_status, time_left
from support import STUDY, small_spec

SPECS = [small_spec(seed=seed) for seed in range(10)]
"""Of 12 iterations each."""
FINISHED, RUNNING, OTHER = SPECS[0], SPECS[1], SPECS[2]

needs_locks = pytest.mark.skipif(not LIST.exists(), reason="no /proc/locks on this system")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


@pytest.fixture
def hold(results: Path) -> Iterator[Callable[[RunSpec], int]]:
    """Claims a run as training does; the process that holds the lock then."""
    pool = Pool(results / "pool" / "residual", runs=results / "runs" / "residual")
    claims = []

    def take(spec: RunSpec) -> int:
        lock = pool.lock(spec.run)
        assert lock is not None
        claims.append(lock)
        return os.getpid()

    yield take
    for lock in claims:
        lock.close()


def look(results: Path, specs: list[RunSpec] = SPECS) -> Status:
    plan = Plan(results, None, None, {"residual": STUDY}, {"residual": {spec.run: spec for spec in specs}})
    return read_status(plan, results)


def states(status: Status) -> dict[int, str]:
    return {run.spec.seed: run.state for run in status.runs}


def finish(results: Path, spec: RunSpec, training: float, evaluation: float, iterations: int) -> Path:
    folder = write_run(results / "runs", spec, decay(2.0))
    seconds = {"training": training, "evaluation": evaluation}
    write_json(
        folder / "provenance.json", {"seconds": seconds, "iterations": iterations, "device": "an abacus"}
    )
    return folder


def save(results: Path, spec: RunSpec, iteration: int, age: float, folder: Path | None = None) -> None:
    """A checkpoint as training writes it, ``age`` seconds old."""
    place = folder or results / "checkpoints" / spec.study / spec.run
    checkpoint = Checkpoint(place, spec.run)
    checkpoint.save(iteration, {"iteration": iteration})
    then = os.stat(checkpoint.last).st_mtime - age
    os.utime(checkpoint.last, (then, then))


def log(results: Path, spec: RunSpec, text: str, age: float = 0.0) -> Path:
    path = results / "logs" / spec.study / f"{spec.run}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    then = path.stat().st_mtime - age
    os.utime(path, (then, then))
    return path


def plain_text(status: Status) -> str:
    sink = io.StringIO()
    display(list(blocks(status)), Console(file=sink, highlight=False))
    return sink.getvalue()


@needs_locks
def test_every_state_is_told_from_what_training_leaves(results: Path, hold: Callable[[RunSpec], int]) -> None:
    finish(results, SPECS[0], 1.0, 0.0, 12)
    write_run(results / "runs", SPECS[1], [4.2, 3.0, None], status=DIVERGED)
    damaged = write_run(results / "runs", SPECS[2], decay(2.0)) / METRICS
    damaged.write_bytes(damaged.read_bytes()[:-10])
    pid = hold(SPECS[3])
    save(results, SPECS[3], 4, age=60.0)
    save(results, SPECS[4], 6, age=7200.0)
    path = log(results, SPECS[5], "loading\rstep 1\rstep 2\nredrop train: val.npy: too few for windows\n")
    write_run(results / "pool", SPECS[6], decay(2.0))
    status = look(results)
    assert states(status) == {
        0: "done",
        1: "diverged",
        2: "damaged",
        3: "running",
        4: "begun",
        5: "failed",
        6: "done",
        7: "missing",
        8: "missing",
        9: "missing",
    }
    text = plain_text(status)
    assert "10 runs asked for, 2 done, 1 diverged, 1 damaged, 1 running, 1 begun, 1 failed, 3 missing" in text
    assert "1 finished run in the pool" in text
    assert "the loss became nan at iteration 7" in text
    assert f"{damaged}: damaged" in text
    assert f"process {pid}" in text
    assert "checkpoint at iteration 4 of 12 (33%), 1.0 min ago" in text
    assert "checkpoint at iteration 6 of 12 (50%), 2.0 h ago\n" in text
    assert "redrop train: val.npy: too few for windows" in text
    assert f"{path}, last written" in text
    row = next(line.split() for line in text.splitlines() if line.startswith("authors on"))
    assert row[3:11] == ["10", "2", "1", "1", "1", "1", "1", "3"]
    assert row[11] == "38%"  # three finished runs of 12 iterations, 4 and 6: 46 of 120


@needs_locks
def test_a_lock_is_held_as_long_as_its_process_lives(results: Path) -> None:
    lock = results / "pool" / "residual" / f"{RUNNING.run}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    assert states(look(results))[RUNNING.seed] == "missing"  # a lock file that nobody holds says nothing
    code = (
        "import fcntl, sys; file = open(sys.argv[1], 'a'); fcntl.flock(file, fcntl.LOCK_EX); "
        "print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline() == "held\n"
        run = look(results, [RUNNING]).runs[0]
        assert (run.state, run.pid) == ("running", holder.pid)
        holder.stdin.close()
        holder.wait()
    assert states(look(results))[RUNNING.seed] == "missing"


@needs_locks
def test_looking_takes_no_lock_and_makes_no_file(
    results: Path, hold: Callable[[RunSpec], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(RUNNING)
    (results / "pool" / "residual" / f"{OTHER.run}.lock").touch()
    before = sorted(results.rglob("*"))

    def refuse(*arguments: object) -> None:
        raise AssertionError("a lock was tried")

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", refuse)
        patch.setattr(fcntl, "lockf", refuse)
        assert states(look(results))[RUNNING.seed] == "running"
    assert sorted(results.rglob("*")) == before
    hold(OTHER)  # nothing is left behind that would keep a job from it


def test_only_granted_flocks_on_the_same_file_count(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    pool.mkdir()
    places = {}
    for name in ("held", "waited-for", "posix", "elsewhere"):
        (pool / f"{name}.lock").touch()
        status = (pool / f"{name}.lock").stat()
        places[name] = (os.major(status.st_dev), os.minor(status.st_dev), status.st_ino)

    def place(name: str, other: int = 0) -> str:
        major, minor, inode = places[name]
        return f"{major + other:02x}:{minor:02x}:{inode}"

    listing = tmp_path / "locks"
    listing.write_text(
        f"1: FLOCK  ADVISORY  WRITE 77 {place('held')} 0 EOF\n"
        f"2: -> FLOCK  ADVISORY  WRITE 78 {place('waited-for')} 0 EOF\n"
        f"3: POSIX  ADVISORY  WRITE 79 {place('posix')} 0 EOF\n"
        f"4: FLOCK  ADVISORY  WRITE 80 {place('elsewhere', 1)} 0 EOF\n"
    )
    assert held_locks(pool, listing) == {"held": 77}
    assert held_locks(tmp_path / "none", listing) == {}
    assert held_locks(pool, tmp_path / "none") is None


def test_a_system_without_a_list_of_locks_is_said(
    results: Path, hold: Callable[[RunSpec], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redrop.view.states.held_locks", lambda folder: None)
    hold(RUNNING)
    save(results, RUNNING, 4, age=30.0)
    status = look(results)
    assert states(status)[RUNNING.seed] == "begun"
    text = plain_text(status)
    assert "does not list locks" in text
    assert "may be training" in text


def test_a_run_trained_by_hand_is_known_by_its_checkpoint(results: Path) -> None:
    folder = results / "runs" / "residual" / RUNNING.run
    save(results, RUNNING, 3, age=10.0, folder=folder / "checkpoints" / RUNNING.run)
    save(results, OTHER, 3, age=10_000.0)
    young, old = (run for run in look(results).runs if run.state == "begun")
    assert young.reached.iteration == old.reached.iteration == 3
    text = plain_text(look(results))
    assert "ago, may be training" in text
    assert text.count("may be training") == 1
    assert "2.8 h ago\n" in text


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("Traceback (most recent call last):\n  File\nValueError: no\n", "failed"),
        ("torch.OutOfMemoryError: CUDA out of memory\n", "failed"),
        ("Killed\n", "failed"),
        ("slurmstepd: error: *** JOB 1 CANCELLED DUE TO TIME LIMIT ***\n", "failed"),
        ("redrop train: error: unrecognized arguments\n", "failed"),
        ("stopped at iteration 5; run the same command to go on\n", "begun"),
        ("a run: 40%|###  | 5/12 [00:01, loss=2.1]\r", "begun"),
        ("KeyError: of another run\n" + "step\n" * 9, "begun"),
        ("", "begun"),
    ],
)
def test_a_log_that_ends_in_an_error_says_failed(results: Path, text: str, state: str) -> None:
    log(results, OTHER, text)
    assert states(look(results))[OTHER.seed] == state


def test_a_run_that_was_asked_to_stop_is_not_taken_for_training(results: Path) -> None:
    save(results, OTHER, 5, age=2.0)
    log(results, OTHER, "loading\nstopped at iteration 5; run the same command to go on\n")
    text = plain_text(look(results))
    assert "stopped when asked to" in text
    assert "may be training" not in text


def test_a_checkpoint_that_is_younger_than_the_error_outlives_it(results: Path) -> None:
    log(results, OTHER, "MemoryError\n", age=500.0)
    save(results, OTHER, 3, age=600.0)
    assert states(look(results))[OTHER.seed] == "failed"
    save(results, OTHER, 4, age=5.0)
    assert states(look(results))[OTHER.seed] == "begun"


@needs_locks
def test_time_left_is_that_of_finished_runs_of_the_kind(
    results: Path, hold: Callable[[RunSpec], int]
) -> None:
    finish(results, FINISHED, training=6.0, evaluation=2.0, iterations=4)  # resumed: 4 of its 12; 2 s each
    hold(RUNNING)
    save(results, RUNNING, 5, age=1.0)
    status = look(results, [FINISHED, RUNNING, OTHER])
    left = {run.spec.seed: status.pace.seconds_left(run) for run in status.runs}
    assert left == {0: 0.0, 1: (12 - 5) * 2.0, 2: 12 * 2.0}
    text = plain_text(status)
    assert "time left: 38 s of one process (measured on an abacus)" in text


@needs_locks
def test_time_left_is_else_by_the_last_two_checkpoints(results: Path, hold: Callable[[RunSpec], int]) -> None:
    """Two runs in one process: each has half of its time, 40 s for 4 iterations."""
    for spec in (RUNNING, OTHER):
        hold(spec)
        save(results, spec, 2, age=40.0)
        save(results, spec, 6, age=0.0)
        folder = results / "checkpoints" / "residual" / spec.run
        then = (folder / "last.pt").stat().st_mtime
        os.utime(folder / "previous.pt", (then - 40.0, then - 40.0))
    status = look(results, [RUNNING, OTHER, SPECS[5]])
    left = [status.pace.seconds_left(run) for run in status.runs]
    assert left == pytest.approx([6 * 5.0, 6 * 5.0, 12 * 5.0], rel=1e-3)
    assert status.processes == 1
    assert look(results, [OTHER]).pace.own == pytest.approx({OTHER.run: 5.0}, rel=1e-3)  # as `show` asks


def test_what_was_never_measured_is_not_known(results: Path) -> None:
    finish(results, FINISHED, 6.0, 2.0, 4)
    deeper = small_spec("skip1-0", "matched", 1)
    status = look(results, [FINISHED, OTHER, deeper])
    assert [time_left(task) for task in status.tasks] == ["24 s", "?"]
    assert "time left not known, not counted: 1 run" in plain_text(status)
    found = document(status)
    assert found["runs"][2]["process_seconds_left"] is None
    assert [part["unmeasured"] for part in found["parts"]] == [0, 1]


def test_a_measure_that_cannot_be_read_is_none(results: Path) -> None:
    folder = finish(results, FINISHED, 6.0, 2.0, 4)
    (folder / "provenance.json").write_text("{")
    assert look(results, [FINISHED, OTHER]).pace.seconds_left(look(results, [OTHER]).runs[0]) is None


def test_an_empty_folder_has_everything_missing_and_none_is_refused(results: Path, tmp_path: Path) -> None:
    assert set(states(look(results)).values()) == {"missing"}
    assert "10 runs asked for, 0 done, 10 missing" in plain_text(look(results))
    with pytest.raises(ConfigError, match=r"none.*no folder"):
        look(tmp_path / "none")


def test_runs_that_nobody_asks_for_are_counted(results: Path) -> None:
    finish(results, FINISHED, 1.0, 0.0, 12)
    assert "1 other run there" in plain_text(look(results, [OTHER]))


def test_long_lists_are_cut_and_said_to_be(results: Path) -> None:
    specs = [small_spec(seed=seed) for seed in range(15)]
    for spec in specs:
        log(results, spec, "Killed\n")
    text = plain_text(look(results, specs))
    assert text.count("Killed") == 10
    assert "and 5 more; --json lists all" in text
    assert len([run for run in document(look(results, specs))["runs"] if run["fault"] == "Killed"]) == 15


def test_a_narrow_terminal_is_kept_to(results: Path) -> None:
    finish(results, FINISHED, 6.0, 2.0, 4)
    for width in (60, 80, 120):
        sink = io.StringIO()
        display(
            list(blocks(look(results))),
            Console(file=sink, force_terminal=True, width=width, no_color=True, highlight=False),
        )
        lines = Text.from_ansi(sink.getvalue()).plain.splitlines()
        assert max(map(len, lines)) <= width
        assert any("missing" in line for line in lines)


def test_a_pipe_gets_the_same_text_at_any_width_and_no_heavy_library(project: Path, tmp_path: Path) -> None:
    """The command as a person types it, on the published runs."""
    code = (
        "import sys; from redrop.cli import main; main(sys.argv[1:]); "
        "print([name for name in ('torch', 'numpy', 'pandas', 'scipy') if name in sys.modules])"
    )
    words = ["status", "--study", "residual", "--results", str(project / "results/published/residual")]
    outputs = []
    for columns in ("60", "200"):
        done = subprocess.run(
            [sys.executable, "-c", code, *words, "--project", str(project)],
            env=os.environ | {"COLUMNS": columns, "TERM": "xterm-256color"},
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert "\x1b" not in outputs[0]
    assert outputs[0].endswith("[]\n")
    assert "notebook on tiny_shakespeare" in outputs[0]


def test_json_is_for_programs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = project / "results/published/residual"
    main(["status", "--study", "residual", "--results", str(folder), "--json", "--project", str(project)])
    found = json.loads(capsys.readouterr().out)
    parts = {part["protocol"]: part for part in found["parts"]}
    assert parts["notebook"]["done"] == parts["notebook"]["runs"] == 60
    assert sum(run["state"] == "done" for run in found["runs"]) == sum(p["done"] for p in found["parts"])
