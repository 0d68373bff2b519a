"""Outputs of the feed-forward layers inside unmodified models of ``transformers``: one reading of LR-Drop's
hidden states (a review of the paper says so). They are taken behind the second product, before its dropout,
the residual and the LayerNorm; what the models return as hidden states is taken after all of these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import torch

from redrop.errors import ConfigError

LAST_PRODUCT = re.compile(r"(?:.*\.)?(encoder|decoder)\.layers?\.(\d+)\.(?:output\.dense|fc2)")
"""As BERT, RoBERTa and ELECTRA call it, and as Marian and BART do."""


def last_products(model: torch.nn.Module) -> dict[torch.nn.Module, tuple[str, int]]:
    """Every feed-forward layer's second product -> (``encoder`` or ``decoder``, layer from 0)."""
    found = {
        module: (match[1], int(match[2]))
        for name, module in model.named_modules()
        if (match := LAST_PRODUCT.fullmatch(name))
    }
    if not found:
        raise ConfigError(
            f"model: the feed-forward layers of a {model.config.model_type} are not known; "
            "give objective.hidden: block"
        )
    return found


@contextmanager
def feed_forward_outputs(model: torch.nn.Module) -> Iterator[Callable[[], SimpleNamespace]]:
    """After a forward pass in the block, a function to its outputs under the names of hidden states.

    Each stack's stand behind a None, where a model's hidden states have the embeddings.
    """
    modules = last_products(model)
    heard: dict[torch.nn.Module, torch.Tensor] = {}

    def hear(module: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        heard.setdefault(module, output)  # not again where gradient checkpointing runs a layer again

    def states() -> SimpleNamespace:
        stacks: dict[str, list[torch.Tensor | None]] = {"encoder": [None], "decoder": [None]}
        for module, (stack, _) in sorted(modules.items(), key=lambda item: item[1]):
            stacks[stack].append(heard[module])
        return SimpleNamespace(
            hidden_states=stacks["encoder"],
            encoder_hidden_states=stacks["encoder"],
            decoder_hidden_states=stacks["decoder"],
        )

    with ExitStack() as hooks:
        for module in modules:
            hooks.callback(module.register_forward_hook(hear).remove)
        yield states
