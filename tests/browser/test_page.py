"""The report in a real browser: nothing is fetched, all of it is seen, sorting and hover work.

Needs Chromium; the accessibility check needs axe-core (npm install --no-package-lock --prefix tests/browser).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser_support import CHROMIUM, Browser
from redrop.analysis.registry import figure_plan
from redrop.report.page import write_page
from redrop.study import Plan
from report_support import invent, plan_of

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
MOST_BYTES = 8e6
LONGEST = 10_000
"""Pixels of the page before anything is unfolded."""
FIRST_SCREEN = """[...document.querySelectorAll('.paper :is(.tally, h3, summary, .claims li)')]
    .filter((one) => one.checkVisibility() && one.getBoundingClientRect().bottom < innerHeight)
    .map((one) => one.textContent.replace(/\\s+/g, ' '))"""

DEMO = {
    "studies": {
        "residual": [
            {
                "protocols": ["authors"],
                "configs": ["a0r0", "a2r0", "a2r025", "a2r05", "a2r1", "a2r2", "a2r5", "a2r100_2", "a2r2_4"],
                "seeds": [1, 2],
                "corpora": ["python_docs"],
                "settings": {"model.n_layer": 2, "model.n_embd": 32, "schedule.iterations": 100},
            }
        ]
    }
}
"""The demo, less of paper B's configurations."""


@pytest.fixture(scope="module")
def demo_plan(project: Path) -> Plan:
    return plan_of(project, str(project / "config/demo.yaml"), json.dumps(DEMO))


@pytest.fixture(scope="module", params=["published", "demo"])
def page(
    request: pytest.FixtureRequest, project: Path, demo_plan: Plan, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The page of what is published, and of a folder like the demo's, half of paper B missing."""
    if request.param == "published":
        return request.getfixturevalue("published_page")
    out = tmp_path_factory.mktemp(request.param) / "report.html"
    runs = [spec for specs in demo_plan.specs.values() for spec in specs.values()]
    invent(out.parent / "results" / "runs", [s for s in runs if s.study != "residual" or s.seed == 1])
    write_page(out.parent / "results", out, project, {"demo.yaml": demo_plan})
    return out


@pytest.fixture(scope="module")
def opened(page: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The page, opened once, with its charts drawn."""
    browser = Browser(tmp_path_factory.mktemp("profile"))
    browser.size(1400)
    browser.open(page)
    browser.folded = browser.run("document.documentElement.scrollHeight")
    browser.first_screen = " ".join(browser.run(FIRST_SCREEN))
    browser.run("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    browser.wait_for(
        "document.querySelectorAll('.chart').length == document.querySelectorAll('.chart[data-drawn]').length"
    )
    yield browser
    browser.close()


@pytest.fixture
def browser(opened: Browser) -> Browser:
    """The same at its usual size and colours, scrolled to its top."""
    opened.size(1400)
    opened.scheme("light")
    opened.run("scrollTo(0, 0)")
    return opened


def test_it_is_complete_in_itself_and_small(browser: Browser, page: Path) -> None:
    assert page.stat().st_size < MOST_BYTES
    assert page.resolve().as_uri() in browser.requests  # so requests are seen at all
    assert not [url for url in browser.requests if not url.startswith(("file:", "data:", "blob:"))]
    assert browser.complaints == []


def test_every_table_and_figure_is_there_and_seen(browser: Browser, page: Path, demo_plan: Plan) -> None:
    tables = browser.run("[...document.querySelectorAll('[data-table]')].map((one) => one.dataset.table)")
    assert {"replication", "claims", "protocol", "signatures", "spent", "provenance", "runs"} <= set(tables)
    figures = browser.run("[...document.querySelectorAll('[data-figure]')].map((one) => one.dataset.figure)")
    if "demo" in str(page):
        assert {"scores", "chance", "cost", "significance"} <= set(tables)
        expected = [
            entry.stem
            for part, study in demo_plan.studies.items()
            for entry in figure_plan(study, demo_plan.tasks(part))
            if entry.figure != "mechanisms"  # which these runs were not asked for
        ]
        missing = browser.run("document.querySelector('#figures').textContent")
        assert not [stem for stem in expected if stem not in figures and stem not in missing]
    assert len(figures) > 5
    unseen = """[...document.querySelectorAll('[data-table] table, .drawn img, .chart svg.marks')]
        .filter((one) => !one.checkVisibility({visibilityProperty: true})
                         || one.getBoundingClientRect().width < 50
                         || (one.tagName == 'IMG' && !one.naturalWidth))
        .map((one) => one.closest('[id]').id)"""
    assert browser.run(unseen) == []
    assert browser.run("document.querySelectorAll('.chart svg.marks path').length") > 10
    titles = browser.run(
        "[...document.querySelectorAll('caption, figcaption')].map((one) => one.textContent.trim())"
    )
    assert all(titles)


def test_the_first_screen_answers(browser: Browser, page: Path) -> None:
    """Per paper: what held, what did not, at which budget, without scrolling or unfolding."""
    text = browser.first_screen
    for word in ("As published", "At the scale", "not run as published", "iterations"):
        assert word in text
    if "published" in str(page):
        assert all(word in text for word in ("What held", "What did not", "Not decided yet"))
    unfolded = browser.run("document.documentElement.scrollHeight")
    assert browser.folded < min(LONGEST, unfolded / 3)
    labels = browser.run("[...document.querySelectorAll('#verdicts > .label')].map((one) => one.textContent)")
    assert labels == (["DEMO: toy size, not a result"] if "demo" in str(page) else [])


def test_what_is_no_result_is_marked_everywhere(browser: Browser, page: Path) -> None:
    bare = """[...document.querySelectorAll('[data-table], .drawn, .chart')]
        .filter((one) => !one.textContent.includes('DEMO: toy size, not a result')).length"""
    all_of_them = "document.querySelectorAll('[data-table], .drawn, .chart').length"
    assert browser.run(bare) == (0 if "demo" in str(page) else browser.run(all_of_them))


FIRST_COLUMN = """[...document.querySelector('#runs-residual tbody').rows]
    .filter((row) => !row.hidden).map((row) => row.cells[%d].textContent)"""


def test_tables_are_sorted_by_a_column(browser: Browser) -> None:
    """With the keyboard: up, down, as it was; a screen reader is told which."""
    before = browser.run(FIRST_COLUMN % 4)
    head = "document.querySelector('#runs-residual thead').rows[0].cells[4]"
    assert browser.run(f"{head}.textContent") == "val_loss_last"
    browser.run(f"{head}.querySelector('button').focus()")
    orders = []
    for _ in range(3):
        for kind in ("keyDown", "keyUp"):
            browser.send("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r",
                         windowsVirtualKeyCode=13)  # fmt: skip
        orders.append((browser.run(f"{head}.getAttribute('aria-sort')"), browser.run(FIRST_COLUMN % 4)))
    up, down, back = orders
    assert up == ("ascending", sorted(before, key=float))
    assert down == ("descending", sorted(before, key=float, reverse=True))
    assert back == (None, before)


def test_rows_are_filtered(browser: Browser) -> None:
    everything = browser.run(FIRST_COLUMN % 1)
    wanted = everything[-1]
    typed = """(() => { const input = document.querySelector('#runs-residual input');
        input.value = %s; input.dispatchEvent(new Event('input', {bubbles: true})); })()"""
    browser.run(typed % json.dumps(f"{wanted} done"))
    left = browser.run(FIRST_COLUMN % 1)
    assert 0 < len(left) < len(everything)
    assert all(wanted in config for config in left)
    count = browser.run("document.querySelector('#runs-residual output').textContent")
    assert count == f"{len(left)} of {len(everything)} rows"
    browser.run(typed % '"no such run"')
    assert browser.run(FIRST_COLUMN % 1) == []
    browser.run(typed % '""')
    assert browser.run(FIRST_COLUMN % 1) == everything


def test_a_command_can_be_copied_for_each_run(browser: Browser) -> None:
    browser.send("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    browser.run("document.querySelector('#runs-residual .copy').click()")
    browser.wait_for("document.querySelector('#runs-residual .copy').textContent == 'copied'")
    run = browser.run("document.querySelector('#runs-residual th.run code').textContent")
    command = browser.run("navigator.clipboard.readText()")
    assert command.startswith("redrop train --spec ")
    assert f"/{run}/spec.json --out again/{run}" in command


def test_pointing_at_a_curve_tells_the_run(browser: Browser) -> None:
    browser.run(
        "document.querySelector('.chart .canvas').scrollIntoView({block: 'center', behavior: 'instant'})"
    )
    box = browser.run("document.querySelector('.chart svg.marks').getBoundingClientRect().toJSON()")
    shown = "document.querySelector('#vg-tooltip-element.visible')"
    for share in (0.5, 0.52):  # it has to move to be noticed
        browser.point_at(box["x"] + share * box["width"], box["y"] + 0.4 * box["height"])
    browser.wait_for(shown)
    text = browser.run(f"{shown}.textContent")
    assert all(word in text for word in ("configuration", "seed", "iteration", "validation loss"))


def test_configurations_can_be_chosen(browser: Browser) -> None:
    """The lines of a configuration go and come; so do all of them."""
    drawn = "document.querySelector('.chart').querySelectorAll('g.mark-line path[d]').length"
    box = "document.querySelector('.chart input[type=checkbox]')"
    everything = browser.run(drawn)
    browser.run(f"{box}.click()")
    browser.wait_for(f"{drawn} < {everything}")
    browser.run(f"{box}.click()")
    browser.wait_for(f"{drawn} == {everything}")
    browser.run("document.querySelector('.chart [data-none]').click()")
    browser.wait_for(f"{drawn} == 0")
    browser.run("document.querySelector('.chart [data-all]').click()")
    browser.wait_for(f"{drawn} == {everything}")


@pytest.mark.parametrize("width", [360, 390, 1400, 1920])
def test_the_page_is_as_wide_as_the_window(browser: Browser, width: int) -> None:
    """Tables end where the page does; in a narrow one they scroll in a region which the keyboard reaches."""
    browser.size(width)
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run("""[...document.querySelectorAll('main table')].every((one) => {
        const region = one.closest('.scroll');
        return region.tabIndex == 0 && region.getAttribute('role') == 'region'
            && region.getAttribute('aria-label') && region.getBoundingClientRect().right <= innerWidth + 1;
    })""")
    wide = "[...document.querySelectorAll('.scroll')].some((one) => one.scrollWidth > one.clientWidth)"
    assert browser.run(wide) == (width < 1000)


def test_it_prints_with_static_figures_instead_of_charts(browser: Browser) -> None:
    browser.send("Emulation.setEmulatedMedia", media="print")
    seen = "[...document.querySelectorAll('%s')].map((one) => one.checkVisibility())"
    assert not any(browser.run(seen % ".chart .canvas"))
    assert all(browser.run(seen % ".drawn img"))
    browser.send("Emulation.setEmulatedMedia", media="")
    assert browser.pdf().startswith(b"%PDF")


def test_without_scripts_nothing_but_comfort_is_lost(page: Path, tmp_path: Path) -> None:
    browser = Browser(tmp_path)
    try:
        browser.send("Emulation.setScriptExecutionDisabled", value=True)
        browser.open(page)
        root = browser.send("DOM.getDocument")["root"]["nodeId"]

        def how_many(selector: str) -> int:
            return len(browser.send("DOM.querySelectorAll", nodeId=root, selector=selector)["nodeIds"])

        assert how_many(".drawn img") > 5
        assert how_many("thead th") > 20
        assert how_many("thead button, svg.marks, .controls:not([hidden])") == 0
    finally:
        browser.close()


@pytest.mark.skipif(
    not AXE.exists(), reason="no axe-core: npm install --no-package-lock --prefix tests/browser"
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out(browser: Browser, scheme: str) -> None:
    """No serious or critical violation by axe-core's rules; the headings go down one level at a time."""
    browser.scheme(scheme)
    browser.run(AXE.read_text(encoding="utf-8") + "; 0")
    found = browser.run(
        """axe.run(document, {resultTypes: ['violations']}).then((result) => result.violations
            .filter((one) => ['serious', 'critical'].includes(one.impact))
            .map((one) => [one.id, one.nodes.length, one.nodes[0].html, one.nodes[0].failureSummary]))"""
    )
    assert found == []
    levels = browser.run(
        "[...document.querySelectorAll('h1,h2,h3,h4,h5')].map((one) => Number(one.tagName[1]))"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
