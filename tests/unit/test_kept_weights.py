"""Kept models are the ones that were trained, and what `redrop sample` and `predict` make of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from bad_input_support import Place, told
from finetune_support import glue_spec, toy_task, tuner
from generation_support import SUMMARIES, data_root, generation_spec, small, trainer_of
from redrop import data
from redrop.cli import main
from redrop.data.corpus import Corpus
from redrop.errors import DataError
from redrop.evaluation.language_model import mean_loss
from redrop.evaluation.predicting import predict
from redrop.evaluation.sampling import sample
from redrop.layout import WEIGHTS
from redrop.models.kept import read_language_model, whole_folder
from redrop.record import read_record
from redrop.training.pack import PackTrainer
from support import small_spec

CPU = torch.device("cpu")


@pytest.fixture
def kept(place: Place) -> Path:
    """A run of the character GPT that was trained with its weights kept."""
    main(place.train(None, "out", "--keep-weights"))
    return place.root / "out"


def val_loss(folder: Path, corpus: Corpus) -> float:
    """Of a kept language model."""
    model, vocabulary = read_language_model(folder)
    assert tuple(vocabulary) == corpus.vocab
    size = model.spec.block_size
    return mean_loss(model, corpus.val, np.arange(0, len(corpus.val) - size, size))


def test_the_kept_language_model_has_the_loss_that_was_measured(kept: Path, place: Place) -> None:
    corpus = data.load("tiny_shakespeare", place.root / "results/data")
    assert val_loss(kept / WEIGHTS, corpus) == pytest.approx(
        read_record(kept).value("val_loss_last"), rel=1e-6
    )
    assert sorted(path.name for path in (kept / WEIGHTS).iterdir()) == ["config.json", "model.safetensors"]
    assert [path.name for path in kept.iterdir() if path.name.startswith(".")] == []


def test_a_model_with_parts_of_its_own_is_not_kept(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    main(place.train(None, "out", "--keep-weights", "--set", "objective.name=gateskip"))
    assert read_record(place.root / "out").spec.objective.name == "gateskip"
    assert not (place.root / "out" / WEIGHTS).exists()
    assert "a model of gateskip has parts of its own" in caplog.text


def test_it_continues_a_text(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, vocabulary = read_language_model(kept / WEIGHTS)
    words = ["sample", str(kept), "--prompt", "the cat", "--length", "40"]
    main([*words, "--temperature", "0"])
    text = capsys.readouterr().out.removesuffix("\n")
    assert text.startswith("the cat")
    assert len(text) == 47
    numbers = torch.tensor([[vocabulary.index(character) for character in text]])
    for place in (7, 20, 46):  # more than the 16 characters that the model sees at once
        logits = model(numbers[:, max(0, place - 16) : place])[0, -1]
        assert vocabulary[int(logits.argmax())] == text[place]
    draws = []
    for seed in ("1", "1", "2"):
        main([*words, "--seed", seed])
        draws.append(capsys.readouterr().out)
    assert draws[0] == draws[1] != draws[2]


def test_draws_follow_the_models_chances(kept: Path) -> None:
    model, vocabulary = read_language_model(kept / WEIGHTS)
    chances = model(torch.tensor([[vocabulary.index("t")]]))[0, -1].softmax(-1).tolist()
    found = [sample(model, vocabulary, "t", length=1, seed=seed)[1] for seed in range(200)]
    for character, chance in zip(vocabulary, chances, strict=True):
        assert found.count(character) / 200 == pytest.approx(chance, abs=0.09)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sample", "out", "--prompt", "€"], r"--prompt: '€' has '€'"),
        (["sample", "out", "--prompt", ""], "is empty"),
        (["predict", "out", "--input", "x.tsv"], "reads no examples; see `redrop sample`"),
    ],
)
def test_what_a_language_model_cannot_do_is_said(kept: Path, words: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        main([str(kept) if word == "out" else word for word in words])


def test_a_run_without_weights_is_told_how_to_keep_them(place: Place) -> None:
    said = told(["sample", str(place.run)])
    assert "weights were not kept" in said
    assert f"--spec {place.run}/spec.json" in said
    assert "--keep-weights" in said


def test_a_damaged_model_is_named(kept: Path) -> None:
    path = kept / WEIGHTS / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"weights: the model cannot be read .*--keep-weights"):
        read_language_model(kept / WEIGHTS)


def test_a_model_of_a_pack_is_kept_as_if_alone(toy_corpus: Corpus, tmp_path: Path) -> None:
    specs = [small_spec(seed=1), small_spec(seed=2)]
    pack = PackTrainer(specs, [toy_corpus, toy_corpus], CPU)
    for _ in range(3):
        pack.step()
    for number, row in enumerate(pack.losses()):
        folder = tmp_path / str(number)
        with whole_folder(folder) as part:
            pack.keep(number, part)
        assert val_loss(folder, toy_corpus) == pytest.approx(row["val_loss"], rel=1e-5)


def test_a_folder_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "a/weights") as part:
        (part / "one").write_text("1")
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "a/weights") as part:
        (part / "two").write_text(str(1 / 0))
    assert [path.name for path in (tmp_path / "a/weights").iterdir()] == ["one"]


@pytest.mark.parametrize("task", ["toy_pairs", "toy_score"])
def test_a_kept_encoder_predicts_what_was_recorded(task: str, tmp_path: Path) -> None:
    trainer = tuner(glue_spec(data__task=task, schedule__updates=2), tmp_path)
    trainer.step()
    trainer.task.keep(tmp_path / "kept")
    outputs = trainer.task.predict(trainer.task.dev["dev"][0])
    dev = data.get(f"glue_{task}").load(toy_task(task, tmp_path)).splits["dev"]
    inputs = {"sentence1": list(dev.sentence1)}
    if dev.sentence2 is not None:
        inputs["sentence2"] = list(dev.sentence2)
    found = predict(tmp_path / "kept", trainer.spec, inputs, CPU)
    released = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "kept")
    if labels := data.get(f"glue_{task}").labels:
        assert found["prediction"] == [labels[number] for number in outputs.argmax(1)]
        assert list(released.config.id2label.values()) == list(labels)
        chances = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
        assert np.allclose([float(p) for p in found[f"p_{labels[1]}"]], chances[:, 1], atol=1e-4)
    else:
        assert np.allclose([float(value) for value in found["prediction"]], outputs[:, 0], atol=1e-4)


@pytest.mark.parametrize("kind", ["translation", "summaries"])
def test_a_kept_encoder_decoder_says_what_was_decoded(kind: str, tmp_path: Path) -> None:
    spec = generation_spec(**(SUMMARIES if kind == "summaries" else {}))
    trainer = trainer_of(spec, small(spec.task, 8))
    for _ in range(4):
        trainer.step()
    task = trainer.task
    task.keep(tmp_path / "kept")
    hypotheses = task.hypotheses(task.pairs.splits["test"], "test")
    split = data.load(spec.data.data_set, data_root()).splits["test"]
    texts = split.documents if kind == "summaries" else split.raw["xx"]
    found = predict(tmp_path / "kept", spec, {"source": texts[: len(hypotheses)]}, CPU)
    assert any(hypotheses)
    assert found["prediction"] == [" ".join(text.split()) for text in hypotheses]


def test_rows_of_a_file_are_predicted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trainer = tuner(glue_spec(), tmp_path)
    with whole_folder(tmp_path / "run" / WEIGHTS) as part:
        trainer.task.keep(part)
    (tmp_path / "run/spec.json").write_text(trainer.spec.to_json())
    table = tmp_path / "rows.tsv"
    table.write_text('id\tsentence1\tsentence2\n1\ta "b\tc\n2\td\te\n')
    words = ["predict", str(tmp_path / "run"), "--input", str(table)]
    main(words)
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert lines[0][:3] == ["sentence1", "sentence2", "prediction"]
    assert [line[:2] for line in lines[1:]] == [['a "b', "c"], ["d", "e"]]
    main([*words, "--out", str(tmp_path / "out.tsv")])
    assert (tmp_path / "out.tsv").read_text().splitlines()[0].split("\t") == lines[0]
    for content, message in (
        ("sentence1\na\n", "no column 'sentence2'"),
        ("sentence1\tsentence2\na\n", "line 2: 1 columns, not 2"),
        ("sentence1\tsentence2\n", "no rows"),
        ("", "no table"),
    ):
        table.write_text(content)
        assert message in told(words)
    assert "continues no text; see `redrop predict`" in told(["sample", str(tmp_path / "run")])


class Writer:
    """Stands for TensorBoard's."""

    written: list[tuple[str, str, float, int]] = []  # noqa: RUF012

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def add_scalar(self, key: str, value: float, step: int) -> None:
        self.written.append((self.folder.name, key, value, step))


def test_curves_go_to_tensorboard(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["export", "--to", "tensorboard", "--out", str(tmp_path / "events")]
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    assert "pip install tensorboard" in told(words)
    fake = type("module", (), {"SummaryWriter": Writer})
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", fake)
    Writer.written.clear()
    main([*words, "--results", str(place.root / "results")])
    rows = [json.loads(line) for line in (place.run / "curve.jsonl").read_text().splitlines()]
    losses = [(value, step) for run, key, value, step in Writer.written if key == "val_loss"]
    assert losses == [(row["val_loss"], row["iteration"]) for row in rows]
    assert {run for run, *_ in Writer.written} == {place.spec.run}
    with pytest.raises(SystemExit, match="no finished run"):
        main([*words, "--results", str(tmp_path / "current")])
