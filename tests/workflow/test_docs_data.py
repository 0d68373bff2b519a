"""The worked examples in docs/add-a-data-set.md and docs/add-a-glue-task.md: one new file, then a table."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import warm
from support import make_mirror, toy_text

SOURCES = ("src", "config", "workflow", "profiles")


def blocks(text: str) -> list[tuple[str, str]]:
    """(language, content) of every fenced block."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def contents(folder: Path) -> dict[str, bytes]:
    """Every source file of a copy of the project, by its path."""
    files = [
        path
        for name in SOURCES
        for path in (folder / name).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    ]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def follow(project: Path, page: str, copy: Path, mirror: Path, python: str) -> tuple[list[str], str]:
    """Do what the page says in a copy of the project; returns the files that this touched, and the output."""
    for name in SOURCES:
        shutil.copytree(project / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(project / "Snakefile", copy)
    before = contents(copy)
    text = (project / page).read_text()
    (_, code), (_, config), (_, commands) = blocks(text)
    assert [language for language, _ in blocks(text)] == ["python", "yaml", "console"]
    (place,) = re.findall(r"a new file `(src/[\w/]+\.py)`:\n\n```python", text)
    (copy / place).write_text(code)
    (copy / "try.yaml").write_text(config)
    environment = os.environ | {
        "PYTHONPATH": str(copy / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "REDROP_MIRROR": str(mirror),
    }
    output = ""
    for line in commands.splitlines():
        program, *words = line.removeprefix("$ ").split()
        if program == "cat":
            output += (copy / words[0]).read_text()
            continue
        assert program in ("redrop", "snakemake")
        command = [python, "-m", program, *words]
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        output += done.stdout
    after = contents(copy)
    return sorted(path for path in after if after[path] != before.get(path)), output


def runs(copy: Path) -> list[dict]:
    """What metrics.json of every run says."""
    return [json.loads(path.read_text()) for path in sorted(copy.glob("results/try/runs/*/*/metrics.json"))]


def test_a_data_set_is_one_file(project: Path, tmp_path: Path) -> None:
    text = toy_text(20_000, 1)
    mirror = make_mirror(tmp_path / "mirror", {"my_corpus/text.txt": text.encode()})
    page = "docs/add-a-data-set.md"  # each of its processes starts from nothing, as for a person
    touched, output = follow(project, page, tmp_path / "copy", mirror, sys.executable)
    assert touched == ["src/redrop/data/sets/corpus/my_corpus.py"]
    assert "1 run on my_corpus" in output
    assert re.search(
        r"^residual,matched,skip1-0\.1,ce,my_corpus,.*,val_loss_last,", output, flags=re.MULTILINE
    )
    found = runs(tmp_path / "copy")
    assert [run["spec"]["data"]["corpus"] for run in found] == ["my_corpus"]
    assert {run["data"]["edition"] for run in found} == {"v1"}
    assert {run["data"]["train_characters"] for run in found} == {18_000}
    assert {run["data"]["vocab_size"] for run in found} == {len(set(text))}


def test_a_glue_like_task_is_one_file(project: Path, tmp_path: Path) -> None:
    several = {True: [], False: []}
    for sentence in dict.fromkeys(toy_text(40_000, 1).splitlines()[:-1]):
        several[sentence.split()[0] in ("two", "many")].append(sentence)
    files = {}
    for split, (first, last) in {"train": (0, 100), "dev": (100, 130)}.items():
        rows = [f"{sentence}\tone" for sentence in several[False][first:last]]
        rows += [f"{sentence}\tseveral" for sentence in several[True][first:last]]
        files[f"animals/{split}.tsv"] = "\n".join(["sentence\tlabel", *rows, ""]).encode()
    mirror = make_mirror(tmp_path / "mirror", files)
    touched, table = follow(project, "docs/add-a-glue-task.md", tmp_path / "copy", mirror, warm.python())
    assert touched == ["src/redrop/data/sets/glue/glue_animals.py"]
    assert "TRY-OUT: no result" in table
    assert re.search(r"^\| ce \| 1 \| \d", table, flags=re.MULTILINE)
    (run,) = runs(tmp_path / "copy")
    assert run["data"]["examples"] == {"train": 200, "dev": 60}
    assert run["data"]["edition"] == "v1"
    assert {"accuracy", "f1"} <= set(run["metrics"])


@pytest.mark.parametrize("page", ["docs/add-a-data-set.md", "docs/add-a-glue-task.md"])
def test_every_file_that_the_page_names_is_there(project: Path, page: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (project / page).read_text())
    assert links
    for link in links:
        assert (project / "docs" / link).exists(), link
