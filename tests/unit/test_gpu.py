"""GPUs are found, leased by one process at a time, and given back however it ends."""

from __future__ import annotations

import fcntl
import os
import selectors
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import torch

from fake_nvml import FakeDriver, FakeGpu, no_driver
from redrop.cli import main
from redrop.data.corpus import prepare_corpus
from redrop.errors import ConfigError
from redrop.places import Places
from redrop.runtime import gpu, launch, nvml, shared_locks
from redrop.runtime.gpu import Device
from redrop.runtime.nvml import Driver, Gpu
from redrop.runtime.pool import Pool
from support import small_spec, toy_text

A, B = Device("a"), Device("b")
UUIDS = [f"GPU-{n}d7a3c1e-0000-4000-8000-00000000000{n}" for n in range(3)]
PARTS = ["MIG-11111111-aaaa", None, "MIG-22222222-bbbb"]


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No GPU, no scheduler, a folder of locks of its own, which it returns; what a lease sets is undone."""
    for name in ("REDROP_GPUS", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.setenv(name, "")  # so that it is restored afterwards
        monkeypatch.delenv(name)
    monkeypatch.setenv("REDROP_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setattr(gpu, "PROC", tmp_path / "proc")
    no_driver(monkeypatch)
    return tmp_path / "locks"


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> list[Device]:
    """A machine with three GPUs."""
    FakeDriver([FakeGpu(uuid) for uuid in UUIDS]).install(monkeypatch)
    return [Device(uuid, str(n)) for n, uuid in enumerate(UUIDS)]


# which devices there are


def test_the_driver_lists_devices_by_uuid(three: list[Device]) -> None:
    assert gpu.devices() == three
    assert str(three[1]) == f"1 ({UUIDS[1]})"


def test_a_divided_gpu_is_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = [FakeGpu(UUIDS[0], parts=PARTS), FakeGpu(UUIDS[1], parts=[]), FakeGpu(UUIDS[2], parts=[None])]
    FakeDriver(gpus).install(monkeypatch)
    names = [(device.number, device.name) for device in gpu.devices()]
    assert names == [("0", PARTS[0]), ("0", PARTS[2]), ("1", UUIDS[1]), ("2", UUIDS[2])]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-222")
    assert gpu.devices() == [Device(PARTS[2], "0")]


def test_the_driver_says_what_its_gpus_are_and_is_closed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeDriver([FakeGpu(UUIDS[0], "NVIDIA H100", 81559), FakeGpu(UUIDS[1], "NVIDIA GB10", None)])
    fake.install(monkeypatch)
    whole = (Gpu("NVIDIA H100", 81559, "0", UUIDS[0]), Gpu("NVIDIA GB10", 0, "1", UUIDS[1]))
    assert nvml.driver() == Driver(whole, (12, 4))
    fake.cuda = None
    assert nvml.driver() == Driver(whole, None)
    fake.gpus = []
    assert nvml.driver() == Driver((), None)
    assert gpu.devices() == []
    assert fake.opened == 0


def test_a_gpu_that_this_process_is_shut_out_of_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeDriver([FakeGpu(UUIDS[0], forbidden=True), FakeGpu(UUIDS[1])]).install(monkeypatch)
    assert gpu.devices() == [Device(UUIDS[1], "0")]  # numbered as CUDA does it


def test_without_pynvml_it_is_as_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert nvml.driver() is None
    assert gpu.devices() == []


def test_without_a_driver_there_are_none() -> None:
    assert gpu.devices() == []
    assert gpu.why_none() == "the NVIDIA driver lists none"


@pytest.mark.parametrize("fails_at", ["nvmlInit", "nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex"])
def test_the_kernel_module_names_gpus_that_a_broken_driver_does_not(
    fails_at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeDriver([FakeGpu(UUIDS[2])], fails_at=fails_at).install(monkeypatch)
    for bus, uuid in (("0000:41:00.0", UUIDS[1]), ("0000:01:00.0", UUIDS[0]), ("0000:81:00.0", "GPU-??-??")):
        (tmp_path / "proc" / bus).mkdir(parents=True)
        (tmp_path / "proc" / bus / "information").write_text(f"Model: \t\t X\nGPU UUID: \t {uuid}\nIRQ: 1\n")
    assert gpu.devices() == [Device(UUIDS[0], "0"), Device(UUIDS[1], "1"), Device("2", "2")]
    assert fake.opened == 0


@pytest.mark.parametrize(
    ("visible", "numbers"),
    [
        ("2,0", [2, 0]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("1,7,2", [1]),
        (f"{UUIDS[2]}, 1", [2, 1]),
        ("GPU-1d7", [1]),
        ("0,0", [0]),
    ],
)
def test_visible_devices_are_read_as_cuda_reads_them(
    visible: str, numbers: list[int], three: list[Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu.devices() == [three[number] for number in numbers]
    if not numbers:
        assert f"CUDA_VISIBLE_DEVICES is {visible!r}" in gpu.why_none()


def test_visible_devices_that_do_not_exist_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert gpu.devices() == []


def test_redrop_gpus_wins_and_finds_the_same_device_under_each_of_its_names(
    three: list[Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    for name in ("2", UUIDS[2], "GPU-2d7a"):
        monkeypatch.setenv("REDROP_GPUS", name)
        assert gpu.devices() == [three[2]]
    assert not gpu.are_hidden()
    monkeypatch.setenv("REDROP_GPUS", " ")
    assert gpu.devices() == []
    assert gpu.are_hidden()


def test_where_the_driver_lists_none_redrop_gpus_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDROP_GPUS", "x, y,x")
    assert gpu.devices() == [Device("x"), Device("y")]


# who has them


def held(*devices: Device, jobs_per_gpu: int = 1) -> gpu.Lease | None:
    return gpu.lease(list(devices), jobs_per_gpu)


def test_a_device_is_leased_once_and_then_again() -> None:
    with held(A, B) as first, held(A, B) as second:
        assert (first.device, second.device) == (A, B)
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "b"
        assert held(A, B) is None
    with held(A, B) as again:
        assert again.device == A
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "a"


def test_several_jobs_share_a_device_where_all_of_them_say_so() -> None:
    with ExitStack() as stack:
        devices = [stack.enter_context(held(A, B, jobs_per_gpu=2)).device for _ in range(4)]
        assert devices == [A, B, A, B]
        assert held(A, B, jobs_per_gpu=2) is None
        assert held(A) is None
    with held(A):
        assert held(A, jobs_per_gpu=2) is None
    with held(A, jobs_per_gpu=2) as shared:
        assert held(A) is None
        assert shared.device == A


def test_jobs_of_slurm_never_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sees the device that it was given as number 0."""
    first = Device("0")
    with ExitStack() as stack:
        for job in ("41", "42"):
            monkeypatch.setenv("SLURM_JOB_ID", job)
            stack.enter_context(held(first))
            assert held(first) is None, "two processes of one job"
        monkeypatch.delenv("SLURM_JOB_ID")
        stack.enter_context(held(first))


@pytest.mark.parametrize("name", ["../a", "a/b", "a+0", "-x", "a b"])
def test_a_name_that_is_no_file_name_is_refused(name: str, machine: Path) -> None:
    with pytest.raises(ConfigError, match=r"REDROP_GPUS.*nvidia-smi -L"):
        held(Device(name))


# the folder of locks


def test_the_folder_is_everybodys_whatever_the_umask(machine: Path) -> None:
    umask = os.umask(0o077)
    try:
        with held(A):
            assert stat.S_IMODE(machine.stat().st_mode) == 0o1777
            assert stat.S_IMODE((machine / "a").stat().st_mode) == 0o444
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(umask)


def test_files_that_others_left_are_used_and_no_file_is_created_twice(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With fs.protected_regular, opening another user's file in such a folder with O_CREAT fails."""
    flags = []
    real = os.open
    monkeypatch.setattr(shared_locks.os, "open", lambda *a, **k: flags.append(a[1]) or real(*a, **k))
    machine.mkdir()
    (machine / "a").write_text("stale")
    with held(A):
        assert held(A) is None
    assert not any(flag & (os.O_CREAT | os.O_WRONLY | os.O_RDWR | os.O_TRUNC) for flag in flags)
    with held(B):
        pass
    assert all(flag & os.O_EXCL for flag in flags if flag & os.O_CREAT)
    assert (machine / "a").read_text() == "stale"


@contextmanager
def user(number: int) -> Iterator[None]:
    os.seteuid(number)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as two users")
def test_two_users_share_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        monkeypatch.setenv("REDROP_LOCKS", f"{folder}/locks")
        umask = os.umask(0o077)
        try:
            with user(65534):
                theirs = held(A)
            assert Path(folder, "locks", "a").stat().st_uid == 65534
            with user(65533):
                assert held(A) is None
                with held(A, B) as mine:
                    assert mine.device == B
            with theirs, user(65533):
                assert held(A) is None
            with user(65533), held(A):  # a file that is not theirs, nor may be written
                assert held(A) is None
        finally:
            os.umask(umask)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as two users")
def test_a_folder_that_keeps_others_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        monkeypatch.setenv("REDROP_LOCKS", folder)
        with user(65534), pytest.raises(ConfigError, match=r"/a cannot.*Permission denied.*chmod 1777"):
            held(A)
        monkeypatch.setenv("REDROP_LOCKS", f"{folder}/locks")
        with user(65534), pytest.raises(ConfigError, match=r"locks cannot.*Permission denied.*REDROP_LOCKS"):
            held(A)


def test_links_and_pipes_under_the_names_of_locks_are_refused(machine: Path, tmp_path: Path) -> None:
    machine.mkdir()
    (machine / "a").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(machine / "b")  # opening it would wait for ever
    for device in (A, B):
        with pytest.raises(ConfigError, match=rf"{device} \(of user {os.getuid()}\) cannot be used"):
            held(device)
    assert not (tmp_path / "elsewhere").exists()
    (machine / "a").unlink()
    (machine / "b").unlink()
    machine.rename(tmp_path / "elsewhere")
    machine.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="locks"):
        held(A)


def test_a_lock_on_a_deleted_file_is_no_lock(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleted and made anew by others between opening and locking: two would hold what they take for one."""
    real = fcntl.flock
    seen = []

    def meanwhile(descriptor: int, kind: int) -> None:
        if not seen and stat.S_ISREG(os.fstat(descriptor).st_mode):
            seen.append(descriptor)
            (machine / "a").unlink()
            (machine / "a").touch()
        real(descriptor, kind)

    monkeypatch.setattr(shared_locks.fcntl, "flock", meanwhile)
    assert held(A) is None
    with held(A):
        assert held(A) is None


def test_the_folder_is_locked_against_the_cleaning_of_tmp(machine: Path) -> None:
    """As systemd-tmpfiles asks: it passes over a folder on which it gets no exclusive lock."""
    with held(A), ExitStack() as stack:
        folder = os.open(machine, os.O_RDONLY)
        stack.callback(os.close, folder)
        with pytest.raises(BlockingIOError):
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)


# many processes

HOLDER = """
import logging, os, sys
from redrop.runtime import gpu

gpu.POLL_SECONDS = 0.01
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
lease = gpu.wait_for_lease(gpu.devices(), int(sys.argv[2]))
events = open(sys.argv[1], "a")
print("begin", os.environ["CUDA_VISIBLE_DEVICES"], os.getpid(), file=events, flush=True)
print("holding", flush=True)
sys.stdin.readline()
print("end", os.environ["CUDA_VISIBLE_DEVICES"], os.getpid(), file=events, flush=True)
"""


def device_of(events: list[list[str]], pid: int) -> str:
    return next(device for kind, device, who in events if kind == "begin" and who == str(pid))


@pytest.mark.parametrize("jobs_per_gpu", [1, 2])
def test_six_jobs_on_two_devices_are_never_too_many_on_one_also_under_kills(
    jobs_per_gpu: int, tmp_path: Path
) -> None:
    path = tmp_path / "events"
    path.touch()

    def events() -> list[list[str]]:
        return [line.split() for line in path.read_text().splitlines()]

    environment = os.environ | {"REDROP_GPUS": "a,b"}
    command = [sys.executable, "-c", HOLDER, str(path), str(jobs_per_gpu)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    running = [subprocess.Popen(command, env=environment, **pipes) for _ in range(6)]
    begun = dict.fromkeys(running, "")  # the line that a process is writing
    waiting, holding, killed, left = set(), [], [], []
    places = 2 * jobs_per_gpu
    try:
        with selectors.DefaultSelector() as reports:
            for process in running:
                reports.register(process.stdout, selectors.EVENT_READ, process)
            while len(killed) + len(left) < 6:
                for key, _ in reports.select():
                    heard = os.read(key.fd, 4096).decode()
                    if not heard:
                        reports.unregister(key.fileobj)
                    *lines, begun[key.data] = (begun[key.data] + heard).split("\n")
                    for line in lines:
                        if line.startswith("waiting"):
                            assert "a, b" in line
                            waiting.add(key.data)
                        else:
                            waiting.discard(key.data)
                            holding.append(key.data)
                unended = [process for process in running if process not in killed + left]
                assert len(holding) <= places
                if len(holding) == min(places, len(unended)) and len(waiting) == len(unended) - len(holding):
                    process = holding.pop(0)  # the others have found all devices taken
                    if len(killed) <= len(left):
                        with path.open("a") as file:  # before it dies: afterwards the next may have begun
                            print("end", device_of(events(), process.pid), process.pid, file=file)
                        process.kill()
                        assert process.wait() == -signal.SIGKILL
                        killed.append(process)
                    else:
                        process.stdin.close()
                        assert process.wait() == 0
                        left.append(process)
    finally:
        for process in running:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
    assert (len(killed), len(left)) == (3, 3)
    on: dict[str, int] = {"a": 0, "b": 0}
    for kind, device, _ in events():
        on[device] += 1 if kind == "begin" else -1
        assert 0 <= on[device] <= jobs_per_gpu
    assert sum(kind == "begin" for kind, _, _ in events()) == 6, "everybody had a device"


# redrop train


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "tiny_shakespeare"
    prepare_corpus(toy_text(6000, 0), folder, name="tiny_shakespeare", origin="generated", edition="toy")
    return tmp_path / "data"


def train_words(out: Path, data: Path, *words: str) -> list[str]:
    return ["train", "--spec", small_spec().to_json(), "--out", str(out), "--data", str(data), *words]


def test_without_a_gpu_it_says_that_it_trains_on_the_cpu(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, machine: Path
) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    caplog.set_level("INFO")
    main(train_words(tmp_path / "run", data))
    line = "device: the CPU, as there is no GPU to use (the NVIDIA driver lists none)"
    assert [record.message for record in caplog.records if "device" in record.message] == [line]
    assert not machine.exists()


@pytest.mark.parametrize(
    ("cuda", "remedy"), [(None, "built without CUDA.*install a CUDA build"), ("12.8", "12.8.*driver")]
)
def test_a_gpu_that_torch_cannot_use_is_no_reason_to_train_on_the_cpu(
    cuda: str | None, remedy: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDROP_GPUS", "a")
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match=rf"^redrop train: --device: GPU a is there.*{remedy}.*--device cpu"):
        main(train_words(tmp_path / "run", data))
    assert not (tmp_path / "run" / "metrics.json").exists()
    with held(A):  # and the device is free again
        pass


def test_a_device_that_is_named_is_taken_as_given(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: Path
) -> None:
    monkeypatch.setenv("REDROP_GPUS", "a")
    main(train_words(tmp_path / "run", data, "--device", "cpu"))
    assert (tmp_path / "run" / "metrics.json").exists()
    assert not machine.exists()
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_a_leased_device_is_cudas_and_a_hidden_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert launch.choose_device("auto", A).type == "cuda"
    assert launch.choose_device("auto").type == "cuda"  # a GPU that is not NVIDIA's
    monkeypatch.setenv("REDROP_GPUS", "")
    assert launch.choose_device("auto").type == "cpu"


def test_jobs_a_gpu_are_at_least_one(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(train_words(tmp_path / "run", data, "--jobs-per-gpu", "0"))
    assert "0 is not at least 1" in capsys.readouterr().err


STAND_IN = """
import os, sys
sys.exit("torch sees " + os.environ.get("CUDA_VISIBLE_DEVICES", "all"))
"""


@contextmanager
def training(tmp_path: Path, words: list[str]) -> Iterator[subprocess.Popen[str]]:
    """`redrop train` on a device called a, with a torch that only says what it sees."""
    (tmp_path / "stand-in/torch").mkdir(parents=True)
    (tmp_path / "stand-in/torch/__init__.py").write_text(STAND_IN)
    source = Path(gpu.__file__).parents[2]
    paths = {"REDROP_GPUS": "a", "PYTHONPATH": f"{tmp_path / 'stand-in'}:{source}"}
    command = [sys.executable, "-m", "redrop", *words]
    process = subprocess.Popen(command, env=os.environ | paths, stderr=subprocess.PIPE, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_the_lease_comes_before_torch(data: Path, tmp_path: Path) -> None:
    with training(tmp_path, train_words(tmp_path / "run", data)) as process:
        assert process.stderr.read().strip() == "torch sees a"


def test_who_waits_for_a_device_stops_when_asked_to(data: Path, tmp_path: Path) -> None:
    with held(A), training(tmp_path, train_words(tmp_path / "run", data)) as process:
        assert process.stderr.readline() == "waiting: all GPUs are in use: a\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 143


def test_who_waits_for_a_device_collects_what_was_trained_along(data: Path, tmp_path: Path) -> None:
    """Also without torch; and to collect what lies there no device is asked for at all."""
    out, pool = tmp_path / "runs" / small_spec().run, Pool(tmp_path / "pool", tmp_path / "runs")
    words = train_words(out, data, "--pool", str(pool.folder))
    with held(A), training(tmp_path, words) as process:
        assert process.stderr.readline() == "waiting: all GPUs are in use: a\n"
        place = launch.Workplace(
            places=Places(data, tmp_path), checkpoints=tmp_path / "c", device=torch.device("cpu")
        )
        launch.run(small_spec(), out=pool.place(small_spec().run), workplace=place)
        assert process.wait() == 0
        assert "was trained along" in process.stderr.read()
    assert (out / "metrics.json").exists()


def test_no_device_is_held_while_others_train_what_there_is(data: Path, tmp_path: Path) -> None:
    out, pool = tmp_path / "runs" / small_spec().run, Pool(tmp_path / "pool", tmp_path / "runs")
    lock = pool.lock(small_spec().run)
    with training(tmp_path, train_words(out, data, "--pool", str(pool.folder))) as process:
        assert process.stderr.readline() == "waiting: other jobs train what there is to train\n"
        with held(A):
            lock.close()  # the other one was killed
            assert process.stderr.readline() == "waiting: all GPUs are in use: a\n"
        assert process.stderr.read().strip() == "torch sees a"
