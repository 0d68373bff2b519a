"""Snakemake in forks of one process that has imported it: most of a dry run's time is that import.

The process holds Snakemake and what its executor plugins import, and nothing of redrop, which each fork
imports by itself, as a new process would.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def run(words: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run ``snakemake`` with these words in ``folder``; output and errors come as one text."""
    with tempfile.NamedTemporaryFile("r", encoding="utf-8", errors="replace") as printed:
        request = {"words": words, "folder": str(folder), "environment": environment, "to": printed.name}
        warm = _warm()
        warm.stdin.write(json.dumps(request) + "\n")
        warm.stdin.flush()
        status = int(warm.stdout.readline())
        return subprocess.CompletedProcess(["snakemake", *words], status, printed.read(), "")


@functools.cache
def _warm() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(process.wait)
    atexit.register(process.stdin.close)  # it ends with its input; the last registered is called first
    return process


def _fork(request: dict[str, Any]) -> int:
    """Do one request in a child; its exit status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sink = os.open(request["to"], os.O_WRONLY | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (sink, 1), (sink, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = ["snakemake", *request["words"]]
    sys.path[0] = ""  # as with `python -m`
    try:
        from snakemake.cli import main

        main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _serve() -> None:
    import snakemake.cli  # noqa: F401
    from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

    ExecutorPluginRegistry()
    assert not any(name.partition(".")[0] == "redrop" for name in sys.modules)
    for line in sys.stdin:
        print(_fork(json.loads(line)), flush=True)


if __name__ == "__main__":
    _serve()
