"""What kept models say of new inputs: classes or scores of examples, translations or summaries of texts.

Inputs and outputs are columns, name -> texts.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from redrop import data
from redrop.data.files import read_utf8
from redrop.data.tasks import DIRECTIONS, TASKS
from redrop.data.text_pairs import SymbolCodec, TokenizerCodec
from redrop.data.tokens import tokenise
from redrop.data.translation import CODES_FILE, VOCABULARY_FILE
from redrop.evaluation.decoding import decode
from redrop.evaluation.outputs import inputs_of, outputs_of
from redrop.evaluation.translation import detokenise, join_bpe
from redrop.kinds import EXAMPLES
from redrop.models.kept import read_encoder, read_generator, read_tokenizer
from redrop.spec import RunSpec

AGAIN = "train the run again with --keep-weights"
Columns = dict[str, list[str]]


def columns_of(spec: RunSpec) -> tuple[str, ...]:
    """Names of what a run's model reads."""
    if spec.kind.reads == EXAMPLES:
        return ("sentence1", "sentence2") if TASKS[spec.task].pair else ("sentence1",)
    return ("source",)


def predict(folder: Path, spec: RunSpec, inputs: Columns, device: torch.device) -> Columns:
    """The columns of predictions by the model in ``folder``, with a row for each of ``inputs``."""
    of_kind = predict_examples if spec.kind.reads == EXAMPLES else predict_texts
    return of_kind(folder, spec, inputs, device)


def predict_examples(folder: Path, spec: RunSpec, inputs: Columns, device: torch.device) -> Columns:
    """Each example's class with the probabilities of all, or its score."""
    model, tokenizer, labels = (
        read_encoder(folder).to(device),
        read_tokenizer(folder),
        TASKS[spec.task].labels,
    )
    tokens = tokenise(tokenizer, inputs["sentence1"], inputs.get("sentence2"), spec.data.max_length)

    def forward(some: np.ndarray) -> torch.Tensor:
        batch = inputs_of(model, tokens, some, tokenizer.pad_token_id)
        return model(**{name: values.to(device) for name, values in batch.items()}).logits

    outputs = outputs_of(forward, tokens, np.arange(len(tokens)), spec.evaluation.batch_size)
    if not labels:
        return {"prediction": [f"{value:.4f}" for value in outputs[:, 0]]}
    chances = torch.from_numpy(outputs).softmax(-1).numpy()
    columns = {f"p_{label}": [f"{p:.4f}" for p in chances[:, n]] for n, label in enumerate(labels)}
    return {"prediction": [labels[number] for number in outputs.argmax(1)], **columns}


def predict_texts(folder: Path, spec: RunSpec, inputs: Columns, device: torch.device) -> Columns:
    """What the run's own search finds for each text; a longer one is cut where training cut it."""
    model, texts, limit = read_generator(folder).to(device), inputs["source"], spec.data.max_source
    if not spec.data.translates:
        codec = TokenizerCodec(read_tokenizer(folder), folder)
        found = decode(model, codec, tokenise(codec.tokenizer, texts, None, limit), spec.evaluation)
        return {"prediction": [" ".join(text.split()) for text in found]}
    direction = DIRECTIONS[spec.task]
    codec = SymbolCodec(read_utf8(folder / VOCABULARY_FILE, AGAIN).split("\n")[:-1])
    codes = read_utf8(folder / CODES_FILE, AGAIN)
    symbols = data.get(spec.data.data_set).as_symbols(texts, direction.source, codes)
    found = decode(model, codec, codec.encode(symbols, limit), spec.evaluation)
    return {"prediction": detokenise([join_bpe(text) for text in found], direction.target)}
