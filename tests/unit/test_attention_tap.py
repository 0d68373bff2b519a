"""The tap inside unmodified BERT, RoBERTa and ELECTRA: their own eager attention, seen from within."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    ElectraConfig,
    ElectraForSequenceClassification,
    PreTrainedModel,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from redrop.models.attention import TAP
from redrop.models.listening import Attention, listening
from redrop.models.pretrained import compute_layers_again

SIZES = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
}
MODELS = {
    "bert": (BertForSequenceClassification, BertConfig(**SIZES)),
    "roberta": (RobertaForSequenceClassification, RobertaConfig(**SIZES, pad_token_id=0)),
    "electra": (ElectraForSequenceClassification, ElectraConfig(**SIZES, embedding_size=16)),
}


def build(name: str, attention: str) -> PreTrainedModel:
    kind, config = MODELS[name]
    torch.manual_seed(0)
    model = kind(config)
    model.set_attn_implementation(attention)
    return model


def batch() -> dict[str, torch.Tensor]:
    tokens = torch.randint(2, 50, (6, 9), generator=torch.Generator().manual_seed(1))
    mask = torch.arange(9)[None] < torch.tensor([9, 5, 7, 9, 3, 1])[:, None]
    return {"input_ids": tokens * mask, "attention_mask": mask.long()}


@pytest.fixture(params=list(MODELS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_in_evaluation_the_outputs_are_those_of_eager_attention(name: str) -> None:
    eager, tapped = build(name, "eager").eval(), build(name, TAP).eval()
    with torch.no_grad():
        assert tapped(**batch()).logits.equal(eager(**batch()).logits)


def test_in_training_the_outputs_and_gradients_are_those_of_eager_attention(name: str) -> None:
    found = []
    for attention in ("eager", TAP):
        model = build(name, attention).train()
        torch.manual_seed(7)
        logits = model(**batch()).logits
        logits.square().sum().backward()
        found.append((logits, [p.grad for p in model.parameters() if p.grad is not None]))
    (expected, expected_gradients), (logits, gradients) = found
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(gradients, expected_gradients, rtol=0, atol=1e-5)


def test_the_listener_sees_the_probabilities_before_dropout(name: str) -> None:
    """Without dropout they are what the unmodified model returns as attention."""
    eager, tapped = build(name, "eager").eval(), build(name, TAP).eval()
    seen: list[Attention] = []
    with torch.no_grad(), listening(seen.append):
        tapped(**batch())
    with torch.no_grad():
        expected = eager(**batch(), output_attentions=True).attentions
    assert len(seen) == len(expected) == 3
    for layer, probabilities in zip(seen, expected, strict=True):
        assert layer.probabilities.equal(probabilities)
        assert layer.dropped.equal(probabilities)
        masked = layer.scores.masked_fill(batch()["attention_mask"][:, None, None] == 0, -torch.inf)
        torch.testing.assert_close(masked.softmax(-1), probabilities)


def test_dropout_is_applied_to_what_the_listener_sees(name: str) -> None:
    model = build(name, TAP).train()
    seen: list[Attention] = []
    torch.manual_seed(7)
    with listening(seen.append):
        model(**batch())
    for layer in seen:
        kept = layer.dropped != 0
        torch.testing.assert_close(layer.dropped[kept], layer.probabilities[kept] / 0.9)
        real = layer.probabilities > 0
        assert 0.02 < 1 - kept[real].float().mean() < 0.25  # the rate is 0.1


def test_nobody_listens_after_the_block(name: str) -> None:
    seen: list[Attention] = []
    with pytest.raises(RuntimeError, match="stop"), listening(seen.append):
        raise RuntimeError("stop")
    build(name, TAP)(**batch())
    assert not seen


def test_the_tap_works_under_gradient_checkpointing(name: str) -> None:
    """A loss on the scores has the same gradients with and without it."""
    gradients = []
    for checkpointing in (False, True):
        model = build(name, TAP).train()
        if checkpointing:
            compute_layers_again(model)
        seen: list[torch.Tensor] = []
        torch.manual_seed(7)
        with listening(lambda layer, seen=seen: seen.append(layer.scores.square().mean())):
            model(**batch())
            torch.stack(seen[:3]).sum().backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    torch.testing.assert_close(gradients[1], gradients[0])
