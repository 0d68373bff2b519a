"""provenance.json: typed, of every age; time is added up over the processes that a run took."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bad_input_support import Place
from redrop.cli import main
from redrop.errors import RecordError
from redrop.provenance import Provenance, TimeSpent, read_provenance
from redrop.record import PROVENANCE
from support import PROJECT, small_spec

PUBLISHED = sorted((PROJECT / "results" / "published").glob(f"*/runs/*/{PROVENANCE}"))


def test_every_published_record_is_read_and_nothing_of_it_is_lost() -> None:
    assert len(PUBLISHED) > 200
    for path in PUBLISHED:
        document = json.loads(path.read_text())
        found = read_provenance(path.parent)
        assert found.others == {}
        assert found.to_dict() == document
        assert found.total_seconds == document["seconds"]["training"] + document["seconds"]["evaluation"]


def test_an_older_record_lacks_keys_and_a_newer_one_has_more(tmp_path: Path) -> None:
    assert read_provenance(tmp_path) is None
    (tmp_path / PROVENANCE).write_text('{"seconds": {"training": 2.0}, "weather": "rain", "git": {}}')
    found = read_provenance(tmp_path)
    assert found == Provenance(seconds={"training": 2.0}, others={"weather": "rain"})
    assert (found.total_seconds, found.device, found.processes) == (2.0, None, None)


@pytest.mark.parametrize("text", ["[]", '{"seconds": [1.0]}', '{"seconds": {"training": "1"}}', '{"git": 3}'])
def test_a_value_of_another_kind_is_refused_with_its_file(text: str, tmp_path: Path) -> None:
    (tmp_path / PROVENANCE).write_text(text)
    with pytest.raises(RecordError, match=f"{PROVENANCE}: .*run the run again"):
        read_provenance(tmp_path)


def test_time_spent_adds_up() -> None:
    one = TimeSpent(processes=1, iterations=3, training=1.5, evaluation=0.25)
    assert one + one == TimeSpent(processes=2, iterations=6, training=3.0, evaluation=0.5)
    assert TimeSpent() + one == one


def test_a_run_that_was_stopped_twice_counts_what_it_took_before(stopped: Place) -> None:
    before = stopped.checkpoint(small_spec(seed=2)).load()["spent"]
    main(stopped.train())
    found, straight = (read_provenance(stopped.root / name) for name in ("out", "straight"))
    assert (before["processes"], found.processes, straight.processes) == (2, 3, 1)
    assert found.iterations == straight.iterations == 12
    assert found.last_process["iterations"] == 12 - before["iterations"] < 12
    for part in ("training", "evaluation"):
        assert found.seconds[part] == before[part] + found.last_process["seconds"][part]
        assert before[part] > 0.0
    assert found.milliseconds == pytest.approx(1e3 * found.seconds["training"] / 12)
    assert found.others == straight.others == {}
