"""The whole objective inside a small BERT: what it is at its limits, and by hand from two separate passes."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from redrop.errors import ConfigError
from redrop.models.attention import TAP
from redrop.models.listening import Attention, listening
from redrop.models.pretrained import compute_layers_again
from redrop.objectives.examples import ExampleBatch
from redrop.objectives.terms import chosen_layers, terms_of
from redrop.spec_encoder import ConsistencySpec

DEFAULTS: dict[str, Any] = {
    "name": "lrdrop",
    "alpha": 1.0,
    "beta": 1.0,
    "gamma": 1.0,
    "passes": "mean",
    "outputs": "batchmean",
    "hidden_layers": "all",
    "attention_layers": "all",
    "attention": "probabilities",
    "layers": "mean",
    "heads": "mean",
    "tokens": "mean",
}
LABELS = torch.tensor([0, 1, 2, 1])


def spec(**changes: Any) -> ConsistencySpec:
    return ConsistencySpec(**(DEFAULTS | changes))


def model(dropout: float = 0.1, labels: int = 3) -> BertForSequenceClassification:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=48,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        num_labels=labels,
    )
    made = BertForSequenceClassification(config).train()
    made.set_attn_implementation(TAP)
    return made


def batch() -> dict[str, torch.Tensor]:
    tokens = torch.randint(2, 50, (4, 7), generator=torch.Generator().manual_seed(1))
    mask = torch.arange(7)[None] < torch.tensor([7, 5, 2, 7])[:, None]
    return {"input_ids": tokens * mask, "attention_mask": mask.long()}


def loss(objective: ConsistencySpec, seed: int = 3, **options: Any) -> float:
    torch.manual_seed(seed)
    with terms_of(model(**options), ExampleBatch(batch(), LABELS), objective) as terms:
        return terms.total(objective).item()


def test_without_inner_terms_it_is_rdrop_and_without_any_it_is_plain() -> None:
    rdrop = spec(name="rdrop", alpha=0.0, beta=0.0, gamma=0.7)
    assert loss(spec(alpha=0.0, beta=0.0, gamma=0.7)) == loss(rdrop)
    torch.manual_seed(3)
    doubled = {name: torch.cat([values, values]) for name, values in batch().items()}
    plain = torch.nn.functional.cross_entropy(model()(**doubled).logits, LABELS.repeat(2)).item()
    assert loss(spec(alpha=0.0, beta=0.0, gamma=0.0)) == pytest.approx(plain, abs=1e-7)


def test_plain_fine_tuning_is_one_pass() -> None:
    torch.manual_seed(3)
    expected = torch.nn.functional.cross_entropy(model()(**batch()).logits, LABELS).item()
    assert loss(spec(name="ce", alpha=0.0, beta=0.0, gamma=0.0)) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("attention", ["scores", "probabilities", "dropped"])
def test_without_dropout_every_term_is_exactly_0(attention: str) -> None:
    objective = spec(attention=attention, layers="sum", heads="sum", tokens="sum")
    with terms_of(model(dropout=0.0), ExampleBatch(batch(), LABELS), objective) as terms:
        assert (terms.hidden.item(), terms.attention.item(), terms.output.item()) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("attention", ["scores", "probabilities", "dropped"])
@pytest.mark.parametrize("layers", ["all", "last", "2", "1-2"])
def test_the_terms_are_those_of_two_separate_tensors(attention: str, layers: str) -> None:
    """The doubled batch run by hand, its halves compared layer by layer."""
    objective = spec(attention=attention, hidden_layers=layers, attention_layers=layers, layers="sum")
    torch.manual_seed(3)
    with terms_of(model(), ExampleBatch(batch(), LABELS), objective) as terms:
        pass
    torch.manual_seed(3)
    seen: list[Attention] = []
    doubled = {name: torch.cat([values, values]) for name, values in batch().items()}
    with torch.no_grad(), listening(seen.append):
        output = model()(**doubled, output_hidden_states=True)
    real = batch()["attention_mask"].bool()
    hidden = found = 0.0
    for layer in {"all": [0, 1, 2], "last": [2], "2": [1], "1-2": [0, 1]}[layers]:
        first, second = output.hidden_states[layer + 1].chunk(2)
        hidden += (first[real] - second[real]).square().mean().item()
        one, other = getattr(seen[layer], attention).chunk(2)
        squares = (one - other).square().mean(1)
        found += torch.cat([squares[b][real[b]][:, real[b]].flatten() for b in range(4)]).mean().item()
    assert terms.hidden.item() == pytest.approx(hidden, rel=1e-5)
    assert terms.attention.item() == pytest.approx(found, rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "task", "consistency"),
    [
        ({"passes": "sum", "outputs": "sum", "gamma": 0.5}, 2.0, 0.5 * 4),  # BERT, batch of 4
        ({"passes": "half-first", "outputs": "sum", "gamma": 0.7}, None, 0.7 * 4),  # RoBERTa
    ],
)
def test_the_official_reductions_of_rdrop(
    changes: dict[str, Any], task: float | None, consistency: float
) -> None:
    """Its GLUE code: batch means of the cross entropy, but a batch sum of the divergence, halved."""
    objective = spec(name="rdrop", alpha=0.0, beta=0.0, **changes)
    torch.manual_seed(3)
    doubled = {name: torch.cat([values, values]) for name, values in batch().items()}
    with torch.no_grad():
        first, second = model()(**doubled).logits.chunk(2)
    p, q = first.log_softmax(-1), second.log_softmax(-1)
    kl = torch.nn.functional.kl_div
    both = kl(q, p, log_target=True, reduction="sum") + kl(p, q, log_target=True, reduction="sum")
    ce = [torch.nn.functional.cross_entropy(half, LABELS).item() for half in (first, second)]
    official = (sum(ce) if task else 0.5 * ce[0]) + changes["gamma"] * both.item() / 2
    assert loss(objective) == pytest.approx(official, abs=1e-6)
    in_examples = loss(dataclasses.replace(objective, outputs="batchmean", gamma=consistency))
    assert in_examples == pytest.approx(
        official, abs=1e-6
    )  # the effective weight: gamma times the batch size


def test_a_regression_has_squared_errors() -> None:
    objective = spec(alpha=0.0, beta=0.0, passes="sum", gamma=0.8)
    labels = torch.tensor([0.0, 2.5, 5.0, 1.0])
    torch.manual_seed(3)
    with terms_of(model(labels=1), ExampleBatch(batch(), labels), objective) as terms:
        found = terms.total(objective).item()
    torch.manual_seed(3)
    doubled = {name: torch.cat([values, values]) for name, values in batch().items()}
    with torch.no_grad():
        first, second = model(labels=1)(**doubled).logits.squeeze(-1).chunk(2)
    mse = torch.nn.functional.mse_loss
    expected = mse(first, labels) + mse(second, labels) + 0.8 * mse(first, second)
    assert found == pytest.approx(expected.item(), rel=1e-6)


def test_gradient_checkpointing_changes_nothing() -> None:
    gradients = []
    for checkpointing in (False, True):
        made = model()
        if checkpointing:
            compute_layers_again(made)
        torch.manual_seed(3)
        objective = spec(attention="scores")
        with terms_of(made, ExampleBatch(batch(), LABELS), objective) as terms:
            terms.total(objective).backward()
        gradients.append([p.grad for p in made.parameters() if p.grad is not None])
    torch.testing.assert_close(gradients[1], gradients[0])


def test_layers_are_named_from_1() -> None:
    assert list(chosen_layers("all", 3, "k")) == [0, 1, 2]
    assert list(chosen_layers("last", 3, "k")) == [2]
    assert list(chosen_layers("2", 3, "k")) == [1]
    assert list(chosen_layers("2-3", 3, "k")) == [1, 2]
    for text in ("4", "0", "3-2", "2-4"):
        with pytest.raises(
            ConfigError, match=r"objective\.layers: .* is no layer of this model, which has 3"
        ):
            chosen_layers(text, 3, "objective.layers")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alpha": -0.1}, r"objective\.alpha: -0\.1 is out of range"),
        ({"name": "rdrop"}, r"objective\.alpha: 1\.0, but rdrop has no such term"),
        ({"name": "r-drop"}, "did you mean 'rdrop'"),
        ({"attention": "score"}, "did you mean 'scores'"),
        ({"hidden_layers": "first"}, r"objective\.hidden_layers: 'first' is not all, last"),
    ],
)
def test_a_bad_setting_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        spec(**changes)
