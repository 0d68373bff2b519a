"""Installs the pip part of environment.yml as conda would: into a clean environment, by pip's own resolver.

    python tests/environments/pip_part.py

Then every package is imported there, has the version that was asked for, and `pip check` finds nothing that
does not fit together. Fails with pip's own words. Run by .ci/run; it downloads torch where pip's cache has
it not, so it is no test of the suite.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[2]
IMPORTED_AS = {"nvidia-ml-py": "pynvml", "subword-nmt": "subword_nmt", "vl-convert-python": "vl_convert"}
"""Package -> module, where the names differ."""
LOOK = """
import importlib, importlib.metadata, json, sys
names = json.loads(sys.argv[1])
for module in names.values():
    importlib.import_module(module)
print(json.dumps({name: importlib.metadata.version(name) for name in names}))
"""


def pip_part(path: Path) -> dict[str, str]:
    """Package -> version of the pip section of an environment file."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]
    (part,) = (entry["pip"] for entry in entries if isinstance(entry, dict))
    return dict(line.split("==") for line in part)


def main() -> None:
    """Install, import, compare."""
    wanted = pip_part(PROJECT / "environment.yml")
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True, symlinks=True)
        python = Path(folder) / "bin" / "python"
        pip = [python, "-m", "pip", "--disable-pip-version-check"]
        lines = [f"{name}=={version}" for name, version in wanted.items()]
        subprocess.run([*pip, "install", "--quiet", *lines], check=True)
        subprocess.run([*pip, "check"], check=True)
        modules = {name: IMPORTED_AS.get(name, name) for name in wanted}
        done = subprocess.run(
            [python, "-c", LOOK, json.dumps(modules)], check=True, text=True, stdout=subprocess.PIPE
        )
        found = {name: version.split("+")[0] for name, version in json.loads(done.stdout).items()}
    if found != wanted:
        sys.exit(f"environment.yml asks for {wanted}, installed is {found}")
    print(f"environment.yml's pip part: {len(found)} packages installed and imported", end=" ")
    print(f"in {time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
