"""The worked examples in docs/add-*.md do what they say, in a copy, and touch only files that they name."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import warm
from redrop.study import load_study, make_spec
from redrop.yaml_files import read_yaml

MOST_LINES = 75
PARTS = ("src", "config", "workflow", "profiles")


@dataclass(frozen=True)
class Page:
    """What a page's blocks are, in order: a new file, a row of a study, a config, commands."""

    name: str
    file: str
    study: str
    protocol: str


METHOD = Page("add-a-method", "src/redrop/methods/hellinger.py", "glue", "toy")
OTHERS = {
    "nadam": Page("add-an-optimiser", "src/redrop/optimisers/nadam.py", "residual", "authors"),
    "wsd": Page("add-a-schedule", "src/redrop/schedules/wsd.py", "residual", "authors"),
    "stairs": Page("add-a-dropout-schedule", "src/redrop/dropout_schedules/stairs.py", "residual", "authors"),
    "halved": Page("add-a-residual-variant", "src/redrop/residual_streams/halved.py", "residual", "authors"),
    "gru": Page("add-a-model-kind", "src/redrop/kinds/gru.py", "residual", "authors"),
}


def blocks(text: str) -> list[tuple[str, str]]:
    """(language, content) of every fenced block."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of the project's parts."""
    files = (
        path
        for part in PARTS
        for path in (folder / part).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    )
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if path.suffix != ".pyc"}


def follow(page: Page, project: Path, copy: Path) -> str:
    """Do in a copy what the page says; returns its first command. Only the files that it names change."""
    for name in PARTS:
        shutil.copytree(project / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(project / "Snakefile", copy)
    before, text = contents(copy), (project / f"docs/{page.name}.md").read_text()
    found = blocks(text)
    assert [language for language, _ in found][:4] == ["python", "yaml", "yaml", "console"]
    assert sum(len(content.splitlines()) for _, content in found[:4]) < MOST_LINES
    (_, module), (_, row), (_, config), (_, commands) = found[:4]
    study = f"config/studies/{page.study}.yaml"
    assert f"`{page.file}`" in text
    assert f"`{study}`" in text
    (copy / page.file).write_text(module)
    head, mark, rest = (copy / study).read_text().partition(f"\n  {page.protocol}:\n")
    assert mark
    (copy / study).write_text(head + mark + rest.replace("    rows:\n", "    rows:\n" + row, 1))
    (copy / "try.yaml").write_text(config)
    after = contents(copy)
    assert {name for name in after if before.get(name) != after[name]} == {page.file, study}
    return commands.splitlines()[0].removeprefix("$ ")


def python_in(copy: Path, *words: str, text: str | None = None) -> str:
    """Python with the copy's package; its output."""
    environment = os.environ | {"PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [warm.python(), *words]
    done = subprocess.run(command, cwd=copy, env=environment, input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tried(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the method of docs/add-a-method.md, and its config run."""
    copy = tmp_path_factory.mktemp("project")
    program, *words = follow(METHOD, project, copy).split()
    assert program == "snakemake"
    python_in(copy, "-m", "snakemake", *words)
    return copy


def test_the_new_method_is_in_the_table(tried: Path) -> None:
    text = (tried / "results/try/glue/tables/scores.md").read_text()
    assert "TRY-OUT: no result" in text
    assert re.search(r"^\| ce \| 2 \| \d", text, flags=re.MULTILINE)
    assert re.search(r"^\| hellinger \| 2 \| \d", text, flags=re.MULTILINE)
    assert re.search(r"^\| hellinger − ce \|  \| [+−]\d", text, flags=re.MULTILINE)
    runs = sorted((tried / "results/try/runs/glue").glob("toy-hellinger-toy_pairs-s*/metrics.json"))
    assert [json.loads(run.read_text())["spec"]["seed"] for run in runs] == [1, 2]


def test_its_divergence_is_as_by_hand(tried: Path) -> None:
    """In a process of its own, which imports the copy."""
    code = (
        "import json, sys, torch\n"
        "from redrop.methods import divergence_of\n"
        "logits = torch.tensor(json.load(sys.stdin), dtype=torch.float64)\n"
        "print(json.dumps(divergence_of('hellinger')(logits).tolist()))"
    )
    logits = [[0.0, 1.0, -2.0], [3.0, 0.5, 0.5], [1.0, 0.0, -1.0], [3.0, 0.5, 0.5]]

    def softmax(row: list[float]) -> list[float]:
        powers = [math.exp(value) for value in row]
        return [power / sum(powers) for power in powers]

    first, second, third, fourth = map(softmax, logits)
    expected = [
        1.0 - sum(math.sqrt(p * q) for p, q in zip(*pair, strict=True))
        for pair in ((first, third), (second, fourth))
    ]
    found = json.loads(python_in(tried, "-c", code, text=json.dumps(logits)))
    assert found == pytest.approx(expected, abs=1e-12)


TRAIN = """
import json
from pathlib import Path
import torch
from redrop.places import Places
from redrop.study import merge_config, resolve
from redrop.yaml_files import read_yaml
from redrop.training.assembly import make_trainer
from redrop.training.loop import drive
from redrop.training.pack import can_be_packed

root = Path.cwd()
places = Places(root / "data", root / "models")
config = merge_config(read_yaml(root / "config/config.yaml"), read_yaml(root / "try.yaml"))
specs = resolve(config, root).specs["residual"].values()
found = {}
for spec in specs:
    trainer, _ = make_trainer([spec], places, torch.device("cpu"))
    packed = None
    if can_be_packed(spec):
        pack, _ = make_trainer([spec], places, torch.device("cpu"), packed=True)
        packed = [pack.step().item() for _ in range(3)]
    optimiser = type(trainer.optimiser).__name__
    (outcome,) = drive(trainer, progress=False)
    found[spec.config] = {"curve": outcome.curve, "packed": packed, "optimiser": optimiser, "id": spec.run}
print(json.dumps(found))
"""


def nadam(found: dict[str, Any]) -> None:
    assert found["nadam"]["optimiser"] == "NAdam"


def wsd(found: dict[str, Any]) -> None:
    """Half the updates go down, from update 10 on."""
    rates = {row["iteration"]: row["learning_rate"] for row in found["wsd"]["curve"]}
    assert rates[10] == 1e-3
    assert rates[20] == 0.0


def stairs(found: dict[str, Any]) -> None:
    """Also in a pack."""
    assert len(found["stairs"]["packed"]) == 3


def halved(found: dict[str, Any]) -> None:
    assert len(found["halved"]["packed"]) == 3


def gru(found: dict[str, Any]) -> None:
    assert set(found) == {"gru"}


@pytest.mark.parametrize(("config", "check"), [(f.__name__, f) for f in (nadam, wsd, stairs, halved, gru)])
def test_a_thing_is_a_file_and_a_row(
    config: str, check: Callable[[dict[str, Any]], None], project: Path, tmp_path: Path
) -> None:
    """The page's runs are trained; what was there before keeps its ids."""
    command = follow(OTHERS[config], project, tmp_path)
    assert command.startswith("snakemake --configfile try.yaml")
    found = json.loads(python_in(tmp_path, "-c", TRAIN).splitlines()[-1])
    losses = [row["val_loss"] for row in found[config]["curve"]]
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    if "a2r025" in found:
        settings = read_yaml(tmp_path / "try.yaml")["studies"]["residual"][0]["settings"]
        study = load_study(project / "config/studies/residual.yaml", project)
        spec = make_spec(study, "authors", "a2r025", "python_docs", 1, settings)
        assert found["a2r025"]["id"] == spec.run
        assert losses != [row["val_loss"] for row in found["a2r025"]["curve"]]
    check(found)
