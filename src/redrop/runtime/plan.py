"""What a config asks for, before anything is spent."""

from __future__ import annotations

from collections import Counter

from redrop.study import Plan


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
            iterations[key] += spec.schedule.last_iteration
        lines += [f"  {key}: {runs[key]} runs, {iterations[key]:,} iterations" for key in runs]
    return "\n".join(lines)
