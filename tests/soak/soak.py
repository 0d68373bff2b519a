"""The long checks (``make soak``): heads of the authors' curves, and runs killed at random moments.

Writes curve-heads.csv and kills.json. The authors' recorded losses are read from REDROP_REFERENCE and
the real text from REDROP_MIRROR or its address; without the reference, the heads are left out and said
to be.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from redrop.record import CURVE, METRICS, read_curve, write_json, write_text
from redrop.study import load_study, make_spec
from redrop.training.checkpoint import Checkpoint

PROJECT = Path(__file__).resolve().parents[2]
HEADS = ("a2r025", "a2r0_2", "a2r2_4")
ITERATIONS = (250, 500, 1000, 2000)
TOLERANCE = 0.05


def train_command(spec_json: str, out: Path, data: Path, *words: str) -> list[str]:
    """A run as a process of its own."""
    command = [sys.executable, "-m", "redrop", "train", "--spec", spec_json, "--device", "cpu"]
    return [*command, "--out", str(out), "--data", str(data), *words]


def curve_heads(out: Path, work: Path) -> bool:
    """Run the head of the 50,000-iteration schedule beside the authors' recorded curve; seed 1337."""
    reference = os.environ.get("REDROP_REFERENCE")
    if not reference:
        print("curve heads: left out, REDROP_REFERENCE is not set (it names the authors' records)")
        return True
    recorded = {}
    with (Path(reference) / "residual/nanogpt_curves.csv").open() as file:
        for row in csv.DictReader(file):
            recorded[row["run"], int(row["iteration"])] = float(row["val_loss"])
    study = load_study(PROJECT / "config/studies/residual.yaml", PROJECT)
    lines, worst = ["config,iteration,val_loss,authors_val_loss,difference"], 0.0
    running = []
    for config in HEADS:
        override = {"schedule.stop_at": max(ITERATIONS), "engine.name": "single", "engine.lanes": 1}
        spec = make_spec(study, "authors", config, "tiny_shakespeare", 1337, override)
        folder = work / "heads" / config
        subprocess.run(train_command(spec.to_json(), folder, work / "data"), check=True)
        running.append((config, folder))
    for config, folder in running:
        losses = {row["iteration"]: row["val_loss"] for row in read_curve(folder)}
        for iteration in ITERATIONS:
            ours, theirs = losses[iteration], recorded[config, iteration]
            worst = max(worst, abs(ours - theirs))
            lines.append(f"{config},{iteration},{ours:.4f},{theirs:.4f},{ours - theirs:+.4f}")
    write_text(out / "curve-heads.csv", "\n".join(lines) + "\n")
    print("\n".join(lines))
    print(f"largest difference {worst:.4f}, allowed {TOLERANCE}")
    return worst <= TOLERANCE


def kills(out: Path, work: Path, count: int, seed: int) -> bool:
    """Kill a training run ``count`` times (SIGKILL) at random moments; its result must not change."""
    study = load_study(PROJECT / "config/studies/residual.yaml", PROJECT)
    settings = {
        "model.n_layer": 2,
        "model.n_embd": 32,
        "schedule.iterations": 75 * count,
        "evaluation.every": 500,
    }
    spec = make_spec(study, "authors", "a2r25_2", "python_docs", 1, settings)
    straight, killed = work / "straight", work / "killed"
    subprocess.run(train_command(spec.to_json(), straight, work / "data"), check=True)
    draw = random.Random(seed)
    command = train_command(spec.to_json(), killed, work / "data", "--checkpoint-every", "0.2")
    checkpoint = Checkpoint(killed / "checkpoints" / spec.run, spec.run)
    done = in_training = 0
    while not (killed / METRICS).exists():
        before = checkpoint.iteration()
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        if done < count:
            if draw.random() < 0.25:  # while it starts
                time.sleep(draw.uniform(0.0, 3.0))
            else:  # while it trains, evaluates or writes a checkpoint
                while checkpoint.iteration() == before and process.poll() is None:
                    time.sleep(0.02)
                time.sleep(draw.uniform(0.0, 1.5))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                done += 1
                in_training += checkpoint.iteration() > before
        process.wait()
    same = all((straight / name).read_bytes() == (killed / name).read_bytes() for name in (METRICS, CURVE))
    leftovers = [p.name for p in killed.rglob("*") if p.name.endswith(".part")]
    figures = {
        "kills": done,
        "kills after training had gone on": in_training,
        "iterations": spec.schedule.iterations,
        "metrics and curve byte-equal": same,
        "temporary files left by killed writes": len(leftovers),
    }
    write_json(out / "kills.json", figures)
    print(figures)
    return same


def main() -> None:
    """Run both; exit status 1 if either fails."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=["heads", "kills"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        good = True
        if options.only != "kills":
            good &= curve_heads(options.out, work)
        if options.only != "heads":
            good &= kills(options.out, work, options.kills, options.seed)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
