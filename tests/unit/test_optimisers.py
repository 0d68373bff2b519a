"""Every optimiser beside its equations written out in numpy, and what it reduces to."""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from finetune_support import glue_spec, tuner
from generation_support import generation_spec, small, trainer_of
from redrop.data.corpus import Corpus
from redrop.errors import ConfigError
from redrop.models.residual_gpt import build
from redrop.optimisers import OPTIMISERS, make_optimiser
from redrop.optimisers.muon import hidden_matrices
from redrop.spec import RunSpec
from redrop.training.language_model import LanguageModelling
from redrop.training.loop import drive
from redrop.training.pack import PackTrainer, can_be_packed
from redrop.training.trainer import Trainer
from support import small_spec, values_of

CPU = torch.device("cpu")
LR, EPS, BETAS, LAMBDA = 0.01, 1e-8, (0.9, 0.95), 0.1
SHAPES = ((3, 4), (5,))
"""A matrix, which has decay, and a vector, which has none."""
draw = np.random.default_rng(0)
START = [draw.normal(size=shape) for shape in SHAPES]
GRADIENTS = [[draw.normal(size=shape) for shape in SHAPES] for _ in range(5)]
OTHERS = sorted(set(OPTIMISERS) - {"adamw"})


def with_optimiser(spec: RunSpec, name: str, **settings: Any) -> RunSpec:
    """The run with another optimiser."""
    values = values_of(spec)
    values["optimiser"] |= {"name": name, **settings}
    return RunSpec.from_dict(values)


def section(name: str, **settings: Any) -> Any:
    common = {"beta1": BETAS[0], "beta2": BETAS[1], "eps": EPS, "weight_decay": LAMBDA, "decay": "matrices"}
    return with_optimiser(small_spec(), name, **(common | settings)).optimiser


class Tensors(torch.nn.Module):
    """The parameters that the tests update."""

    def __init__(self, values: list[np.ndarray]) -> None:
        super().__init__()
        self.own = torch.nn.ParameterList(torch.tensor(value) for value in values)


def updated(
    name: str, gradients: list[list[np.ndarray]] = GRADIENTS, start: list[np.ndarray] = START, **settings: Any
) -> list[list[np.ndarray]]:
    """The tensors after each update, in double precision."""
    model = Tensors(start)
    optimiser = make_optimiser(model, section(name, **settings))
    found = []
    for step in gradients:
        for group in optimiser.param_groups:
            group["lr"] = LR
        for parameter, gradient in zip(model.own, step, strict=True):
            parameter.grad = torch.tensor(gradient)
        optimiser.step()
        found.append([parameter.detach().numpy().copy() for parameter in model.own])
    return found


def rms(x: np.ndarray) -> float:
    return math.sqrt(np.mean(x**2))


def adam(w: np.ndarray, gradients: list[np.ndarray], decay: float, l2: bool) -> np.ndarray:
    """Adam with L2, or AdamW."""
    m = v = np.zeros_like(w)
    for t, g in enumerate(gradients, 1):
        g = g + decay * w if l2 else g
        m, v = BETAS[0] * m + (1 - BETAS[0]) * g, BETAS[1] * v + (1 - BETAS[1]) * g**2
        step = m / (1 - BETAS[0] ** t) / (np.sqrt(v / (1 - BETAS[1] ** t)) + EPS)
        w = w - LR * (step if l2 else step + decay * w)
    return w


def adam_l2(w: np.ndarray, gradients: list[np.ndarray], decay: float) -> np.ndarray:
    return adam(w, gradients, decay, l2=True)


def adamw(w: np.ndarray, gradients: list[np.ndarray], decay: float) -> np.ndarray:
    return adam(w, gradients, decay, l2=False)


def lion(w: np.ndarray, gradients: list[np.ndarray], decay: float) -> np.ndarray:
    m = np.zeros_like(w)
    for g in gradients:
        w = (1 - LR * decay) * w - LR * np.sign(BETAS[0] * m + (1 - BETAS[0]) * g)
        m = BETAS[1] * m + (1 - BETAS[1]) * g
    return w


def novograd(w: np.ndarray, gradients: list[np.ndarray], decay: float) -> np.ndarray:
    m, v = np.zeros_like(w), None
    for g in gradients:
        norm = float(np.sum(g * g))
        v = norm if v is None else BETAS[1] * v + (1 - BETAS[1]) * norm
        m = BETAS[0] * m + g / (math.sqrt(v) + EPS) + decay * w
        w = w - LR * m
    return w


def fadam(w: np.ndarray, gradients: list[np.ndarray], decay: float) -> np.ndarray:
    m = fisher = np.zeros_like(w)
    for t, g in enumerate(gradients):
        b = BETAS[1] * (1 - BETAS[1] ** t) / (1 - BETAS[1] ** (t + 1))
        fisher = b * fisher + (1 - b) * g**2
        below = np.sqrt(fisher) + EPS * max(1.0, rms(g))
        n, d = g / below, w / below
        m = BETAS[0] * m + (1 - BETAS[0]) * n / max(1.0, rms(n))
        w = w - LR * (m + decay * d / max(1.0, rms(d)))
    return w


@pytest.mark.parametrize("by_hand", [adamw, adam_l2, lion, novograd, fadam], ids=lambda f: f.__name__)
def test_beside_numpy(by_hand: Callable[..., np.ndarray]) -> None:
    """Five updates; decay on the matrix alone."""
    found = updated(by_hand.__name__.replace("_", "-"))[-1]
    for number, decay in enumerate((LAMBDA, 0.0)):
        expected = by_hand(START[number], [step[number] for step in GRADIENTS], decay)
        np.testing.assert_allclose(found[number], expected, rtol=1e-9, atol=1e-12)
        assert not np.allclose(expected, START[number])


def test_without_decay_adam_is_adamw_to_the_byte() -> None:
    both = [updated(name, weight_decay=0.0) for name in ("adam-l2", "adamw")]
    assert all(
        np.array_equal(a, b) for one, two in zip(*both, strict=True) for a, b in zip(one, two, strict=True)
    )


def test_lion_moves_every_number_by_the_rate_and_keeps_it_within_its_bound() -> None:
    free = updated("lion", weight_decay=0.0)
    moves = np.abs(free[1][0] - free[0][0])
    np.testing.assert_allclose(moves, LR, rtol=1e-9)
    strong = 1 / (20 * LR)  # every weight within 1 / lambda = 20 lr from here on
    start = [np.full(shape, 0.15) for shape in SHAPES]
    ones = [[-np.ones(shape) for shape in SHAPES]] * 60
    largest = [np.abs(tensors[0]).max() for tensors in updated("lion", ones, start, weight_decay=strong)]
    assert max(largest) <= 1 / strong
    assert largest[-1] > 0.95 / strong  # it goes there
    nothing = [[np.zeros(shape) for shape in SHAPES]]
    assert np.array_equal(updated("lion", nothing, weight_decay=0.0)[0][0], START[0])


def test_novograd_does_not_see_the_scale_of_a_tensors_gradient() -> None:
    scaled = [[1000.0 * matrix, vector] for matrix, vector in GRADIENTS]
    for one, other in zip(updated("novograd"), updated("novograd", scaled), strict=True):
        np.testing.assert_allclose(one[0], other[0], rtol=1e-6)
    first = updated("novograd", weight_decay=0.0)[0]
    assert np.linalg.norm(first[0] - START[0]) == pytest.approx(LR)


def test_fadams_first_step_is_a_tenth_of_the_rate() -> None:
    first = updated("fadam", weight_decay=0.0)[0]
    np.testing.assert_allclose(first[0], START[0] - 0.1 * LR * np.sign(GRADIENTS[0][0]), rtol=1e-6)


def test_lawn_is_adam_and_then_holds_the_norms_of_matrices() -> None:
    adam_only = updated("adamw", weight_decay=0.0)
    free = updated("lawn", free_updates=len(GRADIENTS))  # whatever decay it is given
    for one, other in zip(free, adam_only, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
    held = updated("lawn", free_updates=2)
    norms = [np.linalg.norm(matrix) for matrix, _ in held]
    assert norms[1:] == pytest.approx([norms[1]] * 4, rel=1e-12)
    assert norms[0] != pytest.approx(norms[1], rel=1e-6)
    np.testing.assert_allclose(held[-1][1], adam_only[-1][1], rtol=1e-12)  # a vector is free
    assert not np.allclose(held[-1][0], adam_only[-1][0])
    along = [[matrix, vector] for matrix, vector in zip([START[0]] * 3, [START[1]] * 3, strict=True)]
    still = updated("lawn", along, free_updates=0)  # a gradient along the weights moves nothing
    np.testing.assert_allclose(still[0][0], START[0], atol=LR * 1e-6 + 1e-9)


class Hidden(torch.nn.Module):
    """An embedding, which the output shares, and two hidden matrices between."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(7, 16)
        self.c_attn = torch.nn.Linear(16, 48, bias=False)
        self.c_proj = torch.nn.Linear(48, 16)
        self.head = torch.nn.Linear(16, 7, bias=False)
        self.head.weight = self.embedding.weight


def muon_step(**settings: Any) -> tuple[Hidden, Hidden]:
    """The model before a step, with its gradients, and after it; the same numbers every time."""
    torch.manual_seed(0)
    model = Hidden()
    before = copy.deepcopy(model)
    for parameter, other in zip(model.parameters(), before.parameters(), strict=True):
        parameter.grad = torch.randn_like(parameter)
        other.grad = parameter.grad.clone()
    optimiser = make_optimiser(model, section("muon", **settings))
    for group in optimiser.param_groups:
        group["lr"] = LR
    optimiser.step()
    return before, model


def test_muon_takes_hidden_matrices_and_leaves_the_rest_to_adamw() -> None:
    model = Hidden()
    assert list(hidden_matrices(model)) == [model.c_attn.weight, model.c_proj.weight]
    gpt = build(small_spec().model, 9, 0)
    names = {name for name, p in gpt.named_parameters() if p in hidden_matrices(gpt)}
    assert {name.split(".", 3)[-1] for name in names} == {
        "0.c_attn.weight",
        "0.c_proj.weight",
        "1.c_fc.weight",
        "1.c_proj.weight",
    }
    before, after = muon_step()
    torch.optim.AdamW([before.embedding.weight], LR, BETAS, EPS, LAMBDA, fused=True).step()
    torch.optim.AdamW([before.c_proj.bias], LR, BETAS, EPS, 0.0, fused=True).step()
    assert torch.equal(after.embedding.weight, before.embedding.weight)
    assert torch.equal(after.c_proj.bias, before.c_proj.bias)


def test_a_muon_step_is_near_to_orthogonal_and_as_large_as_adamws() -> None:
    before, after = muon_step(weight_decay=0.0)
    for name in ("c_attn", "c_proj"):
        step = (getattr(before, name).weight - getattr(after, name).weight) / LR
        assert step.pow(2).mean().sqrt().item() == pytest.approx(0.2, rel=0.2)
        values = torch.linalg.svdvals(step / (0.2 * math.sqrt(48)))
        assert 0.5 < values.min() <= values.max() < 1.3  # five Newton-Schulz steps do not end at 1


def test_query_key_and_value_can_be_orthogonalised_one_by_one() -> None:
    before, after = muon_step(split_qkv=True)
    weights = (before.c_attn.weight.grad, before.c_attn.weight, after.c_attn.weight)
    for part, was, now in zip(*(one.chunk(3) for one in weights), strict=True):
        alone = torch.nn.Parameter(was.detach().clone())
        alone.grad = part.clone()
        torch.optim.Muon([alone], LR, LAMBDA, 0.95, adjust_lr_fn="match_rms_adamw").step()
        assert torch.equal(alone, now)
    _, whole = muon_step()
    assert not torch.equal(whole.c_attn.weight, after.c_attn.weight)
    assert torch.equal(whole.c_proj.weight, after.c_proj.weight)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("toys")


def trainer_with(kind: str, name: str, corpus: Corpus, root: Path, **settings: Any) -> Trainer:
    if kind == "decoder":
        return Trainer(LanguageModelling(with_optimiser(small_spec(), name, **settings), corpus, CPU))
    if kind == "encoder":
        return tuner(with_optimiser(glue_spec(), name, **settings), root)
    return trainer_of(with_optimiser(generation_spec(), name, **settings), small("toy_xx_yy", 8))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "decoder") for name in OTHERS),
        *((name, "encoder") for name in ("muon", "novograd")),
        ("muon", "encoder-decoder"),
    ],
)
def test_a_resumed_run_gives_the_same_bytes(name: str, kind: str, toy_corpus: Corpus, root: Path) -> None:
    """Through a checkpoint as it is written; with settings off their defaults."""
    settings = {"muon": {"split_qkv": True}, "lawn": {"free_updates": 1}}.get(name, {})
    straight = trainer_with(kind, name, toy_corpus, root, **settings)
    for _ in range(2):
        straight.step()
    kept = io.BytesIO()
    torch.save(straight.state(), kept)
    kept.seek(0)
    resumed = trainer_with(kind, name, toy_corpus, root, **settings)
    before = [p.detach().clone() for p in resumed.model.parameters()]
    resumed.restore(0, torch.load(kept, weights_only=True))
    for _ in range(2):
        assert torch.equal(straight.step(), resumed.step())
    both = zip(straight.model.parameters(), resumed.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in both)
    moved = [not torch.equal(a, b) for a, b in zip(before, resumed.model.parameters(), strict=True)]
    assert sum(moved) > 0.8 * len(moved)


@pytest.mark.parametrize("name", ["adam-l2", "lion"])
def test_a_pack_agrees_with_the_single_model(name: str, toy_corpus: Corpus) -> None:
    spec = with_optimiser(small_spec(), name, weight_decay=0.5)
    assert can_be_packed(spec)
    (packed,) = drive(PackTrainer([spec], [toy_corpus], CPU), progress=False)
    (alone,) = drive(Trainer(LanguageModelling(spec, toy_corpus, CPU)), progress=False)
    for ours, theirs in zip(packed.curve, alone.curve, strict=True):
        assert ours["val_loss"] == pytest.approx(theirs["val_loss"], abs=1e-4)


def test_a_pack_of_another_optimiser_goes_on_from_its_state(toy_corpus: Corpus) -> None:
    specs = [with_optimiser(small_spec(seed=seed), "lion") for seed in (1, 2)]
    straight, resumed = (PackTrainer(specs, [toy_corpus] * 2, CPU) for _ in range(2))
    for _ in range(3):
        straight.step()
    for number in range(2):
        resumed.restore(number, copy.deepcopy(straight.state(number)))
    assert torch.equal(straight.step(), resumed.step())
    assert torch.equal(straight.pack.buffer, resumed.pack.buffer)


@pytest.mark.parametrize("name", ["fadam", "lawn", "muon", "novograd"])
def test_what_goes_by_norms_is_trained_alone(name: str, toy_corpus: Corpus) -> None:
    spec = with_optimiser(small_spec(), name)
    with pytest.raises(ConfigError, match=rf"a pack's updates go number by number, those of {name} do not"):
        PackTrainer([spec], [toy_corpus], CPU)
