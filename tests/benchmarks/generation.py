"""Encoder-decoders: training beside ``transformers``' Seq2SeqTrainer, decoding with and without a cache.

Training: the small Transformer of the study on random text, plain cross entropy with label smoothing in fp32.
Both trainers have a model of their own with equal weights, the same optimiser and the same padded batches,
and make their updates in turn in one process, so that the machine's drift falls on both; the ratio is the
median over the updates, pair by pair. Ours computes attention as it does in a run, theirs by ``sdpa`` (its
default) and by ``eager`` in a second race. Seq2SeqTrainer needs ``pip install accelerate``; without it that
part is left out.

Methods: the same model trained plainly, with R-Drop and with LR-Drop, in turn on the same batches.

Decoding: random weights do not stop at a sensible place, so the least and the most tokens allowed are
the same. Run with ``make bench``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from step import timed
from torch.utils.data import SequentialSampler
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
)

from redrop.data.text_pairs import Pairs, SymbolCodec, TextPairs
from redrop.data.tokens import Tokens
from redrop.evaluation.decoding import decode
from redrop.models.generation import build_transformer
from redrop.record import write_json
from redrop.runtime.environment import device_name
from redrop.spec import RunSpec
from redrop.spec_generation import GenerationEvaluationSpec, TransformerSpec
from redrop.study import load_study, make_spec
from redrop.training.generation import Generation
from redrop.training.trainer import Trainer

PROJECT = Path(__file__).resolve().parents[2]
CODEC = SymbolCodec([f"w{number}" for number in range(7997)])
"""8,000 tokens, about as many as the symbols of Multi30k."""
WARM_UP = 3
"""Updates of each that are not counted."""


def random_tokens(draw: np.random.Generator, lengths: np.ndarray) -> Tokens:
    """Random text; the time of a step does not depend on what is read."""
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ids = draw.integers(3, CODEC.size, starts[-1]).astype(np.int32)
    ids[starts[1:] - 1] = CODEC.end
    return Tokens(ids, None, starts)


def random_pairs(count: int) -> TextPairs:
    """Pairs of 6 to 40 tokens a side, as short sentences have."""
    draw = np.random.default_rng(0)
    lengths = draw.integers(6, 38, count)
    sides = (random_tokens(draw, np.maximum(6, lengths + draw.integers(-3, 4, count))) for _ in range(2))
    pairs = Pairs(*sides)
    return TextPairs(CODEC, {"train": pairs, "valid": pairs}, lambda *_: {}, {}, ("bleu",), str)


def training_spec(batch_tokens: int, config: str = "ce") -> RunSpec:
    """The study's own small run, in fp32."""
    settings = {"schedule.batch_tokens": batch_tokens, "schedule.precision": "fp32"}
    study = load_study(PROJECT / "config/studies/translation.yaml", PROJECT)
    return make_spec(study, "small", config, "multi30k_de_en", 0, settings)


class InOrder(Seq2SeqTrainer):
    """Theirs, on batches that are already made up, in their order."""

    def _get_train_sampler(self, *_: Any) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)


class InTurn(TrainerCallback):
    """Between two of their updates, one of ours; both on the same batch."""

    def __init__(self, ours: Trainer) -> None:
        self.ours, self.pairs, self._begin = ours, [], 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """The first update begins here, the others where ours has ended: fetching a batch counts."""
        if not self.pairs:
            self._begin = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Note their time, then make an update of ours."""
        if self.ours.device.type == "cuda":
            torch.cuda.synchronize()
        theirs = 1e3 * (time.perf_counter() - self._begin)
        self.pairs.append((theirs, timed(self.ours.step, self.ours.device)))
        self._begin = time.perf_counter()


def arguments(spec: RunSpec, updates: int, folder: str, device: torch.device) -> Seq2SeqTrainingArguments:
    """The spec in their words."""
    return Seq2SeqTrainingArguments(
        folder,
        max_steps=updates,
        per_device_train_batch_size=1,  # one batch that is already made up
        learning_rate=spec.schedule.learning_rate,
        lr_scheduler_type="inverse_sqrt",
        warmup_steps=spec.schedule.warmup,
        optim="adamw_torch_fused",
        adam_beta1=spec.optimiser.beta1,
        adam_beta2=spec.optimiser.beta2,
        adam_epsilon=spec.optimiser.eps,
        weight_decay=spec.optimiser.weight_decay,
        max_grad_norm=0.0,
        label_smoothing_factor=spec.objective.label_smoothing,
        use_cpu=device.type == "cpu",
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
    )


def race(attention: str, updates: int, batch_tokens: int, device: torch.device) -> dict[str, Any]:
    """Milliseconds and target tokens a second of both; ``attention``: theirs."""
    spec, pairs = training_spec(batch_tokens), random_pairs(4000)

    def model() -> PreTrainedModel:
        return build_transformer(spec.model, None, CODEC, spec.seed)

    ours, theirs = Trainer(Generation(spec, pairs, model(), device)), model()
    theirs.set_attn_implementation(attention)
    total, batches = WARM_UP + updates, []
    for number in range(total):
        batches += ours.task.next_batches(number)

    def collate(examples: list[np.ndarray]) -> dict[str, torch.Tensor]:
        source, of_source = pairs.splits["train"].source.padded(examples[0], CODEC.pad)
        target, of_target = pairs.splits["train"].target.padded(examples[0], CODEC.pad)
        start = target.new_full((len(target), 1), CODEC.end)
        return {
            "input_ids": source,
            "attention_mask": of_source.long(),
            "decoder_input_ids": torch.cat([start, target[:, :-1]], dim=1),
            "labels": target.masked_fill(~of_target, -100),
        }

    turns = InTurn(ours)
    with tempfile.TemporaryDirectory() as folder:
        trainer = InOrder(
            model=theirs,
            args=arguments(spec, total, folder, device),
            train_dataset=batches,
            data_collator=collate,
            callbacks=[turns],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    tokens = sum(int(pairs.splits["train"].target.lengths[batch].sum()) for batch in batches[WARM_UP:])
    times = turns.pairs[WARM_UP:]
    return {
        "seq2seq_attention": attention,
        "seq2seq_ms": statistics.median(a for a, _ in times),
        "redrop_ms": statistics.median(b for _, b in times),
        "seq2seq_tokens_a_second": tokens / sum(a for a, _ in times) * 1e3,
        "redrop_tokens_a_second": tokens / sum(b for _, b in times) * 1e3,
        "ratio": statistics.median(a / b for a, b in times),
    }


def methods(updates: int, batch_tokens: int, device: torch.device) -> list[dict[str, Any]]:
    """Milliseconds of an update with each method, and how many times plain training's they are."""
    trainers, pairs = {}, random_pairs(4000)
    for config in ("ce", "rdrop", "lrdrop"):
        spec = training_spec(batch_tokens, config)
        model = build_transformer(spec.model, None, CODEC, spec.seed)
        trainers[config] = Trainer(Generation(spec, pairs, model, device))
    rounds = [
        {config: timed(trainer.step, device) for config, trainer in trainers.items()}
        for _ in range(WARM_UP + updates)
    ][WARM_UP:]
    return [
        {
            "method": config,
            "ms": statistics.median(times[config] for times in rounds),
            "ratio": statistics.median(times[config] / times["ce"] for times in rounds),
        }
        for config in trainers
    ]


def decoding(beam: int, sentences: int, length: int, rounds: int, device: torch.device) -> dict[str, Any]:
    """Seconds with and without a cache, in turn, and whether the hypotheses are the same."""
    rates = {"dropout": 0.1, "attention_dropout": 0.0, "activation_dropout": 0.0}
    spec = TransformerSpec(layers=3, width=256, feed_forward=512, heads=4, **rates)
    model = build_transformer(spec, None, CODEC, 1).to(device).eval()
    draw = np.random.default_rng(1)
    source = random_tokens(draw, draw.integers(15, 35, sentences))
    search = GenerationEvaluationSpec(
        every=1,
        decoded=0,
        report="last",
        beam=beam,
        length_penalty=1.0,
        min_length=length,
        max_length=length,
        max_ratio=0.0,
        no_repeat=2,  # or random weights would say one word again and again
        batch_tokens=10**6,
    )
    times: dict[bool, list[float]] = {True: [], False: []}
    found: dict[bool, list[str]] = {}
    decode(model, CODEC, source.take(np.arange(1)), search)  # warms up
    for _ in range(rounds):
        for cache in (True, False):
            begin = time.perf_counter()
            found[cache] = decode(model, CODEC, source, search, cache=cache)
            times[cache].append(time.perf_counter() - begin)
    return {
        "beam": beam,
        "with_cache_s": statistics.median(times[True]),
        "without_cache_s": statistics.median(times[False]),
        "tokens_a_second": sentences * length / statistics.median(times[True]),
        "ratio": statistics.median(b / a for a, b in zip(times[True], times[False], strict=True)),
        "same": sum(map(str.__eq__, found[True], found[False])),
        "sentences": sentences,
        "length": length,
    }


def print_training(rows: list[dict[str, Any]]) -> None:
    """A table of the races."""
    print(f"{'training, target tokens a second':34}{'Seq2SeqTrainer':>15}{'redrop':>9}{'ratio':>7}")
    for row in rows:
        print(
            f"  beside {row['seq2seq_attention']:25}{row['seq2seq_tokens_a_second']:>15,.0f}"
            f"{row['redrop_tokens_a_second']:>9,.0f}{row['ratio']:>7.2f}"
        )


def print_methods(rows: list[dict[str, Any]]) -> None:
    """A table of the methods."""
    print(f"{'an update':34}{'ms':>15}{'ratio':>16}")
    for row in rows:
        print(f"  {row['method']:32}{row['ms']:>15.0f}{row['ratio']:>16.2f}")


def print_decoding(rows: list[dict[str, Any]]) -> None:
    """A table of the decodings."""
    print(f"{'decoding, seconds':34}{'without cache':>15}{'with':>9}{'ratio':>7}")
    for row in rows:
        what = f"beam {row['beam']}, {row['sentences']} x {row['length']} tokens"
        print(
            f"  {what:32}{row['without_cache_s']:>15.2f}{row['with_cache_s']:>9.2f}{row['ratio']:>7.2f}"
            f"   {row['same']} of {row['sentences']} hypotheses the same"
        )


def main() -> None:
    """Time all, print tables, write json."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--updates", type=int, default=30, help="of each trainer, in turn")
    parser.add_argument("--batch-tokens", type=int, default=2048)
    parser.add_argument("--sentences", type=int, default=16)
    parser.add_argument("--length", type=int, default=60, help="tokens of each output")
    parser.add_argument("--rounds", type=int, default=3, help="of decoding")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    machine = {"device": device_name(device.type), "torch": torch.__version__, "threads": 1}
    print(f"{machine['device']}, torch {machine['torch']}, one thread")
    training: list[dict[str, Any]] = []
    if importlib.util.find_spec("accelerate") is None:
        print("training: left out; Seq2SeqTrainer needs `pip install accelerate`")
    else:
        for attention in ("sdpa", "eager"):
            training.append(race(attention, options.updates, options.batch_tokens, device))
        print_training(training)
    by_method = methods(options.updates, options.batch_tokens, device)
    print_methods(by_method)
    searches = [decoding(beam, options.sentences, options.length, options.rounds, device) for beam in (1, 5)]
    print_decoding(searches)
    if options.json:
        found = {"machine": machine, "training": training, "methods": by_method, "decoding": searches}
        write_json(options.json, found)
        print(json.dumps({"written": str(options.json)}))


if __name__ == "__main__":
    main()
