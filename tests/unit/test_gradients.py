"""Norms of gradients in a curve: against plain autograd, unclipped, alone and packed, through a resume."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from redrop.data.corpus import Corpus
from redrop.models.residual_gpt import build
from redrop.record import curve_text, read_curve, write_text
from redrop.spec import RunSpec
from redrop.streams import MaskStream, NumpyStream
from redrop.study import merge_config, resolve
from redrop.training.checkpoint import Checkpoint
from redrop.training.gradients import part_of
from redrop.training.language_model import LanguageModelling
from redrop.training.loop import Stopped, drive
from redrop.training.pack import PackTrainer
from redrop.training.trainer import Trainer, train
from redrop.yaml_files import read_yaml
from support import small_spec

CPU = torch.device("cpu")
CONFIGS = [
    ("a2r025", "authors"),
    ("a2r2_4", "authors"),
    ("res4-0.2", "notebook"),
    ("skip1-1", "matched"),
]


def trainer_of(spec: RunSpec, corpus: Corpus, packed: bool = False) -> Trainer | PackTrainer:
    return PackTrainer([spec], [corpus], CPU) if packed else Trainer(LanguageModelling(spec, corpus, CPU))


def norms_of(row: dict[str, float]) -> dict[str, float]:
    return {key: value for key, value in row.items() if key.startswith("grad_norm_")}


def by_hand(spec: RunSpec, corpus: Corpus) -> dict[str, float]:
    """Norms of the first update's gradient, written with modules instead of parameter names."""
    model = build(spec.model, corpus.vocab_size, spec.seed).train()
    starts = NumpyStream(spec.seed, "data order").generator.integers(0, len(corpus.train) - 16, 4)
    tokens = torch.from_numpy(corpus.train.astype(np.int64))
    x, y = (torch.stack([tokens[s + k : s + k + 16] for s in starts.tolist()]) for k in (0, 1))
    F.cross_entropy(model(x, MaskStream(spec.seed, CPU)).flatten(0, 1), y.flatten()).backward()
    parts = {"embedding": {model.wte.weight, model.wpe.weight}, "head": {*model.ln_f.parameters()}}
    parts["head"] |= {*model.lm_head.parameters()} - parts["embedding"]
    pairs = []
    for block in model.blocks:
        for k in range(0, len(block.norms), 2):
            half = (*block.norms[k : k + 2], *block.sublayers[k : k + 2])
            pairs.append({p for module in half for p in module.parameters()})
    parts |= {f"layer_{number}": pair for number, pair in enumerate(pairs, 1)}
    return {
        f"grad_norm_{name}": math.sqrt(
            sum(p.grad.double().pow(2).sum().item() for p in parameters if p.grad is not None)
        )
        for name, parameters in parts.items()
    }


@pytest.mark.parametrize("packed", [False, True], ids=["alone", "packed"])
@pytest.mark.parametrize(("config", "protocol"), CONFIGS)
def test_norms_are_those_of_plain_autograd(
    config: str, protocol: str, packed: bool, toy_corpus: Corpus
) -> None:
    """Also where the update clipped the gradient, and where a rate of 1 leaves parts without one."""
    limit = {"optimiser__clip_norm": 1e-2}
    spec = small_spec(config, protocol, model__n_layer=4, **limit)
    trainer = trainer_of(spec, toy_corpus, packed)
    assert norms_of(trainer.losses()[0]) == {}
    trainer.step()
    expected = by_hand(spec, toy_corpus)
    assert math.hypot(*expected.values()) > 1e-2
    assert norms_of(trainer.losses()[0]) == pytest.approx(expected, rel=1e-4)


def test_an_update_that_is_not_clipped_is_left_as_it_is(toy_corpus: Corpus) -> None:
    spec = small_spec("res1-0", "notebook")
    for packed in (False, True):
        trainer = trainer_of(spec, toy_corpus, packed)
        trainer.step()
        assert norms_of(trainer.losses()[0]) == pytest.approx(by_hand(spec, toy_corpus), rel=1e-5)


def test_every_parameter_is_counted_once_and_layers_are_pairs() -> None:
    for config, layers in (("a2r025", 4), ("a2r2_4", 4)):
        spec = small_spec(config, model__n_layer=layers).model
        names = [name for name, _ in build(spec, 9, 0).named_parameters()]
        parts = [part_of(name, spec) for name in names]
        assert set(parts) == {
            "grad_norm_embedding",
            "grad_norm_head",
            *(f"grad_norm_layer_{n}" for n in range(1, layers + 1)),
        }
        assert len({parts.count(f"grad_norm_layer_{n}") for n in range(1, layers + 1)}) == 1


@pytest.mark.parametrize("packed", [False, True], ids=["alone", "packed"])
@pytest.mark.parametrize("calls", [1, 5, 6, 7, 13])
def test_a_resumed_run_has_the_same_curve_file(
    calls: int, packed: bool, toy_corpus: Corpus, tmp_path: Path
) -> None:
    """Stopped before, at and after an evaluation (iteration 5), and at the last one (12)."""
    spec = small_spec()
    (straight,) = drive(trainer_of(spec, toy_corpus, packed), progress=False)
    checkpoint = Checkpoint(tmp_path / "checkpoint", spec.run)
    count = iter(range(1, 99))
    with pytest.raises(Stopped):
        drive(
            trainer_of(spec, toy_corpus, packed),
            checkpoints=[checkpoint],
            should_stop=lambda: next(count) >= calls,
            progress=False,
        )
    trainer = trainer_of(spec, toy_corpus, packed)
    trainer.restore(0, checkpoint.load())
    (resumed,) = drive(trainer, progress=False)
    for name, outcome in (("straight", straight), ("resumed", resumed)):
        write_text(tmp_path / name / "curve.jsonl", curve_text(outcome.curve))
    files = [(tmp_path / name / "curve.jsonl").read_bytes() for name in ("straight", "resumed")]
    assert files[0] == files[1]
    rows = read_curve(tmp_path / "resumed")
    assert [bool(norms_of(row)) for row in rows] == [False, True, True, True]


def test_a_norm_that_is_not_finite_is_null(toy_corpus: Corpus) -> None:
    spec = small_spec("res1-0", "notebook", schedule__learning_rate=1e30, schedule__min_learning_rate=1e30)
    trainer = Trainer(LanguageModelling(spec, toy_corpus, CPU))
    trainer.step()
    trainer.run.note(1, trainer.losses()[0] | {"grad_norm_head": math.inf})
    assert trainer.run.curve[-1]["grad_norm_head"] is None
    json.dumps(trainer.run.curve, allow_nan=False)


def test_the_seed_of_the_norms_is_no_seed_of_the_notebook(project: Path) -> None:
    """config/gradients.yaml is config/notebook.yaml with one more seed, and nothing else differs."""
    base = read_yaml(project / "config/config.yaml")

    def specs(name: str) -> list[RunSpec]:
        config = merge_config(base, read_yaml(project / f"config/{name}.yaml"))
        return list(resolve(config, project).runs["residual"].values())

    notebook, gradients = specs("notebook"), specs("gradients")
    seed = {spec.seed for spec in gradients}
    assert len(seed) == 1
    assert not seed & {spec.seed for spec in notebook}
    assert {dataclasses.replace(spec, seed=1337) for spec in gradients} == {
        spec for spec in notebook if spec.seed == 1337
    }


def test_training_alone_and_packed_agree(toy_corpus: Corpus) -> None:
    spec = small_spec("res2-0.25", "notebook")
    alone = train(LanguageModelling(spec, toy_corpus, CPU), progress=False).curve[-1]
    (outcome,) = drive(trainer_of(spec, toy_corpus, packed=True), progress=False)
    assert norms_of(outcome.curve[-1]) == pytest.approx(norms_of(alone), rel=1e-3)
