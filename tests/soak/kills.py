"""SIGKILL at random moments: nothing is corrupted, nothing is lost, and the result has the same bytes.

A command is run undisturbed, which gives the bytes to expect and its duration. Then it is started in a new
folder and killed at a moment drawn uniformly over that duration, and started again in the same folder,
until it ends by itself; then all is compared and a new folder is begun. After every kill, each file that
stands under its final name must already be the right one.
"""

from __future__ import annotations

import contextlib
import http.server
import importlib
import json
import mmap
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import redrop.training.trainer
from redrop.verbs import obtain, present
from soak.kinds import PROJECT, Kind, kinds, make_shared

PHASES = ("starting", "working", "training", "evaluation", "writing")
"""What a killed process was doing: before the work began, at other work, or one of these."""
POLL_SECONDS = 0.002
IMPORTED = "imported.txt"
SERVER_SECONDS = 0.7
"""How long the server takes for a download."""


class Phase:
    """A byte that parent and fork share: what the fork is doing."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 1)

    def get(self) -> str:
        """The phase's name."""
        return PHASES[self._memory[0]]

    def set(self, name: str) -> None:
        """Say what is being done from now on."""
        self._memory[0] = PHASES.index(name)

    def during(self, name: str, function: Callable) -> Callable:
        """The function, saying so while it runs."""

        def wrapped(*arguments: object, **options: object) -> object:
            before = self.get()
            self.set(name)
            try:
                return function(*arguments, **options)
            finally:
                self.set(before)

        return wrapped

    def watch(self) -> None:
        """In a fork: follow the work. A file is being written from its temporary name to its final one."""
        trainer = redrop.training.trainer.Trainer
        for method, name in (("step", "training"), ("losses", "evaluation"), ("finish", "evaluation")):
            setattr(trainer, method, self.during(name, getattr(trainer, method)))
        before: list[str] = []

        def hook(event: str, arguments: tuple) -> None:
            if event == "open" and not before and str(arguments[0]).endswith(".part"):
                before.append(self.get())
                self.set("writing")
            elif event == "os.rename" and before and str(arguments[0]).endswith(".part"):
                self.set(before.pop())

        sys.addaudithook(hook)


def fork(kind: Kind, folder: Path, phase: Phase, log: Path) -> int:
    """Start the command in a fork; its process id. Ended, it says beside ``log`` what it had to import."""
    phase.set("starting")
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        with log.open("ab") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        phase.watch()
        for module, verb in (
            (obtain, "fetch"),
            (obtain, "prepare"),
            (present, "collect"),
            (present, "present"),
        ):
            setattr(module, verb, phase.during("working", getattr(module, verb)))
        known = set(sys.modules)
        kind.command(folder)
        log.with_name(IMPORTED).write_text("\n".join(name for name in sys.modules if name not in known))
        status = 0
    except SystemExit as end:
        print(end.code, file=sys.stderr)
        status = int(end.code not in (None, 0))
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def running(group: int) -> str:
    """What a workflow is doing: its group's verbs, by /proc; ``starting``: Snakemake alone."""
    verbs = set()
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.getpgid(int(place.name)) == group:
                found = re.search(rb"-m\0redrop\0(\w+)\0", (place / "cmdline").read_bytes())
                verbs |= {found[1].decode()} if found else set()
    return "training" if "train" in verbs else "working" if verbs else "starting"


def attempt(kind: Kind, folder: Path, moment: float | None, log: Path) -> tuple[str | None, float]:
    """Run the command; kill it (and its group) at ``moment``. The phase it was killed in, and seconds.

    None: it ended by itself before. Ends the soak if it failed.
    """
    begin = time.perf_counter()
    if kind.words:
        environment = os.environ | {"PYTHONPATH": str(PROJECT / "src")}
        with log.open("ab") as output:
            process = subprocess.Popen(
                kind.words, cwd=folder, stdout=output, stderr=output, env=environment, start_new_session=True
            )
        child, phase = process.pid, None
    else:
        phase = Phase()
        child = fork(kind, folder, phase, log)
    stop = os.killpg if kind.words else os.kill
    try:
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            seconds = time.perf_counter() - begin
            if ended:
                break
            if moment is not None and seconds >= moment:
                found = running(child) if phase is None else None
                stop(child, signal.SIGKILL)
                _, status = os.waitpid(child, 0)
                if os.WIFSIGNALED(status):
                    return found or phase.get(), seconds
                break
            time.sleep(POLL_SECONDS)
    except BaseException:
        stop(child, signal.SIGKILL)
        raise
    if status:
        raise SystemExit(f"{kind.name}: failed after it was killed:\n{log.read_text()[-3000:]}")
    return None, seconds


def contents(kind: Kind, folder: Path) -> dict[str, bytes]:
    """The results that stand under their final names."""
    found = (path for pattern in kind.results for path in folder.glob(pattern))
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in found
        if path.is_file() and not path.name.startswith(".")
    }


def broken(folder: Path) -> list[str]:
    """JSON files, those that differ from run to run among them, that are not whole."""
    bad = []
    for path in folder.rglob("*.json"):
        if ".snakemake" not in path.parts and not path.name.startswith("."):
            try:
                json.loads(path.read_bytes())
            except ValueError:
                bad.append(str(path))
    return bad


def soak(kind: Kind, count: int, draw: random.Random, work: Path) -> dict:
    """Kill one kind ``count`` times; a row of the published table."""
    folder, log = work / "folder", work / "log.txt"

    def begin() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if kind.prepare is not None:
            kind.prepare(folder)

    begin()
    _, duration = attempt(kind, folder, None, log)
    expected = contents(kind, folder)
    if not expected:
        raise SystemExit(f"{kind.name}: left none of {kind.results}")
    phases: Counter[str] = Counter()
    finished = wrong = leftovers = 0
    begin()
    if not kind.words:  # once more, without the time that imports take: a fork inherits them
        for name in log.with_name(IMPORTED).read_text().split():
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        _, duration = attempt(kind, folder, None, log)
        wrong += contents(kind, folder) != expected
        begin()
    while True:
        moment = draw.uniform(0.0, duration) if phases.total() < count else None
        phase, _ = attempt(kind, folder, moment, log)
        found = contents(kind, folder)
        wrong += any(expected.get(name) != content for name, content in found.items()) + len(broken(folder))
        if phase is not None:
            phases[phase] += 1
            continue
        finished += 1
        wrong += found != expected
        leftovers += sum(1 for path in folder.rglob("*.part") if ".snakemake" not in path.parts)
        if phases.total() >= count:
            break
        begin()
    return {
        "kind": kind.name,
        "kills": count,
        "phases": {name: phases[name] for name in PHASES},
        "finished": finished,
        "wrong": wrong,
        "leftovers": leftovers,
        "undisturbed_seconds": round(duration, 2),
    }


@contextlib.contextmanager
def server(raw: bytes) -> Iterator[str]:
    """The address of a server in a process of its own, which sends ``raw`` slowly."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            step = len(raw) // 50 + 1
            with contextlib.suppress(OSError):  # the other side was killed
                for at in range(0, len(raw), step):
                    self.wfile.write(raw[at : at + step])
                    time.sleep(SERVER_SECONDS / 50)

        def log_message(self, *_: object) -> None:
            pass

    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    child = os.fork()
    if not child:
        found.serve_forever()
    try:
        yield f"http://127.0.0.1:{found.server_address[1]}/"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found.server_close()


def shares(found: list[Kind], count: int) -> list[int]:
    """How often each kind is killed, at least once; the sum is ``count``."""
    numbers = [max(1, round(kind.share * count)) for kind in found]
    numbers[0] += count - sum(numbers)
    return numbers


def kill_all(count: int, seed: int, work: Path) -> dict:
    """Kill every kind; the published document."""
    begin = time.perf_counter()
    raw = make_shared(work / "shared")
    rows = []
    with server(raw) as address:
        found = list(kinds(work / "shared", address))
        for kind, number in zip(found, shares(found, count), strict=True):
            rows.append(soak(kind, number, random.Random(f"{seed}/{kind.name}"), work / "killed"))
            print(json.dumps(rows[-1]), flush=True)
    seconds = round(time.perf_counter() - begin)
    return {"kills": sum(row["kills"] for row in rows), "seed": seed, "seconds": seconds, "rows": rows}
