"""From specs to a trainer with its data and model in place, whatever the kind of model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from redrop.places import Places
from redrop.registry import resolve
from redrop.spec import RunSpec
from redrop.training.loop import Training
from redrop.training.sources import Source, ready_corpus
from redrop.training.trainer import Trainer


def make_trainer(
    specs: Sequence[RunSpec],
    places: Places,
    device: torch.device,
    scratch: Path | None = None,
    *,
    packed: bool = False,
) -> tuple[Training, list[Source]]:
    """A trainer for runs that fit together, and what each of them is made from.

    ``scratch``: a folder of the first run alone, for what it would not do twice. ``packed``: runs whose kind
    has a packed form are trained as one batched program, also one alone; else there is one run.
    """
    spec = specs[0]
    if packed:
        ready = [ready_corpus(one, places) for one in specs]
        trainer = resolve(spec.kind.pack)(specs, [corpus for corpus, _ in ready], device)
        return trainer, [source for _, source in ready]
    task, source = resolve(spec.kind.task)(spec, places, device, scratch)
    return Trainer(task), [source]
