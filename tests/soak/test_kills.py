"""Twenty kills over all kinds of commands; ``make soak`` does two hundred."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from readme import kills
from redrop.record import read_json
from redrop.study import Study

SOAK = Path(__file__).with_name("soak.py")


@pytest.mark.long
def test_twenty_kills_change_no_result(tmp_path: Path, residual: Study) -> None:
    """In a process of its own, which forks: this one has threads."""
    command = [sys.executable, str(SOAK), "--only", "kills", "--kills", "20", "--out", str(tmp_path / "soak")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = read_json(tmp_path / "soak/kills.json")
    assert found["kills"] == sum(sum(row["phases"].values()) for row in found["rows"]) == 20
    assert all(row["finished"] >= 1 and row["wrong"] == row["leftovers"] == 0 for row in found["rows"])
    assert kills(tmp_path, residual).count("| same bytes |") == len(found["rows"]) == 9


CARELESS = """
import random, sys, time
from pathlib import Path
from soak.kills import soak
from soak.kinds import Kind

def careless(folder):
    with (folder / "result.txt").open("w") as file:
        for _ in range(100):
            print("a line", file=file, flush=True)
            time.sleep(0.002)

row = soak(Kind("careless", 1.0, careless, ("result.txt",)), 5, random.Random(0), Path(sys.argv[1]))
print(sum(row["phases"].values()), row["wrong"])
"""


def test_a_half_written_result_is_noticed(tmp_path: Path, project: Path) -> None:
    """The check itself: a command that writes under the final name is found out."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(project / "tests"), str(project / "src")])}
    words = [sys.executable, "-c", CARELESS, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    killed, wrong = map(int, done.stdout.split())
    assert killed == 5
    assert wrong > 0
