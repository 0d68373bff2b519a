"""What the verdicts rest on: for each protocol and text or task, how large, how long, how many runs."""

from __future__ import annotations

from dataclasses import dataclass

from redrop.analysis.collect import Group
from redrop.analysis.compared import budget, model_size
from redrop.analysis.scoring import in_order
from redrop.analysis.study_results import StudyResults
from redrop.report.study_views import StudyRuns


@dataclass(frozen=True)
class Scale:
    """Runs of one protocol on one text or task."""

    study: str
    protocol: str
    task: str
    budget: str
    model: str
    configs: int
    runs: int
    diverged: int
    missing: int
    seeds: tuple[int, int]
    """Fewest and most finished runs of a configuration."""

    @property
    def n(self) -> str:
        """``5``, or ``3 to 5``."""
        low, high = self.seeds
        return str(low) if low == high else f"{low} to {high}"


def scales_run(runs: StudyRuns) -> list[Scale]:
    """A line for each protocol and task that has runs."""
    found: list[Scale] = []
    study, results = runs.study, runs.results
    if not results.records:
        return found
    for protocol, tasks in StudyResults(results, study).tasks().items():
        for task in in_order(tasks):
            configs = results.configs(study.name, protocol, task)
            found.append(
                _line(
                    study.name,
                    protocol,
                    task,
                    [results.group(study.name, protocol, c, task) for c in configs],
                )
            )
    return found


def _line(study: str, protocol: str, task: str, groups: list[Group]) -> Scale:
    counts = [len(group.done) for group in groups]
    return Scale(
        study,
        protocol,
        task,
        " / ".join(sorted({budget(group) for group in groups})),
        " / ".join(sorted({model_size(record) for group in groups for record in group.records})),
        len(groups),
        sum(len(group.records) for group in groups),
        sum(len(group.diverged) for group in groups),
        sum(group.missing for group in groups),
        (min(counts), max(counts)),
    )


def scale_lines(lines: list[Scale]) -> list[str]:
    """Lines for a reader; texts or tasks on which a protocol was run alike share one."""
    alike: dict[tuple[str, str, str, int, str], list[str]] = {}
    for line in lines:
        key = line.protocol, line.budget, line.model, line.configs, line.n
        alike.setdefault(key, []).append(line.task)
    return [
        f"{protocol}: {', '.join(tasks)}; {configs} configuration{'s' if configs > 1 else ''} × {n} "
        f"seed{'' if n == '1' else 's'}, {budget}, model {model}"
        for (protocol, budget, model, configs, n), tasks in alike.items()
    ]
