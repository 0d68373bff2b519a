"""ROUGE of summaries (Lin, 2004), from the rouge-score package with its stemmer.

A metric is the mean over the examples of the F1 score, times 100. ROUGE-Lsum compares sentence by
sentence, so it depends on where sentences end; ways to tell are in `SPLITTERS`, and the signature names the
ones that were used. The other metrics are of the same text and do not see the ends.

rouge-score reads Latin letters without accents, and digits; of text in another script it sees nothing. That
is warned of.
"""

from __future__ import annotations

import functools
import importlib.metadata
import logging
import re
from collections.abc import Callable, Sequence

from redrop.record import Metric

log = logging.getLogger(__name__)

METRICS = ("rouge1", "rouge2", "rougeL", "rougeLsum")

_END = re.compile(r"(?<=[.!?])([\"'”’)\]]*)\s+(?=[^\sa-z])")
"""A stop, closing marks, white space, and then no lower-case letter."""
_NO_END = re.compile(r"(?:^|[\s(\"'])(?:[A-Z]|Mr|Mrs|Ms|Dr|St|Prof)\.$")
"""Text whose last stop belongs to an initial or a title."""


def split_lines(text: str) -> list[str]:
    """A sentence a line, as CNN/DailyMail's highlights are."""
    return _filled(text.split("\n"))


def split_sentences(text: str) -> list[str]:
    """Sentences of text without marks, by a plain rule (chosen; it needs no trained splitter).

    A line break ends a sentence. So does `.`, `!` or `?`, with the quotes and brackets that close behind
    it, before white space, unless a lower-case letter follows or the stop belongs to an initial (`J.`) or
    one of the titles Mr, Mrs, Ms, Dr, St, Prof. The rule splits after other abbreviations before a capital.
    """
    sentences = []
    for line in text.split("\n"):
        begin = 0
        for end in _END.finditer(line):
            if not _NO_END.search(line[begin : end.start()]):
                sentences.append(line[begin : end.end(1)])
                begin = end.end()
        sentences.append(line[begin:])
    return _filled(sentences)


SPLITTERS: dict[str, Callable[[str], list[str]]] = {"lines": split_lines, "sentences": split_sentences}
"""Name, as in the signature -> text to sentences."""


def scores(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    split: str,
    hypothesis_sentences: str = "sentences",
    reference_sentences: str = "lines",
) -> dict[str, Metric]:
    """F1 of each of `METRICS`, times 100, mean over n hypotheses with one or several references each.

    An example's score against several references is their mean (chosen: it is on the scale of a single
    reference, so that a test set with three compares with a validation set with one). The sentence
    arguments are names in `SPLITTERS`. Raises ValueError for no examples, and for references that do not
    match.
    """
    from rouge_score.rouge_scorer import RougeScorer

    n = len(hypotheses)
    if n != len(references) or not n:
        raise ValueError(f"{n} summaries for {len(references)} references: need as many, > 0")
    for number, targets in enumerate(references):
        # A string is a sequence of one-letter references: never what is meant.
        if isinstance(targets, str) or not targets:
            raise ValueError(f"example {number}: needs a list of references, got {targets!r}")
    signs = [sign for targets in references for text in targets for sign in text if sign.isalnum()]
    unread = sum(not sign.isascii() for sign in signs) / max(1, len(signs))
    if unread > 0.5:
        _say_unread(split, round(100 * unread))
    of_hypothesis, of_reference = SPLITTERS[hypothesis_sentences], SPLITTERS[reference_sentences]
    scorer = RougeScorer(list(METRICS), use_stemmer=True)
    totals = dict.fromkeys(METRICS, 0.0)
    for hypothesis, targets in zip(hypotheses, references, strict=True):
        text = "\n".join(of_hypothesis(hypothesis))
        found = [scorer.score("\n".join(of_reference(target)), text) for target in targets]
        for name in METRICS:
            totals[name] += sum(each[name].fmeasure for each in found) / len(found)
    counts = {len(targets) for targets in references}
    number = str(counts.pop()) if len(counts) == 1 else "var"
    over = "" if number == "1" else "over:mean|"
    ends = f"{hypothesis_sentences}/{reference_sentences}"
    version = importlib.metadata.version("rouge-score")
    signature = f"nrefs:{number}|{over}score:f1|stemmer:yes|sentences:{ends}|rouge-score:{version}"
    return {
        name: Metric(value=100 * total / n, n=n, split=split, higher_is_better=True, signature=signature)
        for name, total in totals.items()
    }


@functools.cache  # a run evaluates many times
def _say_unread(split: str, percent: int) -> None:
    log.warning(
        "%s: ROUGE reads Latin letters and digits only, and %d %% of those in the references are others: it "
        "is near 0 whatever the summaries say; compare by loss, or transliterate the text",
        split,
        percent,
    )


def _filled(sentences: Sequence[str]) -> list[str]:
    return [sentence.strip() for sentence in sentences if sentence.strip()]
