"""Finished models that are kept: a folder ``weights`` in the run's own, with safetensors and a config.json.

Encoders and encoder-decoders are as ``transformers`` writes them, so ``from_pretrained`` reads them; the
config.json of a character language model holds the run's settings and the characters.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_model, save_model

from redrop.atomic import part_of
from redrop.errors import DataError, RedropError, naming
from redrop.models.pretrained import LOCAL, quiet
from redrop.record import read_json, write_json
from redrop.registry import resolve
from redrop.spec import RunSpec

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

MODEL, CONFIG = "model.safetensors", "config.json"


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``folder`` only if the block succeeds."""
    part = part_of(folder)
    with naming(folder):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        yield part
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(part, folder)


@contextlib.contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Whatever a damaged folder makes the libraries raise becomes a ``DataError``: it has no common base."""
    try:
        with quiet():
            yield
    except RedropError:
        raise
    except Exception as error:
        told = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"{folder}: the model cannot be read ({told}); train the run again with --keep-weights"
        ) from error


def write_language_model(
    folder: Path, spec: RunSpec, vocabulary: Sequence[str], model: torch.nn.Module
) -> None:
    """Write a character language model into a folder that is there."""
    save_model(model, str(folder / MODEL))
    write_json(folder / CONFIG, {"spec": spec.to_dict(), "vocabulary": list(vocabulary)})


def read_language_model(folder: Path) -> tuple[torch.nn.Module, list[str]]:
    """The model, in evaluation mode, and its characters; raises ``DataError`` where they are damaged."""
    config = read_json(folder / CONFIG)
    with _readable(folder):
        spec, vocabulary = RunSpec.from_dict(config["spec"]), list(config["vocabulary"])
        model = resolve(spec.kind.build)(spec.model, len(vocabulary), spec.seed)
        load_model(model, str(folder / MODEL))
    return model.eval(), vocabulary


def read_encoder(folder: Path) -> PreTrainedModel:
    """An encoder with its head, in evaluation mode; raises ``DataError`` where it is damaged."""
    from transformers import AutoModelForSequenceClassification

    with _readable(folder):
        return AutoModelForSequenceClassification.from_pretrained(
            folder, use_safetensors=True, **LOCAL
        ).eval()


def read_generator(folder: Path) -> PreTrainedModel:
    """An encoder-decoder, in evaluation mode, without settings of a search; raises as ``read_encoder``."""
    from transformers import AutoModelForSeq2SeqLM, GenerationConfig

    with _readable(folder):
        model = AutoModelForSeq2SeqLM.from_pretrained(folder, use_safetensors=True, **LOCAL)
        model.generation_config = GenerationConfig()
        return model.eval()


def read_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer that was kept with a model; raises as ``read_encoder``."""
    from transformers import AutoTokenizer

    with _readable(folder):
        return AutoTokenizer.from_pretrained(folder, **LOCAL)
