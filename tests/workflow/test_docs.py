"""The worked example in docs/add-a-method.md does what it says, from the new file to the table."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from scipy.spatial.distance import jensenshannon

PAGE = "docs/add-a-method.md"
MOST_LINES = 40


def blocks(text: str) -> list[tuple[str, str]]:
    """(language, content) of every fenced block."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def insert_after(path: Path, line: str, new: str) -> None:
    """Put ``new`` after the only place where ``line`` stands."""
    text = path.read_text()
    assert text.count(line) == 1, (path, line)
    path.write_text(text.replace(line, line + new))


@pytest.fixture(scope="module")
def tried(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the page's blocks put where it says, and its config run."""
    copy = tmp_path_factory.mktemp("project")
    for name in ("src", "config", "workflow", "profiles"):
        shutil.copytree(project / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(project / "Snakefile", copy)
    found = blocks((project / PAGE).read_text())
    assert [language for language, _ in found] == ["python", "python", "yaml", "yaml", "console"]
    assert sum(len(content.splitlines()) for _, content in found) < MOST_LINES
    (_, divergence), (_, method), (_, row), (_, config), (_, commands) = found
    (copy / "src/redrop/objectives/jsdrop.py").write_text(divergence)
    insert_after(copy / "src/redrop/methods.py", '    "lrdrop": Method(WEIGHTS),\n', method)
    study = (copy / "config/studies/glue.yaml").read_text()
    head, mark, toy = study.partition("\n  toy:\n")
    rows = "    rows:\n"
    assert mark
    assert toy.count(rows) == 1
    (copy / "config/studies/glue.yaml").write_text(head + mark + toy.replace(rows, rows + row))
    (copy / "try.yaml").write_text(config)
    first, second = (line.removeprefix("$ ") for line in commands.splitlines())
    assert second == "cat results/try/glue/tables/scores.md"
    program, *words = first.split()
    assert program == "snakemake"
    environment = os.environ | {"PYTHONPATH": str(copy / "src")}
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *words], cwd=copy, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return copy


def test_the_new_method_is_in_the_table(tried: Path) -> None:
    text = (tried / "results/try/glue/tables/scores.md").read_text()
    assert "TRY-OUT: no result" in text
    assert re.search(r"^\| ce \| 2 \| \d", text, flags=re.MULTILINE)
    assert re.search(r"^\| jsdrop \| 2 \| \d", text, flags=re.MULTILINE)
    assert re.search(r"^\| jsdrop − ce \|  \| [+−]\d", text, flags=re.MULTILINE)
    runs = sorted((tried / "results/try/runs/glue").glob("toy-jsdrop-toy_pairs-s*/metrics.json"))
    assert [json.loads(run.read_text())["spec"]["seed"] for run in runs] == [1, 2]


def test_its_divergence_is_scipys(tried: Path) -> None:
    """In a process of its own, which imports the copy."""
    code = (
        "import json, sys, torch\n"
        "from redrop.methods import divergence_of\n"
        "logits = torch.tensor(json.load(sys.stdin), dtype=torch.float64)\n"
        "print(json.dumps(divergence_of('jsdrop')(logits).tolist()))"
    )
    logits = [[0.0, 1.0, -2.0], [3.0, 0.5, 0.5], [1.0, 0.0, -1.0], [3.0, 0.5, 0.5]]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(tried / "src")},
        input=json.dumps(logits),
        capture_output=True,
        text=True,
        check=True,
    )

    def softmax(row: list[float]) -> list[float]:
        powers = [math.exp(value) for value in row]
        return [power / sum(powers) for power in powers]

    first, second, third, fourth = map(softmax, logits)
    expected = [jensenshannon(first, third) ** 2, jensenshannon(second, fourth) ** 2]
    assert json.loads(done.stdout) == pytest.approx(expected, abs=1e-12)
