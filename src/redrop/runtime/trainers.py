"""The trainer that a run asks for, with its data and model in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from redrop import data
from redrop.data.corpus import Corpus, load_corpus
from redrop.errors import DataError
from redrop.places import Places, model_folder
from redrop.spec import RunSpec
from redrop.training.loop import Trainer
from redrop.training.single import SingleTrainer
from redrop.training.sweep import SweepTrainer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

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


def ready_corpus(name: str, root: Path) -> tuple[Corpus, Source]:
    """A character corpus, ready."""
    folder = ready_data(name, root)
    corpus = load_corpus(folder)
    if corpus.name != name:
        raise DataError(f"{folder}: holds {corpus.name!r}, not {name!r}; delete it and prepare again")
    origin = {"name": name, "origin": corpus.origin, "edition": corpus.edition}
    return corpus, Source(corpus_record(corpus), origin)


def ready_task(spec: RunSpec, places: Places) -> tuple[TaskData, Path | None, Source]:
    """A GLUE task and the released model, ready."""
    from redrop.data.glue import load_task
    from redrop.models.sources import fetch

    prepared = ready_data(spec.data.data_set, places.data)
    task = load_task(prepared)
    if task.task.name != spec.task:
        raise DataError(
            f"{prepared}: holds {task.task.name!r}, not {spec.task!r}; delete it and prepare again"
        )
    folder = model_folder(spec, places)
    model = None if folder is None else fetch(spec.model.checkpoint, spec.model.revision, folder)
    content = {
        "name": task.task.data_set,
        "sha256": task.sha256,
        "edition": task.edition,
        "examples": {name: len(split.labels) for name, split in task.splits.items()},
        "model_sha256": None if model is None else model["sha256"],
    }
    origin = {"name": task.task.data_set, "origin": task.origin, "edition": task.edition, "model": model}
    return task, folder, Source(content, origin)


def ready_pairs(spec: RunSpec, places: Places) -> tuple[TextPairs, PreTrainedModel, Source]:
    """Translations or summaries, encoded, and the model that learns them."""
    from redrop.models.generation import build_transformer, load_generator
    from redrop.models.sources import fetch

    prepared = ready_data(spec.data.data_set, places.data)
    folder = model_folder(spec, places)
    source = None if folder is None else fetch(spec.model.checkpoint, spec.model.revision, folder)
    loaded, pairs = (translations if spec.data.translates else summaries)(spec, prepared, folder)
    if spec.model.name == "transformer":
        model = build_transformer(spec.model, pairs.codec, spec.seed)
    else:
        model = load_generator(spec.model, folder, pairs.codec, spec.seed)
    content = {
        "name": loaded.name,
        "sha256": loaded.sha256,
        "edition": loaded.edition,
        "examples": {name: len(split) for name, split in pairs.splits.items()},
        "model_sha256": None if source is None else source["sha256"],
    }
    origin = {"name": loaded.name, "origin": loaded.origin, "edition": loaded.edition, "model": source}
    return pairs, model, Source(content, origin)


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


def make_trainer(
    specs: Sequence[RunSpec],
    places: Places,
    device: torch.device,
    scratch: Path | None = None,
    *,
    packed: bool = False,
) -> tuple[Trainer, list[Source]]:
    """A trainer for runs that fit together, and what each of them is made from.

    ``scratch``: a folder of the first run alone, for what it would not do twice. ``packed``: language models
    are trained as one batched program, also one alone; else there is one run.
    """
    spec = specs[0]
    if spec.model.name in ("transformer", "generator"):
        from redrop.training.generation import GenerationTrainer

        pairs, model, source = ready_pairs(spec, places)
        return GenerationTrainer(spec, pairs, model, device, scratch), [source]
    if spec.model.name == "encoder":
        from redrop.training.finetune import FineTuner

        task, folder, source = ready_task(spec, places)
        cache = places.data / spec.data.data_set / "tokens"
        return FineTuner(spec, task, folder, device, cache), [source]
    ready = [ready_corpus(one.data.corpus, places.data) for one in specs]
    corpora, sources = [corpus for corpus, _ in ready], [source for _, source in ready]
    if not packed:
        return SingleTrainer(spec, corpora[0], device), sources
    return SweepTrainer(specs, corpora, device), sources
