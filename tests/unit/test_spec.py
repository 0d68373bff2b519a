"""A run's id is made of all its settings, and a setting that is not allowed is refused by name."""

from __future__ import annotations

import dataclasses
import json

import pytest

from redrop.errors import ConfigError
from redrop.spec import RunSpec
from support import small_spec, spec_of, values_of


def test_json_round_trip_and_key_order_do_not_matter() -> None:
    spec = spec_of("a2r2_4")
    shuffled = json.dumps(dict(reversed(values_of(spec).items())), indent=3)
    assert RunSpec.from_json(shuffled) == spec
    assert RunSpec.from_json(shuffled).run == spec.run


def test_integers_and_floats_of_one_value_are_one_run() -> None:
    values = values_of(spec_of("a0r0"))
    values["model"]["skip1_dropout"] = 0
    values["schedule"]["iterations"] = 500000.0
    assert RunSpec.from_dict(values).run == spec_of("a0r0").run


def test_every_setting_is_in_the_id() -> None:
    spec = small_spec("a2r2_4")
    changed = {
        str: lambda v: v,
        int: lambda v: v * 2 or 2,
        float: lambda v: v / 2 + 0.001,
        bool: lambda v: not v,
    }
    ids = {spec.run}
    count = 1
    for section, values in values_of(spec).items():
        if not isinstance(values, dict):
            continue
        for key, value in values.items():
            if value is None or isinstance(value, str) or key in ("lanes", "min_learning_rate"):
                continue
            edited = values_of(spec)
            edited[section][key] = changed[type(value)](value)
            ids.add(RunSpec.from_dict(edited).run)
            count += 1
    assert len(ids) == count > 20
    assert dataclasses.replace(spec, seed=2).hash8 != spec.hash8


def test_the_folder_name_has_configuration_corpus_seed_and_hash() -> None:
    spec = spec_of("a2r025", seed=1337)
    assert spec.run == f"authors-a2r025-tiny_shakespeare-s1337-{spec.hash8}"
    assert len(spec.hash8) == 8


@pytest.mark.parametrize(
    ("section", "key", "value", "words"),
    [
        ("model", "mlp_dropout", 1.5, ["model.mlp_dropout", "1.5", "[0.0, 1.0]"]),
        ("model", "skip2_dropout", -0.1, ["model.skip2_dropout", "-0.1"]),
        ("model", "skip1_dropout", None, ["model.skip1_dropout", "None", "float"]),
        ("model", "skip2_dropout", "high", ["model.skip2_dropout", "'high'"]),
        ("model", "skip2_dropout", [0.5], ["model.skip2_dropout", "[0.5]"]),
        ("model", "embedding_dropout", float("nan"), ["model.embedding_dropout", "nan"]),
        ("model", "residual_stream", "prenorm", ["pre-norm", "normalised", "did you mean 'pre-norm'"]),
        ("model", "name", "gpt5", ["model.name", "'gpt5'", "residual_gpt"]),
        ("model", "n_layer", 3, ["model.n_layer", "3", "skip-4"]),
        ("model", "n_layer", 2.5, ["model.n_layer", "2.5"]),
        ("model", "n_layer", True, ["model.n_layer", "True"]),
        ("model", "n_embd", 31, ["model.n_embd", "31", "n_head"]),
        ("model", "tied_embedding", 1, ["model.tied_embedding", "1", "bool"]),
        ("model", "n_layers", 4, ["model.n_layers", "unknown", "did you mean 'n_layer'"]),
        ("schedule", "iterations", 0, ["schedule.iterations", "0"]),
        ("schedule", "stop_at", 10**9, ["schedule.stop_at"]),
        ("schedule", "shape", "cosin", ["schedule.shape", "did you mean 'cosine'"]),
        ("schedule", "min_learning_rate", 1.0, ["schedule.min_learning_rate"]),
        ("optimiser", "clip_norm", 0, ["optimiser.clip_norm"]),
        ("optimiser", "beta2", 1.1, ["optimiser.beta2"]),
        ("evaluation", "every", 0, ["evaluation.every"]),
        ("data", "corpus", "../etc/passwd", ["data.corpus", "../etc/passwd"]),
        ("data", "corpus", "a; rm -rf", ["data.corpus"]),
    ],
)
def test_a_bad_setting_is_named(section: str, key: str, value: object, words: list[str]) -> None:
    values = values_of(small_spec("a2r2_4"))
    values[section][key] = value
    with pytest.raises(ConfigError) as error:
        RunSpec.from_dict(values)
    for word in words:
        assert word in str(error.value)


def test_missing_and_malformed_specs_are_refused() -> None:
    values = values_of(small_spec())
    del values["schedule"]["warmup"]
    with pytest.raises(ConfigError, match=r"schedule\.warmup: missing"):
        RunSpec.from_dict(values)
    values = values_of(small_spec())
    values["optimiser"] = 3
    with pytest.raises(ConfigError, match="optimiser: 3 is not a mapping"):
        RunSpec.from_dict(values)
    values = values_of(small_spec()) | {"config": "a/b"}
    with pytest.raises(ConfigError, match="config: 'a/b' is not a name"):
        RunSpec.from_dict(values)
    with pytest.raises(ConfigError, match="not JSON"):
        RunSpec.from_json("{")
    with pytest.raises(ConfigError, match="mapping"):
        RunSpec.from_json("[]")
