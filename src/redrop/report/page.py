"""The page: gather what it shows, and fill the template.

Numbers carry where they are from: an element with ``data-source`` names the file, from the results folder on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from redrop.analysis.claims import project_claims
from redrop.analysis.summary import DASH, show_number
from redrop.record import DIVERGED, write_text
from redrop.report import charts, commands, sentences, verdicts
from redrop.report.figures import ShownFigure, shown_figures
from redrop.report.folder import ResultsFolder
from redrop.report.origins import facts, runs_of, spent
from redrop.report.papers import papers
from redrop.report.scales import scales_run
from redrop.report.study_views import StudyRuns, View, read_studies
from redrop.report.tables import shown_tables
from redrop.report.verdicts import Judged, judge_all
from redrop.study import Plan


def write_page(
    results: Path, out: Path, project: Path, given: dict[str, Plan] | None = None
) -> dict[str, int]:
    """Write the page of a results folder; how many runs are ``found``, ``missing`` and ``diverged``.

    ``given``: name -> the one config to go by; None: those of the project that the runs belong to.
    """
    folder, studies = read_studies(results, project, given)
    write_text(Path(out), render(folder, studies, list(given or ()), commands.named(Path(out))))
    return {
        "found": sum(runs.found for runs in studies),
        "missing": sum(runs.missing for runs in studies),
        "diverged": sum(one.status == DIVERGED for runs in studies for one in runs.results.records),
        "damaged": len(folder.faults),
    }


def render(folder: ResultsFolder, studies: Sequence[StudyRuns], configs: list[str], out: str) -> str:
    """The page as text."""
    books = []
    for paper in papers([runs.study.name for runs in studies]):
        own = [runs for runs in studies if runs.study.name in paper.studies]
        chapters = [chapter(folder, runs, configs) for runs in own]
        books.append(
            {
                "paper": paper,
                "chapters": chapters,
                "judged": [one for chapter in chapters for one in chapter["judged"]],
                "found": sum(runs.found for runs in own),
                "missing": sum(runs.missing for runs in own),
                "scales": scales_run(own),
                "label": next((runs.label for runs in own if runs.label), None),
            }
        )
    any_charts = any(view["charts"] for book in books for own in book["chapters"] for view in own["views"])
    template = environment(folder).get_template("page.html.jinja")
    return template.render(
        folder=folder,
        name=commands.named(folder.path),
        books=books,
        command=commands.page(folder, out, configs),
        javascript=as_script(charts.javascript()) if any_charts else "",
    )


def chapter(folder: ResultsFolder, runs: StudyRuns, configs: list[str]) -> dict[str, Any]:
    """All that is shown of a study."""
    made, asked = runs_of(runs.results), configs or [one.config for one in runs.asked]
    return {
        "name": runs.study.name,
        "runs": runs,
        "judged": judge_all(runs.results, runs.study, project_claims(runs.study)),
        "views": [shown_view(folder, view, asked) for view in runs.views],
        "made": made,
        "spent": spent(made),
        "facts": facts(made),
        "commands": commands.whole_study(runs),
        "run_command": commands.one_run(folder, runs.study.name),
    }


def shown_view(folder: ResultsFolder, view: View, configs: list[str]) -> dict[str, Any]:
    """A view with all that is shown of it."""
    tables = shown_tables(folder, view, commands.tables(folder, view, configs))
    figures = shown_figures(folder, view, up_to_date=all(table["is_there"] for table in tables))
    return {"view": view, "tables": tables, "figures": figures, "charts": charts.charts(folder, view)}


def environment(folder: ResultsFolder) -> jinja2.Environment:
    """What the templates of the page can use."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("redrop.report", "page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.policies["json.dumps_kwargs"] = {"sort_keys": True, "separators": (",", ":"), "allow_nan": False}
    made.filters |= {"number": show_number, "slug": slug}
    made.globals |= {
        "SIGNS": verdicts.SIGNS,
        "MEANING": verdicts.MEANING,
        "ANSWERS": verdicts.ANSWERS,
        "OPEN": verdicts.OPEN,
        "counts": verdicts.counts,
        "counted": verdicts.counted,
        "sentence": sentences.sentence,
        "signed": sentences.signed,
        "unit_of": lambda claim: sentences.words_of(claim.metric)[2],
        "claim_figures": claim_figures,
        "relative": folder.relative,
        "DASH": DASH,
    }
    return made


def claim_figures(chapter: dict[str, Any], judged: Judged) -> list[ShownFigure]:
    """Figures in which a claim's configurations are drawn together, where it was judged."""
    study, drawn, found = chapter["runs"].study, [], []
    for one in chapter["views"]:
        images = [figure for figure in one["figures"] if figure.image]
        drawn += images
        if one["view"].study.part == judged.claim.part:
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


def as_script(code: str) -> str:
    """JavaScript that cannot end the script element which holds it; its strings alone hold ``</script``."""
    return code.replace("</script", "<\\/script")
