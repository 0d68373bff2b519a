"""Fixtures that most tests share: small specs, a small corpus, and the real data where it is offered.

The parent of pytest-xdist's test processes reads this as well, before it starts them, so torch waits.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pooch
import pytest
import requests

import warm
from redrop.cli import main
from redrop.data import fetch, prepare, sources
from redrop.data.corpus import Corpus, prepare_corpus
from redrop.study import Study, load_study
from support import toy_text

if TYPE_CHECKING:
    from bad_input_support import Place

PROJECT = Path(__file__).resolve().parents[1]
os.environ["REDROP_GPUS"] = ""  # `redrop train` runs on the CPU here, whatever the machine has


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # else it is a process of pytest-xdist, whose parent has done this
        warm.start()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole workflows, the longest files, begin first: no worker is left alone with them at the end."""
    items.sort(key=lambda item: item.path.parent.name != "workflow")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def project() -> Path:
    """The checkout."""
    return PROJECT


@pytest.fixture(scope="session")
def residual() -> Study:
    """The study of paper B."""
    return load_study(PROJECT / "config/studies/residual.yaml", PROJECT)


@pytest.fixture(scope="session")
def toy_corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """A generated text of 6,000 characters, prepared."""
    folder = tmp_path_factory.mktemp("data") / "toy"
    return prepare_corpus(toy_text(6000, 0), folder, name="toy", origin="generated", edition="toy")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches a network or waits, and none takes a mirror that it did not ask for."""

    class Offline:
        def __init__(self, **kwargs: object) -> None:
            pass

        def __call__(self, url: str, output_file: object, pooch: object) -> None:
            raise requests.ConnectionError("offline")

    monkeypatch.setattr(pooch, "HTTPDownloader", Offline)
    monkeypatch.setattr(sources.time, "sleep", lambda seconds: None)
    monkeypatch.delenv("REDROP_MIRROR", raising=False)


def _folder_from(variable: str, holds: str) -> Path:
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} is not set: it names the folder that holds {holds}")
    return Path(folder)


@pytest.fixture(scope="session")
def mirror() -> Path:
    """A folder with copies of the real data sets."""
    return _folder_from("REDROP_MIRROR", "copies of the data sets")


@pytest.fixture(scope="session")
def reference() -> Path:
    """A folder with the authors' recorded losses."""
    return _folder_from("REDROP_REFERENCE", "residual/nanogpt_runs.csv, the authors' records")


@pytest.fixture(scope="session")
def shakespeare(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """The real Tiny Shakespeare, prepared."""
    folder = tmp_path_factory.mktemp("shakespeare")
    fetch("tiny_shakespeare", folder / "raw", mirror)
    return prepare("tiny_shakespeare", folder / "raw", folder / "prepared")


@pytest.fixture(scope="session")
def published_page(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of what is published, as it is. It takes long, so one test process writes it for all."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    page = shared / "published.html"
    with (shared / "published.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not page.exists():
            from redrop.report.page import write_page

            write_page(project / "results" / "published", page, project)
    return page


@pytest.fixture(scope="session")
def finished_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a prepared text and a run that was trained on it."""
    from bad_input_support import make_place

    return make_place(tmp_path_factory.mktemp("finished") / "place").root


@pytest.fixture(scope="session")
def stopped_place(finished_place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a run that was stopped twice on its way: it has a last and a previous checkpoint.

    Beside it, in ``straight``, the same run without a stop.
    """
    from bad_input_support import Place, train_until

    root = tmp_path_factory.mktemp("stopped") / "place"
    shutil.copytree(finished_place, root)
    train_until(Place(root), 4)
    train_until(Place(root), 8)
    main(Place(root).train(out="straight"))
    return root


@pytest.fixture
def place(finished_place: Path, tmp_path: Path, offline: None, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A copy of the finished folder, to be spoilt; the current folder is empty."""
    from bad_input_support import Place

    shutil.copytree(finished_place, tmp_path / "place")
    (tmp_path / "current").mkdir()
    monkeypatch.chdir(tmp_path / "current")
    return Place(tmp_path / "place")


@pytest.fixture
def stopped(stopped_place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A copy of the stopped folder, likewise."""
    from bad_input_support import Place

    shutil.copytree(stopped_place, tmp_path / "place")
    (tmp_path / "current").mkdir()
    monkeypatch.chdir(tmp_path / "current")
    return Place(tmp_path / "place")
