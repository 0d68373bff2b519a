"""docs/add-a-table.md and docs/add-a-figure.md do what they say, and touch one file and one line each."""

from __future__ import annotations

import csv
import filecmp
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import warm
from redrop.analysis.build import build_figures, build_tables, load
from redrop.errors import ConfigError
from redrop.study import Study, load_part, load_study

STUDY_FILE = "config/studies/residual.yaml"
MOST_LINES = 40


def blocks(page: Path) -> dict[str, str]:
    """Language -> content of the fenced blocks, one of each."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert [language for language, _ in found] == ["python", "yaml", "console"]
    return dict(found)


def changed(project: Path, copy: Path) -> set[str]:
    """Files of the copy that the project lacks or has otherwise, but for what a command writes."""
    files = {
        path.relative_to(copy)
        for path in copy.rglob("*")
        if path.is_file() and path.relative_to(copy).parts[0] != "try"
    }
    return {
        str(path)
        for path in files
        if not (project / path).exists() or not filecmp.cmp(project / path, copy / path, shallow=False)
    }


def follow(page: str, file: str, project: Path, copy: Path) -> Path:
    """Do what a page says in a copy of the project; the folder that its command wrote to."""
    found = blocks(project / page)
    assert sum(len(content.splitlines()) for content in found.values()) < MOST_LINES
    for name in ("src", "config", "workflow"):
        shutil.copytree(project / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / file).write_text(found["python"])
    key = found["yaml"].partition(":")[0]
    text, n = re.subn(rf"^{key}: .*\n", found["yaml"], (copy / STUDY_FILE).read_text(), flags=re.MULTILINE)
    assert n == 1
    (copy / STUDY_FILE).write_text(text)
    assert changed(project, copy) == {file, STUDY_FILE}
    (copy / "results").symlink_to(project / "results")
    program, *words = found["console"].removeprefix("$ ").split()
    assert program == "redrop"
    done = subprocess.run(
        [warm.python(), "-m", "redrop", *words],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return copy / "try"


def losses(project: Path) -> dict[tuple[str, str, str], dict[int, float]]:
    """Protocol, task, configuration -> seed -> last loss, as runs.csv has them."""
    found: dict[tuple[str, str, str], dict[int, float]] = {}
    with (project / "results/published/residual/runs.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["metric"] == "val_loss_last":
                key = row["protocol"], row["task"], row["config"]
                found.setdefault(key, {})[int(row["seed"])] = float(row["value"])
    return found


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_table_is_one_file_and_one_line(project: Path, tmp_path: Path) -> None:
    made = follow("docs/add-a-table.md", "src/redrop/analysis/tables/spread.py", project, tmp_path)
    assert {path.name for path in made.iterdir()} == {f"spread.{end}" for end in ("csv", "html", "tex", "md")}
    rows = {(row["protocol"], row["task"], row["config"]): row for row in rows_of(made / "spread.csv")}
    expected = losses(project)
    assert {key for key, row in rows.items() if row["n"] != "0"} == set(expected)
    for key, of_seed in expected.items():
        ends = float(rows[key]["lowest"]), float(rows[key]["highest"])
        assert ends == (min(of_seed.values()), max(of_seed.values()))


def test_a_figure_is_one_file_and_one_line(project: Path, tmp_path: Path) -> None:
    made = follow("docs/add-a-figure.md", "src/redrop/analysis/figures/every_seed.py", project, tmp_path)
    ends = {path.suffix for path in made.iterdir()}
    assert ends == {".svg", ".pdf", ".png", ".txt", ".csv"}
    found: dict[tuple[str, str, str], dict[int, float]] = {}
    for path in made.glob("*.csv"):
        for row in rows_of(path):
            key = row["protocol"], row["task"], row["config"]
            found.setdefault(key, {})[int(row["seed"])] = float(row["loss"])
    assert found == losses(project)


@pytest.fixture
def glue(project: Path) -> Study:
    return load_part("glue", project)


def misfit(project: Path, folder: Path) -> Path:
    """The file of a GLUE study with a figure of character models."""
    text = (project / "config/studies/glue.yaml").read_text()
    (folder / "glue.yaml").write_text(text.replace("figures: [verdicts,", "figures: [curves,", 1))
    return folder / "glue.yaml"


def test_what_is_not_for_a_study_is_refused(glue: Study, project: Path, tmp_path: Path) -> None:
    """Its file says which studies it fits: refused when the study is read, not after all runs are trained."""
    results = load(tmp_path, None, "glue")
    with pytest.raises(ConfigError, match="'replication' is for studies that read corpus"):
        build_tables(results, glue, tmp_path, None, ["replication"])
    with pytest.raises(ConfigError, match=r"glue\.yaml: figures: 'curves' is for studies that read corpus"):
        load_study(misfit(project, tmp_path), project)
    wrong = Study(glue.name, glue.title, glue.protocols, glue.reads, (), ("curves",))
    with pytest.raises(ConfigError, match="'curves' is for studies that read corpus, this one reads glue"):
        build_figures(results, wrong, tmp_path, None)


HEAVY = ("torch", "transformers", "matplotlib", "pandas")


def imported(code: str) -> list[str]:
    """Heavy libraries that a Python process has after the code."""
    code += f"\nimport sys; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_names_are_known_without_what_draws_and_results_are_read_without_torch(project: Path) -> None:
    names = "from redrop.presented import FIGURES, fits; assert 'final-loss' in FIGURES"
    assert imported(f"{names}; assert fits('figures', 'final-loss') == ('corpus',)") == []
    published = project / "results/published/glue"
    tables = (
        "from pathlib import Path\n"
        "from redrop.analysis import build\n"
        "from redrop.analysis.registry import build_table, module_of\n"
        "from redrop.analysis.study_results import StudyResults\n"
        "from redrop.presented import FIGURES\n"
        "from redrop.study import load_part\n"
        f"data = StudyResults(build.load(Path({str(published / 'runs')!r})), "
        f"load_part('glue', Path({str(project)!r})))\n"
        "for name in data.study.tables: build_table(name, data)\n"
        "for name in FIGURES: module_of('figure', name)\n"
    )
    assert not {"torch", "transformers"} & set(imported(tables))
