"""Bad inputs, given as a person would give them: each is refused with what it is and what to do, and
nothing that was there before is lost.

What single modules refuse is tested beside them; here are the ways in from outside. The tables are in
tests/bad_settings.py and tests/bad_files.py.
"""

from __future__ import annotations

import os

import pytest

import bad_files
import bad_settings
from bad_input_support import Case, Place, contents, told

CASES = [
    *bad_settings.CONFIGS, *bad_settings.STUDIES, *bad_settings.SPECS, *bad_settings.COMMANDS,
    *bad_files.RECORDS, *bad_files.PUBLISHED, *bad_files.MIRRORS, *bad_files.DATA, *bad_files.MODELS,
    *bad_files.JOBS,
]  # fmt: skip


def test_there_are_many() -> None:
    assert len(CASES) >= 100
    assert len({case.what for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_it_is_refused_by_name_and_nothing_is_lost(case: Case, place: Place) -> None:
    command = case.spoil(place)
    before = contents(place.root)
    line = told(command)
    assert "\n" not in line
    for word in case.words:
        assert word in line
    after = contents(place.root)
    assert {path: after.get(path) for path in before} == before
    assert not [path for path in (*after, *os.listdir()) if path.endswith(".part") or "owned" in path]
