"""Translation's and summarisation's tables from invented runs: columns, gains, the paired bootstrap."""

from __future__ import annotations

import csv
import gzip
import io
import shutil
from pathlib import Path

import pytest
import sacrebleu

from generation_support import METHODS, generation_spec
from readme_scores import at_equal_passes, generation_rows
from redrop import record
from redrop.analysis.build import build_figures, find_reported, load
from redrop.analysis.claims import Claim, judge
from redrop.analysis.study_results import StudyResults
from redrop.analysis.tables import scores, significance
from redrop.analysis.tables.significance import NOTHING_HERE, PREDICTIONS, store
from redrop.errors import RecordError
from redrop.record import Metric
from redrop.study import Study, load_part

REFERENCES = ["the cat sat on the mat .", "a dog ran far away today .", "birds sing in the old tree ."] * 4
WORSE = [line.replace("the", "a", 1) for line in REFERENCES]
BLEU = {"ce": {1: 20.0, 2: 22.0}, "rdrop": {1: 21.0, 2: 24.0}, "lrdrop": {1: 23.0, 2: 23.0}}


@pytest.fixture(scope="module")
def study(project: Path) -> Study:
    return load_part("translation", project)


def write(folder: Path, config: str, seed: int, bleu: float, outputs: list[str] | None, **settings) -> Path:
    """A run of the toy direction; ``outputs``: its hypotheses for the main test set."""
    spec = generation_spec(seed, config, **METHODS[config], **settings)

    def metric(value: float) -> Metric:
        return Metric(value=value, n=12, split="test", higher_is_better=True, signature="test")

    found = {key: metric(bleu) for key in ("score", "bleu")}
    found |= {"sacrebleu": metric(bleu - 1), "chrf": metric(bleu + 20)}
    place = folder / "translation" / spec.run
    document = record.metrics_document(spec, "done", None, {"name": "toy"}, found)
    record.write_json(place / record.METRICS, document)
    row = {"learning_rate": 0.1, "train_loss": 1.0, "val_loss": 1.0}
    rows = [row | {"iteration": i, "bleu_valid": i + bleu} for i in (5, 10)]
    record.write_text(place / record.CURVE, record.curve_text(rows))
    if outputs is not None:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["split", "number", "hypothesis", "reference"])
        writer.writerows(["test", i, *pair] for i, pair in enumerate(zip(outputs, REFERENCES, strict=True)))
        writer.writerow(["test_2017", 0, "nothing", "of the main test set"])
        (place / "predictions.csv.gz").write_bytes(gzip.compress(text.getvalue().encode()))
    return place


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for config, values in BLEU.items():
        for seed, bleu in values.items():
            outputs = {"ce": WORSE, "rdrop": REFERENCES, "lrdrop": None}[config]
            write(folder, config, seed, bleu, outputs)
    return folder


def test_every_metric_has_a_column_and_points_stay_points(runs: Path, study: Study) -> None:
    made = scores.build(StudyResults(load(runs, None, "translation"), study))
    rows = {row["Configuration"]: row for row in made.frame.to_dict("records")}
    assert rows["ce"]["toy_xx_yy bleu"] == "21.00 ± 1.41"
    assert rows["ce"]["toy_xx_yy sacrebleu"] == "20.00 ± 1.41"
    assert rows["lrdrop"]["toy_xx_yy chrf"] == "43.00 ± 0.00"
    # Differences 3 and 1: mean 2, standard error 1, t(0.975, 1) = 12.706.
    assert rows["lrdrop − ce"]["toy_xx_yy bleu"] == "+2.00 (−10.71 to +14.71)"
    assert "average" not in made.frame  # of one task there is none


def test_the_bootstrap_is_sacrebleus_on_the_main_test_set(runs: Path, study: Study) -> None:
    made = significance.build(StudyResults(load(runs, None, "translation"), study))
    (first, second) = made.raw.to_dict("records")
    assert [first["seed"], second["seed"]] == [1, 2]
    assert (first["system"], first["baseline"], first["n"]) == ("rdrop", "ce", 12)
    expected = sacrebleu.corpus_bleu(WORSE, [REFERENCES], tokenize="none", force=True).score
    assert first["baseline_bleu"] == pytest.approx(expected)
    assert first["system_bleu"] == pytest.approx(100.0)
    assert first["p"] < 0.05


def test_what_was_compared_stays_where_the_outputs_do_not_go(
    runs: Path, study: Study, tmp_path: Path
) -> None:
    results = load(runs, None, "translation")
    copies = tmp_path / "translation"
    shutil.copytree(runs / "translation", copies, ignore=shutil.ignore_patterns(PREDICTIONS))
    assert significance.build(StudyResults(load(copies, None), study)).footnotes == (NOTHING_HERE,)
    store(results, study, copies)
    store(load(copies, None), study, copies)  # again, without outputs: nothing is lost
    expected, found = (
        significance.build(StudyResults(results, study)),
        significance.build(StudyResults(load(copies, None), study)),
    )
    assert found.raw.equals(expected.raw)
    assert found.frame.equals(expected.frame)
    assert len(found.frame) == 2


def test_without_outputs_the_bootstrap_says_so(study: Study, tmp_path: Path) -> None:
    write(tmp_path, "ce", 1, 20.0, None)
    made = significance.build(StudyResults(load(tmp_path, None, "translation"), study))
    assert made.footnotes == (NOTHING_HERE,)


def test_the_learning_figure_goes_over_updates_and_passes(runs: Path, study: Study, tmp_path: Path) -> None:
    build_figures(load(runs, None, "translation"), study, tmp_path, None)
    text = (tmp_path / "toy-learning.svg").read_text()
    assert ">update<" in text
    assert ">pass<" in text
    assert ">lrdrop<" in text
    with (tmp_path / "toy-learning.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    at = {
        (config, of): [float(row[of]) for row in rows if row["config"] == config and row["of"] == f"by {of}"]
        for config in BLEU
        for of in ("update", "pass")
    }
    assert at["ce", "update"] == at["ce", "pass"] == at["lrdrop", "update"] == [5, 10]
    assert at["rdrop", "pass"] == at["lrdrop", "pass"] == [10, 20]  # two passes an update
    assert "n = 2 seeds" in (tmp_path / "toy-gain.txt").read_text()


def test_scores_at_equal_passes_by_hand(runs: Path, study: Study, tmp_path: Path) -> None:
    """Ten updates of plain training are ten passes, as are five of the others; curves are update + BLEU."""
    (tmp_path / "translation").mkdir()
    (tmp_path / "translation" / "runs").symlink_to(runs / "translation")
    said = at_equal_passes(tmp_path, study, "toy")
    means = {config: sum(values.values()) / len(values) for config, values in BLEU.items()}
    assert f"plain {10 + means['ce']:.1f}, R-Drop {5 + means['rdrop']:.1f}" in said
    assert f"LR-Drop {5 + means['lrdrop']:.1f}." in said
    assert "after 10 passes" in said


def test_what_is_reported_stands_below_the_row_it_is_about(project: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    for name, protocol, task, column, expected in (
        ("translation", "iwslt", "iwslt14_de_en", "iwslt14_de_en bleu", "37.25"),
        ("summarization", "bart-large", "cnn_dailymail", "cnn_dailymail rouge2", "21.58"),
    ):
        own = load_part(name, project)
        results = load(tmp_path / "none", None, name)
        made = scores.build(StudyResults(results, own, find_reported(own), {protocol: [task]}))
        rows = {row["Configuration"]: row for row in made.frame.to_dict("records")}
        assert rows["rdrop, reported"][column] == expected


def test_a_claim_is_judged_on_the_score_itself(runs: Path, study: Study) -> None:
    claim = Claim("gain", "paper", "somewhere", "better", "score", {"toy": (("lrdrop", "ce"),)}, higher=True)
    (judgement,) = judge(load(runs, None, "translation"), study, claim)
    assert judgement.comparisons[0].differences == {1: 3.0, 2: 1.0}  # BLEU is points already
    assert (judgement.model, judgement.verdict) == ("1 + 1 x 16", "undecided")


def test_runs_that_were_decoded_differently_are_not_averaged(tmp_path: Path) -> None:
    write(tmp_path, "lrdrop", 1, 20.0, None)
    write(tmp_path, "lrdrop", 2, 20.0, None, evaluation__beam=1)
    with pytest.raises(RecordError, match=r"differ in evaluation\.beam"):
        load(tmp_path, None, "translation").group("translation", "toy", "lrdrop", "toy_xx_yy")


def test_the_readme_shows_every_metric_with_its_gains(runs: Path, study: Study, tmp_path: Path) -> None:
    """What is published lies a folder a study; numbers as in the test of the table."""
    shutil.copytree(runs / "translation", tmp_path / "translation" / "runs")
    rows = {row[0]: row[1:] for row in generation_rows(tmp_path, study, "toy")}
    plain, of_rdrop, of_lrdrop = "21.00 ± 1.41", "+1.50 (−4.85 to +7.85)", "+2.00 (−10.71 to +14.71)"
    assert rows["toy_xx_yy, bleu"] == ["2", plain, of_rdrop, of_lrdrop]
    assert list(rows) == ["toy_xx_yy, bleu", "toy_xx_yy, sacrebleu", "toy_xx_yy, chrf"]
