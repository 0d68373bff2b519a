"""Bootstraps against enumeration, scikit-learn, scipy and sacrebleu, and their coverage over simulations."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import sacrebleu
from scipy import stats
from sklearn import metrics

from redrop.analysis.decision import additive
from redrop.analysis.decision.bootstrap import hierarchical, stratified, summarised

LABELS, GUESSES = np.random.default_rng(0).integers(0, 2, (2, 60))


def counts(labels: np.ndarray, guesses: np.ndarray) -> np.ndarray:
    """True positive, true negative, false positive, false negative: (examples, 4)."""
    cells = [labels & guesses, (1 - labels) & (1 - guesses), (1 - labels) & guesses, labels & (1 - guesses)]
    return np.stack(cells, axis=-1)


def test_matthews_and_f1_are_scikit_learns() -> None:
    sums = counts(LABELS, GUESSES).sum(0)
    assert additive.matthews(sums) == pytest.approx(metrics.matthews_corrcoef(LABELS, GUESSES))
    assert additive.f1(sums) == pytest.approx(metrics.f1_score(LABELS, GUESSES))
    assert additive.matthews(np.array([5, 0, 0, 5])) == 0.0
    assert additive.f1(np.array([0, 9, 0, 0])) == 0.0


def test_pearson_is_scipys() -> None:
    x, y = np.random.default_rng(1).normal(size=(2, 30))
    y = y + x
    sums = np.stack([np.ones(30), x, y, x * x, y * y, x * y], axis=-1).sum(0)
    assert additive.pearson(sums) == pytest.approx(stats.pearsonr(x, y).statistic)
    assert additive.pearson(np.array([3.0, 3.0, 1.0, 3.0, 5.0, 1.0])) == 0.0


def bleu_counts(hypothesis: str, reference: str) -> list[float]:
    found = sacrebleu.BLEU(tokenize="none", smooth_method="none").corpus_score([hypothesis], [[reference]])
    return [found.sys_len, found.ref_len, *found.counts, *found.totals]


HYPOTHESES = ["a b c d e f", "the cat sat on the mat", "x y z u v", "one two three four five"]
REFERENCES = ["a b c d e g h", "the cat sat on a mat", "x y z u w", "one two three four five six seven"]


def test_bleu_is_sacrebleus() -> None:
    sums = np.array([bleu_counts(*pair) for pair in zip(HYPOTHESES, REFERENCES, strict=True)]).sum(0)
    whole = sacrebleu.BLEU(tokenize="none", smooth_method="none").corpus_score(HYPOTHESES, [REFERENCES])
    assert additive.bleu(sums) == pytest.approx(whole.score)
    assert additive.bleu(np.array(bleu_counts("a b", "a b"), dtype=float)) == 0.0


def test_stratified_resamples_seeds_within_a_task() -> None:
    """Tasks {0, 4} and {0, 1, 2}: all 2^2 x 3^3 draws, whose means of means have an exact distribution."""
    tasks = [[0.0, 4.0], [0.0, 1.0, 2.0]]
    draws = [list(itertools.product(task, repeat=len(task))) for task in tasks]
    exact = np.array([(np.mean(a) + np.mean(b)) / 2 for a, b in itertools.product(*draws)])
    found = stratified(tasks, resamples=4000)
    assert found.estimate == 1.5
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(exact, [0.025, 0.975])), abs=0.17)
    as_far = np.mean(np.abs(exact - 1.5) >= 1.5)
    assert found.p == pytest.approx(as_far, abs=4 * math.sqrt(as_far * (1 - as_far) / 4000))


def test_stratified_is_rliables() -> None:
    """rliable's get_interval_estimates({"a": x}, lambda s: np.array([s.mean()]), reps=5000) gives 0.8168,
    0.4822 to 1.1214; x has a row a seed and a column a task."""
    x = np.random.default_rng(0).normal(1.0, 1.0, (5, 4))
    found = stratified(x.T.tolist(), 5000)
    assert found.estimate == pytest.approx(0.81682, abs=1e-5)
    assert (found.low, found.high) == pytest.approx((0.482, 1.121), abs=0.04)


def test_p_is_never_below_one_of_all_resamples() -> None:
    """No resample as far away: 1 / (99 + 1); half of them: (1 + 50) / 101."""
    found = summarised(5.0, np.full(99, 5.0) + np.linspace(-1, 1, 99))
    assert (found.p, found.p_text) == (0.01, "p <= 0.01")
    half = summarised(1.0, np.array([1.0] * 50 + [2.5] * 50))
    assert (half.p, half.p_text) == (51 / 101, "p = 0.5")


def test_equal_inputs_give_equal_numbers() -> None:
    assert stratified([[1.0, 2.0, 4.0]], 500) == stratified([[1.0, 2.0, 4.0]], 500)
    first, second = outputs(np.random.default_rng(2), 3, 40, 0.1)
    once, again = (hierarchical(first, second, additive.mean, 500) for _ in range(2))
    assert once == again


def outputs(
    rng: np.random.Generator, seeds: int, examples: int, gain: float
) -> tuple[np.ndarray, np.ndarray]:
    """Two systems' values, with effects of the seed and of the example on their difference."""
    difference = gain + 0.1 * rng.normal(size=(seeds, 1)) + rng.normal(size=(1, examples))
    second = rng.normal(size=(seeds, examples))
    return tuple(
        np.stack([x, np.ones_like(x)], axis=-1)
        for x in (second + difference + 0.5 * rng.normal(size=(seeds, examples)), second)
    )


def test_hierarchical_of_one_seed_is_the_bootstrap_of_examples() -> None:
    """Against the standard error of a mean; both ends within a few errors of 2,000 resamples."""
    first, second = outputs(np.random.default_rng(3), 1, 200, 0.3)
    difference = (first - second)[0, :, 0]
    found = hierarchical(first, second, additive.mean, 2000)
    error = np.std(difference) / math.sqrt(200)
    assert found.estimate == pytest.approx(difference.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_hierarchical_draws_one_seed_less_than_there_are() -> None:
    """Three of seven seeds are 1 better on all examples, the others equal. Six drawn are binomial with 3/7:
    0 has 3.5 % and 6 has 0.6 %, so the ends are 0 and 5/6."""
    first = np.ones((7, 30, 2))
    second = first.copy()
    second[:3, :, 0] = 0.0
    found = hierarchical(first, second, additive.mean, 4000)
    assert (found.estimate, found.low, found.high) == pytest.approx((3 / 7, 0.0, 5 / 6))


def test_hierarchical_agrees_with_sacrebleus_paired_bootstrap() -> None:
    """One seed, BLEU: sacrebleu's own p and ours, of the same number of resamples."""
    from sacrebleu.significance import PairedTest

    rng = np.random.default_rng(4)
    words = np.array(list("abcdefgh"))
    references = [" ".join(rng.choice(words, 12)) for _ in range(60)]
    systems = [[change(rng, text, words, rate) for text in references] for rate in (0.15, 0.19)]
    metric = sacrebleu.BLEU(references=[references], tokenize="none", smooth_method="none")
    named = [("baseline", systems[1]), ("system", systems[0])]
    _, results = PairedTest(named, {"BLEU": metric}, None, test_type="bs", n_samples=1000)()
    first, second = (
        np.array([[bleu_counts(*pair) for pair in zip(system, references, strict=True)]])
        for system in systems
    )
    found = hierarchical(first, second, additive.bleu, 1000)
    expected = results["BLEU"][1]
    assert found.estimate == pytest.approx(expected.score - results["BLEU"][0].score)
    assert 0.02 < expected.p_value < 0.9
    assert found.p == pytest.approx(expected.p_value, abs=0.08)


def change(rng: np.random.Generator, text: str, words: np.ndarray, rate: float) -> str:
    """Every word replaced by a random one with this probability."""
    return " ".join(rng.choice(words) if rng.uniform() < rate else word for word in text.split())


def test_different_seeds_or_examples_are_refused() -> None:
    with pytest.raises(ValueError, match="give the same seeds and examples"):
        hierarchical(np.ones((2, 5, 2)), np.ones((3, 5, 2)), additive.mean)


def missed(simulate: Callable[[np.random.Generator], tuple[float, float]], many: int, true: float) -> float:
    rng = np.random.default_rng(5)
    intervals = np.array([simulate(rng) for _ in range(many)])
    return float(np.mean((intervals[:, 0] > true) | (intervals[:, 1] < true)))


def test_coverage_of_the_hierarchical_bootstrap() -> None:
    """Twelve seeds, 80 examples: misses no more than 5 %."""

    def simulate(rng: np.random.Generator) -> tuple[float, float]:
        first, second = outputs(rng, 12, 80, 0.2)
        found = hierarchical(first, second, additive.mean, 150)
        return found.low, found.high

    assert missed(simulate, 200, 0.2) <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 200)


def test_coverage_of_the_stratified_bootstrap() -> None:
    """Four tasks of ten seeds: close to 95 %; of three seeds the percentile interval is too narrow."""

    def simulate(seeds: int) -> Callable[[np.random.Generator], tuple[float, float]]:
        def one(rng: np.random.Generator) -> tuple[float, float]:
            found = stratified(rng.normal(size=(4, seeds)).tolist(), 200)
            return found.low, found.high

        return one

    assert missed(simulate(10), 150, 0.0) <= 0.07 + 4 * math.sqrt(0.07 * 0.93 / 150)
    assert missed(simulate(3), 150, 0.0) > 0.05
