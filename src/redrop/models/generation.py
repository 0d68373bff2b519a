"""Encoder-decoders: one built of a released ``transformers`` class, and released ones.

The Transformer of the IWSLT recipe (fairseq's ``transformer_iwslt_de_en``) is a ``MarianMTModel``: norms
behind the sub-layers, sinusoidal positions, ReLU, one matrix for both embeddings and the output. With width
C, feed-forward F and V tokens it has

    V C + layers (4 (C^2 + C) + 2 C F + F + C + 4 C) + layers (8 (C^2 + C) + 2 C F + F + C + 6 C)

parameters, as fairseq's has: 31,543,296 + 512 V at the recipe's size (6 layers, C = 512, F = 1024).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from redrop.data.text_pairs import Codec
from redrop.errors import ConfigError
from redrop.models.pretrained import LOCAL, WEIGHTS, quiet, readable, refuse_random, set_rates
from redrop.models.sources import TOY
from redrop.spec_generation import GeneratorSpec, TransformerSpec
from redrop.streams import derive_seed

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LIKE_BART = "give one that is built like BART"
POSITIONS = 1024
"""Tokens that a Transformer of ours can tell the place of; sinusoids, so they cost nothing."""
RATES = ("dropout", "attention_dropout", "activation_dropout")
RELEASED_RATES = {rate: (rate,) for rate in RATES} | {"dropout": ("dropout", "dropout_rate")}
"""Our names of dropout rates -> what configurations of ``transformers`` call them."""
# The released deviation, 0.02, is for a much wider model: a narrow one hardly begins to learn.
TOY_SIZES = {"max_position_embeddings": 256, "init_std": 0.1}


def build_transformer(spec: TransformerSpec, folder: Path | None, codec: Codec, seed: int) -> PreTrainedModel:
    """The Transformer with random weights (see ``draw_weights``); ``folder`` is for released models alone."""
    from transformers import MarianConfig, MarianMTModel

    config = MarianConfig(
        **_sizes(codec, spec.width, spec.layers, spec.heads, spec.feed_forward),
        activation_function="relu",
        scale_embedding=True,
        max_position_embeddings=POSITIONS,
        **{key: getattr(spec, key) for key in RATES},
    )
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(derive_seed(seed, "initialisation"))
        model = MarianMTModel(config)
        draw_weights(model)
    return model


def _sizes(codec: Codec, width: int, layers: int, heads: int, feed_forward: int) -> dict[str, int | None]:
    """Sizes, the same for both halves, and special tokens of a configuration of BART's or Marian's kind.

    A decoder is started with the end mark, as fairseq's is.
    """
    halves = {"layers": layers, "attention_heads": heads, "ffn_dim": feed_forward}
    return {
        **{f"{half}_{key}": size for half in ("encoder", "decoder") for key, size in halves.items()},
        "d_model": width,
        "vocab_size": codec.size,
        "pad_token_id": codec.pad,
        "eos_token_id": codec.end,
        "decoder_start_token_id": codec.end,
        "bos_token_id": None,
        "forced_eos_token_id": None,
    }


def draw_weights(model: PreTrainedModel) -> None:
    """Draw what training from nothing begins with: near to fairseq's choices, in place.

    Matrices by Xavier's uniform rule, those of query, key and value smaller by the root of 2; biases 0;
    embeddings normal with standard deviation width^-0.5, padding 0. torch's global generator is used.
    """
    output = model.get_output_embeddings()
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and module is not output:  # the output shares the embedding's
            is_input = name.endswith(("q_proj", "k_proj", "v_proj"))
            nn.init.xavier_uniform_(module.weight, gain=math.sqrt(0.5) if is_input else 1.0)
            nn.init.zeros_(module.bias)
    embedding = model.get_input_embeddings()
    nn.init.normal_(embedding.weight, std=embedding.embedding_dim**-0.5)
    with torch.no_grad():
        embedding.weight[model.config.pad_token_id].zero_()


def load_generator(spec: GeneratorSpec, folder: Path | None, codec: Codec, seed: int) -> PreTrainedModel:
    """The released model in ``folder`` (see ``redrop.models.sources``); ``toy``: a tiny BART, random weights.

    Settings of a search that come with it are dropped: the run's own are all that count. Raises ``DataError``
    where the folder cannot be loaded, ``ConfigError`` where its outputs begin otherwise than BART's do.
    """
    import transformers

    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(derive_seed(seed, "initialisation"))
        if spec.checkpoint == TOY:
            config = transformers.BartConfig(**_sizes(codec, 64, 2, 4, 128), **TOY_SIZES)
            set_rates(config, spec, RELEASED_RATES)
            return transformers.BartForConditionalGeneration(config)
        with readable(folder, "cannot be loaded as an encoder-decoder"):
            config = transformers.AutoConfig.from_pretrained(folder, **LOCAL)
            set_rates(config, spec, RELEASED_RATES)
            model, found = transformers.AutoModelForSeq2SeqLM.from_pretrained(
                folder, config=config, use_safetensors=True, **WEIGHTS, **LOCAL
            )
            refuse_random(found["missing_keys"])
        model.generation_config = transformers.GenerationConfig()
        if codec.pad is None or codec.end is None:
            said = f"the tokenizer of {spec.checkpoint} has no padding or no end mark"
            raise ConfigError(f"model.checkpoint: {said}; {LIKE_BART}")
        start = getattr(model.config, "decoder_start_token_id", codec.end)
        if start != codec.end:
            said = f"starts its outputs with token {start}, not with its end mark, {codec.end}"
            raise ConfigError(f"model.checkpoint: {spec.checkpoint} {said}; {LIKE_BART}")
        return model


def positions_of(model: PreTrainedModel) -> int:
    """The longest input and output that the model takes; raises ``ConfigError`` where it does not say."""
    limit = getattr(model.config, "max_position_embeddings", None)
    if limit is None:
        said = f"a {model.config.model_type} does not say how many positions it has"
        raise ConfigError(f"model.checkpoint: {said}; {LIKE_BART}")
    return limit
