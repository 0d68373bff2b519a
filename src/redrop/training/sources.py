"""Data and models that runs are made from, got ready: prepared where they are missing, loaded, described."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redrop import data
from redrop.data.corpus import Corpus, load_corpus
from redrop.errors import DataError
from redrop.places import Places, model_folder
from redrop.spec import RunSpec

if TYPE_CHECKING:
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


def ready_data(name: str, root: Path) -> Path:
    """The prepared data set in ``root/name``, fetched and prepared first if it is not there."""
    folder = root / name
    if not (folder / "meta.json").exists():
        raw = root / "raw" / name
        data.fetch(name, raw)
        data.prepare(name, raw, folder)
    return folder


def ready_model(spec: RunSpec, places: Places) -> tuple[Path | None, dict[str, Any] | None]:
    """The folder of a run's released model and what is known of it; None twice for one built from scratch."""
    folder = model_folder(spec, places)
    if folder is None:
        return None, None
    from redrop.models.sources import fetch

    return folder, fetch(spec.model.checkpoint, spec.model.revision, folder)


def source_of(loaded: Any, examples: dict[str, int], model: dict[str, Any] | None) -> Source:
    """Of data with a name, a checksum, an edition and an origin, and perhaps a released model."""
    name = getattr(loaded, "name", None) or loaded.task.data_set
    content = {
        "name": name,
        "sha256": loaded.sha256,
        "edition": loaded.edition,
        "examples": examples,
        "model_sha256": None if model is None else model["sha256"],
    }
    return Source(content, {"name": name, "origin": loaded.origin, "edition": loaded.edition, "model": model})


def corpus_record(corpus: Corpus) -> dict[str, Any]:
    """What ``metrics.json`` says about a character corpus."""
    return {
        "name": corpus.name,
        "sha256": corpus.sha256,
        "edition": corpus.edition,
        "vocab_size": corpus.vocab_size,
        "train_characters": len(corpus.train),
        "val_characters": len(corpus.val),
    }


def ready_corpus(spec: RunSpec, places: Places) -> tuple[Corpus, Source]:
    """A character corpus, ready."""
    folder = ready_data(spec.data.data_set, places.data)
    corpus = load_corpus(folder)
    if corpus.name != spec.data.data_set:
        raise DataError(
            f"{folder}: holds {corpus.name!r}, not {spec.data.data_set!r}; delete it and prepare again"
        )
    origin = {"name": corpus.name, "origin": corpus.origin, "edition": corpus.edition}
    return corpus, Source(corpus_record(corpus), origin)


def ready_task(spec: RunSpec, places: Places) -> tuple[TaskData, Path | None, Source]:
    """A GLUE task and the folder of the released model, ready."""
    from redrop.data.glue import load_task

    prepared = ready_data(spec.data.data_set, places.data)
    task = load_task(prepared)
    if task.task.name != spec.task:
        raise DataError(
            f"{prepared}: holds {task.task.name!r}, not {spec.task!r}; delete it and prepare again"
        )
    folder, model = ready_model(spec, places)
    examples = {name: len(split.labels) for name, split in task.splits.items()}
    return task, folder, source_of(task, examples, model)


def ready_pairs(spec: RunSpec, places: Places) -> tuple[TextPairs, Path | None, Source]:
    """Translations or summaries, encoded, and the folder of the released model, ready."""
    prepared = ready_data(spec.data.data_set, places.data)
    folder, model = ready_model(spec, places)
    loaded, pairs = (translations if spec.data.translates else summaries)(spec, prepared, folder)
    examples = {name: len(split) for name, split in pairs.splits.items()}
    return pairs, folder, source_of(loaded, examples, model)


def translations(spec: RunSpec, prepared: Path, model: Path | None) -> tuple[ParallelData, TextPairs]:
    """A parallel text, as it is prepared and as it is trained on."""
    from redrop.data.text_pairs import translation_pairs
    from redrop.data.translation import load_parallel

    loaded = load_parallel(prepared)
    return loaded, translation_pairs(loaded, spec.data)


def summaries(spec: RunSpec, prepared: Path, model: Path | None) -> tuple[SummaryData, TextPairs]:
    """Articles and summaries, with the released model's tokenizer or one that was learned on them."""
    from transformers import PreTrainedTokenizerFast

    from redrop.data.summarization import load_summaries
    from redrop.data.text_pairs import TokenizerCodec, summary_pairs
    from redrop.models.pretrained import load_tokenizer

    loaded = load_summaries(prepared)
    if model is not None:
        tokenizer = load_tokenizer(spec.model, model)
    else:
        marks = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(loaded.tokenizer_file), **marks)
    return loaded, summary_pairs(loaded, spec.data, TokenizerCodec(tokenizer, prepared / "tokens"))
