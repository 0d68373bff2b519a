"""Which configurations overfit, diverge or converge slowly, by the rules in ``failure_signatures``."""

from __future__ import annotations

from typing import Any

from redrop.analysis import failure_signatures as rules
from redrop.analysis.collect import Group
from redrop.analysis.study_results import StudyResults
from redrop.analysis.summary import DASH, summarise
from redrop.analysis.table import Builder, Table

ORDER = 90
SECTION = "failures"
FITS = ("corpus",)
COLUMNS = {
    "Configuration": "{config}",
    "n": "{shown_n}",
    "Train": "{train_loss:.4f}",
    "Validation": "{val_loss:.4f}",
    "Gap": "{gap:.4f}",
    "Iteration of best": "{iteration_of_best_mean:,.0f}",
    "Overfitting": "{overfitting}",
    "Divergence": "{divergence}",
    "Slow": "{slow}",
}

CAPTION = (
    "Losses are nats a character at the last iteration, mean ± sample standard deviation over the n "
    "seeds that finished; gap: validation minus train. Verdicts are k of the judged seeds. Overfitting: "
    f"the validation loss ends over {rules.OVERFITTING_RISE:.0%} above its best while the training loss "
    "fell. Divergence: the loss ceased to be a number, or rose from its minimum above the untrained "
    f"loss. Slow: the validation loss still fell by over {rules.LATE_DROP:.0%} in the last "
    f"{rules.LATE_SHARE:.0%} of the iterations, or at half of them had made less than "
    f"{rules.HALF_SHARE:.0%} of the drop that the best configuration (lowest mean last loss) of the same "
    "protocol, corpus and budget had made by then."
)
NOT_RUN = "No run of this configuration is finished."
NOT_JUDGED = "Diverged runs are not judged for overfitting and slow convergence."


def build(data: StudyResults) -> Table:
    """One row a configuration; by the rules of the caption."""
    builder = Builder(COLUMNS, frozenset({"Configuration"}))
    for protocol, task in data.protocol_tasks():
        rows = data.groups(protocol, task)
        found = rules.group_signatures(data.results, rows)
        for group in rows:
            _add(builder, data.heading(protocol, task), group, found[group.config])
    return builder.table("signatures", f"{data.study.title}: failure signatures", CAPTION)


def _add(builder: Builder, section: str, group: Group, found: list[rules.Signature]) -> None:
    notes = [("n", NOT_RUN)] if not found else []
    if group.diverged:
        notes.append(("Divergence", NOT_JUDGED))
    shown: dict[str, Any] = {"shown_n": len(group.done) if found else DASH}
    raw = {
        "study": group.study,
        "protocol": group.protocol,
        "task": group.task,
        "config": group.config,
        "n": len(group.done),
    }
    for name in ("train_loss", "val_loss", "gap"):
        shown[name] = summary = group.summary(f"{name}_last")
        raw |= {f"{name}_last_mean": summary.mean, f"{name}_last_sd": summary.sd}
    raw["iteration_of_best_mean"] = group.summary("iteration_of_best").mean
    for name in ("overfitting", "divergence", "slow"):
        k, n = rules.count([getattr(run, name) for run in found])
        raw |= {f"{name}_k": k, f"{name}_n": n}
        shown[name] = f"{k} of {n}" if n else DASH
    for name in ("rise", "train_change", "late_drop", "half_drop", "half_reference"):
        raw[f"{name}_mean"] = summarise(getattr(run, name) for run in found).mean
    builder.add(section, raw, notes, **shown)
