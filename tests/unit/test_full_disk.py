"""A disk without room: what stood there stays, the file is named, and there is a remedy."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from bad_input_support import Place, contents
from redrop.cli import main
from support import small_spec

# A disk without room: the system refuses every byte of a file beyond a limit, which the process is given.
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from redrop.cli import main
main(sys.argv[2:])
"""


def refused_beyond(limit: int, command: list[str]) -> str:
    """What the command ends with where no file may be longer."""
    words = [sys.executable, "-c", LIMITED, str(limit), *command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


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
