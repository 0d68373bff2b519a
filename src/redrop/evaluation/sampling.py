"""Text that a character language model continues."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from redrop.errors import ConfigError


@torch.no_grad()
def sample(
    model: torch.nn.Module,
    vocabulary: Sequence[str],
    prompt: str,
    *,
    length: int,
    temperature: float = 1.0,
    seed: int = 0,
) -> str:
    """``prompt`` and ``length`` characters more, each drawn from what the model predicts without dropout.

    Of what came before, the model sees its last ``block_size`` characters. ``temperature`` divides the
    logits; 0 takes the likeliest character. Raises ``ConfigError`` for a character that the model lacks.
    """
    number = {character: place for place, character in enumerate(vocabulary)}
    lacking = sorted(set(prompt) - number.keys())
    if lacking or not prompt:
        raise ConfigError(
            f"--prompt: {prompt!r} "
            + (
                f"has {lacking[0]!r}, which the text that the model was trained on has "
                f"not; it has {''.join(vocabulary)!r}"
                if lacking
                else "is empty; give at least one character"
            )
        )
    draw = torch.Generator().manual_seed(seed)
    tokens = [number[character] for character in prompt]
    for _ in range(length):
        seen = torch.tensor([tokens[-model.spec.block_size :]])
        logits_V = model(seen)[0, -1].double()
        if temperature == 0.0:
            tokens.append(int(logits_V.argmax()))
        else:
            chances_V = (logits_V / temperature).softmax(-1)
            tokens.append(int(torch.multinomial(chances_V, 1, generator=draw)))
    return "".join(vocabulary[token] for token in tokens)
