"""Released encoders with a new head, as ``transformers`` classes: nothing of them is rewritten here."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from redrop.errors import ConfigError, DataError, RedropError
from redrop.models.sources import TOY, VOCABULARIES
from redrop.spec_encoder import EncoderSpec
from redrop.streams import derive_seed

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

RATES = {
    "hidden_dropout": ("hidden_dropout_prob", "dropout", "hidden_dropout"),
    "attention_dropout": ("attention_probs_dropout_prob", "attention_dropout"),
    "classifier_dropout": ("classifier_dropout", "summary_last_dropout"),
}
"""Our names of dropout rates -> what configurations of ``transformers`` call them."""
TOY_SIZES = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
TOY_SIZES["max_position_embeddings"] = 64


LOCAL = {"local_files_only": True, "trust_remote_code": False}
"""How everything of ``transformers`` is loaded: from the folder alone, and no code that lies in it."""
WEIGHTS = {"dtype": torch.float32, "output_loading_info": True}
"""How weights are loaded, too: as float32, whatever they were released in."""


@contextlib.contextmanager
def readable(folder: Path, fault: str) -> Iterator[None]:
    """Whatever a damaged folder makes the libraries raise becomes a ``DataError``: it has no common base."""
    try:
        yield
    except RedropError:
        raise
    except Exception as error:
        told = " ".join(str(error).split())[:300]
        remedy = "delete the folder and run redrop fetch-model again, or name another as model.checkpoint"
        raise DataError(f"{folder}: {fault}: {told or type(error).__name__}; {remedy}") from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the library's progress bars and its report on the new head, which is meant to be new."""
    from transformers.utils import logging as library

    level, bars = library.get_verbosity(), library.is_progress_bar_enabled()
    library.set_verbosity(logging.ERROR)
    library.disable_progress_bar()
    try:
        yield
    finally:
        library.set_verbosity(level)
        if bars:
            library.enable_progress_bar()


def load_encoder(
    spec: EncoderSpec, folder: Path, n_labels: int, seed: int, vocabulary: int | None = None
) -> PreTrainedModel:
    """The encoder in ``folder`` (see ``redrop.models.sources``) with a new head of ``n_labels`` outputs.

    The head is drawn from the run's own stream; ``vocabulary`` is the toy's. Raises ``DataError`` where
    the folder cannot be loaded.
    """
    from transformers import AutoConfig, AutoModelForSequenceClassification, BertConfig

    with torch.random.fork_rng(devices=[]), quiet():  # the model is made on the CPU
        torch.manual_seed(derive_seed(seed, "initialisation"))
        if spec.checkpoint == TOY:
            config = BertConfig(vocab_size=vocabulary, num_labels=n_labels, **TOY_SIZES)
            set_rates(config, spec)
            return AutoModelForSequenceClassification.from_config(config)
        with readable(folder, "cannot be loaded as an encoder"):
            config = AutoConfig.from_pretrained(folder, num_labels=n_labels, **LOCAL)
            set_rates(config, spec)
            model, found = AutoModelForSequenceClassification.from_pretrained(
                folder,
                config=config,
                ignore_mismatched_sizes=True,  # a head of another size; all heads are drawn anew
                use_safetensors=True,
                **WEIGHTS,
                **LOCAL,
            )
            lacking = {*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])}
            body = f"{model.base_model_prefix}."
            refuse_random(name for name in sorted(lacking) if name.startswith(body))
        _draw_head(model)
        return model


def refuse_random(names: Iterable[str]) -> None:
    """Refuse parameters that would be random numbers; a pooler belongs to the head."""
    lacking = [name for name in names if ".pooler." not in name]
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise ValueError(f"its weights do not fit its config.json: {lacking[0]}{more}")


def _draw_head(model: PreTrainedModel) -> None:
    """New weights for what stands on the encoder, also where the folder holds a head of another task."""
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and not name.startswith(model.base_model_prefix):
            torch.nn.init.normal_(module.weight, std=getattr(model.config, "initializer_range", 0.02))
            if module.bias is not None:
                torch.nn.init.zeros_(module.bias)


def set_rates(config: PretrainedConfig, spec: Any, known: Mapping[str, Sequence[str]] = RATES) -> None:
    """Put the run's dropout rates into a configuration; ``ConfigError`` for one that it does not have."""
    for key, names in known.items():
        rate = getattr(spec, key)
        if rate is None:
            continue
        name = next((name for name in names if hasattr(config, name)), None)
        if name is None:
            raise ConfigError(f"model.{key}: a {config.model_type} has no such rate; give null")
        setattr(config, name, rate)


def dropout_rates(model: torch.nn.Module) -> list[tuple[torch.nn.Module, str, float]]:
    """Where a model keeps its dropout rates while it runs: module, attribute, rate.

    They are ``p`` of torch's dropout modules, and numbers such as ``activation_dropout``, which layers and
    attentions hand to torch's function. LayerDrop is another thing.
    """
    found = []
    for module in model.modules():
        dropout = isinstance(module, torch.nn.modules.dropout._DropoutNd)
        for name, value in vars(module).items():
            if isinstance(value, float) and (name == "p" if dropout else "dropout" in name):
                found.append((module, name, value))
    return found


def load_tokenizer(spec: EncoderSpec, folder: Path, texts: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """The model's own tokenizer; the toy's knows the words of ``texts``."""
    from transformers import AutoTokenizer

    if spec.checkpoint == TOY:
        return _word_tokenizer(texts)
    if not any((folder / name).is_file() for name in VOCABULARIES):  # the library would make an empty one
        raise DataError(f"{folder}: has no tokenizer; it needs one of {', '.join(VOCABULARIES)}")
    with readable(folder, "has no tokenizer that can be loaded"), quiet():
        return AutoTokenizer.from_pretrained(folder, use_fast=True, **LOCAL)


def _word_tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = sorted({word for text in texts for word in text.split()})
    vocabulary = {word: number for number, word in enumerate([*special, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    roles = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), special, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **roles)


def compute_layers_again(model: PreTrainedModel) -> None:
    """Gradient checkpointing: activations within a layer are computed again in the backward pass."""
    options = {"use_reentrant": False}
    try:
        if hasattr(model, "activation_checkpointing_enable"):  # the name since transformers 5.20 or so
            model.activation_checkpointing_enable(options)
        else:
            model.gradient_checkpointing_enable(options)
    except ValueError as error:
        said = f"a {model.config.model_type} cannot do it; give false"
        raise ConfigError(f"schedule.gradient_checkpointing: {said}") from error
