"""The SLURM profile without a SLURM: what a dry run says of it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

import warm


def test_the_profile_gives_training_a_gpu_and_everything_a_size(project: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("the plugin is not installed: pip install snakemake-executor-plugin-slurm")
    command = [warm.python(), "-m", "snakemake", "--snakefile", str(project / "Snakefile"), "--dry-run"]
    command += ["--workflow-profile", str(project / "profiles/slurm")]
    command += ["--configfile", str(project / "config/demo.yaml")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    jobs = re.findall(r"^rule (\w+):\n((?:    .*\n)+)", printed, re.M)
    assert {"fetch", "prepare", "train", "collect", "tables", "figures"} <= {rule for rule, _ in jobs}
    for rule, text in jobs:
        assert "mem_mb=" in text, rule
        assert "runtime=" in text, rule
        assert ("gpu=1" in text) == (rule == "train")
        assert ("slurm_extra=--signal=TERM@120" in text) == (rule == "train")
