"""Heads of the authors' 50,000-iteration schedule beside their recorded curves."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

from redrop.record import read_curve, write_text
from redrop.study import load_study, make_spec

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
        override = {"schedule.stop_at": max(ITERATIONS)}
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
