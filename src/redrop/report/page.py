"""The page: gather what it shows, and fill the template.

Numbers carry where they are from: an element with ``data-source`` names the file, from the results folder on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from redrop.analysis.claims import project_claims
from redrop.analysis.summary import DASH, show_number
from redrop.record import write_text
from redrop.report import charts, commands, sentences, verdicts
from redrop.report.difference_picture import picture
from redrop.report.figures import ShownFigure, shown_figures
from redrop.report.folder import ResultsFolder, read_folder
from redrop.report.known_configs import known_plans
from redrop.report.origins import Run, Spent, facts, runs_of, spent
from redrop.report.papers import Paper, papers
from redrop.report.scales import Scale, scale_lines, scales_run
from redrop.report.study_views import StudyRuns, View, all_studies
from redrop.report.tables import ShownTable, shown_tables
from redrop.report.verdicts import Judged, judge_all
from redrop.study import Plan


@dataclass(frozen=True)
class ShownView:
    """A view with all that is shown of it."""

    view: View
    tables: list[ShownTable]
    figures: list[ShownFigure]
    charts: list[charts.Chart]

    def table(self, name: str) -> ShownTable | None:
        """Its table of this name."""
        return next((shown for shown in self.tables if shown.table.name == name), None)

    def tables_of(self, section: str) -> list[ShownTable]:
        """Its tables in a section of the page."""
        return sorted((one for one in self.tables if one.section == section), key=lambda one: one.order)


@dataclass(frozen=True)
class Chapter:
    """A study with all that is shown of it."""

    runs: StudyRuns
    judged: list[Judged]
    scales_run: list[Scale]
    views: list[ShownView]
    made: list[Run]
    spent: list[Spent]
    facts: list[tuple[str, str, int]]
    commands: list[str]
    run_command: str

    @property
    def name(self) -> str:
        """The study's name."""
        return self.runs.study.name


@dataclass(frozen=True)
class Book:
    """A paper with its studies."""

    paper: Paper
    chapters: list[Chapter]

    def judged(self, source: str) -> list[Judged]:
        """Its claims, or the objections to it."""
        return [one for chapter in self.chapters for one in chapter.judged if one.claim.source == source]

    @property
    def found(self) -> int:
        """How many runs are there."""
        return sum(chapter.runs.found for chapter in self.chapters)

    @property
    def missing(self) -> int:
        """How many are not."""
        return sum(chapter.runs.missing for chapter in self.chapters)

    @property
    def scales_run(self) -> list[Scale]:
        """What was run, of all studies."""
        return [line for chapter in self.chapters for line in chapter.scales_run]

    @property
    def scales(self) -> list[str]:
        """The same as lines for a reader."""
        return scale_lines(self.scales_run)

    @property
    def label(self) -> str | None:
        """What marks it as no result."""
        return next((chapter.runs.label for chapter in self.chapters if chapter.runs.label), None)


def write_page(
    results: Path, out: Path, project: Path, given: dict[str, Plan] | None = None
) -> dict[str, int]:
    """Write the page of a results folder; how many runs are ``found``, ``missing`` and ``diverged``.

    ``given``: name -> the one config to go by; None: those of the project that the runs belong to.
    """
    wanted = None
    if given is not None:
        wanted = {run for plan in given.values() for runs in plan.runs.values() for run in runs}
    folder = read_folder(results, wanted)
    plans = known_plans(project) if given is None else given
    studies = all_studies(folder, project, plans, given=given is not None)
    names = [] if given is None else list(given)
    chapters = [chapter(folder, runs, names) for runs in studies]
    books = [
        Book(paper, [chapter for chapter in chapters if chapter.name in paper.studies])
        for paper in papers([runs.study.name for runs in studies])
    ]
    write_text(Path(out), render(folder, books, commands.page(folder, commands.named(Path(out)), names)))
    return {
        "found": sum(book.found for book in books),
        "missing": sum(book.missing for book in books),
        "diverged": sum(line.diverged for book in books for line in book.scales_run),
        "damaged": len(folder.faults),
    }


def chapter(folder: ResultsFolder, runs: StudyRuns, configs: list[str]) -> Chapter:
    """All that is shown of a study."""
    made = runs_of(runs.results)
    return Chapter(
        runs,
        judge_all(runs.results, runs.study, project_claims(runs.study)),
        scales_run(runs),
        [shown_view(folder, view, configs or [one.config for one in runs.asked]) for view in runs.views],
        made,
        spent(made),
        facts(made),
        commands.whole_study(runs),
        commands.one_run(folder, runs.study.name),
    )


def shown_view(folder: ResultsFolder, view: View, configs: list[str]) -> ShownView:
    """All that is shown of a view."""
    tables = shown_tables(folder, view, commands.tables(folder, view, configs))
    up_to_date = all(table.is_there for table in tables)
    figures = shown_figures(folder, view, up_to_date=up_to_date)
    return ShownView(view, tables, figures, charts.charts(folder, view))


def render(folder: ResultsFolder, books: list[Book], command: str) -> str:
    """The page as text."""
    import jinja2

    place = files("redrop.report")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("redrop.report", "page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"number": show_number, "slug": slug}
    environment.globals |= {
        "SIGNS": verdicts.SIGNS,
        "MEANING": verdicts.MEANING,
        "counts": verdicts.counts,
        "counted": verdicts.counted,
        "sentence": sentences.sentence,
        "signed": sentences.signed,
        "unit_of": lambda claim: sentences.words_of(claim.metric)[2],
        "picture": picture,
        "claim_figures": claim_figures,
        "relative": folder.relative,
        "DASH": DASH,
    }
    any_charts = any(one.charts for book in books for chapter in book.chapters for one in chapter.views)
    return environment.get_template("page.html.jinja").render(
        folder=folder,
        name=commands.named(folder.path),
        books=books,
        command=command,
        css=(place / "page" / "page.css").read_text(encoding="utf-8"),
        script=(place / "page" / "page.js").read_text(encoding="utf-8"),
        javascript=as_script(charts.javascript()) if any_charts else "",
        embedded=embedded,
    )


def claim_figures(chapter: Chapter, judged: Judged) -> list[ShownFigure]:
    """Figures in which a claim's configurations are drawn together, where it was judged."""
    study, drawn, found = chapter.runs.study, [], []
    for one in chapter.views:
        images = [figure for figure in one.figures if figure.image]
        drawn += images
        if one.view.study.part == judged.claim.part:
            found += [figure for figure in images if figure.entry.protocol is None]  # of all claims there
    for judgement in judged.judgements:
        named = {config for one in judgement.run for config in (one.config, one.than)}
        sweeps = study.protocol(judgement.protocol).sweeps
        for figure in drawn:
            if figure.entry.protocol != judgement.protocol or figure.entry.task not in (None, judgement.task):
                continue
            if figure.entry.sweep and named and named <= set(sweeps[figure.entry.sweep].configs):
                found.append(figure)
    return list(dict.fromkeys(found))


def slug(text: str) -> str:
    """A text as part of an address."""
    return "".join(character if character.isalnum() else "-" for character in text)


def embedded(value: Any) -> str:
    """A value as JSON that cannot end the script element which holds it."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def as_script(code: str) -> str:
    """JavaScript that cannot end the script element which holds it; its strings alone hold ``</script``."""
    return code.replace("</script", "<\\/script")
