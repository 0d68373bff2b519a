"""Analyses of finished decoders: worked by hand, and against plain torch on a small model."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from method_support import CPU, method_spec, trainer_of
from redrop.data.corpus import Corpus
from redrop.evaluation import mechanisms
from redrop.evaluation.language_model import mean_loss, split_windows, take
from redrop.evaluation.mechanisms.ablation import ablation, turn
from redrop.evaluation.mechanisms.attention_entropy import attention_entropy
from redrop.evaluation.mechanisms.calibration import calibration, fit_temperature
from redrop.evaluation.mechanisms.frequency import loss_by_frequency
from redrop.evaluation.mechanisms.monte_carlo import monte_carlo
from redrop.evaluation.mechanisms.token_rank import composite_norm, token_rank
from redrop.evaluation.mechanisms.traced import sublayers, traced, without_skips
from redrop.evaluation.mechanisms.variance_shift import variance_shift
from redrop.models.residual_gpt import ResidualGPT, build
from redrop.spec import RunSpec
from redrop.streams import MaskStream
from redrop.training.loop import drive
from redrop.training.pack import PackTrainer
from redrop.training.run import Stopped
from support import small_spec

X_BT = torch.arange(48).view(3, 16) % 10


def model_of(**settings: object) -> ResidualGPT:
    """A small decoder with weights that are large enough to matter, in evaluation mode."""
    spec = small_spec("a2r0", **{f"model__{key}": value for key, value in settings.items()}).model
    model = build(spec, 10, 1).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(8.0 if parameter.dim() > 1 else 1.0)
    return model


# The functions


def test_the_variance_of_inverted_dropout_rises_by_its_formula() -> None:
    generator = torch.Generator().manual_seed(1)
    rate, means = 0.25, torch.tensor([0.0, 2.0])
    h_NC = means + 1.5 * torch.randn(400_000, 2, generator=generator)
    mask = (torch.rand(h_NC.shape, generator=generator) >= rate) / (1.0 - rate)
    found = [variance_shift([[h_NC[:, [k]] * mask[:, [k]]]], [[h_NC[:, [k]]]])[0] for k in range(2)]
    v, q = 1.5**2, 1.0 - rate
    expected = [((c**2 + v) / q - c**2) / v for c in means.tolist()]
    assert expected[0] == pytest.approx(1 / q)
    assert found == pytest.approx(expected, rel=0.01)


def test_variances_are_over_all_passes_and_a_mean_over_channels() -> None:
    one, other = torch.tensor([[0.0, 1.0], [2.0, 1.0]]), torch.tensor([[4.0, 1.0], [6.0, 5.0]])
    (found,) = variance_shift([[one], [other]], [[torch.cat([one, other]) / 2]])
    assert found == pytest.approx(4.0)
    assert math.isnan(variance_shift([[one]], [[torch.ones(2, 2)]])[0])


def test_the_rank_of_equal_tokens_is_0() -> None:
    equal = torch.tensor([[1.0, -3.0, 0.5]]).expand(2, 7, 3)
    assert token_rank(equal).tolist() == pytest.approx([0.0, 0.0])
    opposite = torch.stack([torch.eye(2), torch.tensor([[1.0, -2.0], [-1.0, 2.0]])])
    assert token_rank(opposite).tolist() == pytest.approx([1.0, 1.0])  # I - 1/2: norms 1 and 1
    assert composite_norm(torch.tensor([[[1.0, -2.0], [3.0, 4.0]]])).item() == pytest.approx((6 * 7) ** 0.5)


def test_entropy_of_attention_is_1_where_it_is_uniform_and_0_where_it_is_on_one_token() -> None:
    uniform = torch.ones(5, 5).tril()
    uniform /= uniform.sum(1, keepdim=True)
    both = torch.stack([uniform, torch.eye(5)])[None]
    assert attention_entropy(both).tolist() == [[pytest.approx(1.0), pytest.approx(0.0)]]
    halves = torch.tensor([[[[1.0, 0.0], [0.9, 0.1]]]])
    assert attention_entropy(halves).item() == pytest.approx(-(0.9 * math.log2(0.9) + 0.1 * math.log2(0.1)))


def test_thirds_by_frequency_give_the_loss_when_they_are_weighted() -> None:
    counts = [3, 9, 3, 8, 0, 1, 2]  # frequent: 1, 3, 0; middle: 2, 6; rare: 5, 4
    targets = np.array([1, 1, 3, 2, 2, 0, 1])
    losses = np.array([1.0, 2.0, 3.0, 5.0, 7.0, 6.0, 8.0])
    found = loss_by_frequency(losses, targets, np.array(counts))
    assert found["frequent"] == (4.0, 5)
    assert found["middle"] == (6.0, 2)
    assert found["rare"][1] == 0
    assert math.isnan(found["rare"][0])
    some = [(mean, n) for mean, n in found.values() if n]
    assert sum(mean * n for mean, n in some) / 7 == pytest.approx(losses.mean())


def test_the_temperature_makes_confidence_what_is_right() -> None:
    """Logits (3, 0), right in 3 of 4: sigmoid(3 / T) is 3/4, T is 3 / log 3; the error sigmoid(3) - 3/4."""
    logits = np.tile([3.0, 0.0], (80, 1))
    labels = np.tile([0, 0, 0, 1], 20)
    assert fit_temperature(logits, labels) == pytest.approx(3 / math.log(3), rel=1e-4)
    found = calibration(logits, labels, np.arange(80) < 40)
    assert found.temperature == pytest.approx(3 / math.log(3), rel=1e-4)
    assert found.error == pytest.approx(1 / (1 + math.exp(-3)) - 0.75)
    assert found.error_scaled == pytest.approx(0.0, abs=1e-4)
    half_wrong = np.r_[np.zeros(40, int), labels[40:]]  # the half that it is fitted on is always right
    assert calibration(logits, half_wrong, np.arange(80) < 40).temperature < 0.1


def test_monte_carlo_by_hand() -> None:
    """Two passes that are sure of different symbols know nothing together, and disagree by log 2."""
    sure, targets = torch.tensor([[[50.0, 0.0]], [[0.0, 50.0]]]), torch.tensor([0])
    assert [part.item() for part in monte_carlo(sure, targets)] == pytest.approx([math.log(2)] * 2)
    logits = torch.randn(1, 6, 4, generator=torch.Generator().manual_seed(1))
    targets = torch.tensor([0, 1, 2, 3, 0, 1])
    losses, information = monte_carlo(logits.expand(3, -1, -1), targets)
    torch.testing.assert_close(losses.float(), F.cross_entropy(logits[0], targets, reduction="none"))
    assert information.abs().max() < 1e-12
    passes = torch.randn(5, 6, 4, generator=torch.Generator().manual_seed(2))
    losses, information = monte_carlo(passes, targets)
    own = torch.stack([F.cross_entropy(each, targets, reduction="none") for each in passes])
    assert (losses < own.double().mean(0)).all()
    assert (information > 0).all()


# The model


def test_the_trace_is_what_the_model_computes() -> None:
    """Of the pre-norm stream: each place is the one before and the sub-layer's output; masks change it."""
    model = model_of()
    logits, trace = traced(model, X_BT)
    assert torch.equal(logits, model(X_BT))
    assert (len(trace.stream), len(trace.outputs)) == (5, 4)
    torch.testing.assert_close(trace.stream[0], model.wte(X_BT) + model.wpe.weight)
    for number, f in enumerate(trace.outputs):
        assert torch.equal(trace.carried[number], trace.stream[number])
        torch.testing.assert_close(trace.stream[number + 1], trace.stream[number] + f)
    torch.testing.assert_close(model.lm_head(model.ln_f(trace.stream[-1])), logits)
    masked, _ = traced(model, X_BT, MaskStream(1, CPU))
    assert torch.equal(masked, model(X_BT, MaskStream(1, CPU)))
    assert not torch.equal(masked, logits)


@pytest.mark.parametrize("skips", [{}, {"skip2_dropout": 0.1}, {"skip2_dropout": 0.2, "skip4_dropout": 0.5}])
def test_without_skips_the_stream_is_the_last_output(skips: dict[str, float]) -> None:
    model = model_of(**skips)
    before, spec = model(X_BT), model.spec
    with without_skips(model):
        _, trace = traced(model, X_BT)
    for h, f in zip(trace.stream[1:], trace.outputs, strict=True):
        assert torch.equal(h, f)
    assert torch.equal(model(X_BT), before)
    assert all(block.spec is spec for block in model.blocks)


def test_ablation_in_the_pre_norm_stream_by_hand() -> None:
    model = model_of()
    y_BT = X_BT.roll(1, 1)
    parts = [(X_BT[:2], y_BT[:2]), (X_BT[2:], y_BT[2:])]

    def loss(logits: torch.Tensor) -> float:
        return F.cross_entropy(logits.flatten(0, 1), y_BT.flatten()).item()

    with torch.no_grad():
        plain, found = ablation(model, parts)
        _, trace = traced(model, X_BT)
        assert plain == pytest.approx(loss(model(X_BT)), rel=1e-6)
        for number, f in enumerate(trace.outputs):
            direct = loss(model.lm_head(model.ln_f(trace.stream[-1] - f)))
            assert found["direct"][number] == pytest.approx(direct - plain, abs=1e-5)
            other = build(model.spec, 10, 1).eval()
            other.load_state_dict(model.state_dict())
            sublayers(other)[number].c_proj.weight.zero_()
            assert found["total"][number] == pytest.approx(loss(other(X_BT)) - plain, abs=1e-5)
            h = trace.stream[number]
            angle = 1 - (F.normalize(h, dim=-1) * F.normalize(h + f, dim=-1)).sum(-1)
            assert found["turn"][number] == pytest.approx(angle.mean().item(), abs=1e-5)
    repair = [direct - total for direct, total in zip(found["direct"], found["total"], strict=True)]
    assert found["repair"] == pytest.approx(repair)
    assert found["direct"][-1] == pytest.approx(found["total"][-1], abs=1e-6)  # nothing follows it
    assert max(map(abs, found["repair"])) > 1e-3


@pytest.mark.parametrize("stream", ["normalised", "pre-norm"])
def test_a_sublayer_that_gives_nothing_is_not_missed(stream: str) -> None:
    model = model_of(residual_stream=stream, skip1_dropout=0.3, skip2_dropout=0.2, skip4_dropout=0.5)
    with torch.no_grad():
        sublayers(model)[1].c_proj.weight.zero_()
        plain, found = ablation(model, [(X_BT, X_BT)])
    assert plain == pytest.approx(F.cross_entropy(model(X_BT).flatten(0, 1), X_BT.flatten()).item(), rel=1e-6)
    assert [found[name][1] for name in ("total", "direct", "repair")] == pytest.approx([0.0] * 3, abs=1e-6)
    assert found["direct"][3] == pytest.approx(found["total"][3], abs=1e-6)


def test_a_turn_is_0_along_the_stream_and_2_against_it() -> None:
    h = torch.tensor([[1.0, 2.0], [1.0, 0.0], [1.0, 0.0]])
    assert turn(h, torch.tensor([[2.0, 4.0], [0.0, 3.0], [-0.5, 0.0]])).tolist() == pytest.approx(
        [0.0, 1.0, 2.0]
    )


# A run


def looked_into(**settings: object) -> RunSpec:
    return method_spec("ce", evaluation__mechanisms=True, **settings)


@pytest.fixture(scope="module")
def finished(toy_corpus: Corpus):
    """The run, and its model."""
    trainer = trainer_of(looked_into(), toy_corpus)
    (outcome,) = drive(trainer, progress=False)
    return outcome, trainer.model


def test_a_run_without_the_setting_has_the_id_that_it_had() -> None:
    off = method_spec("ce", evaluation__mechanisms=False)
    assert off.run == method_spec("ce").run
    assert "mechanisms" not in off.to_json()
    assert looked_into().run != off.run


def test_what_a_run_leaves(finished, toy_corpus: Corpus) -> None:
    outcome, _ = finished
    document = json.loads(outcome.files[mechanisms.MECHANISMS])
    starts = split_windows(len(toy_corpus.val), 16)
    assert document["windows"] == len(starts) < mechanisms.WINDOWS
    assert document["sublayers"] == ["attention 1", "mlp 1", "attention 2", "mlp 2"]
    value = {name: metric.value for name, metric in outcome.metrics.items()}
    assert document["loss"] == pytest.approx(value["val_loss_last"], rel=1e-6)
    shapes = {"total": 4, "direct": 4, "repair": 4, "turn": 4, "variance_shift": 5, "token_rank": 5}
    for name, length in shapes.items():
        assert len(document[name]) == length, name
    assert np.shape(document["attention_entropy"]) == (2, 2)
    assert document["token_rank"][0] == document["token_rank_without_skips"][0]
    # The embeddings' dropout alone: 1 / 0.8 where the mean is 0, more where it is not.
    assert document["variance_shift"][0] == pytest.approx(1.25, rel=0.3)
    thirds = [outcome.metrics[f"val_loss_{third}"] for third in ("frequent", "middle", "rare")]
    assert sum(third.n for third in thirds) == 16 * len(starts)
    total = sum(third.value * third.n for third in thirds if third.n)
    assert total / (16 * len(starts)) == pytest.approx(value["val_loss_last"], rel=1e-6)
    assert value["mutual_information"] > 0
    assert value["calibration_error_scaled"] >= 0
    assert value["temperature"] > 0


def test_the_model_and_the_runs_streams_are_left_as_they_were(finished, toy_corpus: Corpus) -> None:
    """The same run without the setting: equal curve, and equal metrics where it has them; no hook stays."""
    outcome, model = finished
    (plain,) = drive(trainer_of(method_spec("ce"), toy_corpus), progress=False)
    assert plain.curve == outcome.curve
    assert plain.files == {}
    assert plain.metrics.items() <= outcome.metrics.items()
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())


def test_a_packed_run_is_looked_into_as_well(finished, toy_corpus: Corpus) -> None:
    (outcome,) = drive(PackTrainer([looked_into()], [toy_corpus], CPU), progress=False)
    alone, packed = (json.loads(each.files[mechanisms.MECHANISMS]) for each in (finished[0], outcome))
    assert alone.keys() == packed.keys()
    assert packed["total"] == pytest.approx(alone["total"], abs=1e-4)
    assert packed["variance_shift"] == pytest.approx(alone["variance_shift"], rel=1e-3)
    assert outcome.metrics.keys() == finished[0].metrics.keys()


def measured(model: ResidualGPT, corpus: Corpus, check=lambda: None):
    return mechanisms.measure(model, corpus, split_windows(len(corpus.val), 16), 1, check)


def test_no_more_than_the_first_windows_are_read(finished, toy_corpus: Corpus, monkeypatch) -> None:
    monkeypatch.setattr(mechanisms, "WINDOWS", 3)
    model = finished[1]
    metrics, files = measured(model, toy_corpus)
    document = json.loads(files[mechanisms.MECHANISMS])
    first = split_windows(len(toy_corpus.val), 16)[:3]
    assert document["windows"] == 3
    assert document["loss"] == pytest.approx(mean_loss(model, toy_corpus.val, first), rel=1e-6)
    x_BT, y_BT = take(toy_corpus.val, first, 16, CPU)
    masks = MaskStream(1, CPU, "Monte-Carlo dropout")
    with torch.no_grad():
        passes = torch.stack([model(x_BT, masks).softmax(-1) for _ in range(20)])
    expected = F.nll_loss(passes.mean(0).log().flatten(0, 1), y_BT.flatten()).item()
    assert metrics["val_loss_monte_carlo"].value == pytest.approx(expected, rel=1e-5)
    assert metrics["calibration_error"].n == 1


def test_without_dropout_there_are_no_passes_with_it(toy_corpus: Corpus) -> None:
    sites = ("embedding", "attention", "attention_output", "mlp")
    spec = dataclasses.replace(looked_into().model, **{f"{site}_dropout": 0.0 for site in sites})
    metrics, files = measured(build(spec, toy_corpus.vocab_size, 1), toy_corpus)
    assert "mutual_information" not in metrics
    assert "variance_shift" not in json.loads(files[mechanisms.MECHANISMS])


def test_a_number_that_is_not_finite_is_null(toy_corpus: Corpus, monkeypatch) -> None:
    monkeypatch.setattr(mechanisms, "variance_shift", lambda *_: [math.nan, 1.0])
    _, files = measured(build(looked_into().model, toy_corpus.vocab_size, 1), toy_corpus)
    assert json.loads(files[mechanisms.MECHANISMS])["variance_shift"] == [None, 1.0]


def test_it_can_be_stopped_before_any_pass(finished, toy_corpus: Corpus, monkeypatch) -> None:
    """And leaves no hook, no changed skip, and the mode as it was."""
    monkeypatch.setattr(mechanisms, "WINDOWS", 1)
    model = finished[1]
    calls: list[int] = []
    measured(model, toy_corpus, lambda: calls.append(0))
    assert len(calls) > 15
    for passes in range(len(calls)):
        left = iter([None] * passes)

        def check(left=left) -> None:
            if next(left, Stopped) is Stopped:
                raise Stopped

        with pytest.raises(Stopped):
            measured(model, toy_corpus, check)
        assert model.training
        assert all(block.spec is model.spec for block in model.blocks)
        assert not any(module._forward_hooks for module in model.modules())
