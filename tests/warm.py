"""Python as forks of one process that has imported the large libraries, which is most of a command's time.

That process holds nothing of redrop. Each fork imports it by itself, as a new process would, from the folder
and the PYTHONPATH that it is given. All tests of a session share it. It is for commands that are run to their
end, not for what is about how a process starts, what it imports, or how it is killed.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

VARIABLE = "REDROP_TEST_PYTHON"
PLANNING = ("snakemake.cli", "snakemake_interface_executor_plugins.registry")
TRAINING = ("torch", "transformers.models.auto.modeling_auto", "transformers.models.bert.modeling_bert")
PRESENTING = ("scipy.stats", "seaborn", "altair", "jinja2", "jsonschema")
CLIENT = """\
#!{python} -ISu
import json, os, socket, sys
request = {{"words": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
with socket.socket(socket.AF_UNIX) as server:
    server.connect({place!r})
    socket.send_fds(server, [b"!"], [0, 1, 2])
    server.sendall(json.dumps(request).encode())
    server.shutdown(socket.SHUT_WR)
    status = server.recv(16)
os._exit(int(status or 137))  # nothing comes back from a fork that was killed
"""


def python() -> str:
    """What stands for ``sys.executable`` in a command. The jobs of a workflow are forks as well."""
    return os.environ[VARIABLE]


def start() -> None:
    """Called once, by the process that all test processes descend from; nothing is imported until needed."""
    folder = tempfile.TemporaryDirectory(prefix="redrop-python-")
    client, place = Path(folder.name, "python"), f"{folder.name}/socket"
    client.write_text(CLIENT.format(python=sys.executable, place=place))
    client.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(place)
        listening.listen(100)
        command = [sys.executable, __file__, str(listening.fileno()), str(client)]
        server = subprocess.Popen(
            command, stdin=subprocess.PIPE, env=environment, pass_fds=[listening.fileno()]
        )
    os.environ[VARIABLE] = str(client)
    for step in (folder.cleanup, server.wait, server.stdin.close):  # the last registered is called first
        atexit.register(step)


def _serve(listening: socket.socket, client: str) -> None:
    """Fork for each request until standard input is closed, where the tests end."""
    while listening in select.select([listening, sys.stdin], [], [])[0]:
        connection, _ = listening.accept()
        _, streams, _, _ = socket.recv_fds(connection, 1, 3)
        with connection.makefile("rb") as file:
            request = json.loads(file.read())
        words = request["words"]
        for library in PLANNING if "snakemake" in words else TRAINING if "train" in words else PRESENTING:
            importlib.import_module(library)
        if "snakemake" in words:
            sys.modules[PLANNING[1]].ExecutorPluginRegistry()
        assert not any(name.partition(".")[0] == "redrop" for name in sys.modules)
        gc.freeze()
        if not os.fork():
            listening.close()
            connection.send(str(_run(request, streams, client)).encode())
            os._exit(0)
        for open_here in (connection.detach(), *streams):
            os.close(open_here)
        while _ended():
            pass


def _ended() -> bool:
    """Take note of a fork that has ended, so that it is gone."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] > 0
    except ChildProcessError:
        return False


def _run(request: dict[str, Any], streams: list[int], client: str) -> int:
    """Be the process that was asked for; its exit status."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request["environment"])
    encoding = os.environ.get("PYTHONIOENCODING")
    sys.stdin = os.fdopen(0, encoding=encoding, closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding=encoding, closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding, "backslashreplace", closefd=False)
    os.chdir(request["folder"])
    sys.path[:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    words = request["words"]
    if words[0] == "-P":
        words = words[1:]
    elif words[0] in ("-m", "-c"):
        sys.path.insert(0, "")
    sys.argv = [words[0], *words[2:]]
    try:
        if words[0] == "-m":
            if words[1] == "snakemake":
                sys.executable = client
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        elif words[0] == "-c":
            exec(compile(words[1], "<string>", "exec"), vars(sys.modules["__main__"]))
        else:
            sys.argv = words
            sys.path.insert(0, str(Path(words[0]).parent))
            runpy.run_path(words[0], run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return status


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
