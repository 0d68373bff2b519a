"""What the verdicts rest on: for each protocol and text or task, how large, how long, how many runs."""

from __future__ import annotations

from collections.abc import Iterable

from redrop.analysis.compared import budget, model_size
from redrop.analysis.scoring import in_order
from redrop.analysis.study_results import StudyResults
from redrop.analysis.summary import several
from redrop.report.study_views import StudyRuns


def scales_run(studies: Iterable[StudyRuns]) -> dict[tuple[str, str], list[str]]:
    """(Protocol, what was run of it as text) -> the texts or tasks on which just that was run."""
    found: dict[tuple[str, str], list[str]] = {}
    for runs in (runs for runs in studies if runs.found):
        data = StudyResults(runs.results, runs.study)
        for protocol, tasks in data.tasks().items():
            for task in in_order(tasks):
                configs = runs.results.configs(runs.study.name, protocol, task)
                groups = [data.group(protocol, config, task) for config in configs]
                counts = [len(group.done) for group in groups]
                n = " to ".join(dict.fromkeys(map(str, (min(counts), max(counts)))))
                budgets = " / ".join(sorted({budget(group) for group in groups}))
                models = " / ".join(sorted({model_size(one) for group in groups for one in group.records}))
                seeds = f"{n} seed{'' if n == '1' else 's'}"
                text = f"{several(len(groups), 'configuration')} × {seeds}, {budgets}, model {models}"
                found.setdefault((protocol, text), []).append(task)
    return found
