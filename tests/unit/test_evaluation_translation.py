"""BLEU and chrF: hand-worked cases, sacrebleu's own output on real text, and the paired bootstrap."""

from __future__ import annotations

import logging
import math
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import sacrebleu
from sacrebleu.significance import PairedTest

from redrop.evaluation import translation
from redrop.evaluation.translation import (
    METRICS,
    detokenise,
    join_bpe,
    paired_bootstrap,
    score,
    scores,
    split_compounds,
)

HYPOTHESIS = "The well-known cat sat on the mat ."
REFERENCE = "the well-known cat sat on the red mat today ."


@pytest.fixture(scope="session")
def tokenised(mirror: Path) -> list[str]:
    """Real tokenised English, 400 sentences."""
    return lines(mirror / "iwslt14_de_en/tok/valid.en")[:400]


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def worse(sentences: list[str], every: int) -> list[str]:
    """The sentences without every so-manieth word."""
    return [" ".join(w for i, w in enumerate(s.split(), 1) if i % every) for s in sentences]


# Text


@pytest.mark.parametrize(
    ("line", "split"),
    [
        ("a well-known cat", "a well ##AT##-##AT## known cat"),
        ("ab-cd-ef", "ab ##AT##-##AT## cd ##AT##-##AT## ef"),
        ("a-b-c", "a ##AT##-##AT## b-c"),
        ("- no -", "- no -"),
        ("-x x- x", "-x x- x"),
        ("a--b", "a ##AT##-##AT## -b"),
        ("20-jährige – 3-4", "20 ##AT##-##AT## jährige – 3 ##AT##-##AT## 4"),
        ("", ""),
    ],
)
def test_compounds_by_hand(line, split):
    assert split_compounds(line) == split


@pytest.mark.skipif(not shutil.which("perl"), reason="no perl here, whose substitution is the convention")
def test_compounds_equal_the_substitution_of_the_papers():
    text = "a well-known cat\na-b-c-d ab-cd-ef\n-x x- - -- a--b a---b\n1-2 – 3-4-\n"
    program = r"s{(\S)-(\S)}{$1 ##AT##-##AT## $2}g"
    done = subprocess.run(["perl", "-ple", program], input=text, capture_output=True, text=True, check=True)
    assert [split_compounds(line) for line in text.splitlines()] == done.stdout.splitlines()


def test_joining_pieces_by_hand():
    assert join_bpe("the un@@ believ@@ able cat") == "the unbelievable cat"
    assert join_bpe("cut o@@") == "cut o"
    assert join_bpe("@@ a b@@ @@ c") == "a bc"
    assert join_bpe("an @ and a@b stay") == "an @ and a@b stay"
    assert join_bpe("") == ""


def test_joining_undoes_the_real_bpe(mirror: Path):
    for language in ("de", "en"):
        pieces = lines(mirror / f"iwslt14_de_en/bpe10k/valid.{language}")
        whole = lines(mirror / f"iwslt14_de_en/tok/valid.{language}")
        assert [join_bpe(line) for line in pieces] == [" ".join(line.split()) for line in whole]


def test_detokenising_by_hand():
    assert detokenise(["i &apos;m here , is n&apos;t it ?"], "en")[0].startswith("i'm here,")
    assert detokenise(["l&apos; eau !"], "fr") == ["l'eau !"]
    assert detokenise(["a &amp; b ."], "xx") == ["a & b."]
    assert detokenise(["我 们 在 这 里 。"], "zh") == ["我们在这里。"]
    assert detokenise(["", "x"], "de") == ["", "x"]


# Scores


def test_tokenised_bleu_by_hand():
    """The hyphen becomes a token of its own on both sides, so there are 10 tokens against 12.

    hypothesis: the well - known cat sat on the mat .
    reference:  the well - known cat sat on the red mat today .
    1-grams: all 10 of 10 are in the reference (`the` twice in both).
    2-grams: of 9, not `the mat` and `mat .`: 7.
    3-grams: of 8, not `on the mat` and `the mat .`: 6.
    4-grams: of 7, not `sat on the mat` and `on the mat .`: 5.
    The product of the precisions is 10/10 * 7/9 * 6/8 * 5/7 = 5/12. The hypothesis is short:
    exp(1 - 12/10). BLEU = 100 * exp(-0.2) * (5/12) ** (1/4) = 65.78; `The` counts as `the`.
    """
    found = score("bleu", [HYPOTHESIS], [REFERENCE], split="test")
    assert found.value == pytest.approx(100 * math.exp(-0.2) * (5 / 12) ** 0.25, abs=1e-9)
    assert found.value == pytest.approx(65.78, abs=0.005)
    assert (found.n, found.split, found.higher_is_better) == (1, "test", True)
    version = sacrebleu.__version__
    expected = f"nrefs:1|case:lc|eff:no|tok:none|smooth:exp|version:{version}; compounds split at hyphens"
    assert found.signature == expected


def test_tokenised_bleu_of_several_sentences_by_hand():
    """Counts are added up over the corpus; 10 tokens against 10, so there is no penalty.

    1-grams: 3/3 + 2/3 + 4/4 = 9/10. 2-grams: 2/2 + 1/2 + 3/3 = 6/7. 3-grams: 1/1 + 0/1 + 2/2 = 3/4.
    4-grams: only the last sentence has any, 1/1.
    """
    hypotheses = ["w x y", "k l m", "a b c d"]
    references = ["w x y", "k l n", "a b c d"]
    expected = 100 * (9 / 10 * 6 / 7 * 3 / 4 * 1) ** 0.25
    assert score("bleu", hypotheses, references, split="test").value == pytest.approx(expected, abs=1e-9)


def test_scores_equal_sacrebleus_own_on_real_text(tokenised):
    hypotheses = worse(tokenised, 7)
    plain, plain_references = detokenise(hypotheses, "en"), [detokenise(tokenised, "en")]
    found = scores(hypotheses, tokenised, plain_references[0], split="valid", language="en")
    assert tuple(found) == METRICS
    own = sacrebleu.corpus_bleu(
        [split_compounds(line) for line in hypotheses],
        [[split_compounds(line) for line in tokenised]],
        tokenize="none",
        force=True,
    )
    assert found["bleu"].value == own.score
    assert found["sacrebleu"].value == sacrebleu.corpus_bleu(plain, plain_references).score
    assert found["chrf"].value == sacrebleu.corpus_chrf(plain, plain_references).score
    assert len({metric.value for metric in found.values()}) == 3
    assert all(0 < metric.value < 100 and metric.n == 400 for metric in found.values())
    for name, kind in (("sacrebleu", "tok:13a"), ("chrf", "nc:6|nw:0")):
        assert f"|case:mixed|eff:{'no' if name == 'sacrebleu' else 'yes'}|{kind}" in found[name].signature
        assert found[name].signature.endswith(" (en)")
        assert "hypotheses detokenised by sacremoses" in found[name].signature


def test_references_as_they_were_are_taken(mirror: Path, tokenised):
    plain = lines(mirror / "iwslt14_de_en/detok/valid.en")[:400]
    found = scores(tokenised, tokenised, plain, split="valid", language="en")
    assert found["bleu"].value == pytest.approx(100)
    own = sacrebleu.corpus_bleu(detokenise(tokenised, "en"), [plain])
    assert found["sacrebleu"].value == own.score
    assert "; hypotheses detokenised by sacremoses" in found["sacrebleu"].signature


def test_chinese_is_tokenised_as_such():
    hypotheses, references = ["我们在这里。", "他来了。"], ["我们都在这里。", "他来了。"]
    found = score("sacrebleu", hypotheses, references, split="test", language="zh")
    assert found.value == sacrebleu.corpus_bleu(hypotheses, [references], tokenize="zh").score
    assert "|tok:zh|" in found.signature
    assert found.value > score("sacrebleu", hypotheses, references, split="test").value


def test_tokenised_text_gives_no_warning(caplog):
    text = ["a cat ."] * 150
    with caplog.at_level(logging.INFO):
        score("bleu", text, text, split="test")
    assert not caplog.records
    # Where plain text is meant, sacrebleu's warning is right.
    score("sacrebleu", text, text, split="test")
    assert "forgot to detokenize" in caplog.text


def test_an_empty_hypothesis_is_scored():
    assert score("bleu", ["", "a b c d e"], ["x y", "a b c d e"], split="test").value == pytest.approx(
        100 * math.exp(1 - 7 / 5)
    )
    assert score("bleu", [""], ["x y"], split="test").value == 0


@pytest.mark.parametrize(("hypotheses", "references"), [([], []), (["a"], []), (["a"], ["a", "b"])])
def test_lists_that_do_not_match_are_refused(hypotheses, references):
    with pytest.raises(ValueError, match=r"hypotheses for \d references: need as many"):
        score("bleu", hypotheses, references, split="test")
    with pytest.raises(ValueError, match="need as many"):
        paired_bootstrap(hypotheses, hypotheses, references)


def test_an_unknown_metric_is_refused():
    with pytest.raises(
        ValueError, match=r"'ter' is no metric of translations\. Known: bleu, sacrebleu, chrf"
    ):
        score("ter", ["a"], ["a"], split="test")


# Paired bootstrap


def test_bootstrap_is_sacrebleus_own(tokenised, monkeypatch):
    baseline, system = worse(tokenised, 6), worse(tokenised, 7)
    monkeypatch.delenv("SACREBLEU_SEED", raising=False)
    found = paired_bootstrap(baseline, system, tokenised, metric="bleu", samples=200, seed=7)
    assert "SACREBLEU_SEED" not in os.environ
    monkeypatch.setenv("SACREBLEU_SEED", "7")
    test = PairedTest(
        [("a", [split_compounds(s) for s in baseline]), ("b", [split_compounds(s) for s in system])],
        {"BLEU": sacrebleu.BLEU(tokenize="none", lowercase=True, force=True)},
        [[split_compounds(s) for s in tokenised]],
        test_type="bs",
        n_samples=200,
    )
    signatures, results = test()
    before, after = results["BLEU"]
    assert (found.baseline, found.system) == (before.score, after.score)
    assert (found.p_value, found.mean, found.interval) == (after.p_value, after.mean, after.ci)
    assert found.system - found.baseline == after.score - before.score > 0
    assert found.p_value < 0.01
    assert (found.metric, found.n) == ("bleu", 400)
    assert found.signature == f"{signatures['BLEU']}; compounds split at hyphens"
    assert "|bs:200|seed:7|" in found.signature


def test_bootstrap_depends_on_its_seed_alone(monkeypatch):
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    references = [" ".join(words[i % 5 : i % 5 + 5]) for i in range(30)]
    baseline = [r if i % 3 else "one two" for i, r in enumerate(references)]
    system = [r if i % 4 else "three four" for i, r in enumerate(references)]
    monkeypatch.setenv("SACREBLEU_SEED", "99")
    first, again, other = (
        paired_bootstrap(baseline, system, references, metric="chrf", samples=50, seed=seed)
        for seed in (1, 1, 2)
    )
    assert os.environ["SACREBLEU_SEED"] == "99"
    assert first == again
    assert first != other
    assert first.system == other.system == score("chrf", system, references, split="test").value
    assert 0 < first.p_value < 1


def test_equal_systems_do_not_differ():
    """sacrebleu itself gives two identical systems p = 1 / (samples + 1)."""
    text = ["a b c d e", "f g h i j"]
    found = paired_bootstrap(text, text, text, samples=10)
    assert (found.system - found.baseline, found.p_value) == (0, 1)
    assert translation.SAMPLES == 1000


@pytest.mark.parametrize("wrong", [{"seed": 0}, {"samples": 0}])
def test_a_seed_that_sacrebleu_would_ignore_is_refused(wrong):
    with pytest.raises(ValueError, match="at least 1"):
        paired_bootstrap(["a"], ["b"], ["a"], **wrong)
