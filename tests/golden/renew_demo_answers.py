"""Write demo-answers.json anew: the demo's runs with invented numbers, on which no answer depends."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "tests"))

from redrop.cli import main  # noqa: E402
from redrop.record import read_json, write_json  # noqa: E402
from redrop.report.answers import without_numbers  # noqa: E402
from report_support import invent, plan_of  # noqa: E402

CONFIG = str(PROJECT / "config/demo.yaml")
with tempfile.TemporaryDirectory() as folder:
    place = Path(folder)
    plan = plan_of(PROJECT, CONFIG)
    invent(place / "runs", [spec for specs in plan.specs.values() for spec in specs.values()])
    main(["answers", "--results", folder, "--config", CONFIG, "--out", str(place / "answers.json")])
    write_json(
        Path(__file__).with_name("demo-answers.json"), without_numbers(read_json(place / "answers.json"))
    )
