"""BLEU and chrF of translations, from sacrebleu, and its paired bootstrap between two systems.

Two BLEU scores are kept apart, because they differ by points:

`bleu` is what the papers report: on tokenised, lower-cased text, after splitting compounds at hyphens,
with sacrebleu's own tokenisation off. `sacrebleu` is on plain text, tokenised by sacrebleu (`13a`, `zh`
for Chinese), so that anybody can compare it. `chrf` is on the same plain text. All are from 0 to 100.

Moses's detokeniser does not put typographic signs (`“`, `’`, `…`) back to their words, so that with such
references even a perfect translation gets a `sacrebleu` below 100. `scores` then says how high it can be.

Smoothing is sacrebleu's default (`exp`), which matters only where no n-gram of some length matches at all.
"""

from __future__ import annotations

import functools
import importlib.metadata
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from unittest import mock

from redrop.record import Metric

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric as Scorer

log = logging.getLogger(__name__)

METRICS = ("bleu", "sacrebleu", "chrf")
SAMPLES = 1000
"""Resamples of the paired bootstrap, sacrebleu's default."""
SEED = 12345
"""Of the paired bootstrap, sacrebleu's default."""

_TYPOGRAPHIC = re.compile("[\u2018-\u201f\u2026\u2039\u203a\u00ab\u00bb]")
"""Quotes, the apostrophe and the ellipsis that are not ASCII."""
_COMPOUND = re.compile(r"(\S)-(\S)")
_NOTES = {"bleu": "; compounds split at hyphens", "sacrebleu": "", "chrf": ""}
"""What sacrebleu's signature cannot know."""


@dataclass(frozen=True)
class PairedBootstrap:
    """Whether one system is better than another on the same sentences."""

    metric: str
    """One of `METRICS`."""
    baseline: float
    """Score of the baseline, 0 to 100."""
    system: float
    """Score of the system that is compared with it."""
    p_value: float
    """Of the difference, two-sided: how often a resampled one, centred, is larger than the one seen; 1
    where both scores are equal."""
    mean: float
    """The system's mean score over the resamples."""
    interval: float
    """Half the width of the middle 95 % of the system's resampled scores."""
    n: int
    """Sentences."""
    signature: str
    """sacrebleu's, with the number of resamples (`bs`) and the seed."""


def split_compounds(line: str) -> str:
    """Tokenised text with `-` between two non-space characters replaced by ` ##AT##-##AT## `.

    It is fairseq's convention, on which published IWSLT14 figures rest, with its quirk: a character
    between two hyphens serves one of them only, so `a-b-c` is split once and `ab-cd-ef` twice.
    """
    return _COMPOUND.sub(r"\1 ##AT##-##AT## \2", line)


def join_bpe(line: str) -> str:
    """BPE output as tokenised text: a piece that ends in `@@` is joined to the next one, if there is one."""
    return f"{line} ".replace("@@ ", "").rstrip()


def detokenise(lines: Sequence[str], language: str) -> list[str]:
    """Tokenised lines as plain text, by sacremoses: `&apos;` and its like are unescaped, too.

    A language that sacremoses has no rule for (`en`, `fr`, `it`, `cs`, `fi`, ... have one) is joined by the
    rules that hold for all; spaces between Chinese characters go in any case.
    """
    detokeniser = _detokeniser(language)
    return [detokeniser.detokenize(line.split()) for line in lines]


def score(
    name: str, hypotheses: Sequence[str], references: Sequence[str], *, split: str, language: str = ""
) -> Metric:
    """One metric of `METRICS`, 0 to 100, over n hypotheses with one reference each.

    `bleu` takes tokenised text without BPE, the others plain text. `language` is the target's code; only
    `zh` makes a difference. Raises ValueError for another name and for lists that do not match.
    """
    n = _paired(hypotheses, references)
    scorer = _scorer(name, language)
    result = scorer.corpus_score(_text(name, hypotheses), [_text(name, references)])
    signature = f"{scorer.get_signature()}{_NOTES[name]}"
    return Metric(value=result.score, n=n, split=split, higher_is_better=True, signature=signature)


def scores(
    hypotheses: Sequence[str], references: Sequence[str], targets: Sequence[str], *, split: str, language: str
) -> dict[str, Metric]:
    """All of `METRICS` for tokenised text without BPE; hypotheses are detokenised for the last two.

    `targets`: the references as they were before tokenisation.
    """
    version = importlib.metadata.version("sacremoses")
    note = f"; hypotheses detokenised by sacremoses {version} ({language})"
    plain = detokenise(hypotheses, language)
    if any(map(_TYPOGRAPHIC.search, targets)):
        _say_highest(tuple(references), tuple(targets), split, language)
    found = {"bleu": score("bleu", hypotheses, references, split=split)}
    for name in ("sacrebleu", "chrf"):
        metric = score(name, plain, targets, split=split, language=language)
        found[name] = replace(metric, signature=metric.signature + note)
    return found


@functools.lru_cache(maxsize=8)  # said once of each set of references
def _say_highest(references: tuple[str, ...], targets: tuple[str, ...], split: str, language: str) -> None:
    """Log the sacreBLEU that the references themselves get, where it is not 100 (chrF sees no spaces)."""
    plain = detokenise(references, language)
    highest = score("sacrebleu", plain, targets, split=split, language=language).value
    if highest < 99.95:
        log.warning(
            "%s: a perfect translation gets a sacrebleu of %.1f, not 100: the detokeniser leaves spaces at "
            "the typographic quotes of its references; bleu, on tokenised text, and chrf have no such loss",
            *(split, highest),
        )


def paired_bootstrap(
    baseline: Sequence[str],
    system: Sequence[str],
    references: Sequence[str],
    *,
    metric: str = "sacrebleu",
    language: str = "",
    samples: int = SAMPLES,
    seed: int = SEED,
) -> PairedBootstrap:
    """sacrebleu's paired bootstrap of two systems' hypotheses, given as `score` takes them.

    sacrebleu takes its seed from the environment variable SACREBLEU_SEED; `seed` is put there for the
    time of the test, whatever it held. It must be positive: sacrebleu reads 0 as `no seed`. Sentences are
    drawn with replacement by numpy's default generator, the same ones for both systems. Raises ValueError
    as `score` does.
    """
    from sacrebleu.significance import PairedTest

    if seed < 1 or samples < 1:
        raise ValueError(f"seed and samples must be at least 1, got {seed} and {samples}")
    n = _paired(system, references)
    _paired(baseline, references)
    systems = [("baseline", _text(metric, baseline)), ("system", _text(metric, system))]
    with mock.patch.dict(os.environ, SACREBLEU_SEED=str(seed)):
        scorers, texts = {metric: _scorer(metric, language)}, [_text(metric, references)]
        signatures, results = PairedTest(systems, scorers, texts, test_type="bs", n_samples=samples)()
    # sacrebleu calls both BLEU scores `BLEU`; there is only one metric here, whatever its name.
    (signature,) = signatures.values()
    ((before, after),) = (found for name, found in results.items() if name != "System")
    # sacrebleu counts the larger differences only, so that identical systems would get its smallest p.
    p_value = 1.0 if before.score == after.score else float(after.p_value)
    numbers = map(float, (before.score, after.score, p_value, after.mean, after.ci))
    return PairedBootstrap(metric, *numbers, n, f"{signature}{_NOTES[metric]}")


def _scorer(name: str, language: str) -> Scorer:
    """sacrebleu's object, a new one each time, because it remembers the references' number."""
    from sacrebleu.metrics import BLEU, CHRF

    if name == "bleu":
        # `force`: tokenised text is what is meant, so sacrebleu need not warn of it.
        return BLEU(tokenize="none", lowercase=True, force=True)
    if name == "sacrebleu":
        return BLEU(tokenize="zh" if language == "zh" else "13a")
    if name == "chrf":
        return CHRF()
    raise ValueError(f"{name!r} is no metric of translations. Known: {', '.join(METRICS)}.")


def _text(name: str, lines: Sequence[str]) -> list[str]:
    return [split_compounds(line) for line in lines] if name == "bleu" else list(lines)


def _paired(hypotheses: Sequence[str], references: Sequence[str]) -> int:
    """The number of sentences, after checking that there is a reference for each."""
    # sacrebleu pairs them up to the shorter list and says nothing.
    if len(hypotheses) != len(references) or not hypotheses:
        raise ValueError(f"{len(hypotheses)} hypotheses for {len(references)} references: need as many, > 0")
    return len(hypotheses)


@functools.cache
def _detokeniser(language: str):
    from sacremoses import MosesDetokenizer

    return MosesDetokenizer(lang=language)
