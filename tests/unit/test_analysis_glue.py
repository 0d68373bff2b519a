"""Paper A's tables and figures from invented runs: averages, paired gains, what is missing."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from finetune_support import LRDROP, RDROP, glue_spec
from redrop import record
from redrop.analysis.build import build_figures, build_tables, find_reported, load
from redrop.analysis.claims import Claim, judge, published_verdict, raw_row
from redrop.analysis.figures import size, weights
from redrop.analysis.flatness import rise
from redrop.analysis.gains import average_scores, baselines, gain
from redrop.analysis.scoring import TASK_ORDER, in_order
from redrop.analysis.stats import t_interval
from redrop.analysis.study_results import StudyResults
from redrop.analysis.tables import scores
from redrop.analysis.tables.chance import chance_score
from redrop.errors import ConfigError
from redrop.provenance import Provenance
from redrop.record import Metric
from redrop.study import Setting, Study, load_part, make_spec

METHODS = {"ce": {}, "rdrop": RDROP, "lrdrop": LRDROP}
ROW = {"iteration": 0, "learning_rate": 0.1, "train_loss": 1.0, "val_loss": 1.0}
"""All of the curve of a run that is nothing but its score."""
SCORES = {
    ("ce", "toy_pairs"): {1: 0.80, 2: 0.82},
    ("rdrop", "toy_pairs"): {1: 0.81, 2: 0.84},
    ("ce", "toy_score"): {1: 0.50, 2: 0.60},
    ("rdrop", "toy_score"): {1: 0.55},
    ("lrdrop", "toy_score"): {1: 0.52, 2: 0.63},
}


@pytest.fixture(scope="module")
def study(project: Path) -> Study:
    return load_part("glue", project)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for (config, task), values in SCORES.items():
        for seed, value in values.items():
            spec = glue_spec(seed, config, **METHODS[config], data__task=task)
            name = "accuracy" if task == "toy_pairs" else "pearson"

            def metric(number: float) -> Metric:
                return Metric(value=number, n=300, split="dev", higher_is_better=True, signature="test")

            metrics = {key: metric(value) for key in ("score", name)}
            metrics |= {f"inconsistency_hidden_{layer}": metric(0.1 * layer) for layer in (1, 2)}
            metrics |= {f"inconsistency_attention_{layer}": metric(0.01 * layer) for layer in (1, 2)}
            metrics["calibration_error"] = metric(value / 10)
            place = folder / "glue" / spec.run
            document = record.metrics_document(spec, "done", None, {"name": task}, metrics)
            record.write_json(place / record.METRICS, document)
            row = {"learning_rate": 0.1, "train_loss": 1.0, "val_loss": 1.0, name: value}
            curve = [{"iteration": i, "epoch": i, **row} for i in range(3)]
            record.write_text(place / record.CURVE, record.curve_text(curve))
            cost = {"ce": 10.0, "rdrop": 20.0, "lrdrop": 22.0}[config]
            provenance = {"milliseconds_an_iteration": cost, "latency_ms": 1.5, "device": "a CPU"}
            provenance["peak_memory_bytes"] = {"host": 1e8 * cost}
            record.write_json(place / record.PROVENANCE, provenance)
            edge = {"ce": 4.0, "rdrop": 3.0, "lrdrop": 2.5}[config] + 0.1 * seed
            points = {"split": "train", "directions": 5, "slice": [[-0.2, edge], [0, 1.0], [0.2, 2.0]]}
            (place / "landscape.json").write_text(json.dumps(points))
    return folder


def table(runs: Path, study: Study, name: str, folder: Path) -> str:
    build_tables(load(runs, None, "glue"), study, folder, None, [name])
    return (folder / f"{name}.md").read_text()


def test_scores_averages_and_gains_by_hand(runs: Path, study: Study, tmp_path: Path) -> None:
    """Averages need every task; gains are paired by seed; t(0.975, 1) = 12.706."""
    text = table(runs, study, "scores", tmp_path)
    assert "| ce | 2 | 81.00 ± 1.41 | 55.00 ± 7.07 | 68.00 ± 4.24 |" in text
    assert "| rdrop | 1–2 | 82.50 ± 2.12 | 55.00 | 68.00 |" in text
    assert "| rdrop − ce |  | +1.50 (−4.85 to +7.85) | +5.00 | +3.00 |" in text
    assert "| lrdrop − ce |  | — | +2.50 (−3.85 to +8.85) | — |" in text
    assert "No run of this configuration is finished on this task." in text


def test_costs_are_ratios_of_medians(runs: Path, study: Study, tmp_path: Path) -> None:
    text = table(runs, study, "cost", tmp_path)
    assert "| lrdrop | 2 | 22 | 2.20 | 1.10 | 2200 | 2.20 | 1.10 | 1.5 | 1.00 | 1.00 | a CPU |" in text
    assert "| ce | 2 | 10 | 1.00 | 0.50 | 1000 | 1.00 | 0.50 | 1.5 | 1.00 | 1.00 | a CPU |" in text
    with (tmp_path / "cost.csv").open(newline="") as file:
        row = next(r for r in csv.DictReader(file) if (r["config"], r["task"]) == ("lrdrop", "toy_score"))
    ratios = [float(row[name]) for name in ("time_over_ce", "time_over_rdrop", "memory_over_ce")]
    assert ratios == pytest.approx([2.2, 1.1, 2.2])


def test_every_other_metric_is_shown_with_its_signature(runs: Path, study: Study, tmp_path: Path) -> None:
    text = table(runs, study, "metrics", tmp_path)
    assert "| calibration_error | 0.0550 ± 0.0071 | 0.0550 | 0.0575 ± 0.0078 | dev | test |" in text
    assert "| pearson | 0.5500 ± 0.0707 | 0.5500 | 0.5750 ± 0.0778 | dev | test |" in text
    assert "inconsistency_hidden" not in text  # single layers are in a figure
    assert "| score |" not in text


def test_how_flat_the_loss_is_can_be_claimed(runs: Path, study: Study) -> None:
    """The slice's mean less the loss at the solution: (4.1 + 1 + 2) / 3 - 1 for seed 1 of plain training."""
    results = load(runs, None, "glue")
    (record_of_one,) = [
        r for r in results.records if (r.spec.config, r.spec.seed, r.spec.task) == ("ce", 1, "toy_pairs")
    ]
    assert rise(record_of_one) == pytest.approx(4.1 / 3)
    claim = Claim("flat", "paper", "p", "t", "landscape_rise", {"toy": (("lrdrop", "ce"),)}, each_task=True)
    found = {judgement.task: judgement.comparisons[0] for judgement in judge(results, study, claim)}
    assert found["toy_score"].differences == pytest.approx({1: 0.5, 2: 0.5})
    assert found["toy_score"].verdict == "undecided"  # two seeds
    assert found["toy_pairs"].verdict == "not run"  # lrdrop was not


def test_a_landscape_that_was_not_measured_judges_nothing(runs: Path, study: Study, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "runs")
    for number, path in enumerate(sorted((tmp_path / "runs").rglob("landscape.json"))):
        path.unlink() if number % 2 else path.write_text(path.read_text().replace("1.0]", "null]"))
    results = load(tmp_path / "runs", None, "glue")
    assert all(math.isnan(rise(record)) for record in results.records)
    claim = Claim("flat", "paper", "p", "t", "landscape_rise", {"toy": (("lrdrop", "ce"),)}, each_task=True)
    assert {str(found.verdict) for found in judge(results, study, claim)} == {"not run"}


def test_inconsistency_has_a_panel_for_states_and_one_for_attention(
    runs: Path, study: Study, tmp_path: Path
) -> None:
    build_figures(load(runs, None, "glue"), study, tmp_path, None, ["inconsistency"])
    with (tmp_path / "toy-inconsistency.csv").open(newline="") as file:
        rows = {(r["task"], r["of"], r["config"], r["layer"]): float(r["mean"]) for r in csv.DictReader(file)}
    assert rows["toy_score", "hidden states", "ce", "2.0"] == pytest.approx(0.2)
    assert rows["toy_score", "attention", "ce", "2.0"] == pytest.approx(0.02)


def test_a_share_of_the_training_set_has_its_own_baseline(study: Study, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    results = load(tmp_path / "none", None, "glue")
    rows = {
        config: [results.group("glue", "bert-base", config, "cola")]
        for config in ("ce", "lrdrop", "ce-10pct", "lrdrop-10pct", "doubled")
    }
    expected = {"lrdrop": "ce", "lrdrop-10pct": "ce-10pct", "doubled": "ce"}
    assert baselines(study, "bert-base", rows) == expected


OTHER = "ce-decay"


def with_second_plain_row(study: Study, **of_ce: object) -> Study:
    """The study with a second plain row in bert-base, and settings of its own for the first one."""
    bert = study.protocols["bert-base"]
    rows = bert.rows | {OTHER: bert.rows["ce"] | {"optimiser.weight_decay": Setting(0.1, "chosen")}}
    rows["ce"] = rows["ce"] | {key: Setting(value, "chosen") for key, value in of_ce.items()}
    bert = dataclasses.replace(bert, rows=rows, tags=bert.tags | {OTHER: frozenset()})
    return dataclasses.replace(study, protocols={"bert-base": bert})


def test_of_two_plain_rows_the_one_with_the_protocols_settings_is_the_baseline(
    study: Study, tmp_path: Path
) -> None:
    own, results = with_second_plain_row(study), load(tmp_path, None, "glue")
    for order in (("ce", OTHER, "lrdrop"), (OTHER, "ce", "lrdrop")):
        rows = {config: [results.group("glue", "bert-base", config, "cola")] for config in order}
        assert baselines(own, "bert-base", rows) == {OTHER: "ce", "lrdrop": "ce"}


def test_two_plain_rows_that_could_both_be_the_baseline_are_refused(study: Study, tmp_path: Path) -> None:
    own, results = with_second_plain_row(study, **{"optimiser.eps": 1e-8}), load(tmp_path, None, "glue")
    rows = {config: [results.group("glue", "bert-base", config, "cola")] for config in ("ce", OTHER)}
    with pytest.raises(ConfigError, match="ce and ce-decay could each be the plain training"):
        baselines(own, "bert-base", rows)


def glue_runs(folder: Path, study: Study, tasks: Sequence[str], **settings: object) -> None:
    """Two seeds a task of the paper's protocol, LR-Drop 0.01 and 0.03 better than R-Drop."""
    for task in tasks:
        for config, values in (("rdrop", (0.5, 0.5)), ("lrdrop", (0.51, 0.53))):
            for seed, value in enumerate(values):
                spec = make_spec(study, "bert-base", config, task, seed, settings)
                metric = Metric(value=value, n=300, split="dev", higher_is_better=True, signature="test")
                document = record.metrics_document(spec, "done", None, {"name": task}, {"score": metric})
                record.write_json(folder / "glue" / spec.run / record.METRICS, document)
                record.write_text(folder / "glue" / spec.run / record.CURVE, record.curve_text([ROW]))


EACH = Claim(
    "each",
    "paper",
    "p",
    "t",
    "score",
    {"bert-base": (("lrdrop", "rdrop"),)},
    higher=True,
    published=("bert-base",),
    each_task=True,
)


@pytest.mark.parametrize("each_task", [True, False])
def test_a_claim_about_glue_is_as_published_where_every_task_of_it_is(
    each_task: bool, study: Study, tmp_path: Path
) -> None:
    """Judged task by task, or on the mean: with seven tasks neither is the benchmark."""
    claim = dataclasses.replace(EACH, each_task=each_task)
    glue_runs(tmp_path, study, TASK_ORDER[1:])
    seven = judge(load(tmp_path, None, "glue"), study, claim)
    assert {one.as_published for one in seven} == {False}
    assert published_verdict(seven) == "not run as published"
    glue_runs(tmp_path, study, TASK_ORDER[:1])
    whole = judge(load(tmp_path, None, "glue"), study, claim)
    assert {one.as_published for one in whole} == {True}
    assert len(whole) == (8 if each_task else 1)
    assert published_verdict(whole) == "undecided"  # two seeds


def test_a_task_with_other_settings_keeps_each_task_from_being_as_published(
    study: Study, tmp_path: Path
) -> None:
    glue_runs(tmp_path, study, TASK_ORDER[1:])
    glue_runs(tmp_path, study, TASK_ORDER[:1], **{"schedule.batch_size": 8})
    assert published_verdict(judge(load(tmp_path, None, "glue"), study, EACH)) == "not run as published"


def test_differences_of_scores_are_points_in_the_csv_too(
    runs: Path, study: Study, project: Path, tmp_path: Path
) -> None:
    """As the caption says, and as the figure's csv has them."""
    published = load(project / "results/published/glue/runs")
    build_tables(published, study, tmp_path, None, ["claims"])
    build_figures(published, study, tmp_path, None, ["forest"], suffixes=())
    found = {}
    for name in ("forest", "claims"):
        with (tmp_path / f"{name}.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["n"] not in ("", "0")]
        keys, numbers = ("claim", "task", "config", "than"), ("difference", "low", "high")
        found[name] = {tuple(row[key] for key in keys): [row[key] for key in numbers] for row in rows}
    assert found["forest"] == found["claims"]
    (one,) = judge(
        load(runs, None, "glue"), study, dataclasses.replace(CLAIM, pairs={"toy": (("lrdrop", "ce"),)})
    )
    row = raw_row(one, 0, "", one.found, None)
    assert row["differences"] == "2.000000 3.000000"
    assert (row["difference"], row["median"]) == (pytest.approx(2.5), pytest.approx(2.5))


def test_every_figure_is_drawn_and_names_its_methods(runs: Path, study: Study, tmp_path: Path) -> None:
    paths = build_figures(load(runs, None, "glue"), study, tmp_path, "TEST")
    names = [name for name in study.figures if name not in ("verdicts", "forest")]
    assert {path.stem for path in paths} == {"verdicts", "forest", *(f"toy-{name}" for name in names)}
    for name in names:
        text = (tmp_path / f"toy-{name}.svg").read_text()
        assert ">lrdrop<" in text
        assert ">rdrop<" in text
        assert "TEST" in text
        assert "n = 1 to 2 seeds" in (tmp_path / f"toy-{name}.txt").read_text()


def test_costs_stand_against_gains_as_ratios_to_plain_training(
    runs: Path, study: Study, tmp_path: Path
) -> None:
    build_figures(load(runs, None, "glue"), study, tmp_path, None, ["cost-gain"])
    with (tmp_path / "toy-cost-gain.csv").open(newline="") as file:
        rows = {(r["config"], r["task"], r["cost"]): r for r in csv.DictReader(file)}
    lrdrop = rows["lrdrop", "toy_score", "peak memory"]
    assert (float(lrdrop["ratio"]), lrdrop["n"]) == (pytest.approx(2.2), "2")
    assert float(lrdrop["gain"]) == pytest.approx(2.5)
    assert float(rows["rdrop", "average", "time of an update"]["gain"]) == pytest.approx(3.0)
    assert ("lrdrop", "average", "time of an update") not in rows  # a task is missing


def test_without_runs_everything_says_so(study: Study, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    results = load(tmp_path / "none", None, "glue")
    build_tables(results, study, tmp_path, None, protocols={"toy": ["toy_pairs"]})
    build_figures(results, study, tmp_path, None, protocols={"toy": ["toy_pairs"]})
    assert "| lrdrop | 0 | —" in (tmp_path / "scores.md").read_text()
    assert "no finished run" in (tmp_path / "toy-learning.svg").read_text()


def test_the_protocol_table_gives_each_tasks_recipe(study: Study, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    results = load(tmp_path / "none", None, "glue")
    build_tables(results, study, tmp_path, None, ["protocol"], protocols=["roberta-large"])
    text = (tmp_path / "protocol.md").read_text()
    assert "| schedule.updates | 2,036 | inferred | rte |" in text
    assert "| schedule.batch_size | 32 | inferred | mnli, qnli, qqp, sst2 |" in text


CLAIM = Claim(
    "rdrop-helps",
    "paper",
    "somewhere",
    "R-Drop scores higher",
    "score",
    {"toy": (("rdrop", "ce"),)},
    higher=True,
    published=("toy",),
)


def test_a_claim_is_judged_by_the_mean_over_the_tasks_that_all_were_run_on(runs: Path, study: Study) -> None:
    """Seed 1 alone has both tasks: (1 + 5) / 2 points; the third method was run on one task only."""
    results = load(runs, None, "glue")
    (judgement,) = judge(results, study, CLAIM)
    assert judgement.task == "toy_pairs, toy_score"
    assert judgement.comparisons[0].differences == {1: pytest.approx(3.0)}
    assert (judgement.verdict, judgement.as_published) == ("undecided", False)
    (other,) = judge(results, study, dataclasses.replace(CLAIM, pairs={"toy": (("lrdrop", "ce"),)}))
    assert other.task == "toy_score"
    assert other.comparisons[0].differences == {1: pytest.approx(2.0), 2: pytest.approx(3.0)}
    assert other.verdict == "undecided"  # two seeds


def test_lower_and_higher_are_opposites(runs: Path, study: Study) -> None:
    results = load(runs, None, "glue")
    pairs = {"toy": (("lrdrop", "ce"),)}
    (up,) = judge(results, study, dataclasses.replace(CLAIM, pairs=pairs))
    (down,) = judge(results, study, dataclasses.replace(CLAIM, pairs=pairs, higher=False))
    one, other = up.comparisons[0], down.comparisons[0]
    assert one.result.mean == pytest.approx(-other.result.mean)
    assert one.result.improvement.share == 1 - other.result.improvement.share == 1.0


def test_tasks_stand_in_the_papers_order() -> None:
    assert in_order(["toy", "rte", "cola", "mnli"]) == ["mnli", "cola", "rte", "toy"]


def test_gains_need_a_common_seed(runs: Path) -> None:
    results = load(runs, None, "glue")
    groups = [results.group("glue", "toy", "rdrop", task) for task in ("toy_pairs", "toy_score")]
    assert average_scores(groups) == {1: pytest.approx(68.0)}
    found = gain({1: 81.0, 2: 84.0}, {1: 80.0, 2: 82.0, 3: 7.0})
    assert found == t_interval([1.0, 2.0])
    assert gain({1: 81.0}, {2: 82.0}).n == 0


def write_score(folder: Path, config: str, seed: int, value: float, **settings: object) -> None:
    """A run with nothing but a score."""
    spec = glue_spec(seed, config, **settings, data__task="toy_pairs")
    metric = Metric(value=value, n=300, split="dev", higher_is_better=True, signature="test")
    document = record.metrics_document(spec, "done", None, {"name": "toy_pairs"}, {"score": metric})
    record.write_json(folder / "glue" / spec.run / record.METRICS, document)
    record.write_text(folder / "glue" / spec.run / record.CURVE, record.curve_text([ROW]))


def test_the_size_figure_has_a_line_a_method_over_the_shares(study: Study, tmp_path: Path) -> None:
    for config, share, settings in (
        ("ce", 1.0, {}),
        ("ce-10pct", 0.1, {}),
        ("lrdrop", 1.0, LRDROP),
        ("lrdrop-10pct", 0.1, LRDROP),
        ("no-hidden", 1.0, LRDROP | {"objective__alpha": 0.0}),
    ):
        for seed in (1, 2):
            write_score(tmp_path, config, seed, 0.7 + 0.1 * share, **settings, data__train_fraction=share)
    figure, caption, _ = size.draw(StudyResults(load(tmp_path, None, "glue"), study), "toy")
    lines = {line.get_label(): line for line in _error_bars(figure.axes[0])}
    assert set(lines) == {"ce", "lrdrop"}  # a variation of a method is none of the lines
    assert list(lines["ce"][0].get_xdata()) == [10.0, 100.0]
    assert list(lines["ce"][0].get_ydata()) == pytest.approx([71.0, 80.0])
    assert "n = 2 seeds" in caption


def test_the_weights_figure_has_a_line_a_term_through_the_shared_middle(study: Study, tmp_path: Path) -> None:
    for config, weight in (("no-hidden", 0.0), ("alpha-0.1", 0.1), ("lrdrop", 1.0), ("alpha-10", 10.0)):
        settings = LRDROP | {"objective__alpha": weight, "objective__beta": 1.0}
        write_score(tmp_path, config, 1, 0.5 + 0.01 * weight, **settings)
    bert = dataclasses.replace(study.protocols["bert-base"], name="toy")
    own = dataclasses.replace(study, protocols={"toy": bert})
    figure, _, _ = weights.draw(StudyResults(load(tmp_path, None, "glue"), own), "toy")
    lines = {line.get_label(): line for line in _error_bars(figure.axes[0])}
    assert list(lines["alpha"][0].get_xdata()) == [0.0, 0.1, 1.0, 10.0]
    assert list(lines["beta"][0].get_xdata()) == [1.0]
    assert list(lines["alpha"][0].get_ydata()) == pytest.approx([50.0, 50.1, 51.0, 60.0])


def _error_bars(axes):
    return [made for made in axes.containers if made.get_label()]


def test_what_others_report_stands_below_with_its_source(study: Study, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    asked = {"bert-base": ["cola", "rte"]}
    results = load(tmp_path / "none", None, "glue")
    made = scores.build(StudyResults(results, study, find_reported(study), asked))
    rows = {row["Configuration"]: row for row in made.frame.to_dict("records")}
    assert rows["rdrop, reported"]["cola"] == "62.60"
    assert rows["lrdrop − ce, reported"]["average"] == "+1.70"
    assert "lrdrop, reported" not in rows  # its cells are not known
    cells = {cell.column: cell for cell in made.rows[list(rows).index("rdrop, reported")][1]}
    (mark,) = cells["cola"].notes
    assert "issue 30" in made.footnotes[mark - 1]


def test_plain_fine_tuning_is_put_beside_chance(runs: Path, study: Study, tmp_path: Path) -> None:
    """By hand: accuracy 0.80 and 0.82 against 0.5; correlation 0.5 and 0.6 against 0; 300 examples each."""
    text = table(runs, study, "chance", tmp_path)
    accuracy = 31.0 / (100**2 * 0.25 / 300 + 1.0**2) ** 0.5
    correlation = 55.0 / (100**2 / 299 + 5.0**2) ** 0.5
    assert (
        f"| toy_pairs | accuracy | 300 | 2 | 50.00 | 81.00 ± 1.41 | +31.00 | {accuracy:.1f} | 31.0 |" in text
    )
    assert (
        f"| toy_score | pearson | 300 | 2 | 0.00 | 55.00 ± 7.07 | +55.00 | {correlation:.1f} | 11.0 |" in text
    )


def test_chance_is_the_majority_class_of_the_official_labels(study: Study) -> None:
    assert chance_score("rte", 277)[0] == pytest.approx(100 * 146 / 277)
    assert chance_score("mrpc", 408) == pytest.approx((68.3824, 2.3020), abs=1e-4)
    assert chance_score("cola", 1043) == pytest.approx((0.0, 100 / 1042**0.5))
    assert math.isnan(chance_score("mnli", 9815)[0])


def test_latency_is_of_one_example_or_a_share_of_decoding() -> None:
    assert Provenance.from_dict({"latency_ms": 1.5}).latency == 1.5
    assert Provenance.from_dict({"decoding": {"sentences": 50, "seconds": 2.0}}).latency == 40.0
    assert math.isnan(Provenance.from_dict({}).latency)
