"""A SLURM of one node on the loopback, for as long as a test lasts; without systemd and without accounting.

Its two GPUs are character devices that nobody opens. SLURM is told its configuration in /etc/slurm, because
job steps start with a clean environment; a configuration there that is not the tests' own is never touched.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PACKAGES = "slurmctld slurmd slurm-client munge"
DAEMONS = ("munged", "slurmctld", "slurmd")
COMMANDS = (*DAEMONS, "sinfo", "sbatch", "srun", "squeue", "scancel", "scontrol")
ETC = Path("/etc/slurm")
LOCK = Path("/run/lock/redrop-test-slurm")
MARK = "# Made by redrop's tests, which remove it: no real cluster.\n"
SEARCH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
START_SECONDS = 60.0
TIED = ("setpriv", "--pdeathsig", "TERM")
"""Before a command: it does not outlive the tests, however those end."""
NAME, PREFIX = "redroptest", "redrop-slurm-"

SLURM_CONF = """\
ClusterName={name}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmdPort={d_port}
SlurmUser=root
AuthType=auth/munge
# A requeued job may start again once its credential has expired.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
# Ended jobs are remembered: without accounting nothing else knows of them.
MinJobAge=3600
# The node is taken for what is written here, not for what it is.
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=100000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
GRES_CONF = "NodeName={host} Name=gpu File={folder}/gpu[0-1]\n"


def files() -> dict[str, Path]:
    """What is written to /etc/slurm."""
    return {name: ETC / name for name in ("slurm.conf", "gres.conf")}


def why_not() -> str | None:
    """Why no cluster can be started here; None if it can be tried."""
    missing = [name for name in COMMANDS if shutil.which(name, path=SEARCH) is None]
    if missing:
        return f"SLURM: {', '.join(missing)} not found; apt-get install {PACKAGES}"
    if os.geteuid() != 0:
        return "SLURM: its daemons are started by root only"
    for path in files().values():
        if path.exists() and not path.read_text().startswith(MARK):
            return f"SLURM: {path} is another cluster's; it is left alone"
    with tempfile.TemporaryDirectory() as folder:
        try:
            os.mknod(Path(folder) / "gpu", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        except OSError as error:
            return f"SLURM: no device nodes can be made here ({error})"
    return None


class NotStarted(Exception):
    """The daemons did not come up; the message holds the ends of their logs."""


@contextmanager
def cluster() -> Iterator[Path]:
    """Start it, give the folder with its logs, and stop it whatever happens. Raises ``NotStarted``."""
    with ExitStack() as stack:
        LOCK.parent.mkdir(parents=True, exist_ok=True)
        lock = stack.enter_context(LOCK.open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotStarted(f"another test holds {LOCK}") from None
        _end_leftovers()
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        stack.callback(_remove_configuration)
        _configure(folder)
        daemons: list[subprocess.Popen] = []
        stack.callback(_stop, daemons, folder)
        commands = (
            [
                "munged",
                "--foreground",
                "--force",  # it would refuse a socket below a folder that only root can enter
                *(f"--{kind}-file={folder}/munge.{kind}" for kind in ("key", "log", "pid", "seed")),
                f"--socket={folder}/munge.socket",
            ],
            ["slurmctld", "-D", "-c"],
            ["slurmd", "-D", "-c"],
        )
        ready: tuple[Callable[[], bool], ...] = (
            (folder / "munge.socket").exists,
            lambda: _succeeds("scontrol", "ping"),
            lambda: "idle" in command("sinfo", "--noheader", "--format=%t", check=False).split(),
        )
        for words, is_ready in zip(commands, ready, strict=True):
            _start(words, is_ready, daemons, folder)
        yield folder


def command(*words: str, check: bool = True) -> str:
    """What a SLURM command prints."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr}")
    return done.stdout


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether ``condition`` came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def _configure(folder: Path) -> None:
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    for number in range(2):
        os.mknod(folder / f"gpu{number}", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    host = socket.gethostname().partition(".")[0]
    ctld_port, d_port = _free_ports(2)
    values = {"name": NAME, "host": host, "folder": folder, "ctld_port": ctld_port, "d_port": d_port}
    ETC.mkdir(exist_ok=True)
    for path, text in zip(files().values(), (SLURM_CONF, GRES_CONF), strict=True):
        path.write_text(MARK + text.format(**values))


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _remove_configuration() -> None:
    for path in files().values():
        if path.exists() and path.read_text().startswith(MARK):
            path.unlink()


def _succeeds(*words: str) -> bool:
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def _start(
    words: list[str], is_ready: Callable[[], bool], daemons: list[subprocess.Popen], folder: Path
) -> None:
    program = shutil.which(words[0], path=SEARCH)
    assert program is not None
    with (folder / f"{words[0]}.out").open("wb") as out:
        daemon = subprocess.Popen(
            [*TIED, program, *words[1:]],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    daemons.append(daemon)
    came_up = wait_until(lambda: daemon.poll() is not None or is_ready(), START_SECONDS)
    if daemon.poll() is not None or not came_up:
        logs = (path for kind in ("out", "log") for path in sorted(folder.glob(f"*.{kind}")))
        said = "\n".join(f"{path.name}: {path.read_text(errors='replace')[-1000:]}" for path in logs)
        raise NotStarted(f"{words[0]} did not start:\n{said}")


def _stop(daemons: list[subprocess.Popen], folder: Path) -> None:
    """End all jobs, then the daemons in the reverse order, then what may be left of a job."""
    if len(daemons) == len(DAEMONS):
        _succeeds("scancel", "--state=PENDING", "--user=root")
        _succeeds("scancel", "--signal=KILL", "--full", "--user=root")
        _succeeds("scancel", "--user=root")
        wait_until(lambda: not command("squeue", "--noheader", check=False).strip(), 30)
    for daemon in reversed(daemons):
        daemon.terminate()
        try:
            daemon.wait(timeout=15)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
    _end_leftovers()


def _end_leftovers() -> None:
    """Kill what remains of a job, here or of a test that was killed itself."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            left = f"SLURM_CLUSTER_NAME={NAME}\0".encode() in (entry / "environ").read_bytes()
            if left or any(PREFIX in os.readlink(link) for link in (entry / "fd").iterdir()):
                os.kill(int(entry.name), signal.SIGKILL)
        except OSError:
            continue  # it has ended, or is the kernel's own
