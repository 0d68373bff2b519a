"""Where methods act on a model: its modules by the names of ``redrop.methods.SITES``.

Of BERT's family (BERT, RoBERTa, ELECTRA) are the encoders whose modules carry BERT's names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn as nn

from redrop.errors import ConfigError


def gpt_blocks(model: Any) -> list[nn.Module]:
    """Two sub-layers each, or four."""
    return list(model.blocks)


def gpt_branches(model: Any) -> list[list[nn.Module]]:
    """Attention and MLP."""
    return [list(block.sublayers) for block in model.blocks]


gpt_sublayers = gpt_branches


def gpt_heads(model: Any) -> list[tuple[nn.Module, int]]:
    """The output projections of the attention sub-layers."""
    attention = [one for branches in gpt_branches(model) for one in branches if hasattr(one, "c_attn")]
    return [(one.c_proj, model.spec.n_head) for one in attention]


def gpt_head(model: Any) -> nn.Module:
    """It may share its matrix with the embedding."""
    return model.lm_head


def gpt_exit(model: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    """The last LayerNorm and the output layer."""
    return lambda h_BTC: model.lm_head(model.ln_f(h_BTC))


def gpt_embeddings(model: Any) -> nn.Module:
    """Without the positions."""
    return model.wte


def bert_blocks(model: Any) -> list[nn.Module]:
    """Layers with their two LayerNorms."""
    layers = getattr(getattr(model.base_model, "encoder", None), "layer", None)
    if layers is None or not hasattr(layers[0], "attention") or not hasattr(layers[0].attention, "output"):
        raise ConfigError(
            f"model.checkpoint: the layers of a {model.config.model_type} are not built as BERT's are, which "
            "this method acts on; give an encoder of BERT's family, or another method"
        )
    return list(layers)


def bert_branches(model: Any) -> list[list[nn.Module]]:
    """What is added to the stream, after its dropout and before the LayerNorm."""
    return [[layer.attention.output.dropout, layer.output.dropout] for layer in bert_blocks(model)]


def bert_mlp_dropouts(model: Any) -> list[nn.Module]:
    """The dropouts themselves."""
    return [layer.output.dropout for layer in bert_blocks(model)]


def bert_heads(model: Any) -> list[tuple[nn.Module, int]]:
    """The attentions' output projections."""
    return [(layer.attention.output.dense, model.config.num_attention_heads) for layer in bert_blocks(model)]


def encoder_head(model: Any) -> nn.Module:
    """The last linear layer of the classifier."""
    linear = [part for part in model.modules() if isinstance(part, nn.Linear)]
    last = linear[-1]
    if last.out_features != model.config.num_labels:
        raise ConfigError(
            f"model.checkpoint: the last linear layer of a {model.config.model_type} is no classifier of "
            f"{model.config.num_labels} classes; give another model, or another method"
        )
    return last


def encoder_released(model: Any) -> list[nn.Module]:
    """All below the classifier but the pooler, which belongs to the head."""
    return [part for name, part in model.base_model.named_children() if name != "pooler"]


def generator_released(model: Any) -> list[nn.Module]:
    """All of it: there is no new head."""
    return [model.base_model]


def encoder_embeddings(model: Any) -> nn.Module:
    """Without positions and types."""
    return model.get_input_embeddings()
