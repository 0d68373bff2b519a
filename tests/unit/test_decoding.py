"""Decoding: what is found, against plain searches; that it goes on where it was; texts as token ids."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from generation_support import (
    CODEC,
    data_root,
    generation_spec,
    model_of,
    overfitted,
    search_of,
    some,
    toy,
    trainer_of,
)
from redrop.data import load
from redrop.data.text_pairs import SymbolCodec, TokenizerCodec
from redrop.data.tokens import Tokens
from redrop.evaluation.decoding import MORE, decode
from redrop.evaluation.text_pairs import summaries, translations

GREEDY = {"beam": 1, "max_length": 16}
COUNT = 10
"""Inputs of ``unseen``."""


def unseen() -> Tokens:
    """Inputs of several lengths that the overfitted model does not know, in no order of length."""
    return some(toy("toy_xx_yy").splits["valid"], COUNT).source


def counted(model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch, stop_at: int | None = None) -> list[int]:
    """Sizes of the batches that ``generate`` is asked for from here on; the one at ``stop_at`` is killed."""
    generate, sizes = type(model).generate, []

    def counting(**options: Any) -> torch.Tensor:
        if len(sizes) == stop_at:
            raise KeyboardInterrupt
        sizes.append(len(options["input_ids"]))
        return generate(model, **options)

    monkeypatch.setattr(model, "generate", counting)
    return sizes


def test_an_overfitted_model_gives_its_training_targets_back() -> None:
    trainer = overfitted()
    pairs, codec = trainer.task.train, trainer.task.pairs.codec
    targets = [codec.decode(row) for row in rows(pairs.target)]
    assert len(set(targets)) == 12
    trainer.task.use_attention(training=False)
    assert decode(trainer.model, codec, pairs.source, search_of(**GREEDY)) == targets
    assert decode(trainer.model, codec, pairs.source, search_of(beam=4, max_length=16)) == targets


def rows(tokens: Tokens) -> list[list[int]]:
    return [part.tolist() for part in np.split(tokens.ids, tokens.starts[1:-1])]


def test_greedy_decoding_is_the_best_token_again_and_again() -> None:
    """Without a cache, without padding, without ``generate``."""
    trainer, limit = overfitted(), 16
    model, codec = trainer.model.eval(), trainer.task.pairs.codec
    expected = []
    for source in rows(unseen()):
        output = [codec.end]
        while len(output) <= limit and (len(output) == 1 or output[-1] != codec.end):
            with torch.no_grad():
                logits = model(
                    input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([output])
                ).logits
            output.append(logits[0, -1].argmax().item())
        expected.append(codec.decode(output))
    assert decode(model, codec, unseen(), search_of(**GREEDY)) == expected
    assert len(set(expected)) > COUNT / 2


@pytest.mark.parametrize("beam", [1, 4])
def test_a_cache_changes_nothing(beam: int) -> None:
    trainer, search = overfitted(), search_of(beam=beam, max_length=16)
    found, widths = [], []
    for cache in (True, False):
        read: list[int] = []
        hook = (
            trainer.model.get_decoder()
            .layers[0]
            .register_forward_pre_hook(lambda module, inputs, read=read: read.append(inputs[0].shape[1]))
        )
        found.append(decode(trainer.model, trainer.task.pairs.codec, unseen(), search, cache=cache))
        hook.remove()
        widths.append(read)
    assert found[0] == found[1]
    assert set(widths[0]) == {1}  # a token at a time
    assert widths[1][:9] == list(range(1, 10))  # all of them again and again


@pytest.mark.parametrize(
    ("settings", "plain"),
    [
        ({}, {}),
        ({"length_penalty": 0.2}, {"length_penalty": 0.2}),
        ({"min_length": 9}, {"min_new_tokens": 9}),
        ({"no_repeat": 1}, {"no_repeat_ngram_size": 1}),
        ({"max_length": 5}, {"max_new_tokens": 5}),
    ],
    ids=["beam", "penalty", "minimum", "no repeat", "maximum"],
)
def test_beam_search_is_that_of_generate_sentence_by_sentence(
    settings: dict[str, Any], plain: dict[str, Any]
) -> None:
    trainer = overfitted()
    model, codec = trainer.model.eval(), trainer.task.pairs.codec
    search = search_of(**({"beam": 4, "max_length": 16, "batch_tokens": 240} | settings))
    found = decode(model, codec, unseen(), search)
    options = {"num_beams": 4, "max_new_tokens": 16, "length_penalty": 1.0, "early_stopping": False} | plain
    expected = []
    for source in rows(unseen()):
        made = model.generate(input_ids=torch.tensor([source]), do_sample=False, **options)[0].tolist()
        expected.append(codec.decode(made))
    assert found == expected
    if settings:
        assert found != decode(model, codec, unseen(), search_of(beam=4, max_length=16))


def test_lengths_are_kept() -> None:
    """By a model with random weights; an end mark counts in the maximum only."""
    model, source = model_of("marian"), CODEC.encode(["w1 w2 w3 w4 w5", "w6", "w7 w8"])

    def lengths(**settings: Any) -> list[int]:
        found = decode(model, CODEC, source, search_of(**({"beam": 2, "max_length": 24} | settings)))
        return [len(text.split()) for text in found]

    assert lengths(min_length=24) == [24, 24, 24]
    assert min(lengths(min_length=7)) >= 7
    assert max(lengths(max_length=6)) <= 6
    # From here on it never stops. Inputs have 6, 2 and 3 tokens with their end marks, in one batch or three.
    model.final_logits_bias[0, CODEC.end] = -1e9
    assert lengths() == [24, 24, 24]
    assert MORE == 10
    assert lengths(max_ratio=1.0) == [16, 16, 16]
    assert lengths(max_ratio=1.5, batch_tokens=2) == [19, 13, 14]
    assert lengths(max_ratio=1.5, batch_tokens=2, max_length=15) == [15, 13, 14]
    assert lengths(max_ratio=1.5, batch_tokens=2, min_length=14) == [19, 14, 14]


def test_no_sequence_comes_twice() -> None:
    model, source = model_of("marian"), CODEC.encode(["w1 w2 w3", "w4 w5"])
    search = search_of(beam=2, max_length=20, min_length=20, no_repeat=2)
    for text in decode(model, CODEC, source, search):
        words = text.split()
        couples = list(itertools.pairwise(words))
        assert len(set(couples)) == len(couples) == 19
    free = decode(model, CODEC, source, dataclasses.replace(search, no_repeat=0))
    assert any(len(set(text.split())) < 5 for text in free)


def test_texts_come_in_the_order_of_their_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """However they are batched; a batch holds beams and padding within its limit."""
    trainer, source = overfitted(), unseen()
    sizes = counted(trainer.model, monkeypatch)
    found = [
        decode(
            trainer.model, trainer.task.pairs.codec, source, search_of(beam=2, max_length=16, batch_tokens=n)
        )
        for n in (10_000, 60, 1)
    ]
    assert found[0] == found[1] == found[2]
    assert sizes[0] == COUNT
    assert sizes[-COUNT:] == [1] * COUNT
    lengths = iter(np.sort(source.lengths))
    for size in sizes[1:-COUNT]:
        longest = [next(lengths) for _ in range(size)][-1]
        assert size * longest * 2 <= 60
    assert decode(trainer.model, trainer.task.pairs.codec, source.take(np.arange(0)), search_of()) == []


def test_decoding_draws_nothing_and_leaves_evaluation_mode() -> None:
    trainer = overfitted()
    trainer.model.train()
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    decode(trainer.model, trainer.task.pairs.codec, unseen(), search_of())
    assert torch.rand(2).equal(expected)
    assert not trainer.model.training


SEARCH = search_of(beam=2, max_length=16, batch_tokens=50)
"""Several batches of ``unseen``."""


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[str], list[int]]:
    """A store of a whole decoding, what it gave, and its batches' sizes."""
    trainer, path = overfitted(), tmp_path / "deep" / "decoded.jsonl"
    with monkeypatch.context() as patch:
        sizes = counted(trainer.model, patch)
        found = decode(trainer.model, trainer.task.pairs.codec, unseen(), SEARCH, store=path)
    assert len(sizes) > 3
    return path, found, sizes


def again(path: Path, monkeypatch: pytest.MonkeyPatch, search: Any = SEARCH) -> tuple[list[str], list[int]]:
    """What the same decoding gives now, and the batches that it really decoded."""
    trainer = overfitted()
    with monkeypatch.context() as patch:
        sizes = counted(trainer.model, patch)
        return decode(trainer.model, trainer.task.pairs.codec, unseen(), search, store=path), sizes


def test_a_store_changes_nothing(stored: tuple[Path, list[str], list[int]]) -> None:
    trainer = overfitted()
    path, found, sizes = stored
    assert found == decode(trainer.model, trainer.task.pairs.codec, unseen(), SEARCH)
    lines = path.read_text().splitlines()
    assert [len(json.loads(line)[1]) for line in lines[1:]] == sizes


def test_a_killed_decoding_goes_on(
    stored: tuple[Path, list[str], list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, found, sizes = stored
    trainer, path = overfitted(), tmp_path / "decoded.jsonl"
    with monkeypatch.context() as patch:
        done = counted(trainer.model, patch, stop_at=2)
        with pytest.raises(KeyboardInterrupt):
            decode(trainer.model, trainer.task.pairs.codec, unseen(), SEARCH, store=path)
    assert done == sizes[:2]
    assert again(path, monkeypatch) == (found, sizes[2:])
    assert again(path, monkeypatch) == (found, [])


@pytest.mark.parametrize("cut", [1, 5, "no line break"])
def test_a_torn_last_line_is_decoded_again(
    cut: int | str, stored: tuple[Path, list[str], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, found, sizes = stored
    whole = path.read_bytes()
    begin = whole.rindex(b"\n", 0, -1) + 1
    path.write_bytes(whole[:-1] if cut == "no line break" else whole[: begin + int(cut)])
    assert again(path, monkeypatch) == (found, sizes[-1:])
    assert path.read_bytes() == whole


@pytest.mark.parametrize("damage", [b"\0\0\0\0\n", b'{"a": 1}\n', b"5\n", b"\xff\xfe\n"])
def test_what_comes_behind_a_damaged_line_is_decoded_again(
    damage: bytes, stored: tuple[Path, list[str], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, found, sizes = stored
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], damage, *lines[3:]]))
    assert again(path, monkeypatch) == (found, sizes[1:])
    assert path.read_bytes() == whole


def test_a_file_that_is_no_store_is_replaced(
    stored: tuple[Path, list[str], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, found, sizes = stored
    for content in (b"", b"\xff\0", path.read_bytes()[:20]):
        path.write_bytes(content)
        assert again(path, monkeypatch) == (found, sizes)


def test_only_the_same_decoding_is_taken_over(
    stored: tuple[Path, list[str], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other weights, inputs or settings have another digest; a forged text shows what was taken."""
    path, found, sizes = stored
    lines = path.read_text().splitlines(keepends=True)
    number, texts = json.loads(lines[1])
    forged = "".join([lines[0], json.dumps([number, ["forged", *texts[1:]]]) + "\n", *lines[2:]])
    path.write_text(forged)
    assert again(path, monkeypatch)[0].count("forged") == 1

    path.write_text(forged)
    other = dataclasses.replace(SEARCH, length_penalty=0.9)
    assert again(path, monkeypatch, other)[1] == sizes

    path.write_text(forged)
    trainer = overfitted()
    codec, values = trainer.task.pairs.codec, trainer.model.model.decoder.layers[0].fc2.bias
    with torch.no_grad():
        values[0] += 1e-7
        moved = decode(trainer.model, codec, unseen(), SEARCH, store=path)
        values[0] -= 1e-7
    assert "forged" not in moved

    path.write_text(forged)
    fewer = unseen().take(np.arange(COUNT - 1))
    assert decode(trainer.model, codec, fewer, SEARCH, store=path) == found[:-1]


def test_symbols_to_ids_and_back() -> None:
    codec = SymbolCodec(["la", "ovo@@", "</s>"])
    made = codec.encode(["la ovo@@ la", "", "  nova   la "])
    assert rows(made) == [[3, 4, 3, 1], [1], [2, 3, 1]]
    assert (made.segments, codec.size, made.ids.dtype, made.starts.dtype) == (None, 6, np.int32, np.int64)
    assert rows(codec.encode(["la la la la", "la"], 3)) == [[3, 3, 1], [3, 1]]
    assert codec.decode([3, 4, 2, 1, 0, 0]) == "la ovo@@ <unk>"
    # A symbol of the text that is written like a mark is none.
    assert rows(codec.encode(["</s> la"])) == [[5, 3, 1]]
    assert codec.decode([5, 3]) == "</s> la"
    assert rows(codec.encode(["<pad> <unk>"])) == [[2, 2, 1]]


def test_a_tokenizer_to_ids_and_back(tmp_path: Path) -> None:
    pairs = toy("toy_summaries")
    codec = TokenizerCodec(pairs.codec.tokenizer, tmp_path)
    texts = ["Anna sees boats .", "naïve – 日本"]
    made = codec.encode(texts)
    assert [codec.decode(row) for row in rows(made)] == texts
    assert all((row[0], row[-1]) == (0, codec.end) for row in rows(made))
    (cached,) = tmp_path.iterdir()
    before = cached.stat().st_mtime_ns
    assert rows(codec.encode(texts)) == rows(made)
    assert cached.stat().st_mtime_ns == before
    cut = codec.encode(texts, 5)
    assert [len(row) for row in rows(cut)] == [5, 5]
    for short, row in zip(rows(cut), rows(made), strict=True):
        assert short == [*row[:4], codec.end]


def test_some_examples_of_tokens() -> None:
    tokens = Tokens(
        np.array([5, 6, 7, 8, 9, 4], np.int32), np.array([0, 0, 1, 0, 1, 1], np.int8), np.array([0, 3, 3, 6])
    )
    taken = tokens.take(np.array([2, 0, 1, 2]))
    assert rows(taken) == [[8, 9, 4], [5, 6, 7], [], [8, 9, 4]]
    assert taken.segments.tolist() == [0, 1, 1, 0, 0, 1, 0, 1, 1]
    assert (taken.lengths.tolist(), len(taken)) == ([3, 3, 0, 3], 4)
    none = dataclasses.replace(tokens, segments=None).take(np.arange(0))
    assert (len(none), none.ids.tolist(), none.starts.tolist(), none.segments) == (0, [], [0], None)


def test_padding_by_hand() -> None:
    tokens = Tokens(np.array([5, 6, 7, 8, 9], np.int32), None, np.array([0, 3, 4, 5]))
    ids, real = tokens.padded(np.array([1, 0]), pad=2)
    assert ids.tolist() == [[8, 2, 2], [5, 6, 7]]
    assert real.tolist() == [[True, False, False], [True, True, True]]
    assert (ids.dtype, real.dtype) == (torch.int64, torch.bool)
    # No wider than the longest of the examples that were asked for.
    assert tokens.padded(np.array([2, 1]), pad=0)[0].tolist() == [[9], [8]]


def test_long_pairs_are_left_out_of_training_alone() -> None:
    """toy_xx_yy: 7 to 10 tokens a side, the end mark included."""
    whole = toy("toy_xx_yy")
    spec = generation_spec(data__max_source=8, data__max_target=8)
    cut = translations(spec, load("toy_translation", data_root()), None)
    fits = whole.splits["train"].longest <= 8
    assert 0 < len(cut.splits["train"]) == fits.sum() < len(fits)
    assert cut.splits["train"].longest.max() == 8
    assert rows(cut.splits["train"].source) == rows(whole.splits["train"].source.take(np.flatnonzero(fits)))
    for name in ("valid", "test"):
        assert len(cut.splits[name]) == 100
        assert cut.splits[name].longest.max() > 8


def test_long_articles_are_cut() -> None:
    spec = generation_spec(data__task="toy_summaries", data__max_source=9, data__max_target=5)
    pairs = summaries(spec, load("toy_summaries", data_root()), None)
    for name, count in (("train", 800), ("valid", 100), ("test", 100)):
        split = pairs.splits[name]
        assert len(split) == count
        assert (split.source.lengths.max(), split.target.lengths.max()) == (9, 5)
        ends = split.source.ids[split.source.starts[1:] - 1]
        assert (ends == pairs.codec.end).all()


@pytest.mark.parametrize("task", ["toy_xx_yy", "toy_yy_xx", "toy_summaries"])
def test_the_targets_themselves_score_100(task: str) -> None:
    """Of all inputs, and of the first ones."""
    pairs = toy(task)
    assert pairs.tests == ["test"]
    for name, count in (("test", 100), ("valid", 7)):
        targets = rows(some(pairs.splits[name], count).target)
        texts = [pairs.finish(pairs.codec.decode(row)) for row in targets]
        scores = pairs.score(texts, name)
        assert tuple(scores) == pairs.metrics
        first = scores[pairs.metrics[0]]
        assert (first.n, first.split) == (count, name)
        assert first.value == pytest.approx(100)
        assert pairs.score([*texts[1:], texts[0]], name)[pairs.metrics[0]].value < 90


def test_the_two_directions_are_each_others_inverse() -> None:
    forth, back = toy("toy_xx_yy").splits, toy("toy_yy_xx").splits
    for name in ("train", "valid", "test"):
        assert rows(forth[name].source) == rows(back[name].target)
        assert rows(forth[name].target) == rows(back[name].source)


def test_hypotheses_are_decoded_with_the_fast_attention() -> None:
    trainer = trainer_of(generation_spec(), overfitted().task.pairs)
    trainer.task.use_attention(training=True)
    assert trainer.model.config._attn_implementation == "eager"
    trainer.task.hypotheses(some(trainer.task.valid, 2), "valid")
    assert trainer.model.config._attn_implementation == "sdpa"
