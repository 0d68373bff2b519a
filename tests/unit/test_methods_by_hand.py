"""What each method does, by hand: its equation on a small model, beside plain torch."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.spatial.distance import jensenshannon

from finetune_support import glue_spec, tuner
from method_support import CPU, method_spec, trainer_of
from redrop.data.corpus import Corpus
from redrop.errors import ConfigError
from redrop.evaluation.language_model import mean_loss, split_windows
from redrop.methods import divergence_of
from redrop.methods.send import sensitivity
from redrop.models.residual_gpt import build
from redrop.objectives.terms import terms_of
from redrop.streams import MaskStream, NumpyStream
from redrop.training.loop import drive
from redrop.training.pack import PackTrainer
from redrop.training.trainer import Trainer

NO_DROPOUT = {f"model__{site}_dropout": 0.0 for site in ("embedding", "attention", "attention_output", "mlp")}


def batch_of(trainer: Trainer):
    """What its first update reads."""
    return next(iter(trainer.task.batches(0)))[0]


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
        with regulariser.acting(None):
            assert torch.equal(branch(x, None), branch.forward(x, None))
    kept = []
    for branch in last:
        plain = branch(x, None)
        with regulariser.acting(None):
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
    with trainer.regulariser.acting(None):
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


def test_layerskip_drops_late_blocks_and_weighs_one_exit(toy_corpus: Corpus) -> None:
    """Rates by their formula; the loss of a first update, at which nothing is skipped yet."""
    spec = method_spec("layerskip", options={"rate": 0.5}, model__n_layer=4, **NO_DROPOUT)
    trainer = trainer_of(spec, toy_corpus)
    method, model, batch = trainer.regulariser, trainer.model, batch_of(trainer)
    for update, time in ((0, 0.0), (6, 2**0.5 - 1), (12, 1.0)):
        method.update = update
        expected = [0.5 * depth * time for depth in (0.0, 2 ** (1 / 3) - 1, 2 ** (2 / 3) - 1, 1.0)]
        assert [method.rate(number) for number in range(4)] == pytest.approx(expected)
    for update in range(4):
        method.update, method.updates = update, 10**9  # S(t) is 0
        with terms_of(model, batch, spec.objective, regulariser=method) as terms:
            found = terms.task.item()
        states = [model.wte(batch.x_BT) + model.wpe.weight]
        for block in model.blocks:
            states.append(block(states[-1], None))
        last, early = (
            F.cross_entropy(model.lm_head(model.ln_f(state)).flatten(0, 1), batch.targets).item()
            for state in (states[-1], states[1 + update % 3])
        )
        assert last != early
        assert found == pytest.approx((last + 0.2 * early) / 1.2, rel=1e-5)


def test_layerskip_leaves_out_a_block_of_some_examples(toy_corpus: Corpus) -> None:
    """At rate 1 the last block of every example; every parameter keeps a gradient."""
    spec = method_spec(
        "layerskip", options={"rate": 1.0, "exit_weight": 0.0, "time": "constant"}, **NO_DROPOUT
    )
    trainer = trainer_of(spec, toy_corpus)
    model, batch = trainer.model, batch_of(trainer)
    with terms_of(model, batch, spec.objective, regulariser=trainer.regulariser) as terms:
        terms.task.backward()
    h = model.blocks[0](model.wte(batch.x_BT) + model.wpe.weight, None)
    expected = F.cross_entropy(model.lm_head(model.ln_f(h)).flatten(0, 1), batch.targets).item()
    assert terms.task.item() == pytest.approx(expected, rel=1e-6)
    assert all(torch.equal(p.grad, torch.zeros_like(p)) for p in model.blocks[1].parameters())
    given, taken = torch.ones(4000, 1, 1), torch.zeros(4000, 1, 1)
    trainer.regulariser.options = trainer.regulariser.options | {"rate": 0.3}
    assert trainer.regulariser.after(1, taken, given).mean().item() == pytest.approx(0.7, abs=0.03)


def test_drophead_keeps_the_expectation_and_some_head(toy_corpus: Corpus) -> None:
    spec = method_spec("drophead", options={"rate": 0.4}, model__n_head=4)
    method = trainer_of(spec, toy_corpus).regulariser
    masks = method.masked(torch.ones(4000, 2, 16), 4).view(4000, 2, 4, 4)
    assert torch.equal(masks, masks[:, :1, :, :1].expand_as(masks))  # one number a head
    masks = masks[:, 0, :, 0]
    kept = (masks > 0).sum(1)
    assert kept.min() >= 1
    torch.testing.assert_close(masks.sum(1), torch.full((4000,), 4.0))
    assert masks.mean(0).tolist() == pytest.approx([1.0] * 4, abs=0.06)
    shares = [math.comb(4, k) * 0.6**k * 0.4 ** (4 - k) / (1 - 0.4**4) for k in (1, 2, 3, 4)]
    assert (kept.bincount(minlength=5)[1:] / 4000).tolist() == pytest.approx(shares, abs=0.03)
    method.options = method.options | {"time": "v"}
    rates = []
    for method.update, method.updates in ((0, 100), (5, 100), (10, 100), (55, 100), (100, 100)):
        rates.append(method.rate())
    assert rates == pytest.approx([0.4, 0.2, 0.0, 0.2, 0.4])


def test_drophead_acts_where_the_heads_are_side_by_side(toy_corpus: Corpus, tmp_path: Path) -> None:
    """Of the decoder's 2 heads and of BERT's: what a dropped head wrote is 0 before the projection."""
    decoder = trainer_of(method_spec("drophead", options={"rate": 0.5}, **NO_DROPOUT), toy_corpus)
    encoder = tuner(glue_spec(objective__name="drophead", objective__rate=0.5), tmp_path)
    encoder.task.begin_training()
    for trainer in (decoder, encoder):
        batch, seen = batch_of(trainer), []
        projection, heads = trainer.regulariser.site("heads")[0]
        projection.register_forward_hook(lambda _, inputs, output, seen=seen: seen.append(inputs[0]))
        with terms_of(trainer.model, batch, trainer.spec.objective, regulariser=trainer.regulariser):
            pass
        (context,) = seen
        gone = context.unflatten(-1, (heads, -1)).abs().sum((1, 3)) == 0
        assert 0 < gone.sum() < gone.numel()
        assert not gone.all(1).any()


@pytest.mark.parametrize("copies", [1, 3])
def test_multi_sample_is_the_mean_of_losses_of_one_head(copies: int, toy_corpus: Corpus) -> None:
    spec = method_spec("multi-sample", options={"masks": copies, "rate": 0.3}, **NO_DROPOUT)
    trainer = trainer_of(spec, toy_corpus)
    model, batch = trainer.model, batch_of(trainer)
    with terms_of(model, batch, spec.objective, regulariser=trainer.regulariser) as terms:
        found = terms.task.item()
    features: list[torch.Tensor] = []
    model.ln_f.register_forward_hook(lambda _, inputs, output: features.append(output))
    model(batch.x_BT, batch.masks)
    stream = MaskStream(1, CPU, "multi-sample")
    masks = stream.mask((copies * 4, 16, 16), 0.3, 1 / 0.7).chunk(copies)
    losses = [
        F.cross_entropy(model.lm_head(features[0] * mask).flatten(0, 1), batch.targets) for mask in masks
    ]
    assert found == pytest.approx(sum(losses).item() / copies, rel=1e-6)
    assert len({loss.item() for loss in losses}) == copies


def test_multi_sample_of_an_encoder_gives_each_mask_a_row(tmp_path: Path) -> None:
    trainer = tuner(glue_spec(objective__name="multi-sample", objective__masks=5), tmp_path)
    batch = batch_of(trainer)
    trainer.task.begin_training()
    with trainer.task.dropout, trainer.regulariser.acting(batch):
        logits = batch.forward(trainer.model, 1, False).logits
    assert len(logits) == 5 * len(batch.targets)
    assert len(batch.forward(trainer.model, 1, False).logits) == len(batch.targets)


@pytest.mark.parametrize("rule", ["dbpd", "smrd"])
def test_data_dropout_keeps_what_is_told_badly(rule: str, toy_corpus: Corpus) -> None:
    spec = method_spec("data-dropout", options={"tau": 0.3, "rule": rule})
    trainer = trainer_of(spec, toy_corpus)
    method, batch = trainer.regulariser, batch_of(trainer)
    generator = torch.Generator().manual_seed(3)
    rows = 3 * torch.randn(len(batch.targets), toy_corpus.vocab_size, generator=generator)
    losses = F.cross_entropy(rows, batch.targets, reduction="none")
    bad = [number for number, loss in enumerate(losses.tolist()) if math.exp(-loss) < 0.3]
    assert 0 < len(bad) < len(losses)
    if rule == "smrd":
        order = NumpyStream(1, "data-dropout").generator.permutation(len(losses))
        bad = np.flatnonzero(order < len(bad)).tolist()
    found = method.task_loss(batch, [rows])
    assert found.item() == pytest.approx(losses[bad].mean().item(), rel=1e-6)
    assert method.curve()["share_kept"] == pytest.approx(len(bad) / len(losses))
    method.update = 12 - 1  # of 12; 4 % at the end are on everything
    method.options = method.options | {"revision": 0.1}
    assert method.task_loss(batch, [rows]) is None
    assert method.curve()["share_kept"] == pytest.approx((len(bad) + len(losses)) / (2 * len(losses)))
    method.update, method.options = 0, method.options | {"tau": 0.0}
    assert method.task_loss(batch, [rows]).item() == 0.0


def test_data_dropout_needs_classes(tmp_path: Path) -> None:
    trainer = tuner(glue_spec(objective__name="data-dropout", data__task="toy_score"), tmp_path)
    with pytest.raises(ConfigError, match="data-dropout needs classes, not scores"):
        trainer.step()


def test_gates_by_hand(toy_corpus: Corpus) -> None:
    """Open gates are plain training; the penalty reaches the gates alone."""
    spec = method_spec("gateskip", options={"penalty": 0.5, "bias": 40.0}, **NO_DROPOUT)
    trainer = trainer_of(spec, toy_corpus)
    model, batch, method = trainer.model, batch_of(trainer), trainer.regulariser
    plain = build(spec.model, toy_corpus.vocab_size, 1)
    torch.testing.assert_close(model(batch.x_BT, batch.masks), plain(batch.x_BT, batch.masks))
    for sublayer in (one for block in model.blocks for one in block.sublayers):
        assert sublayer.gate.weight.std().item() == pytest.approx(0.01, rel=0.2)
        sublayer.gate.bias.data.fill_(0.3)
    u = torch.randn(2, 5, 16)
    sublayer = model.blocks[1].sublayers[1]
    gate = torch.sigmoid(u @ sublayer.gate.weight.T + 0.3)
    torch.testing.assert_close(sublayer(u, None), gate * sublayer.forward(u, None))
    with method.acting(batch):
        model(batch.x_BT, batch.masks)
    gates = torch.stack(method.squares)
    assert len(gates) == 4
    term = method.term(None)
    assert term.item() == pytest.approx(0.5 * gates.mean().item())
    term.backward()
    assert {name for name, p in model.named_parameters() if p.grad is not None} == {
        f"blocks.{block}.sublayers.{one}.gate.{part}"
        for block in (0, 1)
        for one in (0, 1)
        for part in ("weight", "bias")
    }


def test_gates_let_tokens_skip(toy_corpus: Corpus) -> None:
    """The rule for the lowest gates beside random tokens; without a rule nothing is skipped."""
    trainer = trainer_of(method_spec("gateskip", schedule__iterations=2), toy_corpus)
    (outcome,) = drive(trainer, progress=False)
    names = [
        f"val_loss_skipping_{which}_{share}"
        for share in (10, 20, 30, 40, 50)
        for which in ("lowest", "random")
    ]
    losses = [outcome.metrics[name].value for name in names]
    assert len(set(losses)) == 10
    assert trainer.task.validation_loss() == outcome.metrics["val_loss_last"].value
    x = torch.randn(3, 4, 16)
    trainer.regulariser.rule = lambda number, gates: torch.arange(4) % 2 == number % 2
    for number, sublayer in enumerate(one for block in trainer.model.blocks for one in block.sublayers):
        gone = sublayer(x, None).abs().sum(-1) == 0
        assert torch.equal(gone, (torch.arange(4) % 2 != number % 2).expand(3, 4))


def test_hidden_spans_by_hand(tmp_path: Path) -> None:
    """They begin at one of the most attended real tokens and end with the text."""
    method = tuner(glue_spec(objective__name="hiddencut", objective__gamma=1.0), tmp_path).regulariser
    attention = torch.tensor([[0.1, 0.5, 0.2, 0.05, 0.15, 9.0, 9.0]]).repeat(3000, 1)
    method.options = method.options | {"ratio": 0.4}
    spans = method.spans(attention, torch.full((3000,), 5))  # 2 candidates: 1 and 2; 2 positions
    assert {tuple(span.nonzero().flatten().tolist()) for span in spans} == {(1, 2), (2, 3)}
    assert spans[:, 1].float().mean().item() == pytest.approx(0.5, abs=0.04)
    late = method.spans(torch.tensor([[0.0, 0.0, 0.0, 0.0, 1.0]]), torch.tensor([5]))
    assert late.nonzero().tolist() in ([[0, 4]], [[0, 0], [0, 1]])  # cut at the end, or the first of equals
    method.options = method.options | {"ratio": 0.01}
    assert method.spans(attention, torch.full((3000,), 5)).sum(1).unique().tolist() == [1]


def test_hiddencut_acts_on_the_second_pass_in_every_layer(tmp_path: Path) -> None:
    trainer = tuner(
        glue_spec(objective__name="hiddencut", objective__gamma=1.0, objective__ratio=0.2), tmp_path
    )
    batch, method, seen = batch_of(trainer), trainer.regulariser, []
    trainer.task.begin_training()
    for dropout in method.site("mlp_dropouts"):
        dropout.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    with trainer.task.dropout, terms_of(trainer.model, batch, trainer.spec.objective, regulariser=method):
        pass
    lengths = batch.inputs["attention_mask"].sum(1)
    assert len(seen) == trainer.model.config.num_hidden_layers
    for given, output in seen:
        before, after = given.chunk(2)[1], output.chunk(2)[1]
        gone = (after == 0).all(-1)
        assert torch.equal(after[~gone], before[~gone])  # no dropout
        assert ((gone.sum(1) >= 1) & (gone.sum(1) <= (0.2 * lengths).floor().clamp(min=1))).all()
        assert not (gone & (torch.arange(gone.shape[1]) >= lengths[:, None])).any()


def test_noise_of_r3f_is_small_and_has_no_gradient(toy_corpus: Corpus) -> None:
    spec = method_spec("r3f", options={"gamma": 2.0, "eps": 0.1}, **NO_DROPOUT)
    trainer = trainer_of(spec, toy_corpus)
    model, batch, seen = trainer.model, batch_of(trainer), []
    model.wte.register_forward_hook(lambda _, inputs, output: seen.append(output))
    with terms_of(model, batch, spec.objective, regulariser=trainer.regulariser) as terms:
        pass
    first, second = seen[0].chunk(2)
    noise = second - first
    assert 0.09 < noise.abs().max().item() <= 0.1
    assert noise.var().item() == pytest.approx(0.1**2 / 3, rel=0.1)
    plain = build(spec.model, toy_corpus.vocab_size, 1)(batch.x_BT, batch.masks)
    assert terms.task.item() == pytest.approx(F.cross_entropy(plain.flatten(0, 1), batch.targets).item())
    assert not torch.autograd.grad(second.sum(), model.wte.weight)[0].any()


def test_sensitivity_of_channels_by_hand() -> None:
    """Channel 0 lies still, 1 goes up, 2 goes up and down: moves 2 and 4, variances 2/3 and 8/9."""
    looks = torch.tensor([[[5.0, 0.0, 0.0]], [[5.0, 1.0, 2.0]], [[5.0, 2.0, 0.0]]])
    assert sensitivity(looks).tolist() == pytest.approx([0.0, 2 / 3 * 2, 8 / 9 * 4])
    assert sensitivity(torch.cat([looks, looks], 1)).tolist() == pytest.approx([0.0, 4 / 3, 32 / 9])


def test_send_masks_the_most_sensitive_channels_from_its_third_look_on(toy_corpus: Corpus) -> None:
    trainer = trainer_of(method_spec("send", options={"looks": 6, "share": 0.25}), toy_corpus)
    method, block = trainer.regulariser, trainer.model.blocks[0]
    for _ in range(6):
        trainer.step()
    assert method.mask is None
    trainer.step()  # looked before updates 2, 4 and 6, from 0
    expected = sensitivity(torch.stack(method.looks)).topk(4).indices
    assert set((method.mask == 0).nonzero().flatten().tolist()) == set(expected.tolist())
    x = torch.randn(2, 5, 16)
    with method.acting(None):
        assert torch.equal(block(x, None), block.forward(x, None) * method.mask)
    assert torch.equal(block(x, None), block.forward(x, None))
