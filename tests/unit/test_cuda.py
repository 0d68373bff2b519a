"""What only an accelerator can show: a pack's step as a CUDA graph gives the numbers of the step itself,
and fine-tuning there gives those of the CPU."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from finetune_support import LRDROP, RDROP, glue_spec, tuner
from redrop.data.corpus import Corpus
from redrop.spec import RunSpec
from redrop.training.graphs import WARM_UP, GraphedStep
from redrop.training.language_model import LanguageModelling
from redrop.training.loop import drive
from redrop.training.pack import PackTrainer
from redrop.training.trainer import train
from support import small_spec, values_of

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

SETTINGS = {"schedule__iterations": 12, "evaluation__every": 3}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_graph_gives_the_numbers_of_the_step_itself(precision: str, toy_corpus: Corpus) -> None:
    spec = small_spec("a2r25_2", "authors", 1, **SETTINGS, schedule__precision=precision)
    eager, graphed = (PackTrainer([spec], [toy_corpus], torch.device("cuda")) for _ in range(2))
    eager._update = eager._compute
    for step in range(12):
        torch.testing.assert_close(graphed.step(), eager.step(), rtol=1e-5, atol=1e-6)
        if step > WARM_UP:
            assert isinstance(graphed._update, GraphedStep)
            assert graphed._update.graph is not None
    (of_graph,), (of_step,) = graphed.losses(), eager.losses()
    assert "grad_norm_layer_1" in of_step
    assert of_graph == pytest.approx(of_step, rel=1e-4, abs=1e-6)
    for one, other in zip(graphed.models, eager.models, strict=True):
        assert one.masks.state()["torch"].equal(other.masks.state()["torch"])


@pytest.mark.parametrize("name", ["late", "rising", "v"])
def test_a_graph_follows_a_dropout_schedule(name: str, toy_corpus: Corpus) -> None:
    spec = small_spec(
        "a2r025", "authors", 1, **SETTINGS | {"schedule__iterations": 24, "evaluation__every": 8}
    )
    values = values_of(spec)
    values["model"] |= {"mlp_dropout": 0.3, "attention_dropout": 0.3, "dropout_schedule": name}
    spec = RunSpec.from_dict(values)
    alone = train(LanguageModelling(spec, toy_corpus, torch.device("cuda")), progress=False)
    trainer = PackTrainer([spec], [toy_corpus], torch.device("cuda"))
    (packed,) = drive(trainer, progress=False)
    assert trainer._update.graph is not None
    for ours, theirs in zip(packed.curve, alone.curve, strict=True):
        assert ours == pytest.approx(theirs, abs=5e-3)


def test_a_graphed_pack_goes_on_from_its_state(toy_corpus: Corpus) -> None:
    spec = small_spec("a2r025", "authors", 1, **SETTINGS)
    straight = PackTrainer([spec], [toy_corpus], torch.device("cuda"))
    for _ in range(6):
        straight.step()
    resumed = PackTrainer([spec], [toy_corpus], torch.device("cuda"))
    resumed.restore(0, straight.state(0))
    for _ in range(6):
        torch.testing.assert_close(resumed.step()[0], straight.step()[0], rtol=1e-5, atol=1e-6)


def test_curves_are_those_of_the_single_trainer_there_too(toy_corpus: Corpus) -> None:
    spec = small_spec("a2r025", "authors", 1, **SETTINGS)
    cuda = torch.device("cuda")
    alone = train(LanguageModelling(spec, toy_corpus, cuda), progress=False)
    (packed,) = drive(PackTrainer([spec], [toy_corpus], cuda), progress=False)
    for ours, theirs in zip(packed.curve, alone.curve, strict=True):
        assert ours == pytest.approx(theirs, abs=5e-3)


@pytest.mark.parametrize("method", [{}, RDROP, LRDROP], ids=["ce", "rdrop", "lrdrop"])
def test_fine_tuning_there_is_fine_tuning_here(method: dict[str, Any], tmp_path: Path) -> None:
    """Without dropout, whose masks differ between devices."""
    rates = {f"model__{name}_dropout": 0.0 for name in ("hidden", "attention", "classifier")}
    spec = glue_spec(**method, **rates)
    here, there = (tuner(spec, tmp_path, device=torch.device(name)) for name in ("cpu", "cuda"))
    for _ in range(6):
        torch.testing.assert_close(there.step().cpu(), here.step(), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(
        torch.from_numpy(there.predict(there.train)),
        torch.from_numpy(here.predict(here.train)),
        rtol=0.0,
        atol=2e-2,
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_fine_tuning_goes_on_there_from_its_state(precision: str, tmp_path: Path) -> None:
    spec = glue_spec(**LRDROP, schedule__precision=precision)
    cuda = torch.device("cuda")
    straight, resumed = (tuner(spec, tmp_path, device=cuda) for _ in range(2))
    for _ in range(4):
        straight.step()
    resumed.restore(0, copy.deepcopy(straight.state(0)))  # a checkpoint shares no memory
    for _ in range(4):
        torch.testing.assert_close(resumed.step(), straight.step(), rtol=1e-5, atol=1e-6)
