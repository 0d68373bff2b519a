"""Tasks of translation and summarisation as they are trained on, with what scores their outputs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerFast

from redrop.data import get
from redrop.data.summarization import SummaryData
from redrop.data.tasks import DIRECTIONS
from redrop.data.text_pairs import Pairs, SymbolCodec, TextPairs, TokenizerCodec
from redrop.data.translation import CODES_FILE, ParallelData
from redrop.evaluation import summarization, translation
from redrop.models.pretrained import load_tokenizer
from redrop.record import Metric
from redrop.spec import RunSpec


def translations(spec: RunSpec, data: ParallelData, model: Path | None) -> TextPairs:
    """A direction of a parallel text; training pairs with a longer side are left out."""
    direction = DIRECTIONS[spec.task]
    codec = SymbolCodec(data.vocabulary, data.folder / CODES_FILE)
    lower_cased = data.parallel_set.lower_case
    splits = {}
    for name, split in data.splits.items():
        source, target = (codec.encode(split.bpe[side]) for side in (direction.source, direction.target))
        if name == "train":
            fits = (source.lengths <= spec.data.max_source) & (target.lengths <= spec.data.max_target)
            source, target = (side.take(np.flatnonzero(fits)) for side in (source, target))
        splits[name] = Pairs(source, target)

    references = {name: split.tokenised[direction.target] for name, split in data.splits.items()}

    def score(hypotheses: list[str], name: str) -> dict[str, Metric]:
        n, language = len(hypotheses), direction.target
        plain = data.splits[name].raw[language][:n]
        if lower_cased:  # what was trained on has no capitals to give back
            plain = [line.lower() for line in plain]
        found = translation.scores(hypotheses, references[name][:n], plain, split=name, language=language)
        for key in ("sacrebleu", "chrf") if lower_cased else ():
            signature = f"{found[key].signature}; references lower-cased"
            found[key] = dataclasses.replace(found[key], signature=signature)
        return found

    return TextPairs(codec, splits, score, references, translation.METRICS, translation.join_bpe)


def summaries(spec: RunSpec, data: SummaryData, model: Path | None) -> TextPairs:
    """Articles with their first summary, cut; ``model``: the released model's folder, with its tokenizer."""
    if model is not None:
        tokenizer = load_tokenizer(spec.model, model)
    else:
        marks = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(data.tokenizer_file), **marks)
    codec = TokenizerCodec(tokenizer, data.folder / "tokens")
    sentences = get(data.name).sentences
    first = {name: [each[0] for each in split.summaries] for name, split in data.splits.items()}
    splits = {}
    for name, split in data.splits.items():
        source = codec.encode(split.documents, spec.data.max_source)
        splits[name] = Pairs(source, codec.encode(first[name], spec.data.max_target))

    def score(hypotheses: list[str], name: str) -> dict[str, Metric]:
        references = data.splits[name].summaries[: len(hypotheses)]
        return summarization.scores(hypotheses, references, split=name, reference_sentences=sentences)

    return TextPairs(codec, splits, score, first, summarization.METRICS, str.strip)
