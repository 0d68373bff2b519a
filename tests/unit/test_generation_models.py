"""Encoder-decoders: parameters and structure of the IWSLT recipe's Transformer, released ones, the tap."""

from __future__ import annotations

import collections
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, T5Config, T5ForConditionalGeneration

from generation_support import (
    CODEC,
    CPU,
    RATES,
    TOY_BART,
    data_root,
    generation_spec,
    model_of,
    pair_batch,
    search_of,
)
from redrop.data.text_pairs import SymbolCodec
from redrop.errors import ConfigError, DataError
from redrop.evaluation.decoding import decode
from redrop.models.attention import TAP
from redrop.models.generation import POSITIONS, build_transformer, load_generator, positions_of
from redrop.models.listening import Attention, listening
from redrop.models.pretrained import quiet
from redrop.objectives.pairs import attentions_of
from redrop.places import Places
from redrop.training.assembly import make_trainer

MODELS = ("marian", "bart")


def fairseq_shapes(layers: int, width: int, feed_forward: int, tokens: int) -> dict[str, tuple[int, ...]]:
    """What fairseq's ``transformer_iwslt_de_en`` holds with ``--share-all-embeddings``, one by one.

    One matrix for both embeddings and the output, which has no bias; attentions of four products with biases;
    two feed-forward products with biases; a norm behind each sub-layer and none behind the stacks; positions
    are sinusoids.
    """
    shapes: dict[str, tuple[int, ...]] = {"embed_tokens.weight": (tokens, width)}
    for stack, attentions in (("encoder", ["self_attn"]), ("decoder", ["self_attn", "encoder_attn"])):
        for layer in range(layers):
            at = f"{stack}.layers.{layer}"
            for attention in attentions:
                for product in ("k_proj", "v_proj", "q_proj", "out_proj"):
                    shapes[f"{at}.{attention}.{product}.weight"] = (width, width)
                    shapes[f"{at}.{attention}.{product}.bias"] = (width,)
            shapes[f"{at}.fc1.weight"], shapes[f"{at}.fc1.bias"] = (feed_forward, width), (feed_forward,)
            shapes[f"{at}.fc2.weight"], shapes[f"{at}.fc2.bias"] = (width, feed_forward), (width,)
            for norm in (*(f"{attention}_layer_norm" for attention in attentions), "final_layer_norm"):
                shapes[f"{at}.{norm}.weight"] = shapes[f"{at}.{norm}.bias"] = (width,)
    return shapes


def test_the_recipes_transformer_has_fairseqs_parameters() -> None:
    spec = generation_spec(
        model__layers=6, model__width=512, model__feed_forward=1024, model__heads=4, model__dropout=0.3
    ).model
    codec = SymbolCodec([f"w{number}" for number in range(97)])  # the number of tokens is but one factor
    with torch.device("meta"):  # shapes only
        model = build_transformer(spec, None, codec, 1)
    trained = {name: tuple(p.shape) for name, p in model.named_parameters() if p.requires_grad}
    expected = fairseq_shapes(6, 512, 1024, 100)
    ours = {name.removeprefix("model.").replace("shared.", "embed_tokens."): s for name, s in trained.items()}
    assert ours == expected
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    # By the formula of the module: 6 (1,050,624 + 1,048,576 + 1,024 + 512 + 2,048)
    # + 6 (2,101,248 + 1,048,576 + 1,024 + 512 + 3,072) = 12,616,704 + 18,926,592.
    assert count == sum(map(math.prod, expected.values())) == 31_543_296 + 512 * 100
    config = model.config
    assert (config.dropout, config.attention_dropout, config.activation_dropout) == (0.3, 0.1, 0.1)
    assert (config.encoder_layerdrop, config.decoder_layerdrop) == (0.0, 0.0)


def test_one_matrix_serves_three_places() -> None:
    model = model_of("marian")
    places = [model.get_encoder().embed_tokens, model.get_decoder().embed_tokens, model.lm_head]
    assert len({place.weight.data_ptr() for place in places}) == 1
    model(**pair_batch().inputs()).logits.sum().backward()
    assert places[0].weight.grad is places[2].weight.grad is not None


class NumpyTransformer:
    """The recipe's Transformer in float64, one pair at a time, without dropout."""

    def __init__(self, weights: dict[str, torch.Tensor], layers: int, heads: int) -> None:
        self.weights = {name: values.detach().double().numpy() for name, values in weights.items()}
        self.layers, self.heads = layers, heads

    def logits(self, source: list[int], target: list[int]) -> np.ndarray:
        """(T, V) of the decoder's input ``target``."""
        memory = self.embed(source)
        for number in range(self.layers):
            at = f"model.encoder.layers.{number}"
            memory = self.sub_layer(f"{at}.self_attn", memory, memory, np.zeros((len(source), len(source))))
            memory = self.feed_forward(at, memory)
        states = self.embed(target)
        later = np.triu(np.full((len(target), len(target)), -np.inf), k=1)
        for number in range(self.layers):
            at = f"model.decoder.layers.{number}"
            states = self.sub_layer(f"{at}.self_attn", states, states, later)
            states = self.sub_layer(
                f"{at}.encoder_attn", states, memory, np.zeros((len(target), len(source)))
            )
            states = self.feed_forward(at, states)
        return states @ self.weights["model.shared.weight"].T

    def embed(self, tokens: list[int]) -> np.ndarray:
        """Embeddings times the root of the width, plus sinusoids: sines in the first half, then cosines."""
        table = self.weights["model.shared.weight"]
        width = table.shape[1]
        angles = np.arange(len(tokens))[:, None] / 10000 ** (2 * np.arange(width // 2) / width)
        return table[tokens] * math.sqrt(width) + np.concatenate([np.sin(angles), np.cos(angles)], axis=1)

    def linear(self, name: str, x: np.ndarray) -> np.ndarray:
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def norm(self, name: str, x: np.ndarray) -> np.ndarray:
        scaled = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def sub_layer(self, name: str, x: np.ndarray, others: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Norm behind: LN(x + attention)."""
        q, k, v = (
            self.linear(f"{name}.{part}_proj", y) for part, y in (("q", x), ("k", others), ("v", others))
        )
        parts = []
        for head in np.split(np.arange(q.shape[1]), self.heads):
            scores = q[:, head] @ k[:, head].T / math.sqrt(len(head)) + mask
            shares = np.exp(scores - scores.max(-1, keepdims=True))
            parts.append(shares / shares.sum(-1, keepdims=True) @ v[:, head])
        mixed = self.linear(f"{name}.out_proj", np.concatenate(parts, axis=1))
        return self.norm(f"{name}_layer_norm", x + mixed)

    def feed_forward(self, at: str, x: np.ndarray) -> np.ndarray:
        inner = np.maximum(self.linear(f"{at}.fc1", x), 0.0)
        return self.norm(f"{at}.final_layer_norm", x + self.linear(f"{at}.fc2", inner))


def test_the_transformer_computes_what_the_recipe_says() -> None:
    """Post-norm, ReLU, scaled embeddings, sinusoids, one tied matrix: in numpy, without transformers."""
    model, batch = model_of("marian").eval(), pair_batch()
    with torch.no_grad():
        for name, values in model.named_parameters():  # biases and norms are 0 and 1 at first
            if name.endswith("bias") or "norm" in name:
                values += 0.3 * torch.randn(values.shape, generator=torch.Generator().manual_seed(len(name)))
        found = model(**batch.inputs()).logits
    plain = NumpyTransformer(dict(model.named_parameters()), layers=2, heads=2)
    decoder_input = batch.inputs()["decoder_input_ids"]
    for b in range(3):
        source = batch.source_BS[b][batch.real_BS[b]].tolist()
        target = decoder_input[b][batch.real_BT[b]].tolist()
        np.testing.assert_allclose(found[b, : len(target)], plain.logits(source, target), rtol=0, atol=1e-4)


def test_the_weights_are_drawn_from_the_runs_own_stream() -> None:
    spec = generation_spec(model__width=64, model__feed_forward=96, model__heads=4).model
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    one, same, other = (build_transformer(spec, None, CODEC, seed) for seed in (1, 1, 2))
    assert torch.rand(1).equal(expected)  # torch's own generator is as it was
    for name, values in one.named_parameters():
        assert values.equal(same.get_parameter(name))
        drawn = values.dim() == 2 and "embed_positions" not in name
        assert values.equal(other.get_parameter(name)) != drawn


def test_the_weights_have_the_recipes_size() -> None:
    """Xavier: uniform within sqrt(6 / (inputs + outputs)), and 1 / sqrt(2) of it for query, key and value."""
    spec = generation_spec(model__width=64, model__feed_forward=96, model__heads=4).model
    model = build_transformer(spec, None, SymbolCodec([f"w{n}" for n in range(500)]), 1)
    bounds = {
        "q_proj": math.sqrt(6 / 128 / 2),
        "k_proj": math.sqrt(6 / 128 / 2),
        "v_proj": math.sqrt(6 / 128 / 2),
        "out_proj": math.sqrt(6 / 128),
        "fc1": math.sqrt(6 / 160),
        "fc2": math.sqrt(6 / 160),
    }
    seen = collections.Counter()
    for name, values in model.named_parameters():
        *_, module, kind = name.split(".")
        if module in bounds and kind == "weight":
            assert 0.98 * bounds[module] < values.abs().max() <= bounds[module], name
            assert values.std().item() == pytest.approx(bounds[module] / math.sqrt(3), rel=0.05), name
            seen[module] += 1
        elif kind == "bias":
            assert not values.any(), name
    assert seen == {"q_proj": 3, "k_proj": 3, "v_proj": 3, "out_proj": 3, "fc1": 2, "fc2": 2}
    table = model.get_input_embeddings().weight
    assert not table[CODEC.pad].any()
    assert table[1:].std().item() == pytest.approx(1 / 8, rel=0.02)  # 64^-0.5


@pytest.mark.parametrize("kind", MODELS)
def test_in_evaluation_the_tap_computes_eager_attention(kind: str) -> None:
    """Bit for bit, with every attention heard once, its probabilities those that the model returns."""
    eager, tapped = (model_of(kind, attention=attention).eval() for attention in ("eager", TAP))
    inputs = pair_batch().inputs() | {"use_cache": False}
    seen: list[Attention] = []
    with torch.no_grad(), listening(seen.append):
        found = tapped(**inputs)
    with torch.no_grad():
        expected = eager(**inputs, output_attentions=True)
    assert found.logits.equal(expected.logits)
    where = attentions_of(tapped)
    kinds = ("encoder", "decoder", "cross")
    assert sorted(where.values()) == sorted((name, layer) for name in kinds for layer in (0, 1))
    returned = dict(
        zip(
            kinds,
            (expected.encoder_attentions, expected.decoder_attentions, expected.cross_attentions),
            strict=True,
        )
    )
    assert collections.Counter(where[one.module] for one in seen) == dict.fromkeys(where.values(), 1)
    shapes = {"encoder": (7, 7), "decoder": (6, 6), "cross": (6, 7)}
    for one in seen:
        name, layer = where[one.module]
        assert one.probabilities.equal(returned[name][layer])
        assert one.scores.shape[-2:] == shapes[name]
    causal = next(one for one in seen if where[one.module] == ("decoder", 1))
    assert not causal.probabilities.triu(1).any()
    later = causal.scores[..., torch.ones(6, 6, dtype=torch.bool).triu(1)]
    assert 0 < later.abs().max() < 100  # scores are seen before the mask, which is next to minus infinity


@pytest.mark.parametrize("kind", MODELS)
def test_in_training_the_tap_draws_the_masks_of_eager_attention(kind: str) -> None:
    found = []
    for attention in ("eager", TAP):
        model = model_of(kind, attention=attention)
        torch.manual_seed(7)
        logits = model(**pair_batch().inputs(), use_cache=False).logits
        logits.square().sum().backward()
        found.append((logits, [p.grad for p in model.parameters() if p.grad is not None]))
    (expected, expected_gradients), (logits, gradients) = found
    assert logits.equal(expected)
    torch.testing.assert_close(gradients, expected_gradients, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small BART as a folder, with settings of a search in its configuration as released ones have them."""
    folder = tmp_path_factory.mktemp("models") / "bart"
    with quiet():
        model_of("bart").save_pretrained(folder)
    (folder / "generation_config.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    config |= {"num_beams": 4, "no_repeat_ngram_size": 1, "min_length": 9, "max_length": 20}
    (folder / "config.json").write_text(json.dumps(config | {"forced_bos_token_id": 5}))
    return folder


def generator(folder: Path, **rates: float) -> Any:
    values = {"name": "generator", "checkpoint": str(folder), "revision": None, **dict.fromkeys(RATES)}
    return generation_spec(model=values | rates, data__task="toy_summaries").model


def test_a_released_model_is_loaded_with_the_rates_that_are_asked_for(released: Path) -> None:
    as_released = load_generator(generator(released), released, CODEC, 1)
    changed = load_generator(generator(released, dropout=0.4, attention_dropout=0.0), released, CODEC, 1)
    assert [getattr(as_released.config, rate) for rate in RATES] == [0.1, 0.1, 0.1]
    assert [getattr(changed.config, rate) for rate in RATES] == [0.4, 0.0, 0.1]
    assert changed.model.encoder.layers[1].dropout == 0.4
    original = model_of("bart")
    for name, values in changed.named_parameters():
        assert values.equal(original.get_parameter(name))
        assert values.dtype == torch.float32
    assert positions_of(changed) == 256


def test_a_released_models_own_search_settings_do_not_count(released: Path) -> None:
    """Beams, lengths, forced and forbidden tokens are the run's, also where the run says: none."""
    model = load_generator(generator(released), released, CODEC, 1)
    source = CODEC.encode(["w1 w2 w3", "w4 w5"])
    found, plain = (decode(one, CODEC, source, search_of(beam=1)) for one in (model, model_of("bart")))
    assert found == plain


def test_a_folder_that_is_no_encoder_decoder_is_refused(tmp_path: Path) -> None:
    def refused(**rates: float) -> pytest.ExceptionInfo:
        with pytest.raises(DataError, match="cannot be loaded as an encoder-decoder") as caught:
            load_generator(generator(tmp_path, **rates), tmp_path, CODEC, 1)
        assert str(tmp_path) in str(caught.value)
        return caught

    refused()  # empty
    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    with quiet():
        BertForMaskedLM(BertConfig(vocab_size=9, **small)).save_pretrained(tmp_path)
    refused()  # an encoder
    sizes = {"d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 1, "num_heads": 2}
    with quiet():
        T5ForConditionalGeneration(T5Config(vocab_size=9, **sizes)).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"model\.attention_dropout: a t5 has no such rate; give null"):
        load_generator(generator(tmp_path, attention_dropout=0.1), tmp_path, CODEC, 1)
    with pytest.raises(ConfigError, match=r"model\.checkpoint: a t5 does not say how many positions"):
        positions_of(load_generator(generator(tmp_path), tmp_path, CODEC, 1))
    (tmp_path / "config.json").write_text("{")
    refused()


def test_a_toy_bart_has_the_codecs_marks_and_its_runs_weights() -> None:
    spec = generation_spec(model=TOY_BART).model
    one, same, other = (load_generator(spec, None, CODEC, seed) for seed in (1, 1, 2))
    assert one.lm_head.weight.equal(same.lm_head.weight)
    assert not one.lm_head.weight.equal(other.lm_head.weight)
    for model in (one, model_of("marian")):
        config = model.config
        marks = (config.pad_token_id, config.eos_token_id, config.decoder_start_token_id)
        assert marks == (CODEC.pad, CODEC.end, CODEC.end)
        assert (config.bos_token_id, config.forced_eos_token_id) == (None, None)
        assert config.vocab_size == CODEC.size
    assert positions_of(model_of("marian")) == POSITIONS


def test_a_released_model_does_not_translate_bpe() -> None:
    with pytest.raises(ConfigError, match=r"has a vocabulary of its own.* give model\.name: transformer"):
        generation_spec(model=TOY_BART | {"checkpoint": "bart-large"})


def test_a_released_model_that_is_started_by_another_token_is_refused(released: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(released, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"decoder_start_token_id": CODEC.pad}))
    with pytest.raises(ConfigError, match=r"starts its outputs with token 0, not with its end mark, 1"):
        load_generator(generator(folder), folder, CODEC, 1)


@pytest.mark.parametrize("task", ["toy_xx_yy", "toy_summaries"])
@pytest.mark.parametrize("model", [None, TOY_BART], ids=["transformer", "bart"])
def test_both_tasks_are_made_ready_for_both_models(task: str, model: dict[str, Any] | None) -> None:
    chosen = {} if model is None else {"model": model}
    spec = generation_spec(data__task=task, **chosen)
    trainer, (source,) = make_trainer([spec], Places(data_root(), data_root()), CPU)
    assert source.data["examples"] == {name: len(split) for name, split in trainer.task.pairs.splits.items()}
    assert source.data["name"] == spec.data.data_set
    assert source.data["model_sha256"] is None
    assert source.origin["origin"] == "generated"
    assert math.isfinite(trainer.step().item())
