"""Metrics that claims speak of and that are not recorded: worked out from a run's curve and other files.

Each is one function of a run; NaN where the run does not have what it needs.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable

from redrop.analysis import flatness
from redrop.analysis.collect import Results
from redrop.analysis.failure_signatures import stuck_share
from redrop.provenance import Provenance, read_provenance
from redrop.record import DIVERGED, RunRecord

Derived = Callable[[Results, RunRecord], float]
ITERATIONS_TO = re.compile(r"iterations_to_(\d+(?:\.\d+)?)")
"""The metric's name holds the loss, in nats."""
LAYER = "grad_norm_layer_"
"""Of the keys that ``redrop.training.gradients`` writes into a curve; layers count from 1."""


def iterations_to(level: float) -> Derived:
    """Iterations until the validation loss has fallen to ``level``, between two evaluations on a line.

    NaN where it never has. Unlike the iteration of the lowest loss it does not end at the budget: choose a
    level that every configuration reaches.
    """

    def iterations(results: Results, record: RunRecord) -> float:
        before = None
        for at, loss in results.curve(record.run)[["iteration", "val_loss"]].itertuples(index=False):
            if loss <= level:
                if before is None:
                    return float(at)
                share = (before[1] - level) / (before[1] - loss)
                return float(before[0] + share * (at - before[0]))
            before = at, loss
        return math.nan

    return iterations


def overfitting(results: Results, record: RunRecord) -> float:
    """By how much the validation loss ends above its lowest while the training loss fell, nats; else 0."""
    curve = results.curve(record.run).dropna(subset=["val_loss", "train_loss"])
    if curve.empty:
        return math.nan
    best, last = curve.loc[curve["val_loss"].idxmin()], curve.iloc[-1]
    return float(last["val_loss"] - best["val_loss"]) if last["train_loss"] < best["train_loss"] else 0.0


def largest_rise(results: Results, record: RunRecord) -> float:
    """Largest rise of the validation loss above the lowest one before it, nats: a spike, or a divergence."""
    val = results.curve(record.run)["val_loss"].dropna()
    return float((val - val.cummin()).max()) if len(val) else math.nan


def share_stuck(results: Results, record: RunRecord) -> float:
    """Share of the evaluations that know no more than how frequent characters are; 1: the run diverged."""
    characters = record.data.get("vocab_size")
    if record.status == DIVERGED:
        return 1.0
    return stuck_share(results.curve(record.run), characters) if characters else math.nan


def gradient_flow(results: Results, record: RunRecord) -> float:
    """log10 of the first layer's gradient norm over the last layer's, mean over the evaluations.

    0: as much arrives at the first layer as at the last; -1: a tenth.
    """
    ratios = []
    for row in results.rows(record.run):
        layers = sum(key.startswith(LAYER) for key in row)
        if layers and row["iteration"] and row[f"{LAYER}{layers}"] and row[f"{LAYER}1"]:
            ratios.append(math.log10(row[f"{LAYER}1"] / row[f"{LAYER}{layers}"]))
    return statistics.fmean(ratios) if ratios else math.nan


def training_loss(results: Results, record: RunRecord) -> float:
    """The task's loss since the evaluation before the last one, as trained, with dropout."""
    rows = results.rows(record.run)
    loss = rows[-1].get("train_loss") if rows else None
    return math.nan if loss is None else loss


def training_gap(results: Results, record: RunRecord) -> float:
    """Loss on the development set at the end, without dropout, minus ``training_loss``."""
    return record.value("val_loss_last") - training_loss(results, record)


def mean_over_layers(kind: str) -> Derived:
    """Mean over the layers of the squared difference between two dropout passes."""
    name = re.compile(rf"inconsistency_{kind}_\d+")

    def mean(results: Results, record: RunRecord) -> float:
        found = [record.value(metric) for metric in record.metrics if name.fullmatch(metric)]
        return statistics.fmean(found) if found else math.nan

    return mean


def of_cost(value: Callable[[Provenance], float]) -> Derived:
    """What a run cost, as its provenance says."""

    def cost(results: Results, record: RunRecord) -> float:
        found = read_provenance(record.folder)
        return math.nan if found is None else value(found)

    return cost


def device_of(record: RunRecord) -> str | None:
    """What a run was trained on; costs are compared on one device only."""
    found = read_provenance(record.folder)
    return None if found is None else found.device


COSTS: dict[str, Derived] = {
    "milliseconds_an_update": of_cost(lambda found: found.milliseconds),
    "peak_megabytes": of_cost(lambda found: found.peak_megabytes),
}
OF_ALL_RUNS = ("share_stuck",)
"""Those that a run which diverged has, too."""
DERIVED: dict[str, Derived] = {
    "landscape_rise": lambda results, record: flatness.rise(record),
    "overfitting": overfitting,
    "largest_rise": largest_rise,
    "share_stuck": share_stuck,
    "gradient_flow": gradient_flow,
    "training_loss": training_loss,
    "training_gap": training_gap,
    "inconsistency_hidden": mean_over_layers("hidden"),
    "inconsistency_attention": mean_over_layers("attention"),
    **COSTS,
}
"""Metric -> how it is worked out; ``iterations_to_`` a loss besides."""


def derived(metric: str) -> Derived | None:
    """How a metric is worked out; None for one that runs record."""
    if found := ITERATIONS_TO.fullmatch(metric):
        return iterations_to(float(found[1]))
    return DERIVED.get(metric)
