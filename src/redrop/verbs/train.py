"""Training one run."""

from __future__ import annotations

import argparse
import functools
import signal
import sys
from contextlib import nullcontext
from pathlib import Path

from redrop.errors import ConfigError, storage_error
from redrop.layout import WEIGHTS
from redrop.places import Places, is_prepared
from redrop.runtime import gpu
from redrop.runtime.pool import PACK_ON_ACCELERATOR, Pool, is_settled
from redrop.spec import RunSpec
from redrop.verbs.shared import AddVerb, positive, read_settings, seconds, settings_option

EXIT_STOPPED = 143
"""A run that was asked to stop (SIGTERM) and left a checkpoint: what a scheduler calls requeue-able."""


def train(arguments: argparse.Namespace) -> None:
    """Train one run, from its checkpoint if it has one; others of its pool may be trained along."""
    text = arguments.spec
    if not text.lstrip().startswith("{"):
        try:
            text = Path(text).read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"--spec: {storage_error(error)}") from error
        except ValueError as error:
            raise ConfigError(f"--spec: {text!r} is no text file in UTF-8; give a run's spec.json") from error
    spec = RunSpec.from_json(text).with_settings(read_settings(arguments.settings))
    out = arguments.out
    pool = None if arguments.pool is None else Pool(arguments.pool, runs=out.parent)
    checkpoints = arguments.checkpoints or out / "checkpoints"
    is_done = functools.partial(is_settled, spec, out, checkpoints, pool)
    weights = (lambda run: out.parent / run / WEIGHTS) if pool else (lambda run: out / WEIGHTS)
    if is_done():
        if arguments.keep_weights and not weights(out.name).is_dir():
            print(f"{out}: is finished and has no weights; train it again in another folder", file=sys.stderr)
        return  # before torch is imported: this is what most jobs of a sweep do

    stop = {"asked": False}
    signal.signal(signal.SIGTERM, lambda *_: stop.update(asked=True))
    places = Places(arguments.data, arguments.models)
    lease = None
    if arguments.device == "auto" and (devices := gpu.devices()):
        lease = gpu.wait_for_lease(
            devices,
            arguments.jobs_per_gpu,
            wanted=lambda: pool is None or pool.has_work(spec, lambda other: is_prepared(other, places)),
            give_up=lambda: stop["asked"] or is_done(),
        )
        if lease is None:
            sys.exit(EXIT_STOPPED if stop["asked"] else 0)

    from redrop.runtime.launch import Workplace, choose_device, run

    with nullcontext() if lease is None else lease:
        device = choose_device(arguments.device, lease and lease.device)
        workplace = Workplace(
            places=places,
            checkpoints=checkpoints,
            device=device,
            pack=arguments.pack or (1 if device.type == "cpu" else PACK_ON_ACCELERATOR),
            checkpoint_seconds=arguments.checkpoint_every,
            weights=weights if arguments.keep_weights else None,
            should_stop=lambda: stop["asked"],
            interrupted=lambda: stop["asked"],
        )
        if not run(spec, out=out, workplace=workplace, pool=pool):
            sys.exit(EXIT_STOPPED)


def add(verb: AddVerb) -> None:
    """The verbs of this file and their options."""
    option = verb("train", train)
    option("--spec", required=True, help="a spec.json, or its text")
    settings_option(option)
    option("--out", type=Path, required=True, help="the run's folder")
    option(
        "--data",
        type=Path,
        default=Path("results/data"),
        help="folder of prepared data sets; what is missing is fetched (default: %(default)s)",
    )
    option(
        "--models",
        type=Path,
        default=Path("results/models"),
        help="folder of released models; what is missing is fetched (default: %(default)s)",
    )
    option("--checkpoints", type=Path, help="folder for checkpoints; default: OUT/checkpoints")
    option(
        "--pool",
        type=Path,
        help="folder in which jobs share out the runs that wait for training; OUT is then named RUNS/<run>",
    )
    option(
        "--pack",
        type=positive,
        metavar="N",
        help="with --pool, train up to N small language models of one shape together"
        " (default: 20 on a GPU, each alone on a CPU)",
    )
    said = f"keep the finished model in OUT/{WEIGHTS} (safetensors); 0: do not"
    option("--keep-weights", nargs="?", const=1, default=0, type=int, choices=(0, 1), help=said)
    option("--checkpoint-every", type=seconds, default=60.0, metavar="SECONDS", help="default: %(default)s")
    option(
        "--device",
        default="auto",
        help="auto (default: a GPU that no other redrop process uses, the CPU where there is none),"
        " or as given: cpu, cuda, cuda:N",
    )
    option(
        "--jobs-per-gpu",
        type=positive,
        default=1,
        metavar="N",
        help="with --device auto, share the GPU with up to N - 1 others that say so (default: %(default)s)",
    )
