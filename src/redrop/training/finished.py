"""What is measured once, on a finished fine-tuned model, since its weights are not kept."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from redrop.evaluation import inconsistency
from redrop.evaluation.glue import BINS, calibration_error
from redrop.evaluation.landscape import landscape_slice
from redrop.objectives.cross_entropy import task_losses
from redrop.record import Metric
from redrop.streams import derive_seed
from redrop.training.released import PREDICTIONS, table_file
from redrop.training.run import Run

if TYPE_CHECKING:
    from redrop.training.classification import Classification

LANDSCAPE = "landscape.json"
LANDSCAPE_EXAMPLES = 512
"""Development examples, the first ones, that the landscape slice is measured on."""
LATENCY_PASSES = 20


def measure_finished(task: Classification, run: Run) -> None:
    """Leave predictions, landscape, latency and extra metrics in the run."""
    spec = task.spec
    outputs = {name: task.predict(tokens) for name, (tokens, _, _) in task.dev.items()}
    run.files[PREDICTIONS] = predictions_file(task, outputs)
    main = next(iter(task.dev))
    labels = task.dev[main][1]
    values = {}
    if task.task.labels:
        error = calibration_error(outputs[main].astype(np.float64), labels)
        values["calibration_error"] = error, f"expected calibration error, {BINS} equal bins, no dropout"
    if spec.evaluation.inconsistency_passes:
        values |= measure_inconsistency(task, main)
    for name, (value, signature) in values.items():
        run.extra[name] = Metric(
            value=value, n=len(labels), split=main, higher_is_better=False, signature=signature
        )
    if spec.evaluation.landscape_points:
        document = landscape(task, main)
        run.files[LANDSCAPE] = (json.dumps(document, sort_keys=True) + "\n").encode()
    run.cost["latency_ms"] = latency_ms(task, main)


def landscape(task: Classification, main: str) -> dict[str, Any]:
    """The loss around the solution: a slice a direction, and their mean where there are several."""
    settings, split = task.spec.evaluation, main
    tokens, labels = task.dev[main][:2]
    if settings.landscape_split == "train":
        split, tokens, labels = "train", task.train, task.train_labels
    some = np.arange(min(LANDSCAPE_EXAMPLES, len(labels)))
    targets = torch.as_tensor(labels[some])

    def loss() -> float:
        return task_losses(torch.from_numpy(task.predict(tokens, some)), targets).mean().item()

    names = ["landscape", *(f"landscape-{number}" for number in range(2, settings.landscape_directions + 1))]
    seeds = [derive_seed(task.spec.seed, name) for name in names]
    radius = settings.landscape_radius
    slices = [landscape_slice(task.model, loss, settings.landscape_points, seed, radius) for seed in seeds]
    document = {"radius": radius, "split": split, "examples": len(some), "slice": slices[0]}
    if len(slices) > 1:
        losses = np.mean([[loss for _, loss in own] for own in slices], axis=0).tolist()
        middle = [(by, loss) for (by, _), loss in zip(slices[0], losses, strict=True)]
        document |= {"directions": len(slices), "slice": middle, "slices": slices}
    return document


def measure_inconsistency(task: Classification, split: str) -> dict[str, tuple[float, str]]:
    """Divergence between dropout passes and to the one without: metric -> value, and how it was computed."""
    tokens = task.dev[split][0]
    size, order = task.spec.evaluation.batch_size, np.argsort(tokens.lengths, kind="stable")

    def batches() -> Iterator[dict[str, torch.Tensor]]:
        for _ in range(task.spec.evaluation.inconsistency_passes):
            for begin in range(0, len(order), size):
                task.check()
                yield task.inputs(tokens, order[begin : begin + size])

    found = inconsistency.measure(task.model, batches(), derive_seed(task.spec.seed, "inconsistency"))
    distance = "symmetric KL, nats" if task.task.labels else "squared difference"
    between, name = f"{distance}, between the outputs of", "inconsistency_to_evaluation"
    values = {"inconsistency": (found.between_passes, f"{between} two dropout passes")}
    values[name] = (found.to_evaluation, f"{between} a dropout pass and of the pass without")
    for kind, layers in (("hidden", found.hidden), ("attention", found.attention)):
        for number, value in enumerate(layers, 1):
            how = f"mean squared error between two dropout passes, layer {number}"
            values[f"inconsistency_{kind}_{number}"] = (value, how)
    return values


def predictions_file(task: Classification, outputs: dict[str, np.ndarray]) -> bytes:
    """Every development example's label and outputs as compressed csv; equal predictions, equal bytes."""
    width = next(iter(outputs.values())).shape[1]
    rows = (
        (name, number, label, *(f"{value:.6g}" for value in row))
        for name, (_, labels, idx) in task.dev.items()
        for number, label, row in zip(idx, labels, outputs[name], strict=True)
    )
    return table_file(["split", "idx", "label", *(f"output_{k}" for k in range(width))], rows)


def latency_ms(task: Classification, split: str) -> float:
    """Median time of one example of median length through the model, milliseconds."""
    tokens = task.dev[split][0]
    middle = np.argsort(tokens.lengths, kind="stable")[len(tokens) // 2 :][:1]
    times = []
    for _ in range(LATENCY_PASSES):
        begin = time.perf_counter()
        task.predict(tokens, middle)
        times.append(time.perf_counter() - begin)
    return 1e3 * statistics.median(times)
