"""The whole objective inside small Marian and BART models, against numpy, hand-worked cases and slopes."""

from __future__ import annotations

import collections
import copy
import dataclasses
import functools
import math
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, PreTrainedModel
from transformers.trainer_pt_utils import LabelSmoother

from generation_support import (
    CODEC,
    SOURCE_LENGTHS,
    TARGET_LENGTHS,
    model_of,
    objective_of,
    pair_batch,
    token_consistency,
)
from redrop.errors import ConfigError
from redrop.models.attention import TAP
from redrop.models.pretrained import compute_layers_again
from redrop.objectives.cross_entropy import smoothed_cross_entropy
from redrop.objectives.pairs import (
    PairBatch,
    attentions_of,
)
from redrop.objectives.terms import Terms
from redrop.objectives.terms import terms_of as objective_terms
from redrop.spec_generation import GenerationObjectiveSpec

LOG2 = math.log(2)
TERMS = ("task", "hidden", "attention", "output")
MODELS = ("marian", "bart")


def terms_of(model: PreTrainedModel, objective: GenerationObjectiveSpec, batch: PairBatch, **options: Any):
    """The terms under dropout masks that are the same every time."""
    torch.manual_seed(3)
    with objective_terms(model, batch, objective, **options) as terms:
        return terms


def log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = logits - logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def test_the_smoothed_loss_by_hand() -> None:
    """Smoothing 0.2 over 4 tokens: the target weighs 0.8 + 0.05, every other token 0.05.

    First token: p = 1/2, 1/4, 1/8, 1/8 and the target is the first, so -log p is 1, 2, 3, 3 times log 2 and
    the loss 0.85 + 0.05 (2 + 3 + 3) = 1.25 log 2. Second token: p = 1/4 each, 2 log 2 whatever the target.
    Their mean is 1.625 log 2. The third is padding.
    """
    logits = torch.tensor([[[0.5, 0.25, 0.125, 0.125], [1.0, 1.0, 1.0, 1.0], [1e-9, 1e9, 5.0, 3.0]]]).log()
    target, real = torch.tensor([[0, 3, 0]]), torch.tensor([[True, True, False]])
    loss = smoothed_cross_entropy(logits, target, real, 0.2)
    assert loss.item() == pytest.approx(1.625 * LOG2, rel=1e-6)
    # Without smoothing: 1 and 2 times log 2.
    assert smoothed_cross_entropy(logits, target, real, 0.0).item() == pytest.approx(1.5 * LOG2, rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_the_smoothed_loss_is_that_of_numpy(smoothing: float) -> None:
    draw = np.random.default_rng(0)
    logits, target = draw.normal(0, 3, (3, 5, 11)), draw.integers(0, 11, (3, 5))
    lengths = (5, 1, 3)
    losses = []
    for b, length in enumerate(lengths):
        for t in range(length):
            wanted = np.full(11, smoothing / 11)
            wanted[target[b, t]] += 1 - smoothing
            losses.append(-(wanted * log_softmax(logits[b, t])).sum())
    real = torch.arange(5) < torch.tensor(lengths)[:, None]
    found = smoothed_cross_entropy(torch.tensor(logits), torch.tensor(target), real, smoothing)
    assert found.item() == pytest.approx(np.mean(losses), rel=1e-12)


def test_the_smoothed_loss_is_that_of_the_trainer_of_transformers() -> None:
    draw = torch.Generator().manual_seed(0)
    logits, target = torch.randn(3, 6, 9, generator=draw), torch.randint(0, 9, (3, 6), generator=draw)
    real = torch.arange(6) < torch.tensor([6, 2, 4])[:, None]
    labels = target.masked_fill(~real, -100)
    expected = LabelSmoother(epsilon=0.1)({"logits": logits}, labels)
    found = smoothed_cross_entropy(logits, target, real, 0.1)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_divergence_by_hand() -> None:
    """p = 1/2, 1/2 and q = 3/4, 1/4.

    KL(p || q) = 1/2 log 2/3 + 1/2 log 2 and KL(q || p) = 3/4 log 3/2 - 1/4 log 2 add up to 1/4 log 3; half
    of that is 1/8 log 3. A second token on which both passes agree makes the mean 1/16 log 3; the third is
    padding.
    """
    first = torch.tensor([[[0.5, 0.5], [0.9, 0.1], [0.5, 0.5]]]).log()
    second = torch.tensor([[[0.75, 0.25], [0.9, 0.1], [1e-6, 1.0]]]).log()
    real = torch.tensor([[True, True, False]])
    found = token_consistency(torch.cat([first, second]), real).item()
    assert found == pytest.approx(math.log(3) / 16, rel=1e-6)


def test_the_divergence_is_that_of_numpy() -> None:
    draw = np.random.default_rng(1)
    logits, lengths = draw.normal(0, 2, (6, 4, 7)), (4, 2, 3)
    found = []
    for b, length in enumerate(lengths):
        for t in range(length):
            log_p, log_q = log_softmax(logits[b, t]), log_softmax(logits[3 + b, t])
            forth = (np.exp(log_p) * (log_p - log_q)).sum()
            back = (np.exp(log_q) * (log_q - log_p)).sum()
            found.append((forth + back) / 2)
    real = torch.arange(4) < torch.tensor(lengths)[:, None]
    assert token_consistency(torch.tensor(logits), real).item() == pytest.approx(np.mean(found), rel=1e-12)


def test_the_decoder_reads_the_output_shifted_by_one() -> None:
    batch = PairBatch(
        source_BS=torch.tensor([[5, 6, 1], [7, 1, 0]]),
        real_BS=torch.tensor([[True, True, True], [True, True, False]]),
        target_BT=torch.tensor([[8, 1, 0], [9, 4, 1]]),
        real_BT=torch.tensor([[True, True, False], [True, True, True]]),
        start=1,
    )
    inputs = batch.inputs()
    assert inputs["decoder_input_ids"].tolist() == [[1, 8, 1], [1, 9, 4]]
    assert inputs["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert inputs["input_ids"] is batch.source_BS
    assert batch.tokens.item() == 5


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("attention", ["scores", "probabilities", "dropped"])
def test_without_dropout_the_halves_are_identical_and_every_term_is_0(kind: str, attention: str) -> None:
    model, batch = model_of(kind, dropout=0.0, attention=TAP), pair_batch()
    doubled = {name: torch.cat([values, values]) for name, values in batch.inputs().items()}
    with torch.no_grad():
        first, second = model(**doubled, use_cache=False).logits.chunk(2)
    assert first.equal(second)
    objective = objective_of(attention=attention, layers="sum", heads="sum", tokens="sum")
    terms = terms_of(model, objective, batch)
    assert (terms.hidden.item(), terms.attention.item(), terms.output.item()) == (0.0, 0.0, 0.0)
    assert terms.task.item() > 1.0


@pytest.mark.parametrize("kind", MODELS)
def test_padding_changes_nothing(kind: str) -> None:
    """Neither more of it, nor what stands in it; in float64 and without dropout, which draws by place."""
    model = model_of(kind, dropout=0.0, attention=TAP).double()
    objective = objective_of(label_smoothing=0.1)
    expected = terms_of(model, objective, pair_batch()).task.item()
    wider = pair_batch(more=4)
    assert terms_of(model, objective, wider).task.item() == pytest.approx(expected, rel=1e-12)
    garbage = dataclasses.replace(
        wider,
        source_BS=torch.where(wider.real_BS, wider.source_BS, 17),
        target_BT=torch.where(wider.real_BT, wider.target_BT, 23),
    )
    assert terms_of(model, objective, garbage).task.item() == pytest.approx(expected, rel=1e-12)
    noise = torch.where(wider.real_BT, CODEC.end, CODEC.pad)  # other targets are another loss
    other = dataclasses.replace(wider, target_BT=noise)
    assert terms_of(model, objective, other).task.item() != pytest.approx(expected, rel=1e-3)


def noisy_states(model: PreTrainedModel, sigma: float) -> None:
    """Adds the same noise to the states of the second pass's rows, at every real and padded place."""

    def add(module: torch.nn.Module, _: Any, output: torch.Tensor) -> torch.Tensor:
        rows, places, width = output.shape
        draw = torch.Generator().manual_seed(5)
        noise = sigma * torch.randn(rows // 2, 20, width, generator=draw, dtype=output.dtype)
        return output + torch.cat([torch.zeros_like(output[: rows // 2]), noise[:, :places]])

    for stack in (model.get_encoder(), model.get_decoder()):
        for layer in stack.layers:
            layer.register_forward_hook(add)


@pytest.mark.parametrize("tokens", ["mean", "sum"])
def test_padding_counts_in_no_consistency_term(tokens: str) -> None:
    """Noise that does not depend on the padding stands in for dropout, which does."""
    model = model_of("marian", dropout=0.0, attention=TAP).double()
    noisy_states(model, 0.3)
    objective = objective_of(tokens=tokens)
    one, wider = (terms_of(model, objective, pair_batch(more)) for more in (0, 5))
    for name in TERMS:
        found, expected = getattr(wider, name).item(), getattr(one, name).item()
        assert found == pytest.approx(expected, rel=1e-10), name
        assert expected > 1e-3


@pytest.mark.parametrize("passes", ["mean", "sum"])
def test_without_inner_terms_it_is_rdrop_and_without_any_it_is_plain(passes: str) -> None:
    """On the doubled batch; worked out here from its logits."""
    batch, model = pair_batch(), model_of("marian", attention=TAP)
    weights = {"alpha": 0.0, "beta": 0.0, "gamma": 0.7, "passes": passes}
    bare, rdrop = objective_of(**weights), objective_of(name="rdrop", **weights)
    found = terms_of(model, bare, batch).total(bare).item()
    assert terms_of(model, rdrop, batch).total(rdrop).item() == found

    torch.manual_seed(3)
    doubled = {name: torch.cat([values, values]) for name, values in batch.inputs().items()}
    with torch.no_grad():
        logits = model(**doubled, use_cache=False).logits.double()
    labels = batch.target_BT.masked_fill(~batch.real_BT, -100).repeat(2, 1)
    plain = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=-100, label_smoothing=0.1
    ).item()
    task = plain if passes == "mean" else 2 * plain
    first, second = logits.log_softmax(-1).chunk(2)
    kl = torch.nn.functional.kl_div
    both = kl(second, first, reduction="none", log_target=True) + kl(
        first, second, reduction="none", log_target=True
    )
    divergence = (both.sum(-1) * batch.real_BT).sum().item() / 2 / sum(TARGET_LENGTHS)
    assert found == pytest.approx(task + 0.7 * divergence, rel=1e-6)
    nothing = objective_of(alpha=0.0, beta=0.0, gamma=0.0, passes=passes)
    assert terms_of(model, nothing, batch).total(nothing).item() == pytest.approx(task, rel=1e-6)


@pytest.mark.parametrize("name", ["ce", "rdrop", "lrdrop"])
def test_the_model_runs_once_and_computes_only_what_has_a_weight(name: str) -> None:
    model, batch = model_of("marian", attention=TAP), pair_batch()
    rows: list[int] = []
    model.lm_head.register_forward_hook(lambda module, inputs, output: rows.append(len(output)))
    objective = objective_of(name=name, alpha=0.0, beta=0.0, gamma=0.0)
    terms = terms_of(model, objective, batch)
    assert rows == [3 if name == "ce" else 6]
    assert (terms.hidden, terms.attention, terms.output) == (None, None, None)


def test_plain_training_is_the_loss_that_transformers_computes() -> None:
    model, batch = model_of("bart"), pair_batch()
    ce = objective_of(name="ce", alpha=0.0, beta=0.0, gamma=0.0, label_smoothing=0.0)
    found = terms_of(model, ce, batch).total(ce).item()
    torch.manual_seed(3)
    labels = batch.target_BT.masked_fill(~batch.real_BT, -100)
    expected = model(input_ids=batch.source_BS, attention_mask=batch.real_BS.long(), labels=labels).loss
    assert found == pytest.approx(expected.item(), rel=1e-6)


class Watch:
    """What forward hooks see in the doubled pass: layers' outputs, and what attentions are given."""

    def __init__(self, model: PreTrainedModel, batch: PairBatch) -> None:
        self.states: dict[str, list[np.ndarray]] = {"encoder": [], "decoder": []}
        self.scores: dict[str, list[np.ndarray]] = {"encoder": [], "decoder": [], "cross": []}
        handles = []
        for side, stack in (("encoder", model.get_encoder()), ("decoder", model.get_decoder())):
            for layer in stack.layers:
                handles.append(layer.register_forward_hook(self._state(side)))
                handles.append(self._attention(layer.self_attn, side))
                if side == "decoder":
                    handles.append(self._attention(layer.encoder_attn, "cross"))
        model.set_attn_implementation("eager")  # the model's own: nothing of ours takes part
        doubled = {name: torch.cat([values, values]) for name, values in batch.inputs().items()}
        torch.manual_seed(3)
        with torch.no_grad():
            output = model(**doubled, use_cache=False, output_attentions=True)
        for handle in handles:
            handle.remove()
        model.set_attn_implementation(TAP)
        self.dropped = {
            "encoder": [values.numpy() for values in output.encoder_attentions],
            "decoder": [values.numpy() for values in output.decoder_attentions],
            "cross": [values.numpy() for values in output.cross_attentions],
        }

    def _state(self, side: str):
        return lambda module, inputs, output: self.states[side].append(output.numpy().copy())

    def _attention(self, module: torch.nn.Module, kind: str):
        def see(module: torch.nn.Module, inputs: tuple, named: dict[str, Any]) -> None:
            queries = (inputs[0] if inputs else named["hidden_states"]).numpy()
            others = named.get("key_value_states")
            keys = queries if others is None else others.numpy()
            self.scores[kind].append(scores_of(module, queries, keys))

        return module.register_forward_pre_hook(see, with_kwargs=True)


@functools.cache
def watched(kind: str) -> tuple[PreTrainedModel, Watch]:
    model = model_of(kind, attention=TAP).double()
    return model, Watch(model, pair_batch())


def scores_of(module: torch.nn.Module, queries: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """(rows, heads, queries, keys): Q K^T over the root of a head's width, head by head."""
    weights = {name: values.detach().numpy() for name, values in module.named_parameters()}
    q = queries @ weights["q_proj.weight"].T + weights["q_proj.bias"]
    k = keys @ weights["k_proj.weight"].T + weights["k_proj.bias"]
    size = q.shape[-1] // module.num_heads
    heads = [slice(h * size, (h + 1) * size) for h in range(module.num_heads)]
    return np.stack([q[..., h] @ k[..., h].swapaxes(1, 2) / math.sqrt(size) for h in heads], axis=1)


def counted_pairs(kind: str) -> list[tuple[int, int, int]]:
    """Example, query, key: all that are real and that the query may see."""
    queries = SOURCE_LENGTHS if kind == "encoder" else TARGET_LENGTHS
    keys = TARGET_LENGTHS if kind == "decoder" else SOURCE_LENGTHS
    return [
        (b, i, j)
        for b in range(3)
        for i in range(queries[b])
        for j in range(keys[b])
        if kind != "decoder" or j <= i
    ]


def probabilities_of(scores: np.ndarray, kind: str) -> np.ndarray:
    """Softmax over the keys that count, query by query."""
    found = np.zeros_like(scores)
    keys_of = collections.defaultdict(list)
    for b, i, j in counted_pairs(kind):
        keys_of[b, i].append(j)
    for (b, i), keys in keys_of.items():
        for row in (b, 3 + b):
            found[row][:, i, keys] = np.exp(log_softmax(scores[row][:, i, keys]))
    return found


def expected_hidden(watch: Watch, objective: GenerationObjectiveSpec, layers: list[int]) -> float:
    found = []
    for side in objective.hidden_sides.split("+"):
        lengths = SOURCE_LENGTHS if side == "encoder" else TARGET_LENGTHS
        for layer in layers:
            states = watch.states[side][layer]
            squares = [
                ((states[b, t] - states[3 + b, t]) ** 2).mean() for b in range(3) for t in range(lengths[b])
            ]
            found.append(np.sum(squares) / 3 if objective.tokens == "sum" else np.mean(squares))
    return np.sum(found) if objective.layers == "sum" else np.mean(found)


def expected_attention(watch: Watch, objective: GenerationObjectiveSpec, layers: list[int]) -> float:
    found = []
    for kind in objective.attentions.split("+"):
        for layer in layers:
            tensor = watch.scores[kind][layer]
            if objective.attention == "probabilities":
                tensor = probabilities_of(tensor, kind)
            elif objective.attention == "dropped":
                tensor = watch.dropped[kind][layer]
            squares = []
            for b, i, j in counted_pairs(kind):
                of_heads = (tensor[b, :, i, j] - tensor[3 + b, :, i, j]) ** 2
                squares.append(of_heads.sum() if objective.heads == "sum" else of_heads.mean())
            found.append(np.sum(squares) / 3 if objective.tokens == "sum" else np.mean(squares))
    return np.sum(found) if objective.layers == "sum" else np.mean(found)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("attention", ["scores", "probabilities", "dropped"])
@pytest.mark.parametrize(
    ("changes", "layers"),
    [
        ({}, [0, 1]),
        ({"tokens": "sum", "heads": "sum", "layers": "sum"}, [0, 1]),
        ({"hidden_layers": "last", "attention_layers": "2", "heads": "sum"}, [1]),
        ({"hidden_sides": "encoder", "attentions": "encoder"}, [0, 1]),
        ({"hidden_sides": "decoder", "attentions": "decoder", "tokens": "sum"}, [0, 1]),
        ({"hidden_layers": "1", "attention_layers": "1", "attentions": "cross", "layers": "sum"}, [0]),
    ],
    ids=["means", "sums", "last", "encoder", "decoder", "cross"],
)
def test_the_inner_terms_are_those_of_numpy(
    kind: str, attention: str, changes: dict[str, str], layers: list[int]
) -> None:
    """In float64, from what hooks see in the model's own eager pass under the same dropout masks."""
    (model, watch), objective = watched(kind), objective_of(attention=attention, **changes)
    terms = terms_of(model, objective, pair_batch())
    assert terms.hidden.item() == pytest.approx(expected_hidden(watch, objective, layers), rel=1e-9)
    assert terms.attention.item() == pytest.approx(expected_attention(watch, objective, layers), rel=1e-9)
    assert terms.total(objective).item() == pytest.approx(
        sum(getattr(terms, name).item() for name in TERMS), rel=1e-12
    )


def test_weights_and_shares() -> None:
    """0.5 (2 + 3 x 5 + 4 x 7 + 6 x 11) = 55.5: every term of this objective is a mean."""
    terms = Terms(*(torch.tensor(value) for value in (2.0, 5.0, 7.0, 11.0)))
    objective = objective_of(alpha=3.0, beta=4.0, gamma=6.0)
    assert terms.total(objective).item() == 111.0
    assert terms.total(objective, 0.5).item() == 55.5


@pytest.mark.parametrize("attention", ["scores", "probabilities", "dropped"])
def test_gradients_are_slopes(attention: str) -> None:
    """Central differences along random directions, in float64, with the dropout masks held."""
    model = model_of("marian", attention=TAP, width=8, heads=2, feed_forward=8).double()
    objective = objective_of(attention=attention, passes="sum", alpha=2.0, beta=3.0, gamma=4.0)
    parameters = [p for p in model.parameters() if p.requires_grad]
    batch, step = pair_batch(), 1e-6

    def loss() -> torch.Tensor:
        return terms_of(model, objective, batch).total(objective)

    gradients = torch.autograd.grad(loss(), parameters)
    draw = torch.Generator().manual_seed(0)
    for _ in range(4):
        directions = [torch.randn(p.shape, generator=draw, dtype=p.dtype) for p in parameters]
        values = []
        with torch.no_grad():
            for sign in (1, -2, 1):  # there, back over the middle, and home
                for p, direction in zip(parameters, directions, strict=True):
                    p += sign * step * direction
                values.append(loss().item())
        slope = (values[0] - values[1]) / (2 * step)
        expected = sum((g * d).sum().item() for g, d in zip(gradients, directions, strict=True))
        assert slope == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("kind", "name"), [("marian", "ce"), ("marian", "lrdrop"), ("bart", "lrdrop")])
def test_gradient_checkpointing_changes_nothing(kind: str, name: str) -> None:
    weights = {"alpha": 1.0, "beta": 1.0} if name == "lrdrop" else {"alpha": 0.0, "beta": 0.0}
    objective = objective_of(name=name, **weights, gamma=0.0 if name == "ce" else 1.0)
    gradients = []
    for checkpointing in (False, True):
        model = model_of(kind, attention=TAP)
        if checkpointing:
            compute_layers_again(model)
        torch.manual_seed(3)
        with objective_terms(model, pair_batch(), objective) as terms:
            terms.total(objective).backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    torch.testing.assert_close(gradients[1], gradients[0])


def test_under_bf16_the_terms_stay_in_float32() -> None:
    model, objective = model_of("marian", attention=TAP), objective_of()
    full, half = (terms_of(model, objective, pair_batch(), half=half) for half in (None, torch.bfloat16))
    for name in TERMS:
        assert getattr(half, name).dtype == torch.float32
        assert getattr(half, name).item() == pytest.approx(getattr(full, name).item(), rel=0.1)
    assert half.task.item() != full.task.item()


def test_a_layer_that_is_not_there_is_named() -> None:
    model, batch = model_of("marian", attention=TAP), pair_batch()
    for key, idle in (("hidden_layers", "beta"), ("attention_layers", "alpha")):
        with pytest.raises(ConfigError, match=rf"objective\.{key}: '2-3' is no layer .* which has 2"):
            terms_of(model, objective_of(**{key: "2-3", idle: 0.0}), batch)


def test_attentions_that_cannot_be_heard_are_refused() -> None:
    """All of them, or some: their term would be missing in silence."""
    objective = objective_of()
    with pytest.raises(ConfigError, match=r"0 of 6 attentions of a Marian.* needs objective\.beta: 0"):
        terms_of(model_of("marian", attention="eager"), objective, pair_batch())
    model = model_of("marian", attention=TAP)
    deaf = model.get_decoder().layers[1].encoder_attn
    deaf.config = copy.deepcopy(deaf.config)
    deaf.config._attn_implementation = "eager"
    with pytest.raises(ConfigError, match="5 of 6 attentions"):
        terms_of(model, objective, pair_batch())
    assert terms_of(model, objective_of(attentions="encoder+decoder"), pair_batch()).attention.item() > 0


def test_a_model_of_another_build_is_refused() -> None:
    bert = BertModel(BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1))
    with pytest.raises(ConfigError, match=r"the attentions of a bert are not known; give objective\.beta: 0"):
        attentions_of(bert)
