"""Things that are found by name, and what a run may say of them."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from finetune_support import glue_spec
from generation_support import generation_spec
from redrop.data.corpus import Corpus
from redrop.dropout_schedules import DROPOUT_SCHEDULES
from redrop.errors import ConfigError
from redrop.kinds import KINDS
from redrop.methods import METHODS, divergence_of, passes_of, weights_of
from redrop.objectives.terms import terms_of
from redrop.objectives.windows import WindowBatch
from redrop.optimisers import OPTIMISERS
from redrop.registry import Registry, options_of, resolve
from redrop.residual_streams import STREAMS
from redrop.schedules import SCHEDULES, learning_rate
from redrop.settings import Option
from redrop.spec import OptimiserSpec, RunSpec
from redrop.streams import MaskStream
from redrop.training.language_model import LanguageModelling
from redrop.training.loop import drive
from redrop.training.pack import PackTrainer, can_be_packed
from redrop.training.trainer import Trainer
from support import small_spec, values_of

CPU = torch.device("cpu")


def language_model_spec(objective: dict[str, Any], **settings: Any) -> RunSpec:
    """A small run of paper B's model with another objective."""
    values = values_of(small_spec(**settings))
    return RunSpec.from_dict(values | {"objective": objective})


RDROP = {"name": "rdrop", "gamma": 0.5}


def test_all_are_found_without_torch() -> None:
    code = (
        "import sys\n"
        "from redrop.dropout_schedules import DROPOUT_SCHEDULES\n"
        "from redrop.kinds import KINDS\n"
        "from redrop.methods import METHODS\n"
        "from redrop.optimisers import OPTIMISERS\n"
        "from redrop.residual_streams import STREAMS\n"
        "from redrop.schedules import SCHEDULES\n"
        "print(*KINDS, *METHODS, *OPTIMISERS, *STREAMS, *SCHEDULES, *DROPOUT_SCHEDULES)\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'transformers', 'pandas')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    known = {"residual_gpt", "lrdrop", "adamw", "pre-norm", "inverse-sqrt", "early"}
    assert known <= set(done.stdout.split())


@pytest.mark.parametrize("kind", list(KINDS))
def test_what_a_kind_names_is_there(kind: str) -> None:
    record = KINDS[kind].KIND
    for path in (record.task, record.build, record.pack, record.shape, record.gradient_part):
        assert path is None or callable(resolve(path))
    assert set(record.sections) == {"data", "model", "objective", "schedule", "evaluation"}


def test_an_option_has_the_name_of_no_field() -> None:
    """It would take the field's value."""
    for kind in KINDS.values():
        sections = kind.KIND.sections
        pairs = [(OPTIMISERS, OptimiserSpec), (METHODS, sections["objective"])]
        pairs += [(SCHEDULES, sections["schedule"]), (DROPOUT_SCHEDULES, sections["model"])]
        for registry, section in pairs:
            fields = {field.name for field in dataclasses.fields(section)}
            for module in registry.values():
                assert not fields & set(getattr(module, "OPTIONS", {}))


def test_an_unknown_name_is_refused_with_the_near_one() -> None:
    with pytest.raises(ConfigError, match=r"schedule 'cosin' is not one of .*did you mean 'cosine'"):
        SCHEDULES["cosin"]
    with pytest.raises(ConfigError, match=r"optimiser\.name: 'adamww' .* did you mean 'adamw'"):
        small_spec(optimiser__name="adamww")


@pytest.fixture
def with_option() -> Iterator[ModuleType]:
    """The constant schedule as if it had a setting."""
    module = SCHEDULES["constant"]
    module.OPTIONS = {"share": Option(0.5, 0.0, 1.0)}
    yield module
    del module.OPTIONS


def spec_with(**schedule: Any) -> RunSpec:
    values = values_of(small_spec(schedule__shape="constant"))
    values["schedule"] |= schedule
    return RunSpec.from_dict(values)


def test_an_option_is_in_the_id_only_off_its_default(with_option: ModuleType) -> None:
    plain = spec_with()
    assert spec_with(share=0.5) == plain
    assert spec_with(share=0.5).run == plain.run
    other = spec_with(share=0.25)
    assert other.hash8 != plain.hash8
    assert options_of(with_option, plain.schedule) == {"share": 0.5}
    assert options_of(with_option, other.schedule) == {"share": 0.25}
    assert RunSpec.from_json(other.to_json()) == other


def test_a_bad_option_is_named(with_option: ModuleType) -> None:
    with pytest.raises(ConfigError, match=r"schedule\.share: 1\.5 is out of range"):
        spec_with(share=1.5)
    with pytest.raises(ConfigError, match=r"schedule\.sharp: unknown setting .*did you mean 'share'"):
        spec_with(sharp=0.5)
    values = values_of(small_spec())  # another shape has no such option
    values["schedule"]["share"] = 0.5
    with pytest.raises(ConfigError, match=r"schedule\.share: unknown setting"):
        RunSpec.from_dict(values)


def test_every_kind_of_model_can_have_every_schedule() -> None:
    for spec in (small_spec(), glue_spec(), generation_spec()):
        for shape in SCHEDULES:
            schedule = dataclasses.replace(spec.schedule, shape=shape)
            rates = [learning_rate(schedule, update, 12) for update in range(13)]
            assert all(0.0 <= rate <= schedule.learning_rate for rate in rates)
            assert max(rates) == pytest.approx(schedule.learning_rate)


def test_what_methods_have() -> None:
    sections = {name: SimpleNamespace(name=name, options={}) for name in METHODS}
    found = {name: (weights_of(name), passes_of(section)) for name, section in sections.items()}
    assert (
        found.items()
        >= {
            "ce": ((), 1),
            "doubled": ((), 2),
            "lrdrop": (("alpha", "beta", "gamma"), 2),
            "rdrop": (("gamma",), 2),
        }.items()
    )
    assert passes_of(SimpleNamespace(name="doubled", options={"k": 3})) == 3
    assert divergence_of("rdrop").__name__ == "symmetric_kl"
    assert list(OPTIMISERS) == ["adam-l2", "adamw", "fadam", "lawn", "lion", "muon", "novograd"]
    assert sorted(STREAMS) == ["normalised", "pre-norm"]


def test_a_language_model_keeps_its_outputs_consistent(toy_corpus: Corpus) -> None:
    """Both terms by hand, from the logits of the doubled batch under the same masks."""
    spec = language_model_spec(RDROP)
    task = LanguageModelling(spec, toy_corpus, CPU)
    ((batch, share),) = task.batches(0)
    assert share == 1.0
    with torch.no_grad(), terms_of(task.model, batch, spec.objective) as terms:
        found = terms
    masks = MaskStream(spec.seed, CPU)
    with torch.no_grad():
        logits = task.model(torch.cat([batch.x_BT, batch.x_BT]), masks).double()
    first, second = logits.log_softmax(-1).chunk(2)
    ce = [-one.gather(2, batch.y_BT[..., None]).mean().item() for one in (first, second)]
    kl = 0.5 * ((first.exp() - second.exp()) * (first - second)).sum(-1).mean().item()
    assert found.task.item() == pytest.approx(np.mean(ce), rel=1e-5)
    assert found.output.item() == pytest.approx(kl, rel=1e-4)
    assert kl > 1e-6
    assert found.total(spec.objective).item() == pytest.approx(np.mean(ce) + 0.5 * kl, rel=1e-5)


def test_its_terms_are_in_the_curve_and_it_learns(toy_corpus: Corpus) -> None:
    spec = language_model_spec(RDROP, schedule__iterations=40, evaluation__every=20)
    (outcome,) = drive(Trainer(LanguageModelling(spec, toy_corpus, CPU)), progress=False)
    assert outcome.status == "done"
    assert all(row["term_output"] > 0 for row in outcome.curve[1:])
    assert outcome.curve[-1]["val_loss"] < outcome.curve[0]["val_loss"]


def test_what_a_pack_cannot_do_is_refused_with_the_reason(toy_corpus: Corpus) -> None:
    spec = language_model_spec(RDROP)
    assert not can_be_packed(spec)
    assert can_be_packed(small_spec())
    with pytest.raises(ConfigError, match=r"objective\.name: a pack minimises ce alone, not rdrop"):
        PackTrainer([spec], [toy_corpus], CPU)
    assert not can_be_packed(glue_spec())


def test_a_kind_says_what_terms_it_can_have(monkeypatch: pytest.MonkeyPatch) -> None:
    module = KINDS["residual_gpt"]
    monkeypatch.setattr(module, "KIND", dataclasses.replace(module.KIND, weights=("gamma",)))
    with pytest.raises(ConfigError, match=r"objective\.name: 'lrdrop' has a term alpha, but a residual_gpt"):
        language_model_spec({"name": "lrdrop"})
    with pytest.raises(ConfigError, match=r"objective\.gamma: 1\.0, but ce has no such term"):
        language_model_spec({"name": "ce", "gamma": 1.0})


def test_the_objectives_defaults_are_in_no_id() -> None:
    spec = small_spec()
    assert values_of(spec)["objective"] == {"name": "ce"}
    assert language_model_spec({"name": "ce", "gamma": 0.0, "passes": "mean"}) == spec


def test_a_methods_own_term(toy_corpus: Corpus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The confidence penalty of docs/add-a-method.md, weighted by its option; one pass."""

    def term(seen: Any, options: dict[str, float]) -> torch.Tensor:
        log_p = seen.logits.log_softmax(-1)
        return options["penalty"] * (log_p.exp() * log_p).sum(-1).mean()

    penalty = ModuleType("penalty")
    penalty.term, penalty.OPTIONS = term, {"penalty": Option(0.1, 0.0)}
    monkeypatch.setitem(METHODS._modules, "penalty", penalty)
    values = values_of(small_spec(objective__name="penalty"))
    values["objective"]["penalty"] = 2.0
    spec = RunSpec.from_dict(values)
    batch = WindowBatch(torch.tensor([[0, 1]]), torch.tensor([[1, 1]]), MaskStream(0, CPU))

    class Uniform(torch.nn.Module):
        def forward(self, tokens: torch.Tensor, masks: MaskStream) -> torch.Tensor:
            return torch.zeros(*tokens.shape, 4)

    with terms_of(Uniform(), batch, spec.objective) as terms:
        assert terms.own.item() == pytest.approx(-2.0 * math.log(4.0))
        assert terms.total(spec.objective).item() == pytest.approx(-math.log(4.0))


def test_names_are_those_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "some_things"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "one_thing.py").write_text("")
    (package / "_part.py").write_text("")
    (package / "other.py").write_text('NAME = "its_own"\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    things = Registry("some_things", "thing")
    assert list(things) == ["one-thing", "its_own"]
    assert "other" not in things
