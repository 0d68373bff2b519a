"""Does plain fine-tuning beat a model that has learnt nothing, and by how much?"""

from __future__ import annotations

import math

from redrop.analysis.collect import Group
from redrop.analysis.gains import BASELINE, scores
from redrop.analysis.scoring import SCORE, first_metric, in_order
from redrop.analysis.study_results import StudyResults
from redrop.analysis.summary import summarise
from redrop.analysis.table import Builder, Table
from redrop.data.tasks import TASKS

ORDER = 30
FITS = ("glue",)
COLUMNS = {
    "Task": "{task}",
    "Metric": "{metric}",
    "Dev examples": "{examples:,}",
    "n": "{n}",
    "Chance": "{chance:.2f}",
    "Plain": "{plain:.2f}",
    "Margin": "{margin:+.2f}",
    "Standard errors": "{standard_errors:.1f}",
    "Of the seeds alone": "{standard_errors_of_seeds:.1f}",
}
CAPTION = (
    "Plain fine-tuning against a model that has learnt nothing, in points: the majority class where the "
    "metric is accuracy, zero where it is a correlation. Margin in standard errors: of such a model's score "
    "on as many development examples, p(1 - p)/n or 1/(n - 1) under the root, and of the mean over the n "
    "seeds, added in squares; then of the latter alone."
)


def build(data: StudyResults) -> Table:
    """One row a protocol and task; GLUE only."""
    builder = Builder(COLUMNS, frozenset({"Task", "Metric"}))
    for protocol, own in data.tasks().items():
        for task in in_order(own):
            _add(builder, protocol, task, data.group(protocol, BASELINE, task))
    return builder.table("chance", f"{data.study.title}: plain fine-tuning against chance", CAPTION)


def chance_score(task: str, examples: int) -> tuple[float, float]:
    """Points of a model that has learnt nothing, and their standard error on that many examples.

    NaN where the task's official label balance is not known.
    """
    if first_metric("glue", task) != "accuracy":
        return 0.0, 100.0 / math.sqrt(examples - 1)
    balance = TASKS[task].balance.get(TASKS[task].dev_splits[0])
    if balance is None:
        return math.nan, math.nan
    share = max(balance) / sum(balance)
    return 100.0 * share, 100.0 * math.sqrt(share * (1.0 - share) / examples)


def _add(builder: Builder, protocol: str, task: str, group: Group) -> None:
    plain = summarise(scores(group).values())
    examples = group.done[0].metrics[SCORE].n if group.done else TASKS[task].rows[TASKS[task].dev_splits[0]]
    level, error = chance_score(task, examples)
    between = plain.sd / math.sqrt(plain.n) if plain.n > 1 else 0.0
    margin = plain.mean - level
    raw = {
        "protocol": protocol,
        "task": task,
        "metric": first_metric("glue", task),
        "examples": examples,
        "n": plain.n,
        "chance": level,
        "chance_error": error,
        "plain_mean": plain.mean,
        "plain_sd": plain.sd,
        "margin": margin,
        "standard_errors": margin / math.hypot(error, between),
        "standard_errors_of_seeds": margin / between if between else math.nan,
    }
    notes = [] if plain.n else [("Plain", "No run of plain fine-tuning is finished on this task.")]
    if math.isnan(level):
        notes.append(("Chance", "The official label balance of this task's development set is not known."))
    builder.add(protocol, raw, notes, plain=plain)
