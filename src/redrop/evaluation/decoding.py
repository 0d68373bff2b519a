"""Beam search over a split, with ``transformers``' own ``generate``: batched by length, goes on where it was.

What is decoded is stored a batch a line, under a digest of the weights, the inputs and the settings, so a
run that was killed repeats one batch at most and never takes over what other weights have said.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from tqdm import tqdm

from redrop.data.batches import token_batches
from redrop.data.text_pairs import Codec
from redrop.data.tokens import Tokens
from redrop.errors import naming
from redrop.spec_generation import GenerationEvaluationSpec

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel

MORE = 10
"""Tokens that an output may have beyond ``max_ratio`` times its input's."""


def settings_of(spec: GenerationEvaluationSpec, codec: Codec, limit: int, cache: bool) -> GenerationConfig:
    """The search: beam, penalty and limits; ``limit`` tokens at most, the end mark included."""
    from transformers import GenerationConfig

    return GenerationConfig(
        num_beams=spec.beam,
        length_penalty=spec.length_penalty if spec.beam > 1 else None,  # greedy search has no use for it
        max_new_tokens=limit,
        min_new_tokens=spec.min_length or None,
        no_repeat_ngram_size=spec.no_repeat or None,
        do_sample=False,
        early_stopping=False,
        use_cache=cache,
        pad_token_id=codec.pad,
        eos_token_id=codec.end,
        decoder_start_token_id=codec.end,
    )


@torch.no_grad()
def decode(
    model: PreTrainedModel,
    codec: Codec,
    source: Tokens,
    spec: GenerationEvaluationSpec,
    *,
    store: Path | None = None,
    cache: bool = True,
    progress: str | None = None,
    check: Callable[[], None] = lambda: None,
) -> list[str]:
    """Decoded texts, in the order of ``source``; the model is put into evaluation mode.

    ``store``: a file that finished batches are added to, and taken from; ``cache``: keep keys and values of
    what was decoded (without it everything is computed anew for each token); ``progress``: name of a bar;
    ``check`` is called before every token and may raise.
    """
    from transformers import StoppingCriteriaList

    def go_on(ids: torch.Tensor, _: object, **__: object) -> torch.Tensor:
        check()
        return torch.zeros(len(ids), dtype=torch.bool, device=ids.device)

    model.eval()
    order = np.argsort(source.lengths, kind="stable")
    cuts = token_batches(source.lengths[order], max(1, spec.batch_tokens // spec.beam))
    stored = _Store(store, _digest(model, source, spec) if store else "")
    texts: list[str] = [""] * len(source)
    device = next(model.parameters()).device
    bar = tqdm(
        total=len(source), desc=progress, unit="sentence", mininterval=0.5 if sys.stderr.isatty() else 15.0,
        disable=progress is None, dynamic_ncols=True,
    )  # fmt: skip
    with bar:
        for number, cut in enumerate(cuts):
            examples = order[cut]
            found = stored.batches.get(number)
            if found is None:
                check()
                ids, real = source.padded(examples, codec.pad)
                limit = spec.max_length
                if spec.max_ratio:
                    limit = min(limit, max(int(spec.max_ratio * ids.shape[1]) + MORE, spec.min_length))
                made = model.generate(
                    input_ids=ids.to(device),
                    attention_mask=real.long().to(device),
                    generation_config=settings_of(spec, codec, limit, cache),
                    stopping_criteria=StoppingCriteriaList([go_on]),
                )
                found = [codec.decode(_output(row, codec)) for row in made.tolist()]
                stored.add(number, found)
            for example, text in zip(examples, found, strict=True):
                texts[example] = text
            bar.update(len(examples))
    return texts


def _output(row: Sequence[int], codec: Codec) -> list[int]:
    """What was generated: without the start token, up to the end mark."""
    row = list(row[1:])
    return row[: row.index(codec.end)] if codec.end in row else row


def _digest(model: PreTrainedModel, source: Tokens, spec: GenerationEvaluationSpec) -> str:
    """SHA-256 of all that the outputs depend on."""
    digest = hashlib.sha256(repr(spec).encode())
    digest.update(source.ids.tobytes() + source.starts.tobytes())
    for name, values in sorted(model.state_dict().items()):
        digest.update(name.encode() + values.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


class _Store:
    """Decoded batches in a file: a line that names the digest, then a line a batch."""

    def __init__(self, path: Path | None, digest: str) -> None:
        self.path = path
        self.batches: dict[int, list[str]] = {}
        """Those that were decoded before, by number."""
        if path is None:
            return
        raw = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        whole = [f"{digest}\n".encode()]
        if raw[:1] == whole:
            for line in raw[1:]:
                try:
                    number, texts = json.loads(line)
                except (ValueError, TypeError, RecursionError):
                    break  # damaged: what comes from here on is decoded again
                if not line.endswith(b"\n"):
                    break  # it was being written when the process was killed
                self.batches[number] = texts
                whole.append(line)
        if whole != raw:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"".join(whole))

    def add(self, number: int, texts: list[str]) -> None:
        """Keep a batch."""
        if self.path is not None:
            with naming(self.path), self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([number, texts]) + "\n")
