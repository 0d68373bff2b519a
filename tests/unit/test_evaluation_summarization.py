"""ROUGE: a hand-worked case, published figures on real articles, and rouge-score's own output."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import pytest
from rouge_score.rouge_scorer import RougeScorer

from redrop.evaluation.summarization import METRICS, scores, split_lines, split_sentences

LINES = {"hypothesis_sentences": "lines", "reference_sentences": "lines"}


def real(mirror: Path, name: str) -> list[str]:
    """Texts a line, whose sentences have marks around them: here they get a line each."""
    text = (mirror / f"cnn_dailymail/realsumm_test100/{name}.txt").read_text(encoding="utf-8")
    return [re.sub(r"</?t>", "\n", line) for line in text.removesuffix("\n").split("\n")]


# Sentences


def test_lines_by_hand():
    assert split_lines("One .\n\n Two . \n") == ["One .", "Two ."]
    assert split_lines("") == split_sentences(" \n") == []


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One here. Two there! Three? Four", ["One here.", "Two there!", "Three?", "Four"]),
        (
            '"Oh no!" he said. "I am (so) sorry." She left.',
            ['"Oh no!" he said.', '"I am (so) sorry."', "She left."],
        ),
        ("He left. (She stayed.) #Person1# slept.", ["He left.", "(She stayed.)", "#Person1# slept."]),
        ("Mr. Smith met J. K. Rowling. Dr. No came.", ["Mr. Smith met J. K. Rowling.", "Dr. No came."]),
        ("It cost 3.5 dollars. 20 were sold.", ["It cost 3.5 dollars.", "20 were sold."]),
        ("at noon. then nothing", ["at noon. then nothing"]),
        ("One\nTwo. Three", ["One", "Two.", "Three"]),
        ("Wait... What", ["Wait...", "What"]),
        ("One . Two .", ["One .", "Two ."]),
    ],
)
def test_sentences_by_hand(text, sentences):
    assert split_sentences(text) == sentences


# Scores


def test_rouge_by_hand():
    """Reference: `the cat sat` / `dogs bark loudly`; summary: `dogs barked` / `the cat`.

    The stemmer makes `dog`, `bark` and `loudli` of words longer than three letters.
    1-grams: dog bark the cat, 4 of 4 and 4 of 6: F1 = 2 * 1 * (2/3) / (5/3) = 0.8.
    2-grams of the summary: dog bark, bark the, the cat; of the reference: the cat, cat sat, sat dog,
    dog bark, bark loudli; 2 of 3 and 2 of 5: F1 = 2 * (2/3) * (2/5) / (16/15) = 0.5.
    Longest common subsequence of the whole: `the cat` or `dog bark`, 2 of 4 and 2 of 6: F1 = 0.4.
    Sentence by sentence, `the cat` and `dog bark` are both found: 4 of 4 and 4 of 6: F1 = 0.8.
    """
    found = scores(["dogs barked\nthe cat"], [["the cat sat\ndogs bark loudly"]], split="test")
    values = {name: metric.value for name, metric in found.items()}
    assert values == pytest.approx({"rouge1": 80, "rouge2": 50, "rougeL": 40, "rougeLsum": 80})
    metric = found["rouge1"]
    assert (metric.n, metric.split, metric.higher_is_better) == (1, "test", True)
    version = importlib.metadata.version("rouge-score")
    assert metric.signature == f"nrefs:1|score:f1|stemmer:yes|sentences:sentences/lines|rouge-score:{version}"
    # Without their ends there is one sentence on each side, and Lsum is L.
    one_line = scores(["dogs barked the cat"], [["the cat sat dogs bark loudly"]], split="test")
    assert one_line["rougeLsum"].value == pytest.approx(40)


def test_several_references_by_hand():
    """Against `a b`: 2 of 2 and 2 of 2, F1 = 1. Against `a c d`: 1 of 2 and 1 of 3, F1 = 0.4."""
    many = [["a b", "a c d"]]
    mean = scores(["a b"], many, split="test")["rouge1"]
    assert mean.value == pytest.approx(70)
    assert mean.signature.startswith("nrefs:2|over:mean|")
    uneven = scores(["a b", "a b"], [["a b", "a c d"], ["x"]], split="test")["rouge1"]
    assert (uneven.value, uneven.n) == (pytest.approx(35), 2)
    assert uneven.signature.startswith("nrefs:var|")


def test_the_published_figures_of_real_articles(mirror: Path):
    """RealSumm's 100 CNN/DailyMail test articles (Bhandari et al., 2020)."""
    bart, reference = real(mirror, "bart_out"), [[text] for text in real(mirror, "bart_ref")]
    assert len(bart) == 100
    found = scores(bart, reference, split="test", **LINES)
    values = {name: found[name].value for name in ("rouge1", "rouge2", "rougeLsum")}
    assert values == pytest.approx({"rouge1": 46.19, "rouge2": 22.10, "rougeLsum": 42.70}, abs=0.05)
    assert "|sentences:lines/lines|" in found["rougeLsum"].signature

    # These two files have one mark around a whole summary, so there is no Lsum of them.
    pointer, reference = real(mirror, "out_pointer_gen_cov"), [[text] for text in real(mirror, "ref")]
    found = scores(pointer, reference, split="test", **LINES)
    values = {name: found[name].value for name in ("rouge1", "rouge2")}
    assert values == pytest.approx({"rouge1": 39.26, "rouge2": 16.27}, abs=0.05)


def test_scores_equal_rouge_scores_own_on_real_text(mirror: Path):
    summaries, references = real(mirror, "bart_out")[:10], real(mirror, "bart_ref")[:10]
    text, targets = (["\n".join(split_lines(s)) for s in side] for side in (summaries, references))
    scorer = RougeScorer(list(METRICS), use_stemmer=True)

    own = [scorer.score(target, summary) for target, summary in zip(targets, text, strict=True)]
    found = scores(summaries, [[r] for r in references], split="test", **LINES)
    assert tuple(found) == METRICS
    for name in METRICS:
        assert found[name].value == pytest.approx(10 * sum(s[name].fmeasure for s in own), abs=1e-9)


def test_an_empty_summary_scores_nothing():
    found = scores(["", "a b"], [["a b"], ["a b"]], split="test")
    assert {name: metric.value for name, metric in found.items()} == dict.fromkeys(METRICS, 50)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], []), "0 summaries for 0 references"),
        ((["a"], [["a"], ["b"]]), "1 summaries for 2 references"),
        ((["a"], [[]]), r"example 0: needs a list of references, got \[\]"),
        ((["a", "b"], [["a"], "b"]), "example 1: needs a list of references, got 'b'"),
    ],
)
def test_references_that_do_not_match_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        scores(*arguments, split="test")
