"""Dropout schedules: factors by hand, neutral settings to the byte, the same numbers alone and in a pack."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModel

from finetune_support import glue_spec, tuner
from generation_support import generation_spec, model_of, small, trainer_of
from redrop.data.corpus import Corpus
from redrop.dropout_schedules import DROPOUT_SCHEDULES, dropout_scale
from redrop.errors import ConfigError
from redrop.models.pretrained import dropout_rates
from redrop.models.residual_pack import PackMasks
from redrop.spec import RunSpec
from redrop.streams import MaskStream
from redrop.training.language_model import LanguageModelling
from redrop.training.loop import drive
from redrop.training.pack import PackTrainer
from redrop.training.trainer import Trainer
from support import small_spec, values_of

CPU = torch.device("cpu")
GPT_RATES = ("embedding", "attention", "attention_output", "mlp")


def scheduled(spec: RunSpec, **model: Any) -> RunSpec:
    """The spec with other settings of its model."""
    values = values_of(spec)
    values["model"] |= model
    return RunSpec.from_dict(values)


def factors(updates: int, **model: Any) -> list[float]:
    spec = scheduled(small_spec(), **model)
    return [dropout_scale(spec.model, update, updates) for update in range(updates)]


def decoder(rate: float = 0.2, **model: Any) -> RunSpec:
    """A run of paper B's model with ordinary dropout at every site, and a skip that drops."""
    rates = {f"{name}_dropout": rate for name in GPT_RATES}
    return scheduled(small_spec(schedule__iterations=6, evaluation__every=2), **(rates | model))


def test_the_factors_by_hand() -> None:
    """Early falls as the authors' ``linspace`` does, with both ends."""
    assert factors(4) == [1.0] * 4
    early = factors(10, dropout_schedule="early", dropout_cutoff=0.5)
    assert early == pytest.approx([*np.linspace(1.0, 0.0, 5), *[0.0] * 5])
    constant = {"dropout_schedule": "early", "dropout_shape": "constant", "dropout_cutoff": 0.3}
    assert factors(10, **constant) == [1.0] * 3 + [0.0] * 7
    assert factors(6, dropout_schedule="late") == [0.0] + [1.0] * 5  # a sixth
    assert factors(4, dropout_schedule="rising") == [0.0, 0.25, 0.5, 0.75]
    v = factors(12, dropout_schedule="v", dropout_turn=1 / 3)
    assert v == [1.0, 0.75, 0.5, 0.25, 0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875]


@pytest.mark.parametrize("name", DROPOUT_SCHEDULES)
@pytest.mark.parametrize("end", [{}, {"dropout_cutoff": 0.0}, {"dropout_cutoff": 1.0}, {"dropout_turn": 1.0}])
def test_a_factor_is_between_0_and_1(name: str, end: dict[str, float]) -> None:
    known = getattr(DROPOUT_SCHEDULES[name], "OPTIONS", {})
    end = {key: value for key, value in end.items() if key in known}
    for updates in (1, 2, 7):
        assert all(0.0 <= one <= 1.0 for one in factors(updates, dropout_schedule=name, **end))


def test_at_its_default_it_is_in_no_id_and_a_bad_one_is_named() -> None:
    spec = small_spec()
    assert scheduled(spec, dropout_schedule="constant") == spec
    assert scheduled(spec, dropout_schedule="late", dropout_cutoff=1 / 6).model.options == {}
    assert scheduled(spec, dropout_schedule="late").hash8 != spec.hash8
    with pytest.raises(ConfigError, match=r"model\.dropout_schedule: 'layt' .* did you mean 'late'"):
        scheduled(spec, dropout_schedule="layt")
    with pytest.raises(ConfigError, match=r"model\.dropout_cutoff: 1\.5 is out of range"):
        scheduled(glue_spec(), dropout_schedule="late", dropout_cutoff=1.5)
    with pytest.raises(ConfigError, match=r"model\.dropout_cutoff: unknown setting"):
        scheduled(generation_spec(), dropout_schedule="rising", dropout_cutoff=0.5)


class Trained:
    """Trains a kind of model for some updates, and gives what a checkpoint would hold of its weights."""

    def __init__(self, corpus: Corpus, root: Path) -> None:
        self.corpus, self.root = corpus, root

    def trainer(self, kind: str, rate: float, **model: Any) -> Trainer:
        if kind == "decoder":
            return Trainer(LanguageModelling(decoder(rate, **model), self.corpus, CPU))
        if kind == "encoder":
            rates = {"hidden_dropout": rate, "attention_dropout": rate, "classifier_dropout": 0.1}
            return tuner(scheduled(glue_spec(schedule__updates=4), **(rates | model)), self.root)
        rates = dict.fromkeys(("dropout", "attention_dropout", "activation_dropout"), rate)
        spec = scheduled(generation_spec(schedule__updates=4), **(rates | model))
        return trainer_of(spec, small("toy_xx_yy", 8))

    def weights(self, *wanted: Any, updates: int = 4, **model: Any) -> list[torch.Tensor]:
        trainer = self.trainer(*wanted, **model)
        for _ in range(updates):
            trainer.step()
        return list(trainer.model.parameters())


@pytest.fixture
def trained(toy_corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(toy_corpus, tmp_path_factory.getbasetemp() / "toys")


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


KINDS = pytest.mark.parametrize("kind", ["decoder", "encoder", "encoder-decoder"])


@KINDS
def test_neutral_settings_give_the_same_bytes(kind: str, trained: Trained) -> None:
    plain, standard = trained.weights(kind, 0.0), trained.weights(kind, 0.2)
    assert not same(plain, standard)
    assert same(plain, trained.weights(kind, 0.2, dropout_schedule="early", dropout_cutoff=0.0))
    assert same(standard, trained.weights(kind, 0.2, dropout_schedule="late", dropout_cutoff=0.0))
    whole = {"dropout_schedule": "early", "dropout_shape": "constant", "dropout_cutoff": 1.0}
    assert same(standard, trained.weights(kind, 0.2, **whole))


@KINDS
def test_the_rates_really_change(kind: str, trained: Trained) -> None:
    """Late dropout is plain training to its first update with dropout, and another one from there."""
    late = {"dropout_schedule": "late", "dropout_cutoff": 0.5}
    first = 3 if kind == "decoder" else 2
    for updates, equal in ((first, True), (first + 1, False)):
        plain = trained.weights(kind, 0.0, updates=updates)
        assert same(plain, trained.weights(kind, 0.2, updates=updates, **late)) is equal


@KINDS
@pytest.mark.parametrize("name", ["early", "rising"])
def test_a_run_resumed_in_the_middle_gives_the_same_bytes(kind: str, name: str, trained: Trained) -> None:
    options = {"dropout_cutoff": 1.0} if name == "early" else {}
    straight = trained.trainer(kind, 0.2, dropout_schedule=name, **options)
    for _ in range(2):
        straight.step()
    state = copy.deepcopy(straight.state())
    resumed = trained.trainer(kind, 0.2, dropout_schedule=name, **options)
    resumed.restore(0, state)
    for _ in range(2):
        assert torch.equal(straight.step(), resumed.step())
    assert same(list(straight.model.parameters()), list(resumed.model.parameters()))


def test_a_skips_dropout_and_the_classifiers_are_left_alone(trained: Trained) -> None:
    never = {"dropout_schedule": "early", "dropout_cutoff": 0.0}
    with_skip = trained.weights("decoder", 0.0, skip1_dropout=0.5)
    assert same(with_skip, trained.weights("decoder", 0.3, skip1_dropout=0.5, **never))
    assert not same(with_skip, trained.weights("decoder", 0.3, skip1_dropout=0.0, **never))
    without = trained.weights("encoder", 0.0, classifier_dropout=0.0)
    assert same(without, trained.weights("encoder", 0.3, classifier_dropout=0.0, **never))
    assert not same(without, trained.weights("encoder", 0.3, classifier_dropout=0.5, **never))


@pytest.mark.parametrize("kind", ["distilbert", "deberta-v2", "xlnet", "modernbert"])
def test_all_sites_of_an_encoder_are_found(kind: str) -> None:
    """Of families that are built otherwise than BERT."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    if kind == "xlnet":
        sizes = {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 32}
    elif kind == "distilbert":
        sizes = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32}
    marks = dict.fromkeys(("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id", "pad_token_id"), 0)
    config = AutoConfig.for_model(kind, vocab_size=40, **sizes, **marks)
    for name in vars(config):
        if "dropout" in name and name != "classifier_dropout":
            setattr(config, name, 0.5)
    model = AutoModel.from_config(config).train()
    tokens = torch.arange(3, 11)[None]
    with torch.no_grad():
        dropped, whole = model(tokens)[0], model.eval()(tokens)[0]
        assert not torch.equal(dropped, whole)
        for module, name, _ in dropout_rates(model):
            setattr(module, name, 0.0)
        assert torch.equal(model.train()(tokens)[0], whole)


@pytest.mark.parametrize("kind", ["bart", "marian"])
def test_all_sites_of_an_encoder_decoder_are_found(kind: str) -> None:
    """With every one at 0, training mode computes what evaluation does."""
    model = model_of(kind, dropout=0.5)
    inputs = {"input_ids": torch.arange(3, 9)[None], "decoder_input_ids": torch.arange(3, 8)[None]}
    sites = dropout_rates(model.base_model)
    assert {rate for _, _, rate in sites} == {0.5}
    with torch.no_grad():
        assert not torch.equal(model(**inputs).logits, model.eval()(**inputs).logits)
        for module, name, _ in sites:
            setattr(module, name, 0.0)
        assert torch.equal(model.train()(**inputs).logits, model.eval()(**inputs).logits)


def test_measurements_after_training_have_the_full_rates(trained: Trained) -> None:
    trainer = trained.trainer("encoder", 0.3, dropout_schedule="early", dropout_cutoff=0.0)
    trainer.step()
    assert {rate for _, _, rate in dropout_rates(trainer.model.base_model)} == {0.3}
    gpt = trained.trainer("decoder", 0.3, dropout_schedule="rising")
    gpt.step()
    assert gpt.task.sampling.masks.scale == 1.0


@pytest.mark.parametrize("name", ["early", "late", "rising", "v"])
def test_a_pack_agrees_with_the_single_model(name: str, toy_corpus: Corpus) -> None:
    """Curves as in every comparison of both: equal up to float32 rounding."""
    specs = [decoder(rate, dropout_schedule=name) for rate in (0.2, 0.4)]
    packed = drive(PackTrainer(specs, [toy_corpus] * 2, CPU), progress=False)
    for spec, outcome in zip(specs, packed, strict=True):
        (alone,) = drive(Trainer(LanguageModelling(spec, toy_corpus, CPU)), progress=False)
        for ours, theirs in zip(outcome.curve, alone.curve, strict=True):
            assert ours["val_loss"] == pytest.approx(theirs["val_loss"], abs=1e-5)
    other = decoder(0.2, dropout_schedule="constant")
    with pytest.raises(ConfigError, match="cannot be one pack"):
        PackTrainer([specs[0], other], [toy_corpus] * 2, CPU)


class OnAccelerator(MaskStream):
    """A stream as an accelerator has it, whose generator lies on the CPU."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, CPU)
        self._numpy, self.generator = None, torch.Generator().manual_seed(seed)


def test_an_accelerators_masks_follow_the_factor_where_they_lie() -> None:
    """Drawn in bulk they are those of a stream alone; what a graph reads is written in place."""
    rates = (0.2, 0.6, 0.0)
    masks = PackMasks([OnAccelerator(seed) for seed in range(3)])
    singles = [OnAccelerator(seed) for seed in range(3)]
    masks.draw((5, 7), rates, inverted=True, device=CPU)
    singles[0].mask((5, 7), 0.2, 1.25)
    singles[1].mask((5, 7), 0.6, 2.5)
    (columns,) = masks._columns.values()
    assert [masks.rescale(scale) for scale in (1.0, 0.75, 0.5)] == [False, True, False]
    drawn = masks.draw((5, 7), rates, inverted=True, device=CPU)
    for number, rate in enumerate((0.1, 0.3)):
        torch.testing.assert_close(drawn[number], singles[number].mask((5, 7), rate, 1 / (1 - rate)))
    assert drawn[2].eq(1.0).all()
    assert next(iter(masks._columns.values())) is columns
    before = [stream.state()["torch"] for stream in masks.streams]
    assert masks.rescale(0.0)  # nothing is drawn any more
    assert masks.draw((5, 7), rates, inverted=True, device=CPU).eq(1.0).all()
    after = [stream.state()["torch"] for stream in masks.streams]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    skips = masks.draw((400, 50), rates, inverted=False, device=CPU)  # a skip's rate stays
    assert skips[0].mean().item() == pytest.approx(0.8, abs=0.02)
