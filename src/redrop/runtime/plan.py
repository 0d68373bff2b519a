"""What a config asks for, before anything is spent."""

from __future__ import annotations

import math
from collections import Counter

from redrop.spec import RunSpec
from redrop.study import Plan


def iterations_of(spec: RunSpec) -> int:
    """Updates of a run; for one that is given in epochs, by the official size of its training set."""
    if spec.model.name == "residual_gpt":
        return spec.schedule.last_iteration
    if spec.model.name != "encoder":
        return spec.schedule.updates
    from redrop.data.glue_tasks import HELD_OUT, TASKS

    rows = TASKS[spec.task].rows["train"]
    if spec.data.evaluate_on == "held-out":
        rows -= max(1, round(HELD_OUT * rows))
    return spec.schedule.updates_on(math.ceil(spec.data.train_fraction * rows))


def summary(plan: Plan) -> str:
    """Runs and iterations a study and protocol, as lines of text."""
    lines = [f"results go to {plan.results}/"]
    for study, specs in plan.specs.items():
        lines.append(f"{study}: {len(specs)} runs")
        runs: Counter[str] = Counter()
        iterations: Counter[str] = Counter()
        for spec in specs.values():
            key = f"{spec.protocol} on {spec.task}"
            runs[key] += 1
            iterations[key] += iterations_of(spec)
        lines += [f"  {key}: {runs[key]} runs, {iterations[key]:,} iterations" for key in runs]
    return "\n".join(lines)
