"""Data and models that runs are made from, got ready: prepared where they are missing, loaded, described."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redrop import data
from redrop.places import Places, model_folder
from redrop.spec import RunSpec

if TYPE_CHECKING:
    from redrop.data.corpus import Corpus
    from redrop.data.glue import TaskData
    from redrop.data.summarization import SummaryData
    from redrop.data.text_pairs import TextPairs
    from redrop.data.translation import ParallelData


@dataclass(frozen=True)
class Source:
    """What a run was made from."""

    data: dict[str, Any]
    """For metrics.json: content, the same wherever it came from."""
    origin: dict[str, Any]
    """For provenance.json: where it came from."""


def ready_model(spec: RunSpec, places: Places) -> tuple[Path | None, dict[str, Any] | None]:
    """The folder of a run's released model and what is known of it; None twice for one built from scratch."""
    from redrop.models.sources import fetch

    folder = model_folder(spec, places)
    return folder, None if folder is None else fetch(spec.model.checkpoint, spec.model.revision, folder)


def ready_corpus(spec: RunSpec, places: Places) -> tuple[Corpus, Source]:
    """A character corpus, ready."""
    corpus = data.ready(spec.data.data_set, places.data)
    return corpus, Source(corpus.content, corpus.source)


def source_of(loaded: data.Prepared, model: dict[str, Any] | None, **sizes: Any) -> Source:
    """Of a run that has a released model, or None; ``sizes``: what is trained on, where it is not all."""
    content = loaded.content | sizes | {"model_sha256": None if model is None else model["sha256"]}
    return Source(content, loaded.source | {"model": model})


def ready_task(spec: RunSpec, places: Places) -> tuple[TaskData, Path | None, Source]:
    """A GLUE task and the folder of the released model, ready."""
    task = data.ready(spec.data.data_set, places.data)
    folder, model = ready_model(spec, places)
    return task, folder, source_of(task, model)


def ready_pairs(spec: RunSpec, places: Places) -> tuple[TextPairs, Path | None, Source]:
    """Translations or summaries, encoded, and the folder of the released model, ready."""
    loaded = data.ready(spec.data.data_set, places.data)
    folder, source = ready_model(spec, places)
    pairs = (translations if spec.data.translates else summaries)(spec, loaded, folder)
    examples = {name: len(split) for name, split in pairs.splits.items()}
    return pairs, folder, source_of(loaded, source, examples=examples)


def translations(spec: RunSpec, loaded: ParallelData, model: Path | None) -> TextPairs:
    """A parallel text as it is trained on."""
    from redrop.evaluation.text_pairs import translation_pairs

    return translation_pairs(loaded, spec.data)


def summaries(spec: RunSpec, loaded: SummaryData, model: Path | None) -> TextPairs:
    """Articles and summaries, with the released model's tokenizer or one that was learned on them."""
    from transformers import PreTrainedTokenizerFast

    from redrop.data.text_pairs import TokenizerCodec
    from redrop.evaluation.text_pairs import summary_pairs
    from redrop.models.pretrained import load_tokenizer

    if model is not None:
        tokenizer = load_tokenizer(spec.model, model)
    else:
        marks = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(loaded.tokenizer_file), **marks)
    return summary_pairs(loaded, spec.data, TokenizerCodec(tokenizer, loaded.folder / "tokens"))
