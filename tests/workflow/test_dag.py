"""The workflow itself: what an edit makes it do again, and above all what it does not.

One tiny study is really run once; every test then works on a copy and asks for a dry run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import warm
from redrop.study import resolve
from redrop.verbs.shared import read_config
from support import wait_for

TINY = {
    "model.n_layer": 2,
    "model.n_head": 2,
    "model.n_embd": 16,
    "model.block_size": 256,
    "schedule.iterations": 2,
    "evaluation.every": 1,
}


def config_of(**over: Any) -> dict[str, Any]:
    selection = {
        "protocols": ["authors"],
        "configs": ["a2r025", "a2r0_4"],
        "seeds": [1],
        "corpora": ["python_docs"],
        "settings": TINY,
    }
    return {"label": "TEST", "only": ["residual"], "studies": {"residual": [selection | over]}}


def command_of(project: Path, python: str = sys.executable) -> list[str]:
    """The workflow with config.yaml of the folder that it runs in."""
    command = [python, "-m", "snakemake", "--snakefile", str(project / "Snakefile")]
    return [*command, "--workflow-profile", str(project / "profiles/default"), "--configfile", "config.yaml"]


def snakemake(
    project: Path, folder: Path, config: dict[str, Any], *words: str, python: str | None = None
) -> str:
    """Run Snakemake in ``folder`` with ``config``; what it printed. Without ``python``, it is a warm one."""
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    command = [*command_of(project, python or warm.python()), *words]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def jobs(project: Path, folder: Path, config: dict[str, Any], *words: str) -> dict[str, int]:
    """How often each rule would run."""
    printed = snakemake(project, folder, config, "--dry-run", *words)
    table = printed.partition("Job stats:")[2].partition("\n\n")[0]
    counts = re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE)
    return {rule: int(n) for rule, n in counts if rule != "total"}


@pytest.fixture(scope="module")
def finished(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tiny study has been run to its end."""
    folder = tmp_path_factory.mktemp("finished")
    snakemake(project, folder, config_of())
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, as Snakemake left it."""
    shutil.copytree(finished, tmp_path / "copy")
    return tmp_path / "copy"


def as_left(folder: Path) -> None:
    """Change nothing."""


def without_metadata(folder: Path) -> None:
    """As in a fresh clone with copied results: Snakemake remembers nothing."""
    shutil.rmtree(folder / ".snakemake")


def without_data(folder: Path) -> None:
    """The prepared and the raw data were cleaned away."""
    shutil.rmtree(folder / "results/data")
    shutil.rmtree(folder / "results/downloads")


def without_either(folder: Path) -> None:
    """Both."""
    without_metadata(folder)
    without_data(folder)


STATES = [as_left, without_metadata, without_data, without_either]


def test_it_leaves_all_that_it_promises(finished: Path, project: Path) -> None:
    config = read_config([json.dumps(config_of())], project)
    runs = list(resolve(config, project).specs["residual"])
    assert len(runs) == 2
    for run in runs:
        files = {path.name for path in (finished / "results/runs/residual" / run).iterdir()}
        assert files == {"spec.json", "metrics.json", "curve.jsonl", "provenance.json"}
    for table in ("replication", "claims", "signatures", "protocol"):
        for kind in ("csv", "html", "tex", "md"):
            assert (finished / f"results/residual/tables/{table}.{kind}").stat().st_size > 0
    figures = {path.suffix for path in (finished / "results/residual/figures").glob("[!.]*")}
    assert figures == {".svg", ".pdf", ".png", ".txt", ".csv"}
    assert (finished / "results/runs.csv").read_text().count("val_loss_last") == 2
    page = (finished / "results/report.html").read_text()
    assert "Did it replicate?" in page
    assert all(run in page for run in runs)
    checkpoints = finished / "results/checkpoints"
    assert not checkpoints.exists() or not [p for p in checkpoints.rglob("*") if p.is_file()]


@pytest.mark.parametrize("state", STATES)
def test_nothing_changed_nothing_trained(state: Callable, folder: Path, project: Path) -> None:
    state(folder)
    planned = jobs(project, folder, config_of())
    assert "train" not in planned
    assert "fetch" not in planned
    if state in (as_left, without_data):
        assert planned == {}


@pytest.mark.parametrize("state", STATES)
def test_a_new_configuration_trains_itself_only(state: Callable, folder: Path, project: Path) -> None:
    state(folder)
    planned = jobs(project, folder, config_of(configs=["a2r025", "a2r0_4", "a0r0"]))
    assert planned["train"] == 1
    assert planned.get("prepare", 0) == (1 if state in (without_data, without_either) else 0)
    assert planned["tables"] == planned["figures"] == planned["report"] == 1


@pytest.mark.parametrize("state", STATES)
def test_a_new_seed_trains_itself_only(state: Callable, folder: Path, project: Path) -> None:
    state(folder)
    assert jobs(project, folder, config_of(seeds=[1, 2]))["train"] == 2


@pytest.mark.parametrize("state", [as_left, without_either])
def test_a_changed_setting_trains_the_runs_that_have_it(state: Callable, folder: Path, project: Path) -> None:
    state(folder)
    config = config_of()
    (selection,) = config["studies"]["residual"]
    longer = selection | {"configs": ["a2r025"], "settings": TINY | {"schedule.iterations": 3}}
    config["studies"]["residual"] = [longer, selection | {"configs": ["a2r0_4"]}]
    assert jobs(project, folder, config)["train"] == 1


@pytest.mark.parametrize("state", STATES)
def test_a_removed_configuration_trains_nothing(state: Callable, folder: Path, project: Path) -> None:
    state(folder)
    planned = jobs(project, folder, config_of(configs=["a2r025"]))
    assert "train" not in planned
    remembers = state in (as_left, without_data)  # else nothing says that the table had one row more
    assert planned.get("tables", 0) == int(remembers)


@pytest.mark.parametrize("state", [as_left, without_metadata])
def test_a_new_label_or_figure_trains_nothing(state: Callable, folder: Path, project: Path) -> None:
    state(folder)
    assert "train" not in jobs(project, folder, config_of() | {"label": "ANOTHER"})
    shutil.rmtree(folder / "results/residual/figures")
    planned = jobs(project, folder, config_of())
    assert planned["figures"] == 1
    assert "train" not in planned


def test_edited_code_trains_nothing(finished: Path, project: Path, tmp_path: Path) -> None:
    """The same study through a copy of the workflow in which the training rule's text differs."""
    shutil.copytree(finished, tmp_path / "copy")
    edited = tmp_path / "project"
    for part in ("workflow", "config", "profiles", "src"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(project / part, edited / part, ignore=ignore)
    shutil.copy(project / "Snakefile", edited)
    rules = edited / "workflow/rules/train.smk"
    rules.write_text(rules.read_text().replace("tail -n 5", "tail -n 6"))
    assert jobs(edited, tmp_path / "copy", config_of()) == {}


def test_metrics_and_curves_alone_give_tables_and_figures(
    finished: Path, project: Path, tmp_path: Path
) -> None:
    for path in (finished / "results/runs").rglob("*"):
        if path.name in ("metrics.json", "curve.jsonl"):
            target = tmp_path / path.relative_to(finished)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    planned = jobs(project, tmp_path, config_of())
    assert set(planned) == {"collect", "tables", "figures", "runs_csv", "report", "all"}
    snakemake(project, tmp_path, config_of())
    for name in ("replication.csv", "replication.md"):
        made = tmp_path / "results/residual/tables" / name
        assert made.read_bytes() == (finished / "results/residual/tables" / name).read_bytes()
    assert not (tmp_path / "results/data").exists()


@pytest.fixture(scope="module")
def clone(finished: Path, project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the project, with results and Snakemake's memory of them, in which nothing is left to do."""
    if not (project / ".git").exists():
        pytest.skip("the project is not a git checkout, so it cannot be cloned")
    folder = tmp_path_factory.mktemp("clone") / "project"
    subprocess.run(["git", "clone", "--quiet", str(project), str(folder)], check=True)
    shutil.copytree(finished / "results", folder / "results", dirs_exist_ok=True)
    shutil.copytree(finished / ".snakemake", folder / ".snakemake")
    assert jobs(folder, folder, config_of()) == {}
    return folder


def files_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Runs, tables, figures: content and time of each file."""
    paths = [path for path in (folder / "results").rglob("*") if "residual" in path.parts and path.is_file()]
    found = [path for path in paths if "published" not in path.parts and "logs" not in path.parts]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


def test_a_folder_moved_to_another_path_reruns_nothing(clone: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "another name"
    shutil.copytree(clone, tmp_path / "copy", symlinks=True)
    moved.parent.mkdir()
    (tmp_path / "copy").rename(moved)
    before = files_of(moved)
    assert "Nothing to be done" in snakemake(moved, moved, config_of())
    assert files_of(moved) == before


def test_a_fresh_clone_with_copied_results_reruns_nothing(
    clone: Path, finished: Path, tmp_path: Path
) -> None:
    """Without Snakemake's memory the files' times (cp -a, rsync -a) say that nothing is to be done."""
    fresh = tmp_path / "fresh"
    subprocess.run(["git", "clone", "--quiet", str(clone), str(fresh)], check=True)
    shutil.copytree(finished / "results", fresh / "results", dirs_exist_ok=True)
    before = files_of(fresh)
    assert "Nothing to be done" in snakemake(fresh, fresh, config_of())
    assert files_of(fresh) == before


def test_copied_without_the_files_times_no_run_is_trained(
    clone: Path, finished: Path, tmp_path: Path
) -> None:
    """Copied in the worst order (cp -r keeps no times), tables are made again, of the same content."""
    fresh = tmp_path / "fresh"
    subprocess.run(["git", "clone", "--quiet", str(clone), str(fresh)], check=True)
    shutil.copytree(finished / "results", fresh / "results", dirs_exist_ok=True)
    for path in (fresh / "results/residual").rglob("*"):  # tables older than the runs that they are made of
        os.utime(path, (1.7e9, 1.7e9))
    planned = jobs(fresh, fresh, config_of())
    assert set(planned) == {"collect", "tables", "figures", "runs_csv", "report", "all"}


def test_a_lost_run_is_trained_again_with_the_same_result(folder: Path, project: Path) -> None:
    (run,) = (folder / "results/runs/residual").glob("authors-a2r0_4-*")
    before = (run / "metrics.json").read_bytes()
    shutil.rmtree(run)
    assert jobs(project, folder, config_of())["train"] == 1
    snakemake(project, folder, config_of(), "--until", "train")
    assert (run / "metrics.json").read_bytes() == before


def test_a_killed_workflow_goes_on_when_it_is_repeated(folder: Path, project: Path) -> None:
    """SIGKILL leaves Snakemake's lock behind, which would refuse the next one until --unlock."""
    (run,) = (folder / "results/runs/residual").glob("authors-a2r0_4-*")
    before = (run / "metrics.json").read_bytes()
    shutil.rmtree(run)
    (folder / "config.yaml").write_text(yaml.safe_dump(config_of()))
    with subprocess.Popen(
        command_of(project), cwd=folder, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        wait_for(lambda: any((folder / ".snakemake/locks").glob("*.lock")), process)
        os.killpg(process.pid, signal.SIGKILL)
    assert list((folder / ".snakemake/locks").glob("*.lock"))
    snakemake(project, folder, config_of(), "--until", "train")
    assert (run / "metrics.json").read_bytes() == before


def test_a_diverged_run_blocks_nothing(folder: Path, project: Path) -> None:
    rates = {"schedule.learning_rate": 1e30, "schedule.min_learning_rate": 1e30, "schedule.warmup": 0}
    config = config_of(configs=["a2r025"], settings=TINY | rates | {"schedule.iterations": 5})
    snakemake(project, folder, config)
    table = (folder / "results/residual/tables/replication.md").read_text()
    assert "diverged" in table


def test_the_users_pythonpath_reaches_the_jobs(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind this checkout's own package."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own/sitecustomize.py").write_text(
        "import os, sys\n"
        "with open(os.environ['SEEN'], 'a') as seen:\n"
        "    print(*sys.orig_argv, os.environ['PYTHONPATH'], file=seen)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "own"))
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    target = "results/downloads/python_docs/source.json"
    snakemake(project, tmp_path, config_of(), "--", target, python=sys.executable)
    seen = [line for line in (tmp_path / "seen").read_text().splitlines() if "-m redrop fetch" in line]
    assert [line.split()[-1] for line in seen] == [f"{project / 'src'}:{tmp_path / 'own'}"]


def test_the_door_in_workflow_leads_to_the_same_jobs(project: Path, tmp_path: Path) -> None:
    door = jobs(project, tmp_path, config_of(), "--snakefile", str(project / "workflow/Snakefile"))
    assert door.pop("whole") == 1
    assert door | {"all": 1} == jobs(project, tmp_path, config_of())


def test_a_refused_config_is_one_clear_line(project: Path, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"model\.n_layr.*did you mean 'n_layer'"):
        jobs(project, tmp_path, config_of(settings={"model.n_layr": 2}))


def test_the_whole_replication_is_planned_without_torch(project: Path, tmp_path: Path) -> None:
    """All configurations, all seeds: parsed and planned by a Snakemake that never imports torch."""
    code = (
        "import sys\n"
        "from snakemake.cli import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    code = end.code\n"
        "print('imported:', [name for name in ('torch', 'scipy', 'matplotlib') if name in sys.modules])\n"
        "sys.exit(code)\n"
    )
    command = [sys.executable, "-c", code, "--snakefile", str(project / "Snakefile"), "--dry-run"]
    command += ["--workflow-profile", str(project / "profiles/default")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "imported: []" in done.stdout  # pandas is: by the executor plugin for SLURM, where it is installed
    planned = re.search(r"^train +(\d+)$", done.stdout + done.stderr, flags=re.MULTILINE)
    assert planned
    plan = resolve(read_config([], project), project)
    assert len(plan.runs["residual"]) == 5 * (20 + 12 + 32)
    assert len(plan.specs["glue"]) == 5 * 8 * 3 * 3
    assert int(planned[1]) == sum(map(len, plan.runs.values()))
