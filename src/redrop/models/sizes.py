"""How large models are, without loading them: what `redrop plan` counts operations and bytes with.

A released model's configuration is read where its folder is there; the table below says the same for those
that are not fetched yet. No torch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from redrop import data
from redrop.data.tasks import CORPORA
from redrop.models.sources import TOY, folder_name
from redrop.registry import resolve
from redrop.spec import RunSpec

TOY_VOCABULARY = 70
"""Tokens of the generated texts, about: their words and the marks."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What of a Transformer decides the number of its parameters and operations."""

    layers: int
    """Of the encoder, or of a model that is only a decoder."""
    decoder_layers: int = 0
    """Of an encoder-decoder's other half; 0: there is none."""
    width: int
    feed_forward: int
    vocabulary: int
    positions: int = 0
    """Learned ones, a matrix in each half; 0: computed, not learned."""
    types: int = 0
    """Embeddings of sentence A and B, where an encoder has them."""

    @property
    def stack(self) -> int:
        """Weights and biases of all layers."""
        c, f = self.width, self.feed_forward
        attention, feed_forward, norm = 4 * (c * c + c), 2 * c * f + f + c, 2 * c
        encoder = attention + feed_forward + 2 * norm
        decoder = 2 * attention + feed_forward + 3 * norm
        return self.layers * encoder + self.decoder_layers * decoder

    @property
    def parameters(self) -> int:
        """All of them, without the few of a classifier's last layer.

        An encoder has a norm on its embeddings and a dense layer before the classifier; an
        encoder-decoder has the norms where it learns positions, as BART does.
        """
        c, halves = self.width, 2 if self.decoder_layers else 1
        embeddings = c * (self.vocabulary + halves * self.positions + self.types)
        if self.decoder_layers:
            return self.stack + embeddings + (4 * c if self.positions else 0)
        return self.stack + embeddings + 2 * c + c * c + c


def _large(**others: int) -> Shape:
    return Shape(layers=24, width=1024, feed_forward=4096, **others)


SHAPES: dict[str, Shape] = {
    # Each from the model's published config.json: hidden_size, intermediate_size, num_hidden_layers,
    # vocab_size, max_position_embeddings (BART's table has two rows more), type_vocab_size. A test counts
    # them anew with the classes of transformers.
    "bert-base-uncased": Shape(
        layers=12, width=768, feed_forward=3072, vocabulary=30522, positions=512, types=2
    ),
    "bert-base-cased": Shape(
        layers=12, width=768, feed_forward=3072, vocabulary=28996, positions=512, types=2
    ),
    "roberta-large": _large(vocabulary=50265, positions=514, types=1),
    "electra-large": _large(vocabulary=30522, positions=512, types=2),
    "bart-large": Shape(
        layers=12, decoder_layers=12, width=1024, feed_forward=4096, vocabulary=50265, positions=1026
    ),
    "minilm": Shape(layers=6, width=384, feed_forward=1536, vocabulary=30522, positions=512, types=2),
}
"""Released model -> its shape."""

TOY_ENCODER = Shape(layers=2, width=64, feed_forward=128, vocabulary=TOY_VOCABULARY, positions=64, types=2)
TOY_GENERATOR = Shape(layers=2, decoder_layers=2, width=64, feed_forward=128, vocabulary=400, positions=258)
_KEYS = {
    "layers": ("encoder_layers", "num_hidden_layers"),
    "decoder_layers": ("decoder_layers",),
    "width": ("d_model", "hidden_size"),
    "feed_forward": ("encoder_ffn_dim", "intermediate_size"),
    "vocabulary": ("vocab_size",),
    "positions": ("max_position_embeddings",),
    "types": ("type_vocab_size",),
}
"""Our names -> what a config.json may call them."""


def shape_of(spec: RunSpec, models: Path) -> Shape | None:
    """The shape of a run's model, or None for one that is not known here.

    ``models``: the folder of fetched models.
    """
    return None if spec.kind.shape is None else resolve(spec.kind.shape)(spec, models)


def residual_shape(spec: RunSpec, models: Path) -> Shape | None:
    """The residual GPT as an encoder without learned extras: its layers have the same products."""
    m = spec.model
    if spec.task not in CORPORA:
        return None
    symbols = CORPORA[spec.task].symbols
    feed_forward = 4 * m.n_embd if "mlp" in m.block else 0
    return Shape(layers=m.n_layer, width=m.n_embd, feed_forward=feed_forward, vocabulary=symbols)


def transformer_shape(spec: RunSpec, models: Path) -> Shape:
    """An encoder-decoder whose spec says everything."""
    model = spec.model
    return Shape(
        layers=model.layers,
        decoder_layers=model.layers,
        width=model.width,
        feed_forward=model.feed_forward,
        vocabulary=vocabulary_of(spec.data.data_set),
    )


def encoder_shape(spec: RunSpec, models: Path) -> Shape | None:
    """A released encoder, or the toy."""
    return TOY_ENCODER if spec.model.checkpoint == TOY else released_shape(spec.model.checkpoint, models)


def generator_shape(spec: RunSpec, models: Path) -> Shape | None:
    """A released encoder-decoder, or the toy."""
    return TOY_GENERATOR if spec.model.checkpoint == TOY else released_shape(spec.model.checkpoint, models)


def released_shape(checkpoint: str, models: Path) -> Shape | None:
    """By the table above, or the configuration in the model's folder."""
    if checkpoint in SHAPES:
        return SHAPES[checkpoint]
    for folder in (Path(checkpoint), models / folder_name(checkpoint)):
        if (folder / "config.json").is_file():
            return read_shape(folder / "config.json")
    return None


def read_shape(path: Path) -> Shape | None:
    """The shape that a config.json describes; None where it is none of an encoder or a model like BART."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        found = {
            ours: int(next(config[key] for key in theirs if key in config))
            for ours, theirs in _KEYS.items()
            if any(key in config for key in theirs)
        }
        return Shape(**found)
    except (OSError, ValueError, TypeError):
        return None


def vocabulary_of(data_set: str) -> int:
    """Tokens of a vocabulary that is learned on the data set itself, about."""
    one = data.get(data_set)
    return (one.merges or TOY_VOCABULARY) if one.family == "translation" else one.vocabulary
