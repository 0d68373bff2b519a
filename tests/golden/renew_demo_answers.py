"""Write demo-answers.json anew from the finished demo: verdicts, budgets and seeds, no numbers."""

from __future__ import annotations

from pathlib import Path

from redrop.cli import main
from redrop.record import read_json, write_json
from redrop.report.answers import without_numbers

PROJECT = Path(__file__).resolve().parents[2]
MADE = PROJECT / "results/demo/answers.json"

main(["answers", "--config", str(PROJECT / "config/demo.yaml"), "--out", str(MADE)])
write_json(Path(__file__).with_name("demo-answers.json"), without_numbers(read_json(MADE)))
