"""Released models of other architectures than BERT's and BART's: trained, or refused before it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers import PreTrainedTokenizerFast

from finetune_support import CPU, LRDROP, RDROP, glue_spec, toy_task
from generation_support import METHODS, RATES, generation_spec, some
from redrop import data
from redrop.errors import RedropError
from redrop.evaluation.text_pairs import summaries
from redrop.models.generation import load_generator
from redrop.models.pretrained import _word_tokenizer, load_encoder, quiet
from redrop.spec import RunSpec
from redrop.training.classification import Classification
from redrop.training.generation import Generation
from redrop.training.trainer import Trainer

BERT = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 80,
    "type_vocab_size": 2,
}
NARROW = {"embedding_size": 16}
ENCODERS: dict[str, dict[str, Any]] = {
    "Bert": BERT,
    "Roberta": BERT,
    "Electra": BERT | NARROW,
    "DistilBert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": 80},
    "Albert": BERT | NARROW,
    "MPNet": BERT,
    "DebertaV2": BERT | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 0},
    "ModernBert": {key: value for key, value in BERT.items() if key != "type_vocab_size"},
    "XLMRoberta": BERT,
    "Camembert": BERT,
    "ConvBert": BERT | NARROW,
    "FNet": BERT,
    "Funnel": {"d_model": 16, "n_head": 2, "d_head": 8, "d_inner": 32, "block_sizes": [1, 1]},
    "GPT2": {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 80},
    "XLNet": {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32},
}
"""Configuration of ``transformers`` -> its sizes."""
HEARD = {
    "Bert",
    "Roberta",
    "Electra",
    "DistilBert",
    "ModernBert",
    "XLMRoberta",
    "Camembert",
    "GPT2",
}
"""Those whose attention can be listened to, which LR-Drop needs."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("glue")


def toy_data(root: Path) -> Any:
    """The generated task of pairs, prepared."""
    toy_task("toy_pairs", root)
    return data.load("glue_toy_pairs", root)


def encoder_folder(name: str, root: Path, folder: Path, fewer: int = 0) -> Path:
    """A small random encoder with a tokenizer of the toy's words, of which ``fewer`` have no embedding."""
    train = toy_data(root).splits["train"]
    tokenizer = _word_tokenizer([*train.sentence1, *train.sentence2])
    torch.manual_seed(1)
    marks = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    config = getattr(transformers, f"{name}Config")(
        vocab_size=len(tokenizer) - fewer, num_labels=2, **ENCODERS[name], **marks
    )
    with quiet():
        transformers.AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def encoder_spec(folder: Path, **settings: Any) -> RunSpec:
    small_batch = {"schedule__batch_size": 4, "evaluation__batch_size": 200}
    return glue_spec(model__checkpoint=str(folder), **small_batch, **settings)


def one_update(spec: RunSpec, root: Path, folder: Path) -> list[bool]:
    """Train one update and evaluate; whether each parameter has moved. Where it is refused: before that."""
    task = Classification(spec, toy_data(root), folder, CPU, root / "tokens")
    trainer = Trainer(task)
    before = [values.clone() for values in trainer.parameters]
    assert torch.isfinite(trainer.step()).all()
    task.predict(task.train, np.arange(2))
    return [not values.equal(old) for values, old in zip(trainer.parameters, before, strict=True)]


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_trains_by_every_method_or_is_refused_before(
    name: str, root: Path, tmp_path: Path
) -> None:
    folder = encoder_folder(name, root, tmp_path / "model")
    for method, settings in (("ce", {}), ("rdrop", RDROP), ("lrdrop", LRDROP)):
        spec = encoder_spec(folder, **settings)
        if method != "lrdrop" or name in HEARD:
            assert any(one_update(spec, root, folder)), method
            continue
        with pytest.raises(RedropError) as error:
            Classification(spec, toy_data(root), folder, CPU, root / "tokens")
        told = str(error.value)
        assert told.startswith("model.checkpoint: ")
        assert "\n" not in told
        assert "give " in told or "needs objective.beta: 0" in told


def test_rehearsing_changes_nothing(root: Path, tmp_path: Path) -> None:
    """Neither torch's generator nor weights nor the dropout of the run."""
    folder = encoder_folder("Bert", root, tmp_path / "model")
    spec = encoder_spec(folder, **LRDROP, evaluation__inconsistency_passes=1)
    torch.manual_seed(5)
    task = Classification(spec, toy_data(root), folder, CPU, root / "tokens")
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert drawn.equal(torch.rand(3))
    loaded = load_encoder(spec.model, folder, 2, spec.seed)
    for (name, ours), theirs in zip(task.model.named_parameters(), loaded.parameters(), strict=True):
        assert ours.equal(theirs), name
        assert ours.grad is None


@pytest.mark.parametrize("name", ["Bert", "Roberta", "DistilBert", "Albert", "ModernBert", "DebertaV2"])
def test_a_tokenizer_with_more_symbols_than_the_encoder_is_refused(
    name: str, root: Path, tmp_path: Path
) -> None:
    folder = encoder_folder(name, root, tmp_path / "model", fewer=3)
    with pytest.raises(
        RedropError, match=r"has \d+ embeddings, but its tokenizer gives symbol \d+: .* give "
    ):
        one_update(encoder_spec(folder), root, folder)


def test_a_model_that_cannot_read_padding_is_refused(root: Path, tmp_path: Path) -> None:
    folder = encoder_folder("GPT2", root, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"pad_token_id": None}))
    with pytest.raises(RedropError, match=r"model\.checkpoint: .*, a gpt2, .* no padding token .* give "):
        one_update(encoder_spec(folder), root, folder)


SEQ2SEQ = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": 128,
}
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
GENERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "bart": ("Bart", SEQ2SEQ),
    "marian": ("Marian", SEQ2SEQ),
    "pegasus": ("Pegasus", SEQ2SEQ),
    "mbart": ("MBart", SEQ2SEQ),
    "blenderbot": ("Blenderbot", SEQ2SEQ),
    "m2m_100": ("M2M100", SEQ2SEQ),
    "plbart": ("PLBart", SEQ2SEQ),
    "t5": ("T5", T5),
    "mt5": ("MT5", T5),
    "prophetnet": ("ProphetNet", {"hidden_size": 16, "num_encoder_layers": 1, "num_decoder_layers": 1,
                                  "num_encoder_attention_heads": 2, "num_decoder_attention_heads": 2}),
}  # fmt: skip
"""Type of model -> configuration of ``transformers`` and sizes."""
EVERY = list(METHODS)
TRAINED = dict.fromkeys(GENERATORS, EVERY) | {"t5": [], "mt5": [], "prophetnet": []}
"""The methods that train it."""


@pytest.fixture(scope="module")
def summary_data(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return data.ready("toy_summaries", tmp_path_factory.mktemp("data"))


def generator_folder(name: str, loaded: Any, folder: Path, **over: Any) -> Path:
    """A small random encoder-decoder with a tokenizer that was learned on the toy."""
    marks = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(loaded.tokenizer_file), **marks)
    kind, sizes = GENERATORS[name]
    ids = {
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "decoder_start_token_id": tokenizer.eos_token_id,
    }
    config = getattr(transformers, f"{kind}Config")(**{"vocab_size": len(tokenizer), **sizes, **ids, **over})
    torch.manual_seed(1)
    with quiet():
        transformers.AutoModelForSeq2SeqLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def generator_spec(folder: Path, method: str = "ce", **rates: float) -> RunSpec:
    model = {"name": "generator", "checkpoint": str(folder), "revision": None, **dict.fromkeys(RATES)}
    settings = {"data__task": "toy_summaries", "evaluation__max_length": 8, **METHODS[method]}
    return generation_spec(model=model | rates, **settings)


def generator_task(spec: RunSpec, loaded: Any, folder: Path) -> Generation:
    pairs = summaries(spec, loaded, folder)
    splits = {name: some(split, 6) for name, split in pairs.splits.items()}
    model = load_generator(spec.model, folder, pairs.codec, spec.seed)
    return Generation(spec, dataclasses.replace(pairs, splits=splits), model, CPU)


@pytest.mark.parametrize("name", GENERATORS)
def test_an_encoder_decoder_trains_by_every_method_or_is_refused_before(
    name: str, summary_data: Any, tmp_path: Path
) -> None:
    folder = generator_folder(name, summary_data, tmp_path / "model")
    trained = []
    for method in METHODS:
        spec = generator_spec(folder, method)
        try:
            trainer = Trainer(generator_task(spec, summary_data, folder))
        except RedropError as error:
            told = str(error)
            assert told.startswith(("model.checkpoint: ", "model: "))
            assert "give " in told or "needs objective.beta: 0" in told
            assert "\n" not in told
            continue
        assert torch.isfinite(trainer.step()).all()
        assert len(trainer.task.hypotheses(trainer.task.valid, "valid")) == 6
        trained.append(method)
    assert trained == TRAINED[name]


@pytest.mark.parametrize(
    ("name", "over", "message"),
    [
        ("bart", {"vocab_size": 20}, r"has 20 embeddings, but its tokenizer gives symbol \d+: .* give "),
        ("marian", {"vocab_size": 20}, r"has 20 embeddings, but its tokenizer gives symbol \d+: .* give "),
        ("mbart", {"vocab_size": 20}, r"has 20 embeddings, but its tokenizer gives symbol \d+: .* give "),
        ("pegasus", {"decoder_start_token_id": 0}, r"starts its outputs with token 0, .* give one"),
        ("t5", {}, r"a t5 does not say how many positions it has; give one"),
    ],
)
def test_what_an_encoder_decoder_lacks_is_said_before_training(
    name: str, over: dict[str, Any], message: str, summary_data: Any, tmp_path: Path
) -> None:
    folder = generator_folder(name, summary_data, tmp_path / "model", **over)
    with pytest.raises(RedropError, match=message):
        generator_task(generator_spec(folder), summary_data, folder)


def test_t5_has_one_rate_and_the_others_are_refused_by_name(summary_data: Any, tmp_path: Path) -> None:
    folder = generator_folder("t5", summary_data, tmp_path / "model")
    codec = summaries(generator_spec(folder), summary_data, folder).codec
    model = load_generator(generator_spec(folder, dropout=0.25).model, folder, codec, 1)
    assert model.config.dropout_rate == 0.25
    for rate in ("attention_dropout", "activation_dropout"):
        with pytest.raises(RedropError, match=rf"model\.{rate}: a t5 has no such rate; give null"):
            load_generator(generator_spec(folder, **{rate: 0.1}).model, folder, codec, 1)


def test_an_encoder_without_gradient_checkpointing_is_refused(root: Path, tmp_path: Path) -> None:
    folder = encoder_folder("Funnel", root, tmp_path / "model")
    spec = encoder_spec(folder, schedule__gradient_checkpointing=True)
    with pytest.raises(RedropError, match=r"schedule\.gradient_checkpointing: a funnel .* give false"):
        one_update(spec, root, folder)
