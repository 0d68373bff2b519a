"""Milliseconds a model-iteration of packs of 4, 20 and 60 beside an eager nanoGPT-style step.

All are timed in turn, round by round, several steps at a time, with one wait for the device at the end of
each. What the packs' evaluations take and how much memory they have at most is measured, too.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from common import finish, options, spec_of
from step import corpus_of, plain_step, timed

from redrop.runtime.environment import device_name
from redrop.training.loop import single_thread
from redrop.training.pack import PackTrainer

CONFIG = "a2r025"
PLAIN = "nanoGPT-style"


def seconds_of(step: Callable[[], Any], device: torch.device, steps: int) -> float:
    """One step's time, as the mean of several that are launched without a wait between them."""
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - begin) / steps


def main() -> int:
    """Time all, print a table, write json."""
    given = options(__doc__).parse_args()
    device = torch.device(given.device)
    single_thread(device)
    small = given.rehearse
    sizes, rounds, steps = ((2, 3), 2, 2) if small else ((4, 20, 60), 10, 20)
    spec = spec_of(CONFIG, 1337, rehearse=small, schedule__precision="bf16")
    corpus = corpus_of(65, 6_000 if small else 1_000_000)
    made: dict[str, tuple[int, Callable[[], Any]]] = {PLAIN: (1, plain_step(spec, corpus, device))}
    evaluations, memory, faults = {}, {}, []
    for size in sizes:
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        trainer = PackTrainer([spec] * size, [corpus] * size, device)
        seconds_of(trainer.step, device, 6)  # beyond the capture of the graph
        evaluations[str(size)] = timed(trainer.losses, device) / 1e3
        memory[str(size)] = torch.cuda.max_memory_allocated() if device.type == "cuda" else None
        if device.type == "cuda" and trainer._update.failed:
            faults.append(f"pack of {size}: no CUDA graph; the warning above says why")
        made[str(size)] = (size, trainer.step)
    times: dict[str, list[float]] = {name: [] for name in made}
    for count in range(rounds + 1):
        for name, (_, step) in made.items():
            found = seconds_of(step, device, steps)
            if count:  # the first round warms up
                times[name].append(found)
    rows = []
    for name, (size, _) in made.items():
        step = statistics.median(times[name])
        rows.append(
            {
                "variant": name,
                "models": size,
                "ms_a_step": 1e3 * step,
                "ms_a_model_iteration": 1e3 * step / size,
                "ratio": statistics.median(
                    a / size / b for a, b in zip(times[name], times[PLAIN], strict=True)
                ),
                "evaluation_s": evaluations.get(name),
                "peak_memory_bytes": memory.get(name),
            }
        )
        print(rows[-1])
    machine = {"device": device_name(device.type), "torch": torch.__version__, "precision": "bf16 packs"}
    return finish(given.json, {"machine": machine, "rows": rows}, faults)


if __name__ == "__main__":
    raise SystemExit(main())
