"""Milliseconds a model-iteration: nanoGPT-style, single run, packs of 4 and 20, on one core and on two.

Every variant is timed in turn, round by round, in the same processes, so that the machine's drift falls on
all of them. On two cores two one-thread processes do the same thing at the same time: that is how the
workflow runs, and it is faster than one process with two threads. Run with ``make bench``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from step import PROJECT, corpus_of, plain_step, step_gflop, timed

from redrop.record import write_json
from redrop.runtime.environment import device_name
from redrop.runtime.rates import matmul_rate
from redrop.spec import RunSpec
from redrop.study import load_study, make_spec
from redrop.training.language_model import LanguageModelling
from redrop.training.pack import PackTrainer
from redrop.training.trainer import Trainer

VARIANTS = {"nanoGPT-style": 1, "single run": 1, "pack of 4": 4, "pack of 20": 20}
CORPUS_LENGTH = 1_000_000


def spec_of_authors() -> RunSpec:
    """The authors' skip-1 run at rate 0.025."""
    study = load_study(PROJECT / "config/studies/residual.yaml", PROJECT)
    return make_spec(study, "authors", "a2r025", "tiny_shakespeare", 0, {})


def stepper(name: str, device: torch.device) -> tuple[Callable[[], Any], Callable[[], Any] | None]:
    """The variant's step, and its evaluation if it has one."""
    lanes = VARIANTS[name]
    spec, corpus = spec_of_authors(), corpus_of(65, CORPUS_LENGTH)
    if name == "nanoGPT-style":
        return plain_step(spec, corpus, device), None
    trainer = (
        Trainer(LanguageModelling(spec, corpus, device))
        if lanes == 1
        else PackTrainer([spec] * lanes, [corpus] * lanes, device)
    )
    return trainer.step, trainer.losses if lanes <= 4 else None  # a larger pack's takes minutes


def measure(rounds: int, barrier: Any, out: Any) -> None:
    """Time every variant in turn; processes that share ``barrier`` do each step at the same time."""
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    made = {name: stepper(name, device) for name in VARIANTS}
    times: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for count in range(rounds + 2):
        for name, lanes in VARIANTS.items():
            repeats = max(1, 8 // lanes)
            barrier.wait()
            found = sum(timed(made[name][0], device) for _ in range(repeats)) / repeats / lanes
            if count > 1:  # the first two rounds warm up
                times[name].append(found)
    evaluations = {}
    for name, (_, evaluate) in made.items():
        if evaluate is not None:
            barrier.wait()
            evaluations[name] = timed(evaluate, device) / VARIANTS[name]
    out.put({"times": times, "evaluations": evaluations, "matmul": matmul_rate(device.type) / 1e9})


def memory(name: str, out: Any) -> None:
    """Peak memory of a process that does nothing but this variant."""
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    step, _ = stepper(name, device)
    for _ in range(3):
        step()
    cuda = device.type == "cuda"
    out.put(
        torch.cuda.max_memory_allocated()
        if cuda
        else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    )


def together(count: int, rounds: int) -> list[dict[str, Any]]:
    """``measure`` in ``count`` processes at once."""
    context = multiprocessing.get_context("spawn")
    out, barrier = context.Queue(), context.Barrier(count)
    workers = [context.Process(target=measure, args=(rounds, barrier, out)) for _ in range(count)]
    for worker in workers:
        worker.start()
    found = [out.get() for _ in workers]
    for worker in workers:
        worker.join()
    return found


def peak(name: str) -> int:
    """``memory`` in a process of its own."""
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    worker = context.Process(target=memory, args=(name, out))
    worker.start()
    found = out.get()
    worker.join()
    return found


def main() -> None:
    """Time all, print a table, write json."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    begin = time.perf_counter()
    by_cores = {cores: together(cores, options.rounds) for cores in (1, 2)}
    spec = spec_of_authors()
    gflop = step_gflop(spec)
    rows = []
    for cores, found in by_cores.items():
        matmul = statistics.mean(one["matmul"] for one in found)
        for name in VARIANTS:
            ratios = [
                a / b
                for one in found
                for a, b in zip(one["times"][name], one["times"]["nanoGPT-style"], strict=True)
            ]
            ms = statistics.median(t for one in found for t in one["times"][name])
            evaluation = [one["evaluations"][name] for one in found if name in one["evaluations"]]
            rows.append(
                {
                    "cores": cores,
                    "variant": name,
                    "ms_a_model_iteration": ms / cores,
                    "ratio": statistics.median(ratios),
                    "fraction_of_matmul_rate": gflop / (ms * 1e-3) / matmul,
                    "evaluation_share": statistics.mean(evaluation) / (spec.evaluation.every * ms)
                    if evaluation
                    else None,
                    "peak_memory_mb": peak(name) / 1e6 if cores == 1 else None,
                }
            )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    machine = {"device": device_name(device), "torch": torch.__version__, "gflop_an_iteration": gflop}
    print(f"{machine['device']}, torch {machine['torch']}; one thread a process, one process a core")
    columns = ["a model-iteration", "ratio", "of matmul", "evaluation", "memory"]
    print(f"{'cores':>5} {'':14}" + "".join(f"{column:>19}" for column in columns))
    for row in rows:
        cells = [
            f"{row['ms_a_model_iteration']:.1f} ms",
            f"{row['ratio']:.2f}",
            f"{row['fraction_of_matmul_rate']:.0%}",
            "" if row["evaluation_share"] is None else f"{row['evaluation_share']:.0%}",
            "" if row["peak_memory_mb"] is None else f"{row['peak_memory_mb']:.0f} MB",
        ]
        print(f"{row['cores']:>5} {row['variant']:14}" + "".join(f"{cell:>19}" for cell in cells))
    if options.json:
        write_json(options.json, {"machine": machine, "rows": rows})
        print(json.dumps({"written": str(options.json), "seconds": round(time.perf_counter() - begin)}))


if __name__ == "__main__":
    main()
