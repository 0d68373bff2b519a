"""What every method that acts on a model keeps to, and what each of them does by hand."""

from __future__ import annotations

import itertools
import json
import os
import signal
import types
import warnings
from pathlib import Path
from typing import Any

import pytest

from bad_input_support import Place
from finetune_support import glue_spec, tuner
from generation_support import generation_spec
from method_support import method_spec, trainer_of
from redrop.cli import main
from redrop.data.corpus import Corpus
from redrop.errors import ConfigError
from redrop.methods import passes_of
from redrop.training import loop
from redrop.training.checkpoint import Checkpoint
from redrop.training.loop import Stopped, drive
from redrop.training.pack import why_not_packed
from redrop.training.run import Outcome
from redrop.training.trainer import Trainer

Options = dict[str, Any]
DECODER: dict[str, tuple[Options, Options | None]] = {
    "doubled": ({}, {"k": 1}),
    "stochastic-depth": ({"rate": 0.4}, {"rate": 0.0}),
    "layerdrop": ({"rate": 0.4}, {"rate": 0.0}),
    "layerskip": ({"rate": 0.5}, {"rate": 0.0, "exit_weight": 0.0}),
    "drophead": ({"rate": 0.4, "time": "v"}, {"rate": 0.0}),
    "multi-sample": ({}, {"rate": 0.0}),
    "data-dropout": ({"rule": "smrd"}, {"tau": 1.5}),
    "send": ({"looks": 6}, {"share": 0.0}),
    "gateskip": ({}, None),
    "rdrop": ({"gamma": 0.5}, None),
    "jsdrop": ({"gamma": 2.0}, None),
    "lrdrop": ({"alpha": 0.1, "beta": 0.1, "gamma": 0.5}, None),
    "r3f": ({"gamma": 2.0}, None),
}
"""Method -> options at which it acts, and at which it is plain training, if there are such."""
ENCODER: dict[str, Options] = {
    "doubled": {},
    "stochastic-depth": {"rate": 0.4},
    "layerdrop": {"rate": 0.4},
    "drophead": {"rate": 0.4},
    "multi-sample": {"masks": 4},
    "data-dropout": {},
    "hiddencut": {"gamma": 1.0},
    "r3f": {"gamma": 2.0},
}
QUICK = {"schedule__updates": 3, "schedule__batch_size": 8}


def stopped_and_resumed(make: Any, checkpoint: Checkpoint, at: int) -> Outcome:
    """A run that is stopped before its update ``at`` and goes on in a new trainer."""
    calls = itertools.count()
    with pytest.raises(Stopped):
        drive(make(), checkpoints=[checkpoint], should_stop=lambda: next(calls) >= at, progress=False)
    resumed = make()
    resumed.restore(0, checkpoint.load())
    return drive(resumed, progress=False)[0]


def same(one: Outcome, other: Outcome) -> bool:
    return (one.curve, one.metrics, one.files) == (other.curve, other.metrics, other.files)


@pytest.fixture(scope="module")
def plain(toy_corpus: Corpus) -> Outcome:
    return drive(trainer_of(method_spec("ce"), toy_corpus), progress=False)[0]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("glue")


@pytest.fixture(scope="module")
def plain_encoder(root: Path) -> Outcome:
    return drive(tuner(glue_spec(**QUICK), root), progress=False)[0]


@pytest.mark.parametrize("name", [name for name, (_, neutral) in DECODER.items() if neutral is not None])
def test_a_neutral_setting_gives_the_bytes_of_plain_training(
    name: str, toy_corpus: Corpus, plain: Outcome
) -> None:
    spec = method_spec(name, options=DECODER[name][1])
    neutral = drive(trainer_of(spec, toy_corpus), progress=False)[0]
    assert neutral.curve == plain.curve
    assert all(neutral.metrics[key] == metric for key, metric in plain.metrics.items())


@pytest.mark.parametrize("name", DECODER)
def test_a_decoder_that_was_stopped_goes_on_to_the_same_bytes(
    name: str, toy_corpus: Corpus, plain: Outcome, tmp_path: Path
) -> None:
    spec = method_spec(name, options=DECODER[name][0])
    straight = drive(trainer_of(spec, toy_corpus), progress=False)[0]
    assert straight.curve != plain.curve
    checkpoint = Checkpoint(tmp_path, spec.run)
    assert same(stopped_and_resumed(lambda: trainer_of(spec, toy_corpus), checkpoint, 7), straight)


@pytest.mark.parametrize("name", ENCODER)
def test_an_encoder_that_was_stopped_goes_on_to_the_same_bytes(
    name: str, root: Path, plain_encoder: Outcome, tmp_path: Path
) -> None:
    settings = {f"objective__{key}": value for key, value in ENCODER[name].items()}
    spec = glue_spec(objective__name=name, **QUICK, **settings)
    straight = drive(tuner(spec, root), progress=False)[0]
    assert straight.curve != plain_encoder.curve
    assert same(stopped_and_resumed(lambda: tuner(spec, root), Checkpoint(tmp_path, spec.run), 2), straight)


@pytest.mark.parametrize("name", DECODER)
def test_its_draws_move_no_other_stream(name: str, toy_corpus: Corpus) -> None:
    """After an update: the data's order, and where there is one pass, the masks of plain training."""
    trainers = [trainer_of(method_spec(*each), toy_corpus) for each in (("ce",), (name, 1, DECODER[name][0]))]
    for trainer in trainers:
        trainer.step()
    one, other = (trainer.task.state() for trainer in trainers)
    assert one["order"] == other["order"]
    if passes_of(trainers[1].spec.objective) == 1:
        assert one["masks"] == other["masks"]


def test_what_a_model_lacks_is_said() -> None:
    with pytest.raises(ConfigError, match=r"'stochastic-depth' acts on a model's branches \(sub-layers .*"):
        generation_spec(objective__name="stochastic-depth")
    with pytest.raises(ConfigError, match=r"gradient_checkpointing: true, but stochastic-depth"):
        glue_spec(objective__name="stochastic-depth", schedule__gradient_checkpointing=True)
    with pytest.raises(ConfigError, match=r"objective\.rate: 1\.5 is out of range"):
        method_spec("stochastic-depth", options={"rate": 1.5})


def test_a_pack_refuses_what_acts_on_a_model() -> None:
    assert why_not_packed(method_spec("ce")) is None
    for name in DECODER:
        assert f"a pack minimises ce alone, not {name}" in why_not_packed(method_spec(name))


@pytest.mark.parametrize("name", ["gateskip", "data-dropout", "lrdrop"])
def test_a_run_that_is_killed_is_trained_to_the_same_record(
    name: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command, in a process that is killed after seven updates, and again."""
    # Where no time goes by, there is a checkpoint at every iteration.
    monkeypatch.setattr(loop, "time", types.SimpleNamespace(perf_counter=lambda: 0.0))
    spec = method_spec(name, options=DECODER[name][0])
    main(place.train(spec.to_json(), "straight", "--checkpoint-every", "0"))
    command = place.train(spec.to_json(), "killed", "--checkpoint-every", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads: they do nothing here
        child = os.fork()
    if not child:
        step = Trainer.step
        monkeypatch.setattr(
            Trainer, "step", lambda self: os.kill(os.getpid(), 9) if self.iteration == 7 else step(self)
        )
        try:
            main(command)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    main(command)
    for file in ("spec.json", "metrics.json", "curve.jsonl"):
        assert (place.root / "killed" / file).read_bytes() == (place.root / "straight" / file).read_bytes()
    made = json.loads((place.root / "killed/provenance.json").read_text())["last_process"]["iterations"]
    assert made == spec.schedule.iterations - 7
