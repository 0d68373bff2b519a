"""Whether a device trains what the CPU trains: the first losses of one model and of a pack, beside the CPU's.

Without dropout the numbers themselves are compared, each precision with its own tolerance (``TOLERANCES``):
the first loss, before any update, shows a wrong product; the later ones a wrong gradient or update. With
dropout the masks of two devices differ, so means are compared: of the second half of the losses, over models
that differ in nothing but their masks, by Welch's t test (packs) and a prediction interval (one model).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from common import CORPUS, finish, options, spec_of
from scipy import stats

from redrop import data
from redrop.data.corpus import Corpus
from redrop.models.residual_pack import PackMasks
from redrop.spec import RunSpec
from redrop.streams import MaskStream
from redrop.training.language_model import LanguageModelling
from redrop.training.pack import PackTrainer
from redrop.training.trainer import Trainer

CONFIG = "a2r2_4"
"""Has all three skips: skip-1 at 0.025, skip-2 at 0.99, skip-4 at 0.2."""
SITES = ("embedding", "attention", "attention_output", "mlp", "skip1", "skip2", "skip4")
SEEDS = (1337, 1338, 1339, 1340)
STEPS = 200
LEVEL = 0.001
"""Error probability of each statistical comparison."""


@dataclass(frozen=True)
class Tolerance:
    """How far losses in nats a character may be from the CPU's in fp32."""

    first: float
    """The loss before any update."""
    any: float
    """Each loss of all."""
    mean: float
    """The mean difference over the second half: noise goes, bias stays."""


TOLERANCES = {
    "fp32": Tolerance(first=1e-5, any=2e-4, mean=5e-5),
    "tf32": Tolerance(first=1e-4, any=1e-2, mean=1e-3),
    "bf16": Tolerance(first=1e-3, any=5e-2, mean=1e-2),
}
"""More than twice what a CPU showed over 200 steps of two seeds, the digits of TF32 and bf16 emulated around
each product. Any: 5e-6 (fp32, a pack beside models alone), 0.0015 (TF32), 0.018 (bf16); mean: 1e-6, 1.4e-4
and 0.0027. TF32 that is switched on unasked is out of fp32's tolerance: it gave 7e-4 at least."""


def trained(trainer: Trainer | PackTrainer, steps: int) -> np.ndarray:
    """Losses of the first updates, (models, steps)."""
    return torch.stack([trainer.step() for _ in range(steps)], dim=1).double().cpu().numpy()


def alone(spec: RunSpec, corpus: Corpus, device: torch.device, steps: int) -> np.ndarray:
    """Of one model by the plain trainer, (steps,)."""
    return trained(Trainer(LanguageModelling(spec, corpus, device)), steps)[0]


def together(specs: list[RunSpec], corpus: Corpus, device: torch.device, steps: int) -> np.ndarray:
    """Of a pack, (models, steps); on CUDA most of these steps are replays of a graph."""
    return trained(PackTrainer(specs, [corpus] * len(specs), device), steps)


def masked(spec: RunSpec, count: int, corpus: Corpus, device: torch.device, steps: int) -> np.ndarray:
    """Of ``count`` models that differ in their dropout masks alone, (count, steps)."""
    trainer = PackTrainer([spec] * count, [corpus] * count, device)
    for number, model in enumerate(trainer.models):
        model.masks = MaskStream(spec.seed + 1000 * number, device)
    trainer.masks = PackMasks([model.masks for model in trainer.models])
    trainer._update = trainer._make_update()
    return trained(trainer, steps)


def compared(found: np.ndarray, expected: np.ndarray, tolerance: Tolerance) -> dict[str, Any]:
    """The largest of each kind of difference over all models, and whether all are within the tolerance."""
    difference = found - expected
    half = difference.shape[1] // 2
    row = {
        "first": float(np.abs(difference[:, 0]).max()),
        "any": float(np.abs(difference).max()),
        "mean": float(np.abs(difference[:, half:].mean(1)).max()),
    }
    within = all(value <= getattr(tolerance, name) for name, value in row.items())  # False for NaN
    return row | {"tolerance": vars(tolerance), "passed": within}


def without_dropout(corpus: Corpus, device: torch.device, *, rehearse: bool) -> list[dict[str, Any]]:
    """A row for every precision, one model alone and a pack."""
    steps = 6 if rehearse else STEPS
    rates = {f"model__{name}_dropout": 0.0 for name in SITES}
    specs = [spec_of(CONFIG, seed, rehearse=rehearse, **rates) for seed in SEEDS]
    expected = np.stack([alone(spec, corpus, torch.device("cpu"), steps) for spec in specs])
    rows = []
    for precision, tolerance in TOLERANCES.items():
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        if precision == "bf16":
            rates["schedule__precision"] = "bf16"
        there = [spec_of(CONFIG, seed, rehearse=rehearse, **rates) for seed in SEEDS]
        one = alone(there[0], corpus, device, steps)[None]
        rows.append({"precision": precision, "models": 1} | compared(one, expected[:1], tolerance))
        pack = together(there, corpus, device, steps)
        rows.append({"precision": precision, "models": len(pack)} | compared(pack, expected, tolerance))
    return rows


def same_mean(found: np.ndarray, expected: np.ndarray) -> dict[str, Any]:
    """Whether two groups of models have the same mean loss over the second half of the steps."""
    half = found.shape[1] // 2
    ours, theirs = found[:, half:].mean(1), expected[:, half:].mean(1)
    if len(ours) == 1:
        n = len(theirs)
        t = (ours[0] - theirs.mean()) / (theirs.std(ddof=1) * np.sqrt(1 + 1 / n))
        p = 2 * stats.t.sf(abs(t), n - 1)
    else:
        p = stats.ttest_ind(ours, theirs, equal_var=False).pvalue
    row = {"mean": float(ours.mean()), "expected": float(theirs.mean()), "sd": float(theirs.std(ddof=1))}
    return row | {"models": len(ours), "p": float(p), "level": LEVEL, "passed": bool(p >= LEVEL)}


def with_dropout(corpus: Corpus, device: torch.device, *, rehearse: bool) -> list[dict[str, Any]]:
    """The device's pack beside the CPU's, and one model alone on the device beside the device's pack."""
    steps, here, there = (6, 3, 4) if rehearse else (STEPS, 4, 20)
    spec = spec_of(CONFIG, SEEDS[0], rehearse=rehearse)
    torch.backends.cuda.matmul.allow_tf32 = False
    on_cpu = masked(spec, here, corpus, torch.device("cpu"), steps)
    on_device = masked(spec, there, corpus, device, steps)
    one = alone(spec, corpus, device, steps)[None]
    return [same_mean(on_device, on_cpu), same_mean(one, on_device)]


def main() -> int:
    """Compare, print, write; exit status 1 where something is out of its tolerance."""
    given = options(__doc__).parse_args()
    device = torch.device(given.device)
    torch.set_num_threads(1 if given.rehearse else 4)
    corpus = data.load(CORPUS, given.tree / "data")
    exact = without_dropout(corpus, device, rehearse=given.rehearse)
    means = with_dropout(corpus, device, rehearse=given.rehearse)
    for row in (*exact, *means):
        print(row)
    faults = [f"out of tolerance: {row}" for row in (*exact, *means) if not row["passed"]]
    return finish(given.json, {"without_dropout": exact, "with_dropout": means}, faults)


if __name__ == "__main__":
    raise SystemExit(main())
