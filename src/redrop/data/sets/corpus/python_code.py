"""Python source: the first modules, by name, of the running Python's standard library.

The raw file is the top-level `*.py` files of the standard library folder whose module the
interpreter lists as its own (so no tests, no site-packages, nothing a machine added), sorted by
name and joined by an empty line, whole files until 1,100,000 characters are reached. Preparation
keeps printable ASCII and newlines (`ascii_rule`).
"""

from __future__ import annotations

import sys
import sysconfig
import tokenize
from pathlib import Path

from redrop.data.ascii_rule import to_ascii
from redrop.data.corpus import Characters, InterpreterCorpus
from redrop.errors import DataError

ENOUGH_CHARACTERS = 1_100_000


def _sources() -> tuple[str, str]:
    folder = Path(sysconfig.get_path("stdlib"))
    texts: list[str] = []
    used: list[str] = []
    length = 0
    for path in sorted(folder.glob("*.py"), key=lambda path: path.name):
        if length >= ENOUGH_CHARACTERS:
            break
        if path.stem in sys.stdlib_module_names:
            try:
                # Honours a file's own coding line, and gives plain newlines on every system.
                with tokenize.open(path) as stream:
                    texts.append(stream.read())
            except (OSError, SyntaxError, UnicodeDecodeError) as error:
                raise DataError(f"{path} cannot be read as Python source ({error}).") from error
            used.append(path.name)
            length += len(texts[-1])
    if length < ENOUGH_CHARACTERS:
        said = f"{folder} holds only {length} characters of Python source, {ENOUGH_CHARACTERS} are needed"
        raise DataError(f"{said}: run `redrop fetch python_code` with a Python that has its sources.")
    return "\n".join(texts), f"standard library, {len(used)} files, {used[0]} to {used[-1]}"


DATA_SET = InterpreterCorpus(
    name="python_code",
    about="standard library sources of the running Python, without download",
    license="PSF License Agreement",
    file="stdlib.txt",
    text=_sources,
    change=to_ascii,
    size=Characters(1_007_768, 111_975, 96),  # of Python 3.11; it differs by version
)
