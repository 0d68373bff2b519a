"""Jobs that share out runs: each run trained once, each record where its own job wants it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from redrop.cli import main
from redrop.data.corpus import prepare_corpus
from redrop.errors import DataError, StorageError
from redrop.places import Places
from redrop.record import METRICS, read_curve, read_record
from redrop.runtime import launch
from redrop.runtime.launch import Workplace, checkpoint_of, run
from redrop.runtime.pool import Pool
from redrop.spec import RunSpec
from support import small_spec, toy_text, wait_for


def never() -> bool:
    return False


def sweep_specs(count: int = 5, **settings: object) -> list[RunSpec]:
    return [small_spec(seed=i, **settings) for i in range(count)]


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    folder = tmp_path / "data" / "tiny_shakespeare"
    prepare_corpus(toy_text(6000, 0), folder, name="tiny_shakespeare", origin="generated", edition="toy")
    return Workplace(
        places=Places(tmp_path / "data", tmp_path / "models"),
        checkpoints=tmp_path / "checkpoints",
        device=torch.device("cpu"),
        pack=4,
    )


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tmp_path / "pool", runs=tmp_path / "runs")


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in (METRICS, "curve.jsonl", "spec.json")}


def trained_together(folder: Path) -> int:
    return json.loads((folder / "provenance.json").read_text())["trained_together"]


def test_a_job_takes_others_along_and_their_jobs_collect_them(
    pool: Pool, workplace: Workplace, tmp_path: Path
) -> None:
    specs = sweep_specs()
    pool.write_wanted(specs)
    assert run(specs[1], out=pool.runs / specs[1].run, workplace=workplace, pool=pool)
    assert trained_together(pool.runs / specs[1].run) == 4
    waiting = {path.name: trained_together(path) for path in pool.folder.iterdir() if path.is_dir()}
    assert waiting == {specs[i].run: 4 for i in (0, 2, 3)} | {specs[4].run: 1}
    for spec in specs:
        assert run(spec, out=pool.runs / spec.run, workplace=workplace, pool=pool)
        assert read_record(pool.runs / spec.run).run == spec.run
        alone = tmp_path / "alone" / spec.run
        assert run(spec, out=alone, workplace=replace(workplace, pack=1))
        for ours, theirs in zip(read_curve(pool.runs / spec.run), read_curve(alone), strict=True):
            assert ours == pytest.approx(theirs, abs=2e-4)
    assert [path.name for path in pool.folder.iterdir() if path.is_dir()] == []
    assert not list(workplace.checkpoints.glob("*/*"))


def test_only_what_fits_is_taken_along(pool: Pool, workplace: Workplace) -> None:
    leader = sweep_specs(1)[0]
    others = [
        small_spec("a2r2_4"),
        small_spec(seed=3, schedule__batch_size=5),
        small_spec(seed=5, schedule__iterations=13),
        RunSpec.from_dict(leader.to_dict() | {"data": {"corpus": "wikitext2"}}),
    ]
    pool.write_wanted([leader, *others])
    assert run(leader, out=pool.runs / leader.run, workplace=workplace, pool=pool)
    assert trained_together(pool.runs / leader.run) == 1
    assert [spec.run for spec in pool.wanted()] == [others[-1].run]  # its corpus is not there
    assert {trained_together(pool.place(spec.run)) for spec in others[:-1]} == {1}


def test_a_job_does_not_fail_for_the_run_of_another(pool: Pool, workplace: Workplace) -> None:
    mine, other = sweep_specs(1)[0], small_spec("a2r2_4", model__block_size=5000)
    pool.write_wanted([other, mine])
    assert run(mine, out=pool.runs / mine.run, workplace=workplace, pool=pool)
    assert [spec.run for spec in pool.wanted()] == [other.run]
    with pytest.raises(DataError, match="too few for windows"):
        run(other, out=pool.runs / other.run, workplace=workplace, pool=pool)


def test_an_old_process_leaves_the_rest_to_others(
    pool: Pool, workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "KEEP_GOING_SECONDS", 0.0)
    specs = sweep_specs(5)
    pool.write_wanted(specs)
    assert run(specs[0], out=pool.runs / specs[0].run, workplace=workplace, pool=pool)
    assert [spec.run for spec in pool.wanted()] == [specs[4].run]


def test_a_run_that_another_process_trains_is_waited_for(pool: Pool, workplace: Workplace) -> None:
    """Meanwhile the job trains what is left to do."""
    mine, other = sweep_specs(2)
    pool.write_wanted([mine, other])
    lock = pool.lock(mine.run)
    assert lock is not None
    assert pool.lock(mine.run) is None
    job = threading.Thread(
        target=run, args=(mine,), kwargs={"out": pool.runs / mine.run, "workplace": workplace, "pool": pool}
    )
    job.start()
    while not pool.finished(other.run):
        job.join(timeout=0.01)
        assert job.is_alive()
    assert not pool.finished(mine.run)
    lock.close()
    job.join()
    assert read_record(pool.runs / mine.run).run == mine.run
    assert (pool.place(other.run) / METRICS).exists()


def test_two_processes_may_be_given_the_same_run(
    pool: Pool, workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that comes second finds it neither waiting nor unfinished, and ends."""
    (spec,) = sweep_specs(1)
    pool.write_wanted([spec])
    out = pool.runs / spec.run
    lead = Pool.lead

    def late(self: Pool, *arguments: Any) -> Any:
        monkeypatch.setattr(Pool, "lead", lead)
        assert run(spec, out=out, workplace=workplace, pool=pool)  # the other process, meanwhile
        return lead(self, *arguments)

    monkeypatch.setattr(Pool, "lead", late)
    assert run(spec, out=out, workplace=workplace, pool=pool)


def test_being_asked_to_stop_ends_the_wait(pool: Pool, workplace: Workplace) -> None:
    (mine,) = sweep_specs(1)
    pool.write_wanted([mine])
    lock = pool.lock(mine.run)
    assert lock is not None
    asked = iter([False, False, True, True, True])
    assert pool.lead(mine, lambda _: True, lambda: next(asked)) is None
    lock.close()


def test_a_damaged_record_in_the_pool_is_trained_again(pool: Pool, workplace: Workplace) -> None:
    first, second = sweep_specs(2)
    pool.write_wanted([first, second])
    assert run(first, out=pool.runs / first.run, workplace=workplace, pool=pool)
    path = pool.place(second.run) / METRICS
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    assert run(second, out=pool.runs / second.run, workplace=workplace, pool=pool)
    assert (pool.runs / second.run / METRICS).read_bytes() == whole


def test_a_pack_goes_on_where_a_killed_process_left_it(
    pool: Pool, workplace: Workplace, tmp_path: Path
) -> None:
    """The first process is killed in the middle; a member's own job then leads the rest of the pack."""
    specs = sweep_specs(3, schedule__iterations=200, evaluation__every=50)
    pool.write_wanted(specs)
    undisturbed = Pool(tmp_path / "undisturbed pool", runs=tmp_path / "undisturbed")
    undisturbed.write_wanted(specs)
    elsewhere = replace(workplace, checkpoints=tmp_path / "elsewhere")
    for spec in specs:
        assert run(spec, out=undisturbed.runs / spec.run, workplace=elsewhere, pool=undisturbed)
    words = ["train", "--spec", specs[0].to_json(), "--out", str(pool.runs / specs[0].run)]
    words += ["--data", str(workplace.places.data), "--checkpoints", str(workplace.checkpoints)]
    words += ["--pool", str(pool.folder), "--device", "cpu", "--checkpoint-every", "0", "--pack", "4"]
    process = subprocess.Popen(
        [sys.executable, "-m", "redrop", *words], stderr=subprocess.DEVNULL, env=os.environ
    )
    checkpoints = [checkpoint_of(spec, workplace) for spec in specs]
    wait_for(lambda: all(checkpoint.iteration() for checkpoint in checkpoints), process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for spec in (specs[2], specs[0], specs[1]):
        assert run(spec, out=pool.runs / spec.run, workplace=workplace, pool=pool)
        assert contents(pool.runs / spec.run) == contents(undisturbed.runs / spec.run)
    provenance = json.loads((pool.runs / specs[2].run / "provenance.json").read_text())
    assert provenance["last_process"]["iterations"] < 200


def test_a_finished_run_is_collected_without_torch(pool: Pool, workplace: Workplace) -> None:
    first, second = sweep_specs(2)
    pool.write_wanted([first, second])
    assert run(first, out=pool.runs / first.run, workplace=workplace, pool=pool)
    code = (
        "import sys; from redrop.cli import main; main(sys.argv[1:]); "
        "print([name for name in ('torch', 'numpy', 'pandas') if name in sys.modules])"
    )
    words = ["train", "--spec", second.to_json(), "--out", str(pool.runs / second.run)]
    done = subprocess.run(
        [sys.executable, "-c", code, *words, "--pool", str(pool.folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
    assert (pool.runs / second.run / METRICS).exists()


@pytest.mark.parametrize("at", ["spec.json", "provenance.json", METRICS])
def test_a_collection_that_is_killed_is_done_again(
    pool: Pool, workplace: Workplace, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Nothing leaves the pool before all of it is in the folder, which Snakemake empties after a kill."""
    first, second = sweep_specs(2)
    pool.write_wanted([first, second])
    assert run(first, out=pool.runs / first.run, workplace=workplace, pool=pool)
    out, copy = pool.runs / second.run, shutil.copyfile
    (pool.place(second.run) / ".metrics.json.part").write_text("left by an earlier kill")

    def killed(source: Path, target: Path) -> None:
        if source.name == at:
            raise KeyboardInterrupt
        copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", killed)
    with pytest.raises(KeyboardInterrupt):
        pool.collect(second, out)
    monkeypatch.undo()
    assert not (out / METRICS).exists()
    shutil.rmtree(out)
    assert pool.collect(second, out)
    assert sorted(path.name for path in out.iterdir()) == [
        "curve.jsonl",
        METRICS,
        "provenance.json",
        "spec.json",
    ]
    assert not pool.place(second.run).exists()


def test_checkpoints_that_a_killed_process_left_go_with_the_run(
    pool: Pool, workplace: Workplace, tmp_path: Path
) -> None:
    """It was killed after the record was written and before its checkpoints were deleted."""
    first, second = sweep_specs(2)
    pool.write_wanted([first, second])
    for spec in (first, second):
        checkpoint_of(spec, workplace).save(3, {})
    for spec in (first, second):
        (workplace.checkpoints / spec.run / ".last.pt.part").write_text("half a checkpoint")
    assert run(first, out=tmp_path / first.run, workplace=replace(workplace, checkpoints=tmp_path / "others"))
    assert run(first, out=tmp_path / first.run, workplace=workplace)
    assert not (workplace.checkpoints / first.run).exists()
    assert run(second, out=pool.place(second.run), workplace=replace(workplace, checkpoints=tmp_path / "o2"))
    words = ["train", "--spec", second.to_json(), "--out", str(pool.runs / second.run)]
    main([*words, "--pool", str(pool.folder), "--checkpoints", str(workplace.checkpoints)])
    assert list(workplace.checkpoints.iterdir()) == []


def test_a_cpu_trains_runs_one_by_one(pool: Pool, workplace: Workplace) -> None:
    """With the plain trainer, one after another in one process."""
    specs = sweep_specs(3)
    pool.write_wanted(specs)
    words = ["train", "--spec", specs[0].to_json(), "--out", str(pool.runs / specs[0].run), "--device", "cpu"]
    words += ["--data", str(workplace.places.data), "--checkpoints", str(workplace.checkpoints)]
    main([*words, "--pool", str(pool.folder)])
    places = [pool.runs / specs[0].run, pool.place(specs[1].run), pool.place(specs[2].run)]
    assert [trained_together(place) for place in places] == [1, 1, 1]


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.EINVAL])
def test_a_disk_without_locks_is_named(code: int, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("redrop.runtime.pool.fcntl.flock", refused)
    with pytest.raises(StorageError, match=f"{pool.folder}: files cannot be locked there"):
        pool.lock("a-run")
