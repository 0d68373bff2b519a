"""Tasks of translation and summarisation as they are trained on, with what scores their outputs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from redrop.data import get
from redrop.data.directions import DIRECTIONS, Direction
from redrop.data.text_pairs import CODES_FILE, Codec, Pairs, SymbolCodec, TextPairs
from redrop.evaluation import summarization, translation
from redrop.record import Metric
from redrop.spec_generation import TextPairDataSpec

if TYPE_CHECKING:
    from redrop.data.summarization import SummaryData
    from redrop.data.translation import ParallelData, ParallelSplit


def translation_pairs(data: ParallelData, spec: TextPairDataSpec) -> TextPairs:
    """A direction of a parallel text; training pairs with a longer side are left out."""
    direction = DIRECTIONS[spec.task]
    codec = SymbolCodec(data.vocabulary, data.folder / CODES_FILE)
    splits = {}
    for name, split in data.splits.items():
        source, target = (codec.encode(split.bpe[side]) for side in (direction.source, direction.target))
        if name == "train":
            fits = (source.lengths <= spec.max_source) & (target.lengths <= spec.max_target)
            source, target = (side.take(np.flatnonzero(fits)) for side in (source, target))
        splits[name] = Pairs(source, target)

    def score(hypotheses: list[str], name: str) -> dict[str, Metric]:
        return _score_translation(hypotheses, data.splits[name], direction, name, data.lower_cased)

    references = {name: split.tokenised[direction.target] for name, split in data.splits.items()}
    return TextPairs(codec, splits, score, references, translation.METRICS, translation.join_bpe)


def _score_translation(
    hypotheses: list[str], split: ParallelSplit, direction: Direction, name: str, lower_cased: bool
) -> dict[str, Metric]:
    plain = split.raw[direction.target][: len(hypotheses)]
    if lower_cased:  # what was trained on has no capitals to give back
        plain = [line.lower() for line in plain]
    references = split.tokenised[direction.target][: len(hypotheses)]
    found = translation.scores(
        hypotheses, references, split=name, language=direction.target, plain_references=plain
    )
    if not lower_cased:
        return found
    note = "; references lower-cased"
    return found | {
        key: dataclasses.replace(found[key], signature=found[key].signature + note)
        for key in ("sacrebleu", "chrf")
    }


def summary_pairs(data: SummaryData, spec: TextPairDataSpec, codec: Codec) -> TextPairs:
    """Articles with their first summary; longer ones are cut."""
    sentences = get(data.name).sentences
    first = {name: [each[0] for each in split.summaries] for name, split in data.splits.items()}
    splits = {
        name: Pairs(
            codec.encode(split.documents, spec.max_source),
            codec.encode(first[name], spec.max_target),
        )
        for name, split in data.splits.items()
    }

    def score(hypotheses: list[str], name: str) -> dict[str, Metric]:
        references = data.splits[name].summaries[: len(hypotheses)]
        return summarization.scores(hypotheses, references, split=name, reference_sentences=sentences)

    return TextPairs(codec, splits, score, first, summarization.METRICS, str.strip)
