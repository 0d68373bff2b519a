"""What every method that acts on a model keeps to, and what each of them does by hand."""

from __future__ import annotations

import dataclasses
import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from scipy.spatial.distance import jensenshannon

from finetune_support import glue_spec, tuner
from generation_support import generation_spec
from method_support import CPU, method_spec, trainer_of
from redrop.data.corpus import Corpus
from redrop.errors import ConfigError
from redrop.evaluation.language_model import mean_loss, split_windows
from redrop.methods import divergence_of, passes_of
from redrop.models.residual_gpt import build
from redrop.objectives.terms import terms_of
from redrop.streams import MaskStream
from redrop.training.checkpoint import Checkpoint
from redrop.training.loop import Stopped, drive
from redrop.training.pack import PackTrainer, why_not_packed
from redrop.training.run import Outcome
from redrop.training.trainer import Trainer

Options = dict[str, Any]
DECODER: dict[str, tuple[Options, Options | None]] = {
    "doubled": ({}, {"k": 1}),
    "stochastic-depth": ({"rate": 0.4}, {"rate": 0.0}),
    "layerdrop": ({"rate": 0.4}, {"rate": 0.0}),
    "rdrop": ({"gamma": 0.5}, None),
    "jsdrop": ({"gamma": 2.0}, None),
    "lrdrop": ({"alpha": 0.1, "beta": 0.1, "gamma": 0.5}, None),
}
"""Method -> options at which it acts, and at which it is plain training; a method of two passes has none."""
ENCODER = {"doubled": {}, "stochastic-depth": {"rate": 0.4}, "layerdrop": {"rate": 0.4}}


def weights(trainer: Trainer) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in trainer.model.parameters()])


def stopped_and_resumed(make: Any, checkpoint: Checkpoint, at: int) -> Outcome:
    """A run that is stopped before its update ``at`` and goes on in a new trainer."""
    calls = itertools.count()
    with pytest.raises(Stopped):
        drive(make(), checkpoints=[checkpoint], should_stop=lambda: next(calls) >= at, progress=False)
    resumed = make()
    resumed.restore(0, checkpoint.load())
    return drive(resumed, progress=False)[0]


def same(one: Outcome, other: Outcome) -> bool:
    return (one.curve, one.metrics, one.files) == (other.curve, other.metrics, other.files)


@pytest.fixture(scope="module")
def plain(toy_corpus: Corpus) -> Outcome:
    return drive(trainer_of(method_spec("ce"), toy_corpus), progress=False)[0]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("glue")


@pytest.mark.parametrize("name", [name for name, (_, neutral) in DECODER.items() if neutral is not None])
def test_a_neutral_setting_gives_the_bytes_of_plain_training(
    name: str, toy_corpus: Corpus, plain: Outcome
) -> None:
    spec = method_spec(name, options=DECODER[name][1])
    neutral = drive(trainer_of(spec, toy_corpus), progress=False)[0]
    assert neutral.curve == plain.curve
    assert all(neutral.metrics[key] == metric for key, metric in plain.metrics.items())


@pytest.mark.parametrize("name", DECODER)
def test_a_decoder_that_was_stopped_goes_on_to_the_same_bytes(
    name: str, toy_corpus: Corpus, plain: Outcome, tmp_path: Path
) -> None:
    spec = method_spec(name, options=DECODER[name][0])
    straight = drive(trainer_of(spec, toy_corpus), progress=False)[0]
    assert straight.curve != plain.curve
    checkpoint = Checkpoint(tmp_path, spec.run)
    assert same(stopped_and_resumed(lambda: trainer_of(spec, toy_corpus), checkpoint, 7), straight)


@pytest.mark.parametrize("name", ENCODER)
def test_an_encoder_that_was_stopped_goes_on_to_the_same_bytes(name: str, root: Path, tmp_path: Path) -> None:
    settings = {f"objective__{key}": value for key, value in ENCODER[name].items()}
    spec = glue_spec(objective__name=name, schedule__updates=6, **settings)
    straight = drive(tuner(spec, root), progress=False)[0]
    assert straight.curve != drive(tuner(glue_spec(schedule__updates=6), root), progress=False)[0].curve
    assert same(stopped_and_resumed(lambda: tuner(spec, root), Checkpoint(tmp_path, spec.run), 3), straight)


@pytest.mark.parametrize("name", DECODER)
def test_its_draws_move_no_other_stream(name: str, toy_corpus: Corpus) -> None:
    """After an update: the data's order, and where there is one pass, the masks of plain training."""
    trainers = [trainer_of(method_spec(*each), toy_corpus) for each in (("ce",), (name, 1, DECODER[name][0]))]
    for trainer in trainers:
        trainer.step()
    one, other = (trainer.task.state() for trainer in trainers)
    assert one["order"] == other["order"]
    if passes_of(trainers[1].spec.objective) == 1:
        assert one["masks"] == other["masks"]


def test_what_a_model_lacks_is_said() -> None:
    with pytest.raises(ConfigError, match=r"'stochastic-depth' acts on a model's branches \(sub-layers .*"):
        generation_spec(objective__name="stochastic-depth")
    with pytest.raises(ConfigError, match=r"gradient_checkpointing: true, but stochastic-depth"):
        glue_spec(objective__name="stochastic-depth", schedule__gradient_checkpointing=True)
    with pytest.raises(ConfigError, match=r"objective\.rate: 1\.5 is out of range"):
        method_spec("stochastic-depth", options={"rate": 1.5})


def test_a_pack_refuses_what_acts_on_a_model() -> None:
    assert why_not_packed(method_spec("ce")) is None
    for name in DECODER:
        assert f"a pack minimises ce alone, not {name}" in why_not_packed(method_spec(name))


def test_lr_drop_on_a_decoder_by_hand(toy_corpus: Corpus) -> None:
    """Its terms and gradients beside those that are written out in plain torch from the layers' outputs."""
    weights = {"alpha": 0.3, "beta": 0.2, "gamma": 0.5}
    trainer = trainer_of(method_spec("lrdrop", options=weights), toy_corpus)
    ((batch, _),) = trainer.task.batches(0)
    states: list[torch.Tensor] = []
    heard: list[torch.Tensor] = []
    with terms_of(trainer.model, batch, trainer.spec.objective) as terms:
        pass
    again = MaskStream(1, CPU)  # the masks of the update before
    model, T = trainer.model, batch.x_BT.shape[1]
    for block in model.blocks:
        block.register_forward_hook(lambda _, inputs, output: states.append(output))
        block.sublayers[0].c_attn.register_forward_hook(lambda _, inputs, output: heard.append(output))
    logits = model(torch.cat([batch.x_BT, batch.x_BT]), again)
    hidden = [F.mse_loss(*state.chunk(2)) for state in states]
    attention = []
    for qkv in heard:
        q, k, _ = qkv.view(-1, T, 3, 2, 8).permute(2, 0, 3, 1, 4)
        one, two = (torch.einsum("bhtd,bhsd->bhts", q, k) / math.sqrt(8)).chunk(2)
        earlier = [(t, s) for t in range(T) for s in range(t + 1)]
        squares = [(one[:, :, t, s] - two[:, :, t, s]).square().mean() for t, s in earlier]
        attention.append(sum(squares) / len(squares))
    p, q = logits.log_softmax(-1).flatten(0, 1).chunk(2)
    kl = (
        F.kl_div(p, q, log_target=True, reduction="batchmean"),
        F.kl_div(q, p, log_target=True, reduction="batchmean"),
    )
    expected = {"hidden": sum(hidden) / 2, "attention": sum(attention) / 2, "output": sum(kl) / 2}
    for name, value in expected.items():
        assert getattr(terms, name).item() == pytest.approx(value.item(), rel=1e-4)
    task = F.cross_entropy(logits.flatten(0, 1), batch.targets.repeat(2))
    total = task + sum(
        weight * value for weight, value in zip(weights.values(), expected.values(), strict=True)
    )
    assert terms.total(trainer.spec.objective).item() == pytest.approx(total.item(), rel=1e-5)
    total.backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    terms.total(trainer.spec.objective).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-6)


def test_jensen_shannon_is_scipys() -> None:
    logits = torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    p, q = logits.softmax(-1).chunk(2)
    expected = [jensenshannon(one, other) ** 2 for one, other in zip(p, q, strict=True)]
    divergence = divergence_of("jsdrop")
    assert divergence(logits).tolist() == pytest.approx(expected)
    assert divergence(torch.cat([logits, logits])).abs().max() < 1e-12
    assert divergence(1e3 * torch.tensor([[1.0, 0.0], [0.0, 1.0]])).item() == pytest.approx(math.log(2.0))
    close = torch.stack([logits[0], logits[0] + 0.01 * logits[1]])
    assert divergence(close).item() == pytest.approx(divergence_of("rdrop")(close).item() / 4, rel=1e-3)


def test_stochastic_depth_by_hand(toy_corpus: Corpus) -> None:
    """The first block never drops; of the last, a sub-layer's output is 0 or f / q, example by example."""
    trainer = trainer_of(method_spec("stochastic-depth", options={"rate": 0.4}), toy_corpus)
    regulariser, (first, last) = trainer.regulariser, trainer.regulariser.site("branches")
    x = torch.randn(500, 3, 16)
    for branch in first:
        with regulariser.acting():
            assert torch.equal(branch(x, None), branch.forward(x, None))
    kept = []
    for branch in last:
        plain = branch(x, None)
        with regulariser.acting():
            ratio = (branch(x, None) / plain).view(500, -1)
        assert ((ratio - ratio[:, :1]).abs() < 1e-3).all()
        kept.append(ratio[:, 0] > 0)
        assert ratio[kept[-1]].mean().item() == pytest.approx(1 / 0.6, rel=1e-4)
        assert ratio.mean().item() == pytest.approx(1.0, abs=0.1)
    assert not torch.equal(*kept)
    trainer.step()
    assert all(parameter.grad is not None for parameter in trainer.model.parameters())


@pytest.mark.parametrize("k", [2, 3])
def test_doubled_is_the_mean_over_masks(k: int, toy_corpus: Corpus) -> None:
    trainer = trainer_of(method_spec("doubled", options={"k": k}), toy_corpus)
    ((batch, _),) = trainer.task.batches(0)
    with terms_of(trainer.model, batch, trainer.spec.objective) as terms:
        found = terms.task.item()
    logits = trainer.model(batch.x_BT.repeat(k, 1), MaskStream(1, CPU))
    losses = [F.cross_entropy(part.flatten(0, 1), batch.targets).item() for part in logits.chunk(k)]
    assert len(set(losses)) == k
    assert found == pytest.approx(sum(losses) / k, rel=1e-6)


def test_layerdrop_of_everything_is_the_head_on_the_embeddings(toy_corpus: Corpus) -> None:
    """And every parameter keeps a gradient, of zeros in the blocks."""
    trainer = trainer_of(method_spec("layerdrop", options={"rate": 1.0}), toy_corpus)
    model = trainer.model
    ((batch, _),) = trainer.task.batches(0)
    trainer.regulariser.begin()
    with trainer.regulariser.acting():
        logits = model(batch.x_BT, batch.masks)
    mask = MaskStream(1, CPU).mask((4, 16, 16), 0.2, 1.25)
    expected = model.lm_head(model.ln_f((model.wte(batch.x_BT) + model.wpe.weight) * mask))
    torch.testing.assert_close(logits, expected)
    logits.sum().backward()
    assert all(torch.equal(p.grad, torch.zeros_like(p)) for p in model.blocks.parameters())


def test_layerdrop_drops_a_block_of_the_whole_batch_at_its_rate(toy_corpus: Corpus) -> None:
    regulariser = trainer_of(method_spec("layerdrop", options={"rate": 0.3}), toy_corpus).regulariser
    kept = []
    for _ in range(2000):
        regulariser.begin()
        kept.append(regulariser.kept)
    assert torch.tensor(kept).float().mean(0).tolist() == pytest.approx([0.7, 0.7], abs=0.04)


@pytest.mark.parametrize("packed", [False, True])
def test_losses_with_fewer_blocks_are_those_of_smaller_models(packed: bool, toy_corpus: Corpus) -> None:
    spec = method_spec("ce", model__n_layer=4, evaluation__fewer_blocks=True)
    trainer = PackTrainer([spec], [toy_corpus], CPU) if packed else trainer_of(spec, toy_corpus)
    (outcome,) = drive(trainer, progress=False)
    found = {name: metric.value for name, metric in outcome.metrics.items() if "blocks" in name}
    assert set(found) == {f"val_loss_blocks_{which}" for which in ("0", "0_1", "0_2", "0_1_2", "0_1_3")}
    model = trainer.pack.single(0) if packed else trainer.model
    smaller = build(dataclasses.replace(spec.model, n_layer=2), toy_corpus.vocab_size, 1)
    state = {
        key.replace("blocks.1", "no").replace("blocks.2", "blocks.1"): v
        for key, v in model.state_dict().items()
    }
    smaller.load_state_dict({key: state[key] for key in smaller.state_dict()})
    starts = split_windows(len(toy_corpus.val), spec.model.block_size)
    expected = [mean_loss(each, toy_corpus.val, starts) for each in (smaller, model)]
    assert expected[0] == pytest.approx(found["val_loss_blocks_0_2"], rel=1e-6)
    assert expected[1] == pytest.approx(outcome.metrics["val_loss_last"].value, rel=1e-6)
