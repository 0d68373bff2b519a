"""The report's page without a browser: sentences, folders, what is missing, where numbers are from."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import random
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from redrop.analysis.claims import Claim, Judgement
from redrop.analysis.compared import ComparedPair
from redrop.analysis.decision.claim import MIXED
from redrop.analysis.decision.comparison import compare
from redrop.cli import main
from redrop.errors import ConfigError
from redrop.layout import EMPTY, ONE_STUDY, OWN, PUBLISHED
from redrop.report import charts
from redrop.report.folder import read_folder
from redrop.report.known_configs import known_plans, name_of, recognise
from redrop.report.page import environment, write_page
from redrop.report.sentences import sentence, signed
from redrop.report.study_views import all_studies
from redrop.report.verdicts import Judged, counted
from redrop.study import Plan, load_part
from report_support import invent, plan_of

SMALL = {
    "label": "TEST: not a result",
    "only": ["residual"],
    "studies": {
        "residual": [
            {
                "protocols": ["notebook"],
                "configs": ["res1-*"],
                "seeds": [1, 2, 3],
                "corpora": ["tiny_shakespeare"],
            }
        ]
    },
}


def judgement(*pairs: tuple[str, list[float]], metric: str = "val_loss_last") -> Judgement:
    """Of `a` against others, with these differences, positive where the claim holds."""
    claim = Claim(
        "name",
        "paper",
        "place",
        "text",
        metric,
        {"p": tuple(("a", than) for than, _ in pairs)},
        matters=1.0 if metric == "score" else 0.0,
    )
    comparisons = tuple(
        ComparedPair("a", than, than, dict(enumerate(values)), compare(values, claim.matters))
        for than, values in pairs
    )
    return Judgement(claim, "p", "text", "5,000 iterations", "4 x 64", False, comparisons)


AGAINST, FOR, UNCLEAR = [-0.03, -0.04, -0.05], [0.3, 0.31, 0.32], [-0.5, 0.1, 0.7]


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (  # mean 0.04, t(0.975, 2) = 4.3027, standard error 0.01 / sqrt(3): half a width of 0.0248
            judgement(("b", AGAINST)),
            "a ended 0.040 nats above b (95 % interval 0.015 to 0.065, 3 seeds): "
            "contradicted at 5,000 iterations (p, text).",
        ),
        (
            judgement(("b", FOR), ("c", [0.5, 0.51, 0.52])),
            "a ended 0.310 nats below b (95 % interval 0.285 to 0.335, 3 seeds), the closest of 2 "
            "comparisons, which all agree with the claim: supported at 5,000 iterations (p, text).",
        ),
        (
            judgement(("b", FOR), ("c", AGAINST)),
            "a ended 0.040 nats above c (95 % interval 0.015 to 0.065, 3 seeds); 2 of 2 run: 1 for, 1 "
            "against: contradicted at 5,000 iterations (p, text).",
        ),
        (
            judgement(("b", [-0.7, -0.1, 0.5])),
            "a ended 0.100 nats above b (95 % interval −1.390 to 1.590, 3 seeds): "
            "undecided at 5,000 iterations (p, text). 3 seeds can show 1.958 nats.",
        ),
        (
            judgement(("b", [0.004])),
            "a ended 0.0040 nats below b (1 seed, so no interval): undecided at 5,000 iterations (p, text).",
        ),
        (
            judgement(("b", FOR), ("c", [])),
            "a ended 0.310 nats below b (95 % interval 0.285 to 0.335, 3 seeds); 1 of 2 run: 1 for: "
            "undecided at 5,000 iterations (p, text).",
        ),
        (
            judgement(("b", [1.0, 2.0, 3.0]), metric="score"),
            "a scored 2.00 points more than b (95 % interval −0.48 to 4.48, 3 seeds): "
            "undecided at 5,000 iterations (p, text). 3 seeds can show 3.26 points, and 11 would decide.",
        ),
        (
            judgement(("b", [0.0, 0.0])),
            "a and b do not differ in any of 2 seeds: undecided at 5,000 iterations (p, text).",
        ),
        (
            judgement(("b", [])),
            "No two of the configurations that the claim names have a seed in common: "
            "not run at 5,000 iterations (p, text).",
        ),
    ],
)
def test_a_claims_numbers_make_a_sentence(one: Judgement, text: str) -> None:
    assert sentence(one) == text


def test_the_scale_of_a_verdict_names_the_model_where_models_differ(project: Path) -> None:
    one = judgement(("b", FOR), ("c", FOR))
    both = one, dataclasses.replace(one, task="another")
    of_b, of_a = (Judged(load_part(name, project), one.claim, both) for name in ("residual", "glue"))
    assert of_b.scales == "5,000 iterations (2 texts)"
    assert of_a.scales == "4 x 64, 5,000 iterations (2 tasks)"
    undecided = Judged(of_a.study, one.claim, (judgement(("b", [])),))
    assert undecided.scales == ""


def test_amounts_keep_their_sign_only_where_it_is_seen() -> None:
    assert signed(-0.00004, "nats") == "0.0000"
    assert signed(-1234.4, "iterations") == "−1,234"
    assert signed(-0.5, "points") == "−0.50"


def test_scales_that_disagree_are_mixed_and_those_that_were_not_run_do_not_count(project: Path) -> None:
    study = load_part("residual", project)

    def here(*judgements: Judgement) -> str:
        own = [dataclasses.replace(one, task=f"text {place}") for place, one in enumerate(judgements)]
        return Judged(study, own[0].claim, tuple(own)).here

    for_it, against, unclear = (judgement(("b", values)) for values in (FOR, AGAINST, UNCLEAR))
    assert here(for_it, judgement(("b", []))) == "supported"
    assert here(for_it, judgement(("b", [-0.3]))) == "supported"  # one seed decides nothing
    assert here(for_it, against) == MIXED
    assert here(for_it, unclear) == here(judgement(("b", FOR), ("c", []))) == "undecided"
    assert here(judgement(("b", AGAINST), ("c", []))) == "contradicted"
    assert here(judgement(("b", []))) == "not run"
    assert counted(["not run", "supported", "not run"]) == "1 supported, 2 not run"


def test_a_claim_about_each_task_falls_with_one_of_them(project: Path) -> None:
    found = [judgement(("b", FOR)), dataclasses.replace(judgement(("b", AGAINST)), task="other")]
    elsewhere = dataclasses.replace(found[1], budget="3,000 iterations", comparisons=found[0].comparisons)
    study = load_part("glue", project)
    for each_task, judgements, verdict in (
        (False, found, MIXED),
        (True, found, "contradicted"),
        (True, found[:1], "supported"),
        (True, [*found, elsewhere], MIXED),  # at another scale it holds
    ):
        claim = dataclasses.replace(found[0].claim, each_task=each_task)
        own = tuple(dataclasses.replace(one, claim=claim) for one in judgements)
        assert Judged(study, claim, own).here == verdict


def test_the_picture_puts_what_the_claim_says_to_the_right(tmp_path: Path) -> None:
    picture = environment(read_folder(tmp_path)).get_template("macros.html.jinja").module.picture
    for values, side in ((FOR, 1), (AGAINST, -1)):
        (comparison,) = judgement(("b", values)).comparisons
        svg = picture(comparison)
        zero = float(re.search(r'class="zero" x1="([\d.]+)"', svg)[1])
        mean = float(re.search(r'class="mean" cx="([\d.]+)"', svg)[1])
        assert math.copysign(1, mean - zero) == side
        assert " id=" not in svg


@pytest.fixture(scope="module")
def small(project: Path) -> Plan:
    return plan_of(project, json.dumps(SMALL))


@pytest.fixture
def own(small: Plan, tmp_path: Path) -> Path:
    """An own results folder with all of the small config's runs."""
    invent(tmp_path / "own" / "runs", small.specs["residual"].values())
    return tmp_path / "own"


def test_a_folder_is_known_by_what_it_holds(own: Path, tmp_path: Path) -> None:
    assert read_folder(own).kind == OWN
    (tmp_path / "published").mkdir()
    shutil.copytree(own / "runs" / "residual", tmp_path / "published" / "residual" / "runs")
    assert read_folder(tmp_path / "published").kind == PUBLISHED
    assert read_folder(tmp_path / "published" / "residual").kind == ONE_STUDY
    for folder in (own, tmp_path / "published", tmp_path / "published" / "residual"):
        assert len(read_folder(folder).studies["residual"].records) == 12
    results = tmp_path / "results"
    results.mkdir()
    for name in ("published", "own"):  # a demo's or published folder inside is not its own
        shutil.move(tmp_path / name, results / name)
    assert read_folder(results).kind == EMPTY
    with pytest.raises(ConfigError, match="no folder"):
        read_folder(tmp_path / "nowhere")


def test_tables_of_a_published_study_and_part_are_looked_for_where_publishing_puts_them(
    own: Path, tmp_path: Path
) -> None:
    shutil.copytree(own / "runs" / "residual", tmp_path / "published" / "glue" / "runs")
    published, one = read_folder(tmp_path / "published"), read_folder(tmp_path / "published" / "glue")
    assert published.place("glue", "glue") == one.path
    assert published.place("glue", "glue_size") == one.place("glue", "glue_size") == one.path / "glue_size"
    assert read_folder(own).place("glue", "glue_size") == own / "glue_size"


def test_a_damaged_run_is_named(own: Path) -> None:
    damaged = next((own / "runs" / "residual").glob("*/metrics.json"))
    before = len(read_folder(own).studies["residual"].records)
    damaged.write_text("{")
    found = read_folder(own)
    assert len(found.studies["residual"].records) == before - 1
    (fault,) = found.faults
    assert fault.startswith(f"{damaged}: damaged")


def test_published_runs_of_an_earlier_version_are_those_of_their_config(project: Path) -> None:
    """Trained in packs, and so recorded under another id than today's."""
    found = read_folder(project / "results/published/residual")
    (residual,) = all_studies(found, project, known_plans(project), given=False)[:1]
    assert {one.config: (one.found, one.planned) for one in residual.asked}["config/short.yaml"] == (74, 74)


def test_runs_are_recognised_by_the_config_that_asks_for_them(project: Path) -> None:
    plans = known_plans(project)
    assert {"config/config.yaml", "config/demo.yaml", "config/notebook.yaml"} <= set(plans)
    assert "config/claims.yaml" not in plans
    notebook = list(plans["config/notebook.yaml"].specs["residual"])
    asked, left = recognise("residual", notebook[::2], plans)
    assert [(one.config, one.found, one.planned) for one in asked] == [("config/notebook.yaml", 30, 60)]
    assert not left
    short = list(plans["config/short.yaml"].specs["residual"])
    asked, left = recognise("residual", [*notebook, *short, "another"], plans)
    assert {one.config for one in asked} == {"config/notebook.yaml", "config/short.yaml"}
    assert left == {"another"}
    demo = plan_of(project, str(project / "config/demo.yaml"))
    assert name_of(demo, ["{}"], project) == "config/demo.yaml"
    assert name_of(demo, ["a.yaml", "b.yaml"], project) == "a.yaml b.yaml"


class Page(HTMLParser):
    """What the tests ask of a page: ids, links, sources, and each table's rows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.sources: dict[str, str] = {}
        self.row_sources: list[tuple[str, list[str]]] = []
        self._table = self._row = self._cell = None
        self._source = ""
        self.feed(re.sub(r"<sup>.*?</sup>", "", text))  # the number of a footnote is no digit of the cell's

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [found["id"]] if found.get("id") else []
        self.links += [found["href"]] if tag == "a" else []
        if "data-table" in found:
            self._table = self.tables.setdefault(found["id"], [])
            self.sources[found["id"]] = found.get("data-source", "")
        elif tag == "table" and self._table is None:
            self._table = []
        elif tag == "tr":
            self._row, self._source = [], found.get("data-source", "")
        elif tag in ("td", "th"):
            self._cell = ""

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._row is not None:
            self._row.append((self._cell or "").strip())
            self._cell = None
        elif tag == "tr" and self._table is not None:
            self._table.append(self._row)
            if self._source:
                self.row_sources.append((self._source, self._row))
        elif tag == "table":
            self._table = None


def words(text: str) -> str:
    """The page's text, without elements and with single blanks."""
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", text, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the charts' library, which takes seconds; the browser tests have it."""
    monkeypatch.setattr(charts, "javascript", lambda: "window.vegaEmbed = null;")


@pytest.mark.usefixtures("quick")
def test_half_of_the_runs_are_missing_and_the_page_says_so(
    own: Path, small: Plan, project: Path, tmp_path: Path
) -> None:
    for run in sorted((own / "runs" / "residual").iterdir())[::2]:
        shutil.rmtree(run)
    out = tmp_path / "report.html"
    assert write_page(own, out, project, {"mine.yaml": small}) == {
        "found": 6,
        "missing": 6,
        "diverged": 0,
        "damaged": 0,
    }
    text = words(out.read_text())
    assert "6 of the 12 runs asked for are missing" in text
    assert "mine.yaml : 6 of its 12 runs are here" in text
    assert "of the 3 runs asked for are missing" in text  # a footnote of the table
    assert text.count("TEST: not a result") > 8  # at the top, on each table, on each figure
    assert "redrop report --results" in text
    page = Page(out.read_text())
    assert {"table-residual-replication", "spent-residual", "made-residual", "runs-residual"} <= set(
        page.tables
    )
    assert len(page.tables["runs-residual"]) == 1 + 6
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        assert link[1:] in page.ids if link.startswith("#") else link.startswith("https://arxiv.org/"), link


@pytest.mark.usefixtures("quick")
def test_without_a_config_the_page_does_not_pretend_to_know_what_was_planned(
    own: Path, project: Path, tmp_path: Path
) -> None:
    """These seeds are in no config of the project."""
    out = tmp_path / "report.html"
    assert write_page(own, out, project) == {"found": 12, "missing": 0, "diverged": 0, "damaged": 0}
    assert "12 of the runs belong to no config of this project" in words(out.read_text())


@pytest.mark.usefixtures("quick")
def test_a_page_of_nothing_says_what_to_do(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    assert write_page(tmp_path, out, project) == {"found": 0, "missing": 0, "diverged": 0, "damaged": 0}
    text = words(out.read_text())
    assert "nothing is decided" in text
    assert "18 – not run as published" in text
    assert "redrop report --results results/published" in text
    assert "<img" not in out.read_text()


@pytest.mark.usefixtures("quick")
def test_a_diverged_run_and_one_without_provenance_are_shown(
    small: Plan, project: Path, tmp_path: Path
) -> None:
    specs = list(small.specs["residual"].values())
    invent(tmp_path / "own" / "runs", specs, diverged="res1-0.5-tiny_shakespeare-s2-")
    for path in (tmp_path / "own" / "runs").glob("*/*-s3-*/provenance.json"):
        path.unlink()
    out = tmp_path / "report.html"
    assert write_page(tmp_path / "own", out, project, {"mine": small})["diverged"] == 1
    text = words(out.read_text())
    assert "1 of the 12 runs diverged" in text
    assert "the loss became nan at iteration 7" in text
    assert "commit not recorded 4" in text


@pytest.mark.usefixtures("quick")
def test_the_command_writes_the_page_and_says_how_many_runs(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "report.html"
    main(["report", "--results", str(own), "--out", str(out), "--config", json.dumps(SMALL)])
    assert capsys.readouterr().out == f"{out}: 12 runs\n"
    first = out.read_bytes()
    main(["report", "--results", str(own), "--out", str(out), "--config", json.dumps(SMALL)])
    assert out.read_bytes() == first


def test_long_curves_are_thinned_and_keep_their_end() -> None:
    curve = [{"x": x} for x in range(1001)]
    rows = charts.thinned({"a": curve, "b": curve}, limit=100)
    assert len(rows) <= 100 + 2
    assert [row for row in rows if row["x"] == 1000] == [{"x": 1000}] * 2
    assert charts.thinned({"a": curve}, limit=2000) == curve
    assert charts.thinned({}) == []


def test_data_cannot_end_the_script_that_holds_it(tmp_path: Path) -> None:
    embedded = environment(read_folder(tmp_path)).from_string("{{ value | tojson }}").render
    assert "</script" not in embedded(value={"a": "</script><b>"})
    assert json.loads(embedded(value={"a": "</script>"})) == {"a": "</script>"}


NUMBER = re.compile(r"[+−-]?\d[\d,]*\.\d+")


@pytest.fixture(scope="module")
def published(published_page: Path) -> Page:
    """The page of what is published."""
    return Page(published_page.read_text())


def numbers_in(path: Path) -> list[float]:
    """Every number in the cells of a csv file."""
    found = []
    with path.open(encoding="utf-8") as file:
        for row in csv.reader(file):
            for cell in row:
                found += [float(text) for text in re.findall(r"-?\d+\.?\d*(?:e[+-]?\d+)?", cell)]
    return found


def test_numbers_of_the_page_stand_in_the_files_that_it_names(published: Page, project: Path) -> None:
    """A sample of every table that names a csv file: each number is one of the file's, rounded."""
    results = project / "results" / "published"
    traced = 0
    for anchor, source in published.sources.items():
        if not source.endswith(".csv"):
            continue
        known = numbers_in(results / source)
        cells = [cell for row in published.tables[anchor][1:] for cell in row if NUMBER.search(cell)]
        for cell in random.Random(anchor).sample(cells, min(60, len(cells))):
            for text in NUMBER.findall(cell):
                digits = len(text.partition(".")[2])
                value = abs(float(text.replace(",", "").replace("−", "-")))
                close = 0.5000001 * 10.0**-digits
                near = [abs(scale * abs(other) - value) <= close for other in known for scale in (1, 100)]
                assert any(near), f"{anchor}: {text} is not in {source}"
                traced += 1
    assert traced > 200


def test_every_run_of_the_page_says_what_its_own_file_says(published: Page, project: Path) -> None:
    results = project / "results" / "published"
    assert len(published.row_sources) == len(list(results.glob("*/runs/*/metrics.json")))
    heads = {anchor: rows[0] for anchor, rows in published.tables.items() if anchor.startswith("runs-")}
    for source, row in published.row_sources:
        document = json.loads((results / source).read_text())
        assert row[0].startswith(document["run"])
        head = heads[f"runs-{document['spec']['study']}"]
        for name, cell in zip(head, row, strict=True):
            if name in document["metrics"]:
                assert float(cell) == pytest.approx(document["metrics"][name]["value"], abs=5e-7)


def test_hours_are_the_sum_of_the_runs(published: Page, project: Path) -> None:
    seconds = sum(
        sum(json.loads(path.read_text())["seconds"].values())
        for path in (project / "results/published/residual/runs").glob("*/provenance.json")
    )
    hours = sum(float(row[4]) for row in published.tables["spent-residual"][1:])
    assert hours == pytest.approx(seconds / 3600, abs=0.03)
