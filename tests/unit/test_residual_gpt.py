"""The model against the equations written out once more, and against the authors' initialisation."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from redrop.data.corpus import Corpus
from redrop.errors import ConfigError
from redrop.evaluation.language_model import mean_loss, split_windows
from redrop.models.residual_gpt import build, inverted_dropout, skip_dropout, without_dropout
from redrop.spec_language_model import ResidualGPTSpec
from redrop.streams import MaskStream
from support import small_spec, spec_of

VOCAB = 11


def model_spec(config: str = "a2r025", protocol: str = "authors", **over: object) -> ResidualGPTSpec:
    return replace(small_spec(config, protocol).model, **over)


def tokens(batch: int = 3, time: int = 16) -> torch.Tensor:
    return torch.randint(0, VOCAB, (batch, time), generator=torch.Generator().manual_seed(0))


def masks(seed: int = 0) -> MaskStream:
    return MaskStream(seed, torch.device("cpu"))


# --- a second implementation: the equations of the protocol notes, one line each, no dropout layers


def attention(layer: torch.nn.Module, x: torch.Tensor, heads: int, scale: float) -> torch.Tensor:
    q, k, v = (x @ layer.c_attn.weight.T).chunk(3, dim=-1)
    out = []
    for head in range(heads):
        part = slice(head * x.shape[-1] // heads, (head + 1) * x.shape[-1] // heads)
        scores = torch.einsum("btd,bsd->bts", q[..., part], k[..., part]) * scale
        future = torch.ones(x.shape[1], x.shape[1]).triu(1).bool()
        weights = torch.softmax(scores.masked_fill(future, float("-inf")), dim=-1)
        out.append(torch.einsum("bts,bsd->btd", weights, v[..., part]))
    y = torch.cat(out, dim=-1) @ layer.c_proj.weight.T
    return y if layer.c_proj.bias is None else y + layer.c_proj.bias


def mlp(layer: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    activation = F.gelu if layer.spec.activation == "gelu" else torch.relu
    return F.linear(
        activation(F.linear(x, layer.c_fc.weight, layer.c_fc.bias)), layer.c_proj.weight, layer.c_proj.bias
    )


def written_out(model: torch.nn.Module, ids: torch.Tensor) -> torch.Tensor:
    """Evaluation-mode logits, as the authors' blocks compute it, line by line."""
    spec = model.spec
    width = spec.n_embd / spec.n_head if spec.attention_scale == "head" else spec.n_embd
    scale = width**-0.5
    keep1 = 1 - spec.skip1_dropout
    keep2 = None if spec.skip2_dropout is None else 1 - spec.skip2_dropout
    x = model.wte.weight[ids] + model.wpe.weight[: ids.shape[1]]
    for block in model.blocks:
        if spec.sublayers == "attention":
            x = keep1 * x + attention(block.sublayers[0], block.norms[0](x), spec.n_head, scale)
            continue
        ln, (attn, ff, *second) = block.norms, block.sublayers
        if spec.residual_stream == "pre-norm":
            y = keep1 * x + attention(attn, ln[0](x), spec.n_head, scale)
            z = keep1 * y + mlp(ff, ln[1](y))
            x = z if keep2 is None else z + keep2 * x
            continue
        x = ln[0](x)
        y = ln[1](keep1 * x + attention(attn, x, spec.n_head, scale))
        z = keep1 * y + mlp(ff, y)
        if keep2 is not None:
            z = z + keep2 * x
        if second:
            z = ln[2](z)
            a = ln[3](keep1 * z + attention(second[0], z, spec.n_head, scale))
            last = mlp(second[1], y if spec.last_mlp_input == "second" else a)
            out = (1 - spec.skip4_dropout) * x + keep1 * a + last
            z = out if keep2 is None else out + keep2 * z
        x = z
    h = model.ln_f(x)
    return F.linear(h, model.lm_head.weight, model.lm_head.bias)


CASES = [
    ("a5r0", "authors", {}),
    ("a2r05", "authors", {}),
    ("a2r25_2", "authors", {}),
    ("a2r2_4", "authors", {"n_layer": 4}),
    ("a2r2_4", "authors", {"skip2_dropout": None}),
    ("a2r25_2", "authors", {"residual_stream": "pre-norm"}),
    ("a5r0", "authors", {"sublayers": "attention", "n_layer": 3}),
    ("res1-0.2", "notebook", {}),
    ("res4-0.5", "notebook", {"n_layer": 4}),
]


@pytest.mark.parametrize(("config", "protocol", "over"), CASES)
def test_evaluation_follows_the_equations(config: str, protocol: str, over: dict) -> None:
    spec = model_spec(config, protocol, **over)
    model = build(spec, VOCAB, seed=3).double().eval()
    for parameter in model.parameters():  # larger weights make wrong wiring visible
        parameter.data.mul_(3.0)
    ids = tokens()
    torch.testing.assert_close(model(ids), written_out(model, ids), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("config", "protocol", "over"), CASES)
def test_training_without_rates_equals_evaluation(config: str, protocol: str, over: dict) -> None:
    spec = without_dropout(model_spec(config, protocol, **over))
    model = build(spec, VOCAB, seed=3)
    ids = tokens()
    torch.testing.assert_close(model.train()(ids, masks()), model.eval()(ids))


@pytest.mark.parametrize(
    ("config", "over", "expected"),
    [
        ("a2r025", {}, 4.1948),
        ("a2r025", {"skip2_dropout": 0.99}, 4.1948),
        ("a2r2_4", {}, 4.1952),
        ("a2r0", {}, 4.1655),
        ("a2r025", {"n_layer": 2}, 4.2388),
    ],
)
def test_untrained_loss_is_that_of_the_authors_initialisation(
    config: str, over: dict, expected: float, shakespeare: Corpus
) -> None:
    spec = replace(spec_of(config).model, **over)
    model = build(spec, shakespeare.vocab_size, seed=1337)
    starts = split_windows(len(shakespeare.val), spec.block_size)
    assert len(starts) == 1742
    assert mean_loss(model, shakespeare.val, starts) == pytest.approx(expected, abs=0.0005)


def test_size_of_the_authors_model() -> None:
    """0.80 M parameters without positions: per pair 12 C^2 + 2 C, V C tied, C for the last norm."""
    model = build(spec_of("a2r025").model, 65, seed=0)
    C, T = 128, 64
    expected = 4 * (12 * C * C + 2 * C) + 65 * C + C
    assert sum(p.numel() for p in model.parameters()) - T * C == expected == 795_904
    assert model.wte.weight is model.lm_head.weight


def test_attention_alone_has_as_many_parameters_at_three_times_the_depth() -> None:
    """But for its LayerNorms; and its branches start as small as nanoGPT's, by their number."""
    usual = build(replace(spec_of("a2r0").model), 65, seed=1)
    alone = build(replace(spec_of("a2r0").model, sublayers="attention", n_layer=12), 65, seed=1)
    sizes = [sum(p.numel() for p in model.parameters() if p.dim() > 1) for model in (usual, alone)]
    assert sizes[0] == sizes[1]
    deviation = torch.stack([block.sublayers[0].c_proj.weight.std() for block in alone.blocks]).mean()
    assert deviation.item() == pytest.approx(0.02 / math.sqrt(12), rel=0.02)
    with pytest.raises(ConfigError, match=r"model\.sublayers: 'attention' leaves no pairs"):
        replace(spec_of("a2r0").model, sublayers="attention", skip2_dropout=0.1)


def test_initialisation_leaves_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    first = build(model_spec(), VOCAB, seed=1)
    assert torch.equal(before, torch.random.get_rng_state())
    same, other = build(model_spec(), VOCAB, seed=1), build(model_spec(), VOCAB, seed=2)
    assert torch.equal(first.lm_head.weight, same.lm_head.weight)
    assert not torch.equal(first.lm_head.weight, other.lm_head.weight)


def test_scales_of_the_initialisation() -> None:
    spec = replace(spec_of("a2r2_4").model, n_embd=256)
    model = build(spec, 65, seed=0)
    assert model.wte.weight.std().item() == pytest.approx(0.02, rel=0.05)
    for block in model.blocks:
        for sublayer in block.sublayers:
            # Two double blocks: the residual projections are scaled by the blocks, not by the pairs.
            assert sublayer.c_proj.weight.std().item() == pytest.approx(0.02 / math.sqrt(4), rel=0.05)


# --- dropout


def test_skip4_can_start_with_the_projections_of_as_many_single_blocks() -> None:
    """Two double blocks: 0.02 / sqrt(4); four single ones: 0.02 / sqrt(8). All other weights are the same."""
    usual = spec_of("skip4-0.99", "matched").model
    alike = spec_of("skip4-0.99-init", "matched").model
    assert (usual.n_block, replace(alike, initialisation="nanogpt")) == (2, usual)
    pairs = zip(build(usual, 65, 1).named_parameters(), build(alike, 65, 1).parameters(), strict=True)
    for (name, wide), narrow in pairs:
        scale = math.sqrt(2) if name.endswith("c_proj.weight") else 1.0
        torch.testing.assert_close(narrow * scale, wide)
    single = spec_of("skip2-0.99", "matched").model
    same = replace(single, initialisation="nanogpt-pairs")
    for one, other in zip(build(single, 65, 1).parameters(), build(same, 65, 1).parameters(), strict=True):
        assert one.equal(other)


def test_skip_dropout_is_unscaled_in_training_and_a_factor_in_evaluation() -> None:
    x = torch.full((200, 200), 3.0)
    kept = skip_dropout(x, 0.3, masks())
    assert set(kept.unique().tolist()) == {0.0, 3.0}
    assert kept.ne(0).float().mean().item() == pytest.approx(0.7, abs=0.01)
    torch.testing.assert_close(skip_dropout(x, 0.3, None), x * 0.7)


def test_inverted_dropout_is_rescaled_in_training_and_absent_in_evaluation() -> None:
    x = torch.full((200, 200), 3.0)
    kept = inverted_dropout(x, 0.2, masks())
    assert kept.unique().tolist() == pytest.approx([0.0, 3.75])
    assert inverted_dropout(x, 0.2, None) is x


@pytest.mark.parametrize("dropout", [skip_dropout, inverted_dropout])
def test_the_two_ends_are_exact_and_draw_nothing(dropout) -> None:
    x, stream = torch.randn(8, 8), masks()
    position = stream.state()
    assert torch.equal(dropout(x, 0.0, stream), x)
    assert torch.equal(dropout(x, 1.0, stream), torch.zeros(8, 8))
    assert stream.state() == position
    assert torch.equal(skip_dropout(x, 1.0, None), torch.zeros(8, 8))


def test_skip2_at_rate_1_is_no_skip2() -> None:
    with_it, without = model_spec(skip2_dropout=1.0), model_spec(skip2_dropout=None)
    ids = tokens()
    for step in (lambda m: m.train()(ids, masks()), lambda m: m.eval()(ids)):
        torch.testing.assert_close(step(build(with_it, VOCAB, 1)), step(build(without, VOCAB, 1)))


RATES = [
    "embedding_dropout",
    "attention_dropout",
    "attention_output_dropout",
    "mlp_dropout",
    "skip1_dropout",
    "skip2_dropout",
    "skip4_dropout",
]


@pytest.mark.parametrize("rate", RATES)
def test_each_rate_acts_alone(rate: str) -> None:
    still = without_dropout(model_spec("a2r2_4"))
    ids = tokens()
    expected = build(still, VOCAB, 1).train()(ids, masks())
    moved = build(replace(still, **{rate: 0.5}), VOCAB, 1).train()(ids, masks())
    assert not torch.allclose(expected, moved)
    again = build(replace(still, **{rate: 0.5}), VOCAB, 1).train()(ids, masks())
    assert torch.equal(moved, again)
    other = build(replace(still, **{rate: 0.5}), VOCAB, 1).train()(ids, masks(seed=1))
    assert not torch.allclose(moved, other)


def test_training_without_its_dropout_stream_is_an_error() -> None:
    with pytest.raises(ValueError, match="needs its dropout stream"):
        build(model_spec(), VOCAB, 1).train()(tokens())


def test_no_position_sees_a_later_one() -> None:
    for config in ("a2r0", "a2r2_4"):
        model = build(model_spec(config), VOCAB, 1).eval()
        ids = tokens(batch=1)
        changed = ids.clone()
        changed[0, 9] = (changed[0, 9] + 1) % VOCAB
        before, after = model(ids), model(changed)
        torch.testing.assert_close(before[:, :9], after[:, :9])
        assert not torch.allclose(before[:, 9:], after[:, 9:])
        model.train()
        before, after = model(ids, masks()), model(changed, masks())
        torch.testing.assert_close(before[:, :9], after[:, :9])
