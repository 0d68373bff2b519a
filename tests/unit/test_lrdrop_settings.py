"""Settings of LR-Drop that came later: the feed-forward output as hidden state, weights that rise."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from transformers import BertConfig, BertForSequenceClassification, PreTrainedModel

from finetune_support import LRDROP, glue_spec
from generation_support import LRDROP as GENERATION_LRDROP
from generation_support import generation_spec, model_of, objective_of, pair_batch, small, trainer_of
from redrop.errors import ConfigError
from redrop.models.attention import TAP
from redrop.models.pretrained import compute_layers_again
from redrop.objectives.examples import ExampleBatch
from redrop.objectives.feed_forward import last_products
from redrop.objectives.terms import Batch, Terms, risen
from redrop.objectives.terms import terms_of as objective_terms
from redrop.spec_encoder import ConsistencySpec

LABELS = torch.tensor([0, 1, 2])


def bert() -> PreTrainedModel:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24}
    made = BertForSequenceClassification(BertConfig(vocab_size=40, num_labels=3, **sizes)).train()
    made.set_attn_implementation(TAP)
    return made


def examples() -> ExampleBatch:
    tokens = torch.randint(2, 40, (3, 6), generator=torch.Generator().manual_seed(1))
    mask = (torch.arange(6)[None] < torch.tensor([6, 4, 2])[:, None]).long()
    return ExampleBatch({"input_ids": tokens * mask, "attention_mask": mask}, LABELS)


def of_examples(**changes: Any) -> ConsistencySpec:
    every = {"alpha": 1.0, "beta": 1.0, "hidden": "feed-forward"}
    return dataclasses.replace(glue_spec(**LRDROP).objective, **(every | changes))


def terms_of(model: PreTrainedModel, objective: ConsistencySpec, batch: Batch) -> Terms:
    """Under dropout masks that are the same every time."""
    torch.manual_seed(3)
    with objective_terms(model, batch, objective) as terms:
        return terms


def by_hand(model: PreTrainedModel, modules: list[torch.nn.Linear], run: Any) -> list[torch.Tensor]:
    """The products of what comes into each module with its matrix, in a pass of our own."""
    found: dict[torch.nn.Module, torch.Tensor] = {}
    hooks = [m.register_forward_pre_hook(lambda m, inputs: found.setdefault(m, inputs[0])) for m in modules]
    torch.manual_seed(3)
    with torch.no_grad():
        run(model)
    for hook in hooks:
        hook.remove()
    return [F.linear(found[m], m.weight, m.bias) for m in modules]


@pytest.mark.parametrize(("layers", "chosen"), [("all", [0, 1, 2]), ("2", [1])])
def test_the_hidden_state_of_an_encoder_is_the_second_product(layers: str, chosen: list[int]) -> None:
    model, batch = bert(), examples()
    found = terms_of(model, of_examples(hidden_layers=layers), batch).hidden
    doubled = {name: torch.cat([values, values]) for name, values in batch.inputs.items()}
    modules = [model.bert.encoder.layer[layer].output.dense for layer in chosen]
    real, expected = batch.inputs["attention_mask"].bool(), []
    for state in by_hand(model, modules, lambda m: m(**doubled)):
        first, second = state.chunk(2)
        expected.append((first[real] - second[real]).square().mean())
    assert found.item() == pytest.approx(torch.stack(expected).mean().item(), rel=1e-5)
    assert found.item() != pytest.approx(terms_of(model, of_examples(hidden="block"), batch).hidden.item())


@pytest.mark.parametrize("kind", ["marian", "bart"])
@pytest.mark.parametrize("sides", ["encoder", "decoder", "encoder+decoder"])
def test_the_hidden_states_of_an_encoder_decoder(kind: str, sides: str) -> None:
    model, batch = model_of(kind, attention=TAP), pair_batch()
    found = terms_of(model, objective_of(hidden="feed-forward", hidden_sides=sides), batch).hidden
    doubled = {name: torch.cat([values, values]) for name, values in batch.inputs().items()}
    expected = []
    for side in sides.split("+"):
        stack = getattr(model, f"get_{side}")()
        real = {"encoder": batch.real_BS, "decoder": batch.real_BT}[side]
        states = by_hand(model, [own.fc2 for own in stack.layers], lambda m: m(**doubled, use_cache=False))
        halves = [state.chunk(2) for state in states]
        expected += [(first[real] - second[real]).square().mean() for first, second in halves]
    assert found.item() == pytest.approx(torch.stack(expected).mean().item(), rel=1e-5)


@pytest.mark.parametrize("of", ["encoder", "encoder-decoder"])
@pytest.mark.parametrize("attention", ["scores", "probabilities"])
def test_gradients_are_slopes(of: str, attention: str) -> None:
    """Central differences along random directions, in float64, with the dropout masks held."""
    if of == "encoder":
        model, batch = bert().double(), examples()
        objective = of_examples(attention=attention, alpha=2.0, beta=3.0)
    else:
        model = model_of("marian", attention=TAP, width=8, heads=2, feed_forward=8).double()
        batch, objective = pair_batch(), objective_of(hidden="feed-forward", attention=attention, alpha=2.0)
    parameters, step = [p for p in model.parameters() if p.requires_grad], 1e-6

    def loss() -> torch.Tensor:
        return terms_of(model, objective, batch).total(objective, rise=0.5)

    gradients = torch.autograd.grad(loss(), parameters, allow_unused=True)
    draw = torch.Generator().manual_seed(0)
    for _ in range(2):
        directions = [torch.randn(p.shape, generator=draw, dtype=p.dtype) for p in parameters]
        values = []
        with torch.no_grad():
            for sign in (1, -2, 1):
                for p, direction in zip(parameters, directions, strict=True):
                    p += sign * step * direction
                values.append(loss().item())
        pairs = zip(gradients, directions, strict=True)
        expected = sum((g * d).sum().item() for g, d in pairs if g is not None)
        assert (values[0] - values[1]) / (2 * step) == pytest.approx(expected, rel=1e-5)


def test_gradient_checkpointing_changes_nothing() -> None:
    gradients = []
    for again in (False, True):
        model = bert()
        if again:
            compute_layers_again(model)
        torch.manual_seed(3)
        with objective_terms(model, examples(), of_examples()) as terms:
            terms.total(of_examples()).backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    torch.testing.assert_close(gradients[1], gradients[0])


def test_nobody_listens_after_the_block() -> None:
    model = bert()
    terms_of(model, of_examples(), examples())
    assert not any(module._forward_hooks for module in last_products(model))


def test_a_model_whose_feed_forward_layers_are_not_known_is_refused() -> None:
    model = bert()
    model.bert.encoder.layer = torch.nn.ModuleList()
    with pytest.raises(ConfigError, match=r"layers of a bert are not known; give objective\.hidden: block"):
        last_products(model)


def test_weights_rise_on_a_line_over_their_share_of_the_updates() -> None:
    """A quarter of 16 updates: 1/4, 2/4, 3/4, 1, and 1 from then on."""
    objective = of_examples(weights_warmup=0.25)
    assert [risen(objective, update, 16) for update in (0, 1, 2, 3, 4, 15)] == [
        0.25,
        0.5,
        0.75,
        1.0,
        1.0,
        1.0,
    ]
    assert risen(of_examples(), 0, 16) == 1.0
    terms = Terms(*(torch.tensor(value) for value in (2.0, 5.0, 7.0, 11.0)))
    weights = of_examples(alpha=3.0, beta=4.0, gamma=6.0)
    assert terms.total(weights, 1.0, 0.5).item() == 2.0 + (15.0 + 28.0 + 66.0) / 2


def test_the_loop_lets_the_weights_rise() -> None:
    """The first update of four rises to a half; the loss it returns is the terms' weighted so."""
    spec = generation_spec(**GENERATION_LRDROP, objective__weights_warmup=0.5, schedule__updates=4)
    trainer = trainer_of(spec, small("toy_xx_yy", 8))
    total = trainer.step().item()
    means, objective = trainer.mean_terms(), spec.objective
    weighted = (objective.alpha * means["hidden"], objective.beta * means["attention"], means["output"])
    assert total == pytest.approx(means["task"] + 0.5 * sum(weighted), rel=1e-5)


def test_runs_from_before_keep_their_ids() -> None:
    spec = glue_spec(**LRDROP)
    assert {"hidden", "weights_warmup"}.isdisjoint(spec.to_dict()["objective"])
    defaults = {"objective__hidden": "block", "objective__weights_warmup": 0.0}
    assert glue_spec(**LRDROP, **defaults).run == spec.run
    assert glue_spec(**LRDROP, objective__hidden="feed-forward").run != spec.run
    for key, value in (("hidden", "output"), ("weights_warmup", 1.5)):
        with pytest.raises(ConfigError, match=rf"objective\.{key}"):
            glue_spec(**LRDROP, **{f"objective__{key}": value})
