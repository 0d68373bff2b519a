"""How strong each term of LR-Drop is at a weight of 1: the norm of its gradient over that of cross entropy.

The small encoder on CoLA, fine-tuned by plain training with its study's settings: gradients of the terms on
the next batches, geometric means, at the start and after so many updates. It says in which range weights are
worth trying. Fetches data and model where RESULTS lacks them; fp32, one thread.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import statistics
from pathlib import Path

import torch

from redrop.models.attention import TAP
from redrop.objectives.terms import terms_of
from redrop.places import Places
from redrop.record import write_json
from redrop.runtime.environment import device_name
from redrop.spec_encoder import ConsistencySpec
from redrop.study import load_study, make_spec
from redrop.training.classification import prepare
from redrop.training.trainer import Trainer

PROJECT = Path(__file__).resolve().parents[2]
BATCHES = 8
READINGS = {
    "outputs": ("output", {"gamma": 1.0}),
    "hidden states, block": ("hidden", {"alpha": 1.0}),
    "hidden states, feed-forward": ("hidden", {"alpha": 1.0, "hidden": "feed-forward"}),
    "attention, scores": ("attention", {"beta": 1.0}),
    "attention, probabilities": ("attention", {"beta": 1.0, "attention": "probabilities"}),
}


def norm(trainer: Trainer, term: torch.Tensor) -> float:
    """L2 norm of a term's gradient over all parameters."""
    gradients = torch.autograd.grad(term, trainer.parameters, retain_graph=True, allow_unused=True)
    return math.sqrt(sum(g.double().square().sum().item() for g in gradients if g is not None))


def ratio(trainer: Trainer, objective: ConsistencySpec, term: str) -> float:
    """Mean over the next batches, each under dropout masks of its own."""
    trainer.model.train()
    trainer.model.set_attn_implementation(TAP)
    logs = []
    for number in range(BATCHES):
        (batch, _), *_ = trainer.task.batches(trainer.iteration + number)
        torch.manual_seed(number)
        with terms_of(trainer.model, batch, objective) as terms:
            logs.append(math.log(norm(trainer, getattr(terms, term)) / norm(trainer, terms.task)))
    return math.exp(statistics.fmean(logs))


def main() -> None:
    """The command line."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--results", type=Path, default=PROJECT / "results")
    options.add_argument("--updates", type=int, nargs="+", default=[0, 200])
    options.add_argument("--json", type=Path, help="write them there, too")
    arguments = options.parse_args()
    torch.set_num_threads(1)
    study = load_study(PROJECT / "config/studies/glue.yaml", PROJECT)
    spec = make_spec(study, "minilm-tuning", "rate-1e-4", "cola", 1, {})
    places = Places(arguments.results / "data", arguments.results / "models")
    trainer = Trainer(prepare(spec, places, torch.device("cpu"), None)[0])
    nothing = {"name": "lrdrop", "alpha": 0.0, "beta": 0.0, "gamma": 0.0}
    rows = []
    for updates in sorted(arguments.updates):
        while trainer.iteration < updates:
            trainer.step()
        for reading, (term, weight) in READINGS.items():
            objective = dataclasses.replace(spec.objective, **nothing | weight)
            found = ratio(trainer, objective, term)
            rows.append({"updates": updates, "term": reading, "ratio": round(found, 4)})
            print(f"{updates:6,} updates  {reading:28} {found:8.4f}")
    machine = {"device": device_name("cpu"), "torch": torch.__version__}
    if arguments.json:
        settings = {
            "model": "minilm",
            "task": "cola",
            "batches": BATCHES,
            "batch_size": spec.schedule.batch_size,
        }
        write_json(arguments.json, {"rows": rows, "settings": settings, "machine": machine})


if __name__ == "__main__":
    main()
