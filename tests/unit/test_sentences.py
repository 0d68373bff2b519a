"""Every sentence of the papers' summaries has a claim or a reason why not; every claim has a sentence."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

PAPERS = {"lrdrop": ("glue", "translation", "summarization"), "residual": ("residual",)}
ELSEWHERE = "elsewhere"
"""What a paper says besides its summary."""


@pytest.fixture
def listed(project: Path) -> dict[str, Any]:
    return yaml.safe_load((project / "config/sentences.yaml").read_text())


@pytest.fixture
def claims(project: Path) -> dict[str, dict[str, str]]:
    """Study -> claim -> source."""
    found = yaml.safe_load((project / "config/claims.yaml").read_text())["claims"]
    return {study: {one["name"]: one["source"] for one in own} for study, own in found.items()}


def sentences(summary: str) -> dict[str, list[str]]:
    """Heading -> its sentences, each line of a list on its own; what stands between --- is no part of it."""
    found: dict[str, list[str]] = {}
    heading = ""
    for line in map(str.strip, summary.split("---", 2)[2].splitlines()):
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line:
            text = re.sub(r"^(?:-|\d+\.)\s+", "", line)
            found.setdefault(heading, []).extend(re.split(r"(?<=[.?!])\s+(?=[A-Z])", text))
    return found


def test_the_sentences_are_told_apart() -> None:
    text = "---\ntitle: No. One\n---\n# T\n\n## A\n- One. Two?\n- Three (0.2), four\n\n### B\nFive.\n  1. Six"
    assert sentences(text) == {"A": ["One.", "Two?", "Three (0.2), four"], "B": ["Five.", "Six"]}


@pytest.mark.parametrize("paper", PAPERS)
def test_the_list_is_complete(paper: str, listed: dict[str, Any]) -> None:
    folder = Path(os.environ.get("REDROP_REFERENCE", "nowhere")).parent / "papers"
    path = folder / f"{paper}-summary.txt"
    if not path.exists():
        pytest.skip("the summaries are not at hand; REDROP_REFERENCE names the folder beside theirs")
    found = sentences(path.read_text(encoding="utf-8"))
    counts = {heading: len(own) for heading, own in listed[paper].items() if heading != ELSEWHERE}
    assert counts == {heading: len(own) for heading, own in found.items()}


@pytest.mark.parametrize("paper", PAPERS)
def test_each_has_a_claim_that_is_there_or_a_reason(
    paper: str, listed: dict[str, Any], claims: dict[str, dict[str, str]]
) -> None:
    known = {name for study in PAPERS[paper] for name in claims[study]}
    for heading, entries in listed[paper].items():
        for number, entry in enumerate(entries, 1):
            where = f"{paper}, {heading} {number}"
            assert ("claims" in entry) != ("not" in entry), where
            assert set(entry) <= {"says", "claims", "not", "also"}, where
            if "not" in entry:
                assert entry["not"] in listed["reasons"], where
            else:
                assert entry["says"], where
                assert set(entry["claims"]) <= known, where


def test_every_reason_is_given_somewhere(listed: dict[str, Any]) -> None:
    used = {entry.get("not") for paper in PAPERS for own in listed[paper].values() for entry in own}
    assert set(listed["reasons"]) == used - {None}


@pytest.mark.parametrize("paper", PAPERS)
def test_what_is_said_to_be_the_papers_is_said_there(
    paper: str, listed: dict[str, Any], claims: dict[str, dict[str, str]]
) -> None:
    named = {name for own in listed[paper].values() for entry in own for name in entry.get("claims", ())}
    papers = {name for study in PAPERS[paper] for name, source in claims[study].items() if source == "paper"}
    assert papers - named == set()
