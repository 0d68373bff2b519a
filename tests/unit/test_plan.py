"""What `redrop plan` says of a config: counts by hand, times against runs that were timed, and its faults."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from redrop.cli import main
from redrop.data.tasks import CORPORA
from redrop.errors import ConfigError
from redrop.models.sizes import SHAPES
from redrop.record import read_json
from redrop.runtime import plan as planning
from redrop.runtime.profiles import read_profile
from redrop.runtime.rates import MEASURED, RatedDevice, from_table, matmul_rate, seconds_of
from redrop.runtime.work import Work, encoder_layer, work_of
from redrop.spec import RunSpec
from redrop.study import Plan, resolve
from redrop.verbs.shared import read_config
from redrop.view.plan_view import blocks
from redrop.view.screen import plain
from support import PROJECT, small_spec, spec_of

CORE = RatedDevice("a core", "cpu", 2, 100e9, 100e9, "made up")
PUBLISHED = PROJECT / "results" / "published"


@pytest.fixture(autouse=True)
def _nothing_nearby(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDROP_MIRROR", raising=False)


def plan_of(results: Path, *texts: str) -> Plan:
    """A config's plan whose results go to a folder of the test."""
    return resolve(read_config([*texts, json.dumps({"results": str(results)})], PROJECT), PROJECT)


def only(study: str, **selection: object) -> str:
    """A config of one selection of one study."""
    return json.dumps({"only": [study], "studies": {study: [selection]}})


GLUE = only("glue", protocols=["bert-base"], configs=["ce", "rdrop"], seeds=[1, 2], tasks=["rte", "cola"])


def test_runs_jobs_and_downloads_are_counted(tmp_path: Path) -> None:
    estimate = planning.make(plan_of(tmp_path, GLUE), ["glue"], CORE)
    (study,) = estimate.studies
    assert (study.runs, study.left, study.finished) == (8, 8, 0)
    assert study.iterations == 4 * (2036 + 5336)
    assert estimate.jobs == {
        "fetch": 2, "prepare": 2, "fetch_model": 1, "train": 8, "collect": 1, "tables": 1, "figures": 1
    }  # fmt: skip
    # The sizes beside the addresses: train and validation parquet of each task, and BERT's weights.
    assert estimate.downloads == {
        "glue_rte": 583_976 + 69_020,
        "glue_cola": 251_124 + 37_551,
        "bert-base-uncased": 440_449_768,
    }
    weights = SHAPES["bert-base-uncased"].parameters * 4
    assert estimate.disk["models"] == weights
    assert weights == pytest.approx(estimate.downloads["bert-base-uncased"], rel=0.01)
    # Two runs at once, each with three files of weights and two moments.
    assert estimate.disk["checkpoints at their peak"] == 2 * 3 * 3 * weights
    assert estimate.disk["kept weights"] == 0
    kept = planning.make(plan_of(tmp_path, GLUE, '{"keep_weights": true}'), ["glue"], CORE)
    assert kept.disk["kept weights"] == 8 * weights


def test_sizes_that_nobody_published_are_unknown(tmp_path: Path) -> None:
    config = only("glue", protocols=["roberta-large"], configs=["ce"], seeds=[1], tasks=["rte"])
    estimate = planning.make(plan_of(tmp_path, config), ["glue"])
    assert estimate.downloads["roberta-large"] is None
    said = plain(blocks(estimate))
    assert "1 of unknown size: roberta-large" in said
    config = only("translation", protocols=["iwslt"], configs=["ce"], seeds=[1], tasks=["iwslt14_en_es"])
    # Its file has a limit, which is no size.
    assert planning.make(plan_of(tmp_path, config), ["translation"]).downloads == {"iwslt14_en_es": None}


def test_what_is_done_and_what_is_here_is_subtracted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(tmp_path, GLUE)
    before = planning.make(plan, ["glue"], CORE)
    for run in list(plan.specs["glue"])[:3]:
        folder = tmp_path / "runs" / "glue" / run
        folder.mkdir(parents=True)
        (folder / "metrics.json").write_text("{}")
    (tmp_path / "data" / "glue_rte").mkdir(parents=True)
    (tmp_path / "data" / "glue_rte" / "meta.json").write_text("{}")
    mirror = tmp_path / "mirror"
    for split in ("train", "dev"):
        (mirror / "glue" / "CoLA").mkdir(parents=True, exist_ok=True)
        (mirror / "glue" / "CoLA" / f"{split}.tsv").write_text("")
    monkeypatch.setenv("REDROP_MIRROR", str(mirror))
    after = planning.make(plan, ["glue"], CORE)
    assert (after.studies[0].finished, after.studies[0].left, after.jobs["train"]) == (3, 5, 5)
    assert after.hours < before.hours
    assert list(after.downloads) == ["bert-base-uncased"]
    assert set(after.here) == {"glue_rte", "glue_cola"}
    assert (after.jobs["fetch"], after.jobs["prepare"]) == (1, 1)  # a mirror's files are fetched, too
    assert "3 runs are finished and not counted below" in plain(blocks(after))


def test_a_run_of_two_studies_is_counted_once(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, str(PROJECT / "config" / "minilm.yaml"))
    names = list(plan.specs)
    estimate = planning.make(plan, names, CORE)
    assert sum(study.left for study in estimate.studies) == len(plan.runs["glue"]) == estimate.jobs["train"]
    assert [study.shared for study in estimate.studies] == [0, 0, 6]


def test_a_run_of_a_pack_takes_as_long_as_the_pack(tmp_path: Path) -> None:
    """On an accelerator; a CPU trains runs one by one."""

    def estimate(seeds: int, device: RatedDevice) -> planning.StudyPlan:
        config = only(
            "residual", protocols=["matched"], configs=["skip1-0"], corpora=["tiny_shakespeare"],
            seeds=list(range(seeds)),
        )  # fmt: skip
        return planning.make(plan_of(tmp_path, config), ["residual"], device).studies[0]

    on_cpu = estimate(4, CORE)
    assert on_cpu.longest == pytest.approx(on_cpu.hours / 4)
    gpu = replace(CORE, kind="cuda")
    assert [estimate(n, gpu).longest for n in (1, 4)] == [estimate(n, gpu).hours for n in (1, 4)]
    assert estimate(40, gpu).longest == pytest.approx(estimate(40, gpu).hours / 2)


def test_evaluation_and_epochs_enter(tmp_path: Path) -> None:
    spec = spec_of("a2r0", schedule__iterations=1000, evaluation__every=100)
    often, rarely = (
        work_of(spec_of("a2r0", schedule__iterations=1000, evaluation__every=every), 1000, tmp_path)
        for every in (100, 500)
    )
    assert often.training == rarely.training
    assert often.evaluation.operations == pytest.approx(rarely.evaluation.operations * 11 / 3)
    assert planning.iterations_of(spec) == 1000


@pytest.mark.parametrize("protocol", ["matched", "notebook"])
def test_published_runs_took_about_as_long_as_estimated(protocol: str) -> None:
    """At the matrix rate that the benchmarks found on the machine of the published runs."""
    rate = 1e9 * read_json(PUBLISHED / "benchmarks" / "step.json")["matmul_gflops"]
    device = RatedDevice("theirs", "cpu", 2, rate, rate, "measured")
    ratios = []
    for path in (PUBLISHED / "residual" / "runs").glob(f"{protocol}-*/provenance.json"):
        cost, spec = read_json(path), RunSpec.from_json((path.parent / "spec.json").read_text())
        updates = planning.iterations_of(spec)
        estimate = seconds_of(work_of(spec, updates, PUBLISHED), device, False)
        ratios.append(cost["milliseconds_an_iteration"] / (1e3 * estimate.training / updates))
    assert len(ratios) > 50
    assert 0.8 < statistics.median(ratios) < 1.25


def test_the_shares_are_those_of_the_published_benchmarks() -> None:
    packs = read_json(PUBLISHED / "benchmarks" / "packs.json")["rows"]
    found = {row["variant"]: row["fraction_of_matmul_rate"] for row in packs if row["cores"] == 2}
    assert MEASURED["paper B"].share == pytest.approx(found["single run"], abs=0.001)
    passes = read_json(PUBLISHED / "benchmarks" / "passes.json")
    rate = 1e9 * read_json(PUBLISHED / "benchmarks" / "step.json")["matmul_gflops"]
    (plain,) = (row for row in passes["rows"] if row["variant"] == "ce, eager")
    tokens = passes["shape"]["batch"] * passes["shape"]["length"]
    shape = SHAPES[passes["shape"]["size"]]
    operations = 3 * tokens * shape.layers * encoder_layer(shape, passes["shape"]["length"])
    share = operations / (plain["ms"] / 1e3) / rate
    assert MEASURED["paper A"].share == pytest.approx(share, abs=0.001)
    assert MEASURED["paper A"].width == shape.width


def test_seconds_by_hand() -> None:
    spec = small_spec()
    work = work_of(spec, 12, Path("none"))
    share = MEASURED["paper B"]
    at_16 = 1 / (1 + (1 / share.share - 1) * 128 / 16)
    expected = work.training.operations / (100e9 * at_16) + 12 * 2 * share.training_call
    assert work.training.calls == 12 * 2
    assert seconds_of(work, CORE, False).training == pytest.approx(expected)
    assert Work(1.0, 2.0) + Work(3.0, 4.0) == Work(4.0, 6.0)
    large, share = replace(work, updates=12, parameters=10**9), MEASURED["paper A"]
    more = seconds_of(large, CORE, True).training - seconds_of(work, CORE, True).training
    assert more == pytest.approx(12 * (10**9 - work.parameters) * share.update)


def test_on_a_cpu_bf16_makes_products_faster_and_nothing_else() -> None:
    work = replace(work_of(small_spec(), 12, Path("none")), width=384)
    device, share = RatedDevice("a core", "cpu", 2, 100e9, 200e9, "made up"), MEASURED["paper B"]
    products = work.training.operations / 100e9
    rest = products * (1 / share.share - 1) * 128 / 384
    half, single = (
        seconds_of(replace(work, precision=precision), device, False) for precision in ("bf16", "fp32")
    )
    calls = 12 * 2 * share.training_call
    assert single.training == pytest.approx(products + rest + calls)
    assert half.training == pytest.approx(products / 2 + rest + calls)
    assert half.evaluation == single.evaluation


def test_a_gpu_is_said_to_be_assumed(tmp_path: Path) -> None:
    device = from_table(PROJECT, "H100")
    estimate = planning.make(plan_of(tmp_path, GLUE), ["glue"], device)
    assert "ASSUMED" in plain(blocks(estimate))
    assert "GPU hours" in plain(blocks(estimate))
    assert estimate.hours < planning.make(plan_of(tmp_path, GLUE), ["glue"], CORE).hours


def test_the_table_of_devices() -> None:
    assert from_table(PROJECT, "NVIDIA H100 PCIe").fp32 == 378e12
    assert from_table(PROJECT, "NVIDIA H100 80GB HBM3").half == 989e12
    assert from_table(PROJECT, "cpu").kind == "cpu"
    with pytest.raises(ConfigError, match=r"'H1000 Ti'.*|known"):
        from_table(PROJECT, "GeForce 256")
    with pytest.raises(ConfigError, match=r"devices\.csv"):
        from_table(PROJECT / "none", "H100")


def test_the_calibration_measures_a_product() -> None:
    assert 1e8 < matmul_rate("cpu", 0.05) < 1e13


def test_profiles_say_what_runs_at_once(tmp_path: Path) -> None:
    def at_once(text: str, cores: int = 8, gpus: int = 0) -> int | None:
        (tmp_path / "config.yaml").write_text(text)
        return read_profile(tmp_path).at_once(cores, gpus)

    assert at_once("cores: all") == 8
    assert at_once("cores: 3") == 3
    assert at_once("cores: all", gpus=2) == 2
    assert at_once("cores: all\nresources: [gpu=4]", gpus=2) == 4
    assert at_once("cores: all\nresources: {gpu: 1}", gpus=2) == 1
    assert at_once("cores: all\nset-resources: [train:gpu=2]", gpus=4) == 2
    assert at_once("executor: slurm\njobs: unlimited") is None
    assert at_once("executor: slurm\njobs: 20\nset-resources: {train: {gpu: 1}}") == 20
    assert read_profile(PROJECT / "profiles" / "default").at_once(2, 0) == 2
    with pytest.raises(ConfigError, match="cores: 'many'"):
        at_once("cores: many")
    with pytest.raises(ConfigError, match="not a list such as"):
        at_once("resources: [gpu]")
    with pytest.raises(ConfigError, match=r"profiles/default"):
        read_profile(tmp_path / "nowhere")


def test_a_profile_turns_hours_into_time(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, GLUE)
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "config.yaml").write_text("cores: 4")
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "config.yaml").write_text("{executor: slurm, jobs: unlimited}")
    local = planning.make(plan, ["glue"], CORE, read_profile(tmp_path / "local"))
    assert local.wall_hours == pytest.approx(max(local.hours / 4, local.studies[0].longest))
    cluster = planning.make(plan, ["glue"], CORE, read_profile(tmp_path / "cluster"))
    assert cluster.wall_hours == cluster.studies[0].longest
    assert "the cluster decides" in plain(blocks(cluster))


def test_a_model_of_unknown_size_is_named(tmp_path: Path) -> None:
    config = json.loads(GLUE)
    config["studies"]["glue"][0]["settings"] = {
        "model.checkpoint": "someone/model",
        "model.revision": "a" * 40,
    }
    estimate = planning.make(plan_of(tmp_path, json.dumps(config)), ["glue"], CORE)
    assert estimate.studies[0].unknown == {"someone/model"}
    assert "no estimate for someone/model" in plain(blocks(estimate))


def test_a_text_of_unknown_length_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(CORPORA, "tiny_shakespeare")
    config = only("residual", protocols=["matched"], seeds=[1], corpora=["tiny_shakespeare"])
    estimate = planning.make(plan_of(tmp_path, config), ["residual"], CORE)
    assert "no estimate for tiny_shakespeare" in plain(blocks(estimate))


def test_the_command_prints_text_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["plan", "--config", GLUE, "--config", json.dumps({"results": str(tmp_path)})]
    main([*arguments, "--device", "A100", "--profile", str(PROJECT / "profiles" / "default")])
    printed = capsys.readouterr().out
    assert "bert-base: 8 runs on rte, cola" in printed
    assert "1 at once" in printed
    main([*arguments, "--device", "A100", "--study", "glue", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["studies"][0]["left"] == 8
    assert found["device"]["name"] == "A100"
    assert found["download_bytes"]["glue_rte"] == 652_996
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--device", "abacus"])
    assert "abacus" in str(end.value.code)
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--study", "gleu"])
    assert "gleu" in str(end.value.code)


@pytest.mark.parametrize("name", ["config.yaml", "demo.yaml", "generation.yaml", "short.yaml"])
def test_every_config_of_the_project_can_be_planned(name: str, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, str(PROJECT / "config" / name))
    estimate = planning.make(plan, list(plan.specs), CORE)
    assert estimate.hours > 0
    assert not any(study.unknown for study in estimate.studies)
    json.dumps(planning.to_dict(estimate), allow_nan=False)
