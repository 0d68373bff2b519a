"""Methods that act on weights and gradients: their equations by hand, neutral settings, checkpoints."""

from __future__ import annotations

import copy
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.utils import parametrize

from finetune_support import glue_spec, tuner
from generation_support import SUMMARIES, generation_spec, small
from generation_support import trainer_of as generation_trainer
from method_support import CPU, method_spec, trainer_of
from redrop.data.corpus import Corpus
from redrop.errors import ConfigError
from redrop.models.kept import read_encoder, read_language_model
from redrop.models.reparametrised import Lora, Mixout, Sigma, linear_layers
from redrop.objectives.terms import terms_of
from redrop.optimisers import decay_groups
from redrop.streams import MaskStream, NumpyStream
from redrop.training.trainer import Trainer

SETTINGS: dict[str, dict[str, Any]] = {
    "child-tuning": {"keep": 0.4},
    "sigma-reparam": {},
    "lora": {"rank": 2},
    "mixout": {"rate": 0.5},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("toys")


def made(kind: str, name: str, corpus: Corpus, root: Path, seed: int = 1, **options: Any) -> Trainer:
    """A trainer of a kind of model, by a method."""
    if kind == "decoder":
        return trainer_of(method_spec(name, seed, options), corpus)
    settings = {"objective__name": name} | {f"objective__{key}": value for key, value in options.items()}
    if kind == "encoder":
        return tuner(glue_spec(seed, **settings), root)
    more, task = (SUMMARIES, "toy_summaries") if kind == "generator" else ({}, "toy_xx_yy")
    return generation_trainer(generation_spec(seed, **more, **settings), small(task, 8))


def weights(trainer: Trainer, updates: int = 3) -> list[torch.Tensor]:
    for _ in range(updates):
        trainer.step()
    return list(trainer.model.parameters())


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("child-tuning", "decoder", {"keep": 1.0}),
        ("child-tuning", "encoder", {"keep": 1.0}),
        ("child-tuning", "transformer", {"keep": 1.0}),
        ("mixout", "encoder", {"rate": 0.0}),
        ("mixout", "generator", {"rate": 0.0}),
    ],
)
def test_a_neutral_setting_gives_the_bytes_of_plain_training(
    name: str, kind: str, options: dict[str, Any], toy_corpus: Corpus, root: Path
) -> None:
    plain = weights(made(kind, "ce", toy_corpus, root))
    assert same(plain, weights(made(kind, name, toy_corpus, root, **options)))
    assert not same(plain, weights(made(kind, name, toy_corpus, root)))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, kind) for name in ("child-tuning", "sigma-reparam") for kind in ("decoder", "transformer")),
        *((name, "encoder") for name in SETTINGS),
        *((name, "generator") for name in ("lora", "mixout")),
    ],
)
def test_a_resumed_run_gives_the_same_bytes(name: str, kind: str, toy_corpus: Corpus, root: Path) -> None:
    """Through a checkpoint as it is written."""
    straight, resumed = (made(kind, name, toy_corpus, root, **SETTINGS[name]) for _ in range(2))
    for _ in range(2):
        straight.step()
    kept = io.BytesIO()
    torch.save(straight.state(), kept)
    kept.seek(0)
    resumed.restore(0, torch.load(kept, weights_only=True))
    assert same(weights(straight, 2), weights(resumed, 2))
    if kind == "decoder":
        assert straight.losses() == resumed.losses()


def test_what_is_no_released_model_is_refused() -> None:
    for name in ("lora", "mixout"):
        with pytest.raises(ConfigError, match=rf"'{name}' acts on a model's released .* in a residual_gpt"):
            method_spec(name)
        with pytest.raises(ConfigError, match=rf"'{name}' acts on a model's released .* in a transformer"):
            generation_spec(objective__name=name)


def test_child_tuning_masks_the_clipped_gradient(toy_corpus: Corpus, root: Path) -> None:
    """Numbers are 0 or 1/r times those of plain training, drawn from its own stream, in order."""
    plain, child = (made("decoder", name, toy_corpus, root) for name in ("ce", "child-tuning"))
    plain.step()
    child.step()
    stream = MaskStream(1, CPU, "child")
    for one, other in zip(plain.parameters, child.parameters, strict=True):
        assert torch.equal(one.grad * stream.mask(one.shape, 0.7, 1 / 0.3), other.grad)
    assert torch.equal(plain.norm, child.norm)
    assert plain.task.state() == child.task.state()


def test_child_tuning_keeps_the_gradients_expectation(toy_corpus: Corpus, root: Path) -> None:
    trainer = made("decoder", "child-tuning", toy_corpus, root, keep=0.4)
    first = trainer.parameters[0]
    total, n = torch.zeros_like(first), 2000
    for _ in range(n):
        first.grad = torch.ones_like(first)
        trainer.regulariser.gradients()
        total += first.grad
    bound = 5 * math.sqrt(0.6 / 0.4 / n)
    assert (total / n - 1).abs().max() < bound


def matrix(rows: int = 6, columns: int = 4) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(0))


def test_sigma_computes_at_first_what_the_layer_did() -> None:
    w = matrix()
    sigma = Sigma(w)
    torch.testing.assert_close(sigma(w), w)
    singular = np.linalg.svd(w.numpy())[1]
    assert sigma.gamma.item() == pytest.approx(singular[0], rel=1e-5)


def test_the_spectral_norm_is_gamma_and_scale_does_not_count() -> None:
    w = matrix()
    sigma = Sigma(w)
    with torch.no_grad():
        sigma.gamma.fill_(-2.5)
    assert np.linalg.norm(sigma(w).detach().numpy(), 2) == pytest.approx(2.5, rel=1e-5)
    torch.testing.assert_close(sigma(7.0 * w), sigma(w))
    other = matrix() + 0.3 * matrix(4, 6).T
    for _ in range(100):  # the power iteration finds another matrix's largest singular value
        sigma.iterate(other)
    assert np.linalg.norm(sigma(other).detach().numpy(), 2) == pytest.approx(2.5, rel=1e-4)


def test_sigmas_gradient_goes_through_the_weight_in_sigma() -> None:
    """By finite differences, u and v held."""
    w = matrix(3, 2).double().requires_grad_()
    sigma = Sigma(w).double()
    assert torch.autograd.gradcheck(sigma, (w,))
    along = torch.autograd.grad(sigma(w).pow(2).sum(), w)[0]
    assert (along * w).sum().abs() < 1e-10  # scaling W changes nothing


def test_sigma_is_on_all_linear_layers_but_the_tied_one(toy_corpus: Corpus, root: Path) -> None:
    trainer = made("decoder", "sigma-reparam", toy_corpus, root)
    model, spec = trainer.model, trainer.spec
    assert model.lm_head.weight is model.wte.weight
    found = {name for name, part in model.named_modules() if parametrize.is_parametrized(part)}
    assert found == {
        f"blocks.{block}.sublayers.{kind}"
        for block in range(spec.model.n_layer)
        for kind in ("0.c_attn", "0.c_proj", "1.c_fc", "1.c_proj")
    }
    ((batch, _),) = made("decoder", "ce", toy_corpus, root).task.batches(0)
    plain = made("decoder", "ce", toy_corpus, root).model
    torch.testing.assert_close(model(batch.x_BT, batch.masks), plain(batch.x_BT, MaskStream(1, CPU)))


def test_evaluation_does_not_move_sigmas_vectors_and_gamma_has_no_decay(
    toy_corpus: Corpus, root: Path
) -> None:
    trainer = made("decoder", "sigma-reparam", toy_corpus, root)

    def vectors() -> list[torch.Tensor]:
        return [x.clone() for name, x in trainer.model.named_buffers() if name.endswith(("u_O", "v_I"))]

    before = vectors()
    trainer.losses()
    assert same(before, vectors())
    trainer.step()
    trainer.step()
    assert not same(before, vectors())
    gammas = {p for name, p in trainer.model.named_parameters() if name.endswith("gamma")}
    assert len(gammas) == 8
    everything = copy.copy(trainer.spec.optimiser)
    object.__setattr__(everything, "decay", "all")
    decayed, others = decay_groups(trainer.model.parameters(), everything)
    assert set(others["params"]) == gammas
    assert not gammas & set(decayed["params"])


def test_lora_by_hand() -> None:
    w, stream = matrix(), NumpyStream(1, "lora")
    lora = Lora(w, 2, 16.0, stream)
    assert torch.equal(lora(w), w)  # B is 0
    bound = 1 / math.sqrt(4)
    assert 0.5 * bound < lora.a_RI.abs().max() <= bound
    with torch.no_grad():
        lora.b_OR.copy_(matrix(6, 2))
    a, b = lora.a_RI.detach().numpy(), lora.b_OR.detach().numpy()
    np.testing.assert_allclose(lora(w).detach().numpy(), w.numpy() + 8.0 * b @ a, rtol=1e-5, atol=1e-6)


def test_lora_trains_thin_matrices_and_the_head_and_merges(toy_corpus: Corpus, root: Path) -> None:
    trainer = made("encoder", "lora", toy_corpus, root, rank=2)
    plain = made("encoder", "ce", toy_corpus, root)
    tokens = trainer.task.train
    assert np.array_equal(trainer.task.predict(tokens), plain.task.predict(tokens))
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    weights(trainer, 2)
    moved = {n for n, p in trainer.model.named_parameters() if not torch.equal(before[n], p)}
    assert {n for n in moved if not n.endswith(("a_RI", "b_OR"))} == {
        "bert.pooler.dense.weight",
        "bert.pooler.dense.bias",
        "classifier.weight",
        "classifier.bias",
    }
    assert len({n for n in moved if n.endswith("b_OR")}) == 2 * 6  # six matrices a layer
    unmerged = trainer.task.predict(tokens)
    trainer.regulariser.leave()
    assert not any(parametrize.is_parametrized(layer) for layer in trainer.model.modules())
    np.testing.assert_allclose(trainer.task.predict(tokens), unmerged, rtol=1e-5, atol=1e-6)


def test_a_kept_model_is_one_of_its_kind(toy_corpus: Corpus, root: Path, tmp_path: Path) -> None:
    """Without a method, it computes what was measured."""
    folders = [tmp_path / name for name in ("sigma", "lora", "mixout")]
    for folder in folders:
        folder.mkdir()
    trainer = made("decoder", "sigma-reparam", toy_corpus, root)
    weights(trainer, 2)
    x = torch.arange(8)[None] % toy_corpus.vocab_size
    computed = trainer.model.eval()(x).detach()
    trainer.keep(0, folders[0])
    torch.testing.assert_close(read_language_model(folders[0])[0](x), computed)
    for name, folder in zip(("lora", "mixout"), folders[1:], strict=True):
        trainer = made("encoder", name, toy_corpus, root, **SETTINGS[name])
        weights(trainer, 2)
        some = np.arange(8)
        predicted = trainer.task.predict(trainer.task.train, some)
        trainer.keep(0, folder)
        with torch.no_grad():
            logits = read_encoder(folder)(**trainer.task.inputs(trainer.task.train, some)).logits
        np.testing.assert_allclose(logits.numpy(), predicted, rtol=1e-4, atol=1e-5)


def test_lora_on_query_and_value(toy_corpus: Corpus, root: Path) -> None:
    trainer = made("encoder", "lora", toy_corpus, root, matrices="query-value")
    changed = {name for name, part in trainer.model.named_modules() if parametrize.is_parametrized(part)}
    assert {name.rsplit(".", 1)[1] for name in changed} == {"query", "value"}
    assert len(changed) == 4
    bart = made("generator", "lora", toy_corpus, root, matrices="query-value")
    assert all(
        not p.requires_grad for n, p in bart.model.named_parameters() if not n.endswith(("a_RI", "b_OR"))
    )


def test_mixout_by_hand() -> None:
    w0, w, p = matrix(), matrix() + 1.0, 0.6
    mixout = Mixout(w0, p, lambda: True)
    mixout.draw(NumpyStream(1, "mixout"))
    m = mixout.kept_I.numpy()
    assert set(m) == {0.0, 1.0}
    expected = (m * w.numpy() + (1 - m) * w0.numpy() - p * w0.numpy()) / (1 - p)
    np.testing.assert_allclose(mixout(w).numpy(), expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(mixout(w0), w0)
    assert torch.equal(Mixout(w0, p, lambda: False)(w), w)
    w.requires_grad_()
    mixout(w).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), np.broadcast_to(m / (1 - p), w.shape), rtol=1e-6)


def test_mixout_keeps_the_weights_expectation_and_is_dropout_where_nothing_is_released() -> None:
    w0, w = torch.zeros(3, 50), torch.ones(3, 50)
    mixout, stream, total = Mixout(w0, 0.6, lambda: True), NumpyStream(1, "mixout"), torch.zeros(3, 50)
    n = 2000
    for _ in range(n):
        mixout.draw(stream)
        mixed = mixout(w)
        assert torch.equal(mixed, mixed[:1].expand_as(mixed))  # a whole input, as dropout of it
        total += mixed
    assert (total / n - 1).abs().max() < 5 * math.sqrt(0.6 / 0.4 / n)


def test_mixout_is_in_training_alone_and_leaves_the_head_out(toy_corpus: Corpus, root: Path) -> None:
    trainer = made("encoder", "mixout", toy_corpus, root, rate=0.5)
    weights(trainer, 2)
    model = trainer.model
    assert not parametrize.is_parametrized(model.classifier)
    assert len(trainer.regulariser.layers) == len(linear_layers(model.bert.encoder)) == 12
    tokens = trainer.task.train
    mixed = trainer.task.predict(tokens)
    query = model.bert.encoder.layer[0].attention.self.query
    assert torch.equal(query.weight, query.parametrizations.weight.original)
    ((batch, _),) = trainer.task.batches(0)
    with terms_of(model, batch, trainer.spec.objective, regulariser=trainer.regulariser):
        assert not torch.equal(query.weight, query.parametrizations.weight.original)
    assert np.array_equal(trainer.task.predict(tokens), mixed)
