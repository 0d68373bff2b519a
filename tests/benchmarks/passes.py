"""Time and memory of an update: plain fine-tuning, R-Drop and LR-Drop, each with the attentions it can use.

An encoder of MiniLM's size (6 layers, 384 wide, 12 heads) or BERT-base's, random weights, full sequences
without padding. All variants are timed in turn in one process, one thread on a CPU; ratios are medians over
the rounds. Peak memory is that of a process that runs nothing else. Run with ``make bench``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from step import timed
from transformers import BertConfig, BertForSequenceClassification, PreTrainedModel

from redrop.models.attention import TAP
from redrop.objectives.examples import ExampleBatch
from redrop.objectives.terms import terms_of
from redrop.record import write_json
from redrop.runtime.environment import device_name
from redrop.spec_encoder import ConsistencySpec
from redrop.study import load_study, make_spec

PROJECT = Path(__file__).resolve().parents[2]
SIZES = {
    "minilm": {
        "num_hidden_layers": 6,
        "hidden_size": 384,
        "num_attention_heads": 12,
        "intermediate_size": 1536,
    },
    "bert-base": {},
}
VARIANTS = {
    "ce, eager": ("ce", "eager"),
    "ce, sdpa": ("ce", "sdpa"),
    "rdrop, eager": ("rdrop", "eager"),
    "rdrop, sdpa": ("rdrop", "sdpa"),
    "lrdrop, tap": ("lrdrop", TAP),
}
"""The tap computes eager attention, so ``rdrop, eager`` is what LR-Drop is held against."""


def objective(method: str) -> ConsistencySpec:
    """The study's own objective of that name."""
    study = load_study(PROJECT / "config/studies/glue.yaml", PROJECT)
    return make_spec(study, "bert-base", method, "cola", 0, {}).objective


def stepper(variant: str, size: str, batch: int, length: int, device: torch.device) -> Callable[[], Any]:
    """One update of the variant, with a model of its own."""
    method, attention = VARIANTS[variant]
    spec = objective(method)
    torch.manual_seed(0)
    model: PreTrainedModel = BertForSequenceClassification(BertConfig(**SIZES[size])).to(device).train()
    model.set_attn_implementation(attention)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    inputs = {
        "input_ids": torch.randint(999, 30000, (batch, length), device=device),
        "attention_mask": torch.ones(batch, length, dtype=torch.long, device=device),
    }
    labels = torch.randint(0, 2, (batch,), device=device)
    half = torch.bfloat16 if device.type == "cuda" else None

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        with terms_of(model, ExampleBatch(inputs, labels), spec, half=half) as terms:
            terms.total(spec).backward()
        optimiser.step()

    return step


def device_here() -> torch.device:
    """The accelerator, or one thread of the CPU."""
    torch.set_num_threads(1)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def memory(variant: str, size: str, batch: int, length: int, out: Any) -> None:
    """Bytes: what the process holds before its first update, and at its peak."""
    device = device_here()
    step = stepper(variant, size, batch, length, device)
    before = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(2):
        step()
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if device.type == "cuda":
        before, peak = 0, torch.cuda.max_memory_allocated()
    out.put({"before": before, "peak": peak})


def memory_of(variant: str, size: str, batch: int, length: int) -> dict[str, int]:
    """``memory`` in a process of its own."""
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    worker = context.Process(target=memory, args=(variant, size, batch, length, out))
    worker.start()
    found = out.get()
    worker.join()
    return found


def summary(times: dict[str, list[float]], peaks: dict[str, dict[str, int]]) -> dict[str, float]:
    """The ratios that matter: each method with the faster attention, LR-Drop with R-Drop's own."""

    def ratio(one: str, other: str) -> float:
        return statistics.median(a / b for a, b in zip(times[one], times[other], strict=True))

    def fastest(method: str) -> str:
        return min((v for v in VARIANTS if v.startswith(method)), key=lambda v: statistics.median(times[v]))

    def grown(variant: str) -> int:
        return peaks[variant]["peak"] - peaks[variant]["before"]

    return {
        "rdrop_over_ce": ratio(fastest("rdrop"), fastest("ce,")),
        "lrdrop_over_rdrop": ratio("lrdrop, tap", "rdrop, eager"),
        "lrdrop_over_fastest_rdrop": ratio("lrdrop, tap", fastest("rdrop")),
        "lrdrop_over_rdrop_memory": peaks["lrdrop, tap"]["peak"] / peaks["rdrop, eager"]["peak"],
        "lrdrop_over_rdrop_memory_of_updates": grown("lrdrop, tap") / grown("rdrop, eager"),
    }


def main() -> None:
    """Time all, print a table, write json."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", choices=SIZES, default="minilm")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    shape = (options.size, options.batch, options.length)
    peaks = {variant: memory_of(variant, *shape) for variant in VARIANTS}
    device = device_here()
    steps = {variant: stepper(variant, *shape, device) for variant in VARIANTS}
    times: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for count in range(options.rounds + 1):
        for variant, step in steps.items():
            found = timed(step, device)
            if count:  # the first round warms up
                times[variant].append(found)
    machine = {"device": device_name(device.type), "torch": torch.__version__}
    rows = [
        {
            "variant": variant,
            "ms": statistics.median(times[variant]),
            "peak_memory_mb": peaks[variant]["peak"] / 1e6,
            "of_updates_mb": (peaks[variant]["peak"] - peaks[variant]["before"]) / 1e6,
        }
        for variant in VARIANTS
    ]
    print(
        f"{machine['device']}, torch {machine['torch']}; {options.size}, {options.batch} x {options.length}"
    )
    for row in rows:
        print(
            f"{row['variant']:14}{row['ms']:>10.0f} ms{row['peak_memory_mb']:>9.0f} MB, "
            f"{row['of_updates_mb']:.0f} MB of them for updates"
        )
    ratios = summary(times, peaks)
    for name, value in ratios.items():
        print(f"{name:40}{value:.2f}")
    if options.json:
        shape_document = {"size": options.size, "batch": options.batch, "length": options.length}
        write_json(
            options.json, {"machine": machine, "shape": shape_document, "rows": rows, "ratios": ratios}
        )
        print(json.dumps({"written": str(options.json)}))


if __name__ == "__main__":
    main()
