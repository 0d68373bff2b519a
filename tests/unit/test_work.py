"""Operations and parameters by formula, against torch's own count and the classes of transformers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    AutoModelForSequenceClassification,
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    ElectraConfig,
    MarianConfig,
    MarianMTModel,
    PretrainedConfig,
    RobertaConfig,
)

from redrop import data
from redrop.data.tasks import CORPORA, GLUE, PAIRS, TASKS
from redrop.models.residual_gpt import build
from redrop.models.sizes import SHAPES, Shape, read_shape, residual_shape
from redrop.runtime.work import encoder_layer, pair_pass, residual_pass, work_of
from redrop.streams import MaskStream
from redrop.study import load_study, make_spec
from support import PROJECT, spec_of


def counted(step) -> int:
    """Operations of a step's matrix products, forward and backward, as torch has them.

    Attention must be written out: torch does not count the fused one of a CPU.
    """
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


@pytest.mark.parametrize("config", ["a2r0", "a2r25_2", "a2r2_4"])
def test_the_residual_model_has_the_operations_that_torch_counts(config: str) -> None:
    spec = spec_of(config, model__n_layer=4)
    model = build(spec.model, 65, 0)
    tokens = torch.zeros(8, spec.model.block_size, dtype=torch.long)
    masks = MaskStream(0, torch.device("cpu"))
    measured = counted(lambda: model(tokens, masks).sum().backward())
    one = residual_pass(spec, residual_shape(spec, Path()))
    assert 3 * tokens.numel() * one == pytest.approx(measured, rel=0.02)
    work = work_of(spec, 1, Path("none"))
    assert work.training.operations == pytest.approx(measured, rel=0.02)
    assert work.training.operations == pytest.approx(2.64e9, rel=0.01)  # as benchmarks/packs.json
    assert work.parameters == pytest.approx(sum(p.numel() for p in model.parameters()), rel=0.01)


def test_an_encoder_has_the_operations_that_torch_counts() -> None:
    shape = Shape(layers=3, width=64, feed_forward=256, vocabulary=100, positions=64, types=2)
    config = BertConfig(
        vocab_size=100, hidden_size=64, num_hidden_layers=3, num_attention_heads=4, intermediate_size=256,
        max_position_embeddings=64, attn_implementation="eager",
    )  # fmt: skip
    model = AutoModelForSequenceClassification.from_config(config)
    tokens = torch.ones(8, 48, dtype=torch.long)
    measured = counted(lambda: model(tokens, attention_mask=tokens).logits.sum().backward())
    formula = 3 * 8 * (48 * shape.layers * encoder_layer(shape, 48) + 2 * 64**2)
    assert formula == pytest.approx(measured, rel=0.03)


def test_an_encoder_decoder_has_the_operations_that_torch_counts() -> None:
    shape = Shape(layers=2, decoder_layers=3, width=64, feed_forward=128, vocabulary=500)
    config = MarianConfig(
        vocab_size=500, d_model=64, encoder_layers=2, decoder_layers=3, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=128, decoder_ffn_dim=128, pad_token_id=0,
        decoder_start_token_id=1, attn_implementation="eager",
    )  # fmt: skip
    model = MarianMTModel(config)
    source, target = torch.ones(4, 40, dtype=torch.long), torch.ones(4, 24, dtype=torch.long)
    inputs = {"input_ids": source, "attention_mask": source, "decoder_input_ids": target, "use_cache": False}
    measured = counted(lambda: model(**inputs).logits.sum().backward())
    assert 3 * 4 * pair_pass(shape, 40, 24) == pytest.approx(measured, rel=0.03)


CONFIGS: dict[str, PretrainedConfig] = {
    "bert-base-uncased": BertConfig(),
    "bert-base-cased": BertConfig(vocab_size=28996),
    "minilm": BertConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
    ),
    "roberta-large": RobertaConfig(
        vocab_size=50265, hidden_size=1024, num_hidden_layers=24, num_attention_heads=16,
        intermediate_size=4096, max_position_embeddings=514, type_vocab_size=1,
    ),
    "electra-large": ElectraConfig(
        embedding_size=1024, hidden_size=1024, num_hidden_layers=24, num_attention_heads=16,
        intermediate_size=4096,
    ),
    "bart-large": BartConfig(),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_the_table_of_models_counts_their_parameters(name: str) -> None:
    with torch.device("meta"):
        kind = BartForConditionalGeneration if name == "bart-large" else None
        made = CONFIGS[name]
        model = kind(made) if kind else AutoModelForSequenceClassification.from_config(made)
    assert SHAPES[name].parameters == pytest.approx(sum(p.numel() for p in model.parameters()), rel=1e-4)


def test_the_transformer_of_the_iwslt_recipe_has_the_size_that_its_module_states() -> None:
    study = load_study(PROJECT / "config/studies/translation.yaml", PROJECT)
    spec = make_spec(study, "iwslt", "ce", "iwslt14_de_en", 1, {})
    assert work_of(spec, 1, Path("none")).parameters == 31_543_296 + 512 * 10_000


def test_a_folder_says_what_shape_its_model_has(tmp_path: Path) -> None:
    CONFIGS["minilm"].save_pretrained(tmp_path)
    assert read_shape(tmp_path / "config.json") == SHAPES["minilm"]
    BartConfig().save_pretrained(tmp_path)
    assert read_shape(tmp_path / "config.json").decoder_layers == 12
    (tmp_path / "config.json").write_text('{"hidden_size": 64}')
    assert read_shape(tmp_path / "config.json") is None


def test_two_passes_are_twice_the_work_of_one() -> None:
    for study, protocol, task in (("glue", "bert-base", "rte"), ("translation", "iwslt", "iwslt14_de_en")):
        loaded = load_study(PROJECT / f"config/studies/{study}.yaml", PROJECT)
        one, two, three = (
            work_of(make_spec(loaded, protocol, config, task, 1, {}), 10, Path("none"))
            for config in ("ce", "rdrop", "lrdrop")
        )
        assert two.training.operations == three.training.operations == 2 * one.training.operations
        assert two.evaluation == one.evaluation


def test_where_the_validation_set_is_reported_the_test_sets_are_not_decoded() -> None:
    study = load_study(PROJECT / "config/studies/translation.yaml", PROJECT)

    def decoded(report: str, sets: int) -> float:
        over = {"evaluation.report": report, "evaluation.decoded": 0}
        work = work_of(make_spec(study, "small", "ce", "multi30k_de_en", 1, over), 10, Path("none"))
        return work.decoding.operations / sets

    sets = PAIRS["multi30k_de_en"]
    assert sets.valid != sets.tests
    assert decoded("valid", sets.valid) == pytest.approx(decoded("last", sets.tests))


def test_every_data_set_has_its_lengths() -> None:
    assert set(CORPORA) == set(data.names("corpus"))
    assert set(GLUE) == set(TASKS)
    assert set(PAIRS) == {*data.names("translation"), *data.names("summarization")}
