"""A disk without room: what stood there stays, the file is named, and there is a remedy."""

from __future__ import annotations

import io
import json
import os
import resource
import sys
import warnings

import pytest

from bad_input_support import Place, contents
from redrop.cli import main
from support import small_spec


def refused_beyond(limit: int, command: list[str]) -> str:
    """What the command ends with, in a fork in which no file may be longer than ``limit`` bytes."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads: they do nothing here
        child = os.fork()
    if not child:
        said = "ended well"
        try:
            sys.stdout = sys.stderr = io.StringIO()  # what captures them are files, too
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            main(command)
        except SystemExit as end:
            said = str(end.code)
        except BaseException as error:
            said = repr(error)
        finally:
            os.write(writing, said.encode())
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


ROOM = ("make room", "ulimit -f", "run the same command again")


def test_a_full_disk_while_a_checkpoint_is_written(stopped: Place) -> None:
    """The checkpoints of before are as they were, and the run goes on from them when there is room."""
    place = stopped
    before = contents(place.root)
    checkpoint = place.checkpoint(small_spec(seed=2))
    line = refused_beyond(20_000, place.train(None, "out", "--checkpoint-every", "0"))
    for word in (f"{checkpoint.last}: File too large", *ROOM):
        assert word in line
    assert contents(place.root) == before
    main(place.train())
    assert json.loads((place.root / "out/provenance.json").read_text())["last_process"]["iterations"] < 12


@pytest.mark.parametrize(("limit", "name"), [(200, "curve.jsonl"), (1500, "metrics.json")])
def test_a_full_disk_while_a_record_is_written(limit: int, name: str, stopped: Place) -> None:
    """No half of a file stands there, no metrics.json says that all is there, no checkpoint is gone."""
    place = stopped
    before = contents(place.root)
    line = refused_beyond(limit, place.train())
    for word in (f"{place.root / 'out' / name}: File too large", *ROOM):
        assert word in line
    after = contents(place.root)
    assert {path: after[path] for path in before} == before
    assert "out/metrics.json" not in after
    assert not [path for path in after if path.endswith(".part")]
    main(place.train())
    assert (place.root / "out/metrics.json").exists()


def test_a_full_disk_while_results_are_gathered(place: Place) -> None:
    main(place.collect())
    before = contents(place.root)
    line = refused_beyond(100, place.collect())
    for word in (f"{place.root / 'runs.csv'}: File too large", *ROOM):
        assert word in line
    assert contents(place.root) == before


def test_a_full_disk_while_data_are_fetched_and_prepared(place: Place) -> None:
    raw, prepared = place.root / "raw", place.root / "prepared"
    fetch = ["fetch", "glue_toy_pairs", "--to", str(raw)]
    for word in (str(raw / "train.tsv"), *ROOM):
        assert word in refused_beyond(5000, fetch)
    assert not list(raw.iterdir())
    main(fetch)
    prepare = ["prepare", "glue_toy_pairs", "--raw", str(raw), "--to", str(prepared)]
    for word in (str(prepared / "train.parquet"), *ROOM):
        assert word in refused_beyond(2000, prepare)
    assert not list(prepared.iterdir())
    main(prepare)
