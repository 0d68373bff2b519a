"""What a config asks for, before anything is spent: runs, jobs, downloads, disk, device hours.

Finished runs are subtracted. Every figure says what it rests on: counts are exact; hours are an estimate
(``work.py``, ``rates.py``); sizes that nobody published are said to be unknown, not guessed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redrop.data.downloads import downloaded, in_mirror, size_of
from redrop.data.lengths import PAIRS
from redrop.kinds import EXAMPLES, WINDOWS
from redrop.layout import ResultsLayout
from redrop.models.sizes import SHAPES, shape_of
from redrop.models.sources import RELEASED, TOY, folder_name
from redrop.places import Places, model_folder
from redrop.runtime.pool import PACK_ON_ACCELERATOR
from redrop.runtime.profiles import Profile
from redrop.runtime.rates import ASSUMED, DECODING, MEASURED, Device, cores, seconds_of
from redrop.runtime.work import examples_of, unknown, work_of
from redrop.spec import RunSpec
from redrop.study import Plan

GB = 1e9
FLOAT = 4
"""Bytes of a weight: checkpoints and models are kept in float32."""
COPIES = 3
"""Checkpoints of a run at its peak: the last, the one before, and the one that is being written."""
UNPACKED = 4
"""Bytes on disk of a data set's download, what is prepared of it and its tokens, to those of the download."""
RUN_BYTES = 12_000
"""Records and logs of a run, about: of the published ones, the records take 6.4 kB each."""
EXAMPLE_BYTES, TOKEN_BYTES = 16, 4
"""Compressed, of a prediction for an example; of a token of an output with its reference."""


def iterations_of(spec: RunSpec) -> int:
    """Updates of a run; for one that is given in epochs, by the official size of its training set."""
    if spec.kind.reads == EXAMPLES:
        return spec.schedule.updates_on(examples_of(spec))
    return spec.schedule.last_iteration


@dataclass
class StudyPlan:
    """What a study, or a part of one, asks for."""

    name: str
    runs: int = 0
    finished: int = 0
    shared: int = 0
    """Runs that a study named before this one has, too: they are counted there."""
    iterations: int = 0
    """Of the runs that are left."""
    tasks: Counter[str] = field(default_factory=Counter)
    """Protocol and task -> runs."""
    hours: float | None = None
    """Of a device; None: no device was given."""
    evaluation_hours: float = 0.0
    """Of these, for scores and searches."""
    longest: float = 0.0
    """Hours of the longest run."""
    unknown: set[str] = field(default_factory=set)
    """Texts and models whose size is not known, so that their runs are in no estimate."""

    @property
    def left(self) -> int:
        """Runs that would be trained for this study."""
        return self.runs - self.finished - self.shared


@dataclass
class Estimate:
    """All of it."""

    results: Path
    studies: list[StudyPlan]
    jobs: dict[str, int]
    """Rule -> jobs of Snakemake."""
    downloads: dict[str, int | None]
    """Data set or model -> bytes, None where unknown; what is there, or in a mirror, is left out."""
    here: list[str]
    """Data sets and models that need no download."""
    disk: dict[str, int]
    """What -> bytes, of what is known."""
    device: Device | None
    at_once: int | None
    """Runs trained at the same time; None: a cluster decides."""
    profile: Profile | None

    @property
    def hours(self) -> float | None:
        """Device hours of all studies; None without a device."""
        return None if self.device is None else sum(study.hours or 0.0 for study in self.studies)

    @property
    def wall_hours(self) -> float | None:
        """Hours until all is done, by what the profile runs at once; no run is shorter than itself."""
        if self.hours is None or self.profile is None:
            return None
        longest = max((study.longest for study in self.studies), default=0.0)
        return longest if self.at_once is None else max(longest, self.hours / self.at_once)


def make(
    plan: Plan, names: Sequence[str], device: Device | None = None, profile: Profile | None = None
) -> Estimate:
    """What studies ``names`` of a config ask for; hours on ``device``, in time by ``profile``."""
    places = Places(plan.results / "data", plan.results / "models")
    seen: set[str] = set()
    studies, left = [], []
    for name in names:
        studies.append(StudyPlan(name, hours=None if device is None else 0.0))
        mine = _count(studies[-1], plan.specs[name], plan.results, seen)
        if device is not None:
            _time(studies[-1], mine, device, places)
        left += mine
    at_once = _at_once(profile, device)
    downloads, here = _downloads(left, plan, places)
    return Estimate(
        results=plan.results,
        studies=studies,
        jobs=_jobs(plan, names, left, places),
        downloads=downloads,
        here=here,
        disk=_disk(left, downloads, places, at_once, device),
        device=device,
        at_once=at_once,
        profile=profile,
    )


def _count(study: StudyPlan, specs: dict[str, RunSpec], results: Path, seen: set[str]) -> list[RunSpec]:
    """Fill in what is counted; returns the runs that are left to this study."""
    left = []
    layout = ResultsLayout(results)
    folders = {name: layout.runs(name) for name in {spec.study for spec in specs.values()}}
    for run, spec in specs.items():
        study.runs += 1
        study.tasks[f"{spec.protocol} on {spec.task}"] += 1
        if run in seen:
            study.shared += 1
        elif folders[spec.study].is_finished(spec):
            study.finished += 1
        else:
            left.append(spec)
        seen.add(run)
    study.iterations = sum(map(iterations_of, left))
    return left


def _time(study: StudyPlan, specs: list[RunSpec], device: Device, places: Places) -> None:
    """Fill in the hours."""
    pack = min(pack_size(device), len(specs))
    for spec in specs:
        together = pack if spec.kind.pack else 1
        work = work_of(spec, iterations_of(spec), places.models, together)
        if work is None:
            study.unknown.add(unknown(spec, places.models))
            continue
        seconds = seconds_of(work, device, spec.kind.reads != WINDOWS)
        study.hours += seconds.total / 3600
        study.evaluation_hours += (seconds.evaluation + seconds.decoding) / 3600
        # Its share of a pack is the run's, but it takes as long as the whole pack.
        study.longest = max(study.longest, together * seconds.total / 3600)


def pack_size(device: Device | None) -> int:
    """Language models that are trained together on such a device."""
    return PACK_ON_ACCELERATOR if device is not None and device.kind == "cuda" else 1


def _at_once(profile: Profile | None, device: Device | None) -> int | None:
    """Runs at the same time: as the profile says, else as many as there are devices."""
    count = cores() if device is None else device.count
    if profile is None:
        return count
    on_gpu = device is not None and device.kind == "cuda"
    return profile.at_once(cores() if on_gpu else count, count if on_gpu else 0)


def _needs(specs: list[RunSpec]) -> tuple[dict[str, None], dict[str, RunSpec]]:
    """Data sets, and released models with a run of each, in order."""
    sets = dict.fromkeys(spec.data.data_set for spec in specs)
    models: dict[str, RunSpec] = {}
    for spec in specs:
        checkpoint = getattr(spec.model, "checkpoint", TOY)
        if checkpoint != TOY:
            models.setdefault(checkpoint, spec)
    return sets, models


def _downloads(specs: list[RunSpec], plan: Plan, places: Places) -> tuple[dict[str, int | None], list[str]]:
    sets, models = _needs(specs)
    mirror = os.environ.get("REDROP_MIRROR") or plan.mirror
    found: dict[str, int | None] = {}
    here = []
    for name in sets:
        there = (places.data / name / "meta.json").exists()
        fetched = (plan.results / "downloads" / name / "source.json").exists()
        files = downloaded(name)
        if there or fetched or not files or in_mirror(name, None if mirror is None else Path(mirror)):
            here.append(name)
            continue
        sizes = [size_of(file) for file in files]
        found[name] = None if None in sizes else sum(sizes)
    for name, spec in models.items():
        if (model_folder(spec, places) / "source.json").exists() or Path(name).is_dir():
            here.append(name)
        else:
            found[name] = RELEASED[name].size if name in RELEASED else None
    return found, here


def _disk(
    specs: list[RunSpec],
    downloads: dict[str, int | None],
    places: Places,
    at_once: int | None,
    device: Device | None,
) -> dict[str, int]:
    """Bytes of what will be written, where they are known."""
    _, models = _needs(specs)
    checkpoints, predictions, weights = [], 0, 0  # checkpoints: bytes of a run's, and runs of a pack
    for spec in specs:
        work = work_of(spec, iterations_of(spec), places.models)
        if work is None:
            continue
        # Weights and AdamW's two moments; and the best weights so far, where those are reported.
        copies = 3 + (getattr(spec.evaluation, "report", "") == "best")
        together = pack_size(device) if spec.kind.pack else 1
        checkpoints.append((COPIES * copies * FLOAT * work.parameters, together))
        predictions += _prediction_bytes(spec)
    for name, spec in models.items():
        shape = shape_of(spec, places.models)
        if shape is not None and not Path(name).is_dir():
            weights += FLOAT * shape.parameters
    jobs = len(checkpoints) if at_once is None else at_once
    packs = sorted((size * together for size, together in checkpoints), reverse=True)
    data = sum(size or 0 for name, size in downloads.items() if name not in models)
    return {
        "results": RUN_BYTES * len(specs),
        "predictions": predictions,
        "checkpoints at their peak": min(sum(packs[:jobs]), sum(size for size, _ in checkpoints)),
        "models": weights,
        "data, raw and prepared": UNPACKED * data,
        "kept weights": 0,
    }


def _prediction_bytes(spec: RunSpec) -> int:
    """Of a run's predictions."""
    if spec.kind.reads == WINDOWS:
        return 0
    if spec.kind.reads == EXAMPLES:
        from redrop.data.glue_tasks import TASKS

        task = TASKS[spec.task]
        return EXAMPLE_BYTES * sum(task.rows[split] for split in task.dev_splits)
    texts = PAIRS[spec.data.data_set]
    return round(TOKEN_BYTES * texts.tests * min(texts.target, spec.data.max_target))


def _jobs(plan: Plan, names: Sequence[str], left: list[RunSpec], places: Places) -> dict[str, int]:
    """Jobs of Snakemake, by rule; tables and figures are made anew for every study that is asked for."""
    sets, models = _needs(left)
    unprepared = [name for name in sets if not (places.data / name / "meta.json").exists()]
    raw = [n for n in unprepared if not (plan.results / "downloads" / n / "source.json").exists()]
    missing = [name for name in models if not (places.models / folder_name(name) / "source.json").exists()]
    studies = [plan.studies[name] for name in names]
    jobs = {
        "fetch": len(raw),
        "prepare": len(unprepared),
        "fetch_model": len(missing),
        "train": len(left),
        "collect": len(names),
        "tables": sum(bool(study.tables) for study in studies),
        "figures": sum(bool(study.figures) for study in studies),
    }
    return {rule: count for rule, count in jobs.items() if count}


def to_dict(estimate: Estimate) -> dict[str, Any]:
    """Plain values, for ``--json``."""
    e = estimate
    return {
        "results": e.results.as_posix(),
        "studies": [
            {
                "study": study.name,
                "runs": study.runs,
                "finished": study.finished,
                "shared": study.shared,
                "left": study.left,
                "iterations": study.iterations,
                "tasks": dict(study.tasks),
                "device_hours": study.hours,
                "evaluation_hours": None if study.hours is None else study.evaluation_hours,
                "longest_run_hours": None if study.hours is None else study.longest,
                "without_estimate": sorted(study.unknown),
            }
            for study in e.studies
        ],
        "jobs": e.jobs,
        "download_bytes": e.downloads,
        "needs_no_download": e.here,
        "disk_bytes": e.disk,
        "device": None if e.device is None else vars(e.device),
        "device_hours": e.hours,
        "profile": None if e.profile is None else e.profile.folder.as_posix(),
        "runs_at_once": None if e.profile is None else e.at_once,
        "wall_clock_hours": e.wall_hours,
        "assumptions": assumptions(e),
    }


def assumptions(estimate: Estimate) -> list[str]:
    """How the figures were made, as sentences."""
    device = estimate.device
    if device is None:
        return []
    said = [
        "Operations are counted from each run's settings (two-pass methods count twice, backward twice "
        "forward), with the mean text lengths in redrop.data.lengths, some of which are assumed.",
        "Evaluation is counted as forward passes; searches for outputs "
        f"as {DECODING:g} times their passes (assumed).",
    ]
    if device.kind == "cuda":
        share = ASSUMED["paper A"]
        said.append(
            f"ASSUMED, since no run was timed on a GPU here: {share.share:.0%} of the matrix rate at width "
            f"{share.width}, less at smaller ones, and {1e3 * share.training_call:g} ms for calling a layer. "
            "Take it for an order of magnitude."
        )
    else:
        shares = ", ".join(
            f"{kind} {u.share:.0%} at width {u.width} ({u.source})" for kind, u in MEASURED.items()
        )
        said.append(f"Share of the matrix rate that runs get, measured in published benchmarks: {shares}.")
        said.append("In bf16 only products are faster on a CPU. Nothing else is taken to run beside this.")
    return said


def _duration(hours: float | None) -> str:
    if hours is None:
        return "-"
    if hours < 1:
        return f"{60 * hours:.1f} min"
    if hours < 48:
        return f"{hours:,.1f} h"
    return f"{hours / 24:,.0f} days" if hours < 2 * 365 * 24 else f"{hours / 24 / 365:,.1f} years"


def _size(number: float) -> str:
    return f"{number / GB:.2f} GB" if number >= 1e7 else f"{number / 1e6:.1f} MB"


def summary(estimate: Estimate) -> str:
    """The estimate as lines of text."""
    e = estimate
    unit = "" if e.device is None else "GPU hours" if e.device.kind == "cuda" else "core hours"
    done, shared = sum(s.finished for s in e.studies), sum(s.shared for s in e.studies)
    total = sum(s.left for s in e.studies)
    lines = [f"results go to {e.results}/"]
    if done:
        lines.append(f"{done:,} runs are finished and not counted below")
    if shared:
        lines.append(f"{shared:,} runs belong to two studies; they are counted in the first")
    lines += ["", f"{'study':20}{'runs':>7}{'left':>7}{'iterations':>15}{unit:>13}{'longest run':>14}"]
    for study in e.studies:
        hours = "-" if study.hours is None else f"{study.hours:,.1f}"
        longest = "-" if study.hours is None else _duration(study.longest)
        lines.append(
            f"{study.name:20}{study.runs:>7,}{study.left:>7,}{study.iterations:>15,}{hours:>13}{longest:>14}"
        )
        lines += _protocol_lines(study)
        lines += [f"  no estimate for {name}: its size is not known" for name in sorted(study.unknown)]
    runs, iterations = sum(s.runs for s in e.studies), sum(s.iterations for s in e.studies)
    hours = "-" if e.hours is None else f"{e.hours:,.1f}"
    lines += [f"{'total':20}{runs:>7,}{total:>7,}{iterations:>15,}{hours:>13}", ""]
    jobs = ", ".join(f"{count:,} {rule}" for rule, count in e.jobs.items())
    lines += [f"jobs: {sum(e.jobs.values()):,} ({jobs})", *_download_lines(e), *_disk_lines(e)]
    if e.device is not None:
        lines += _device_lines(e)
    return "\n".join(lines)


def _protocol_lines(study: StudyPlan) -> list[str]:
    """Runs a protocol, with what they are on."""
    protocols: dict[str, Counter[str]] = {}
    for key, count in study.tasks.items():
        protocol, _, task = key.partition(" on ")
        protocols.setdefault(protocol, Counter())[task] += count
    return [
        f"  {protocol}: {sum(tasks.values())} runs on {', '.join(tasks)}"
        for protocol, tasks in protocols.items()
    ]


def _download_lines(e: Estimate) -> list[str]:
    known = {name: size for name, size in e.downloads.items() if size is not None}
    unknown = [name for name, size in e.downloads.items() if size is None]
    if not e.downloads:
        return ["downloads: none"]
    lines = [f"downloads: {_size(sum(known.values()))} known"]
    if unknown:
        parameters = {name: f" ({SHAPES[name].parameters / 1e6:.0f} M parameters)" for name in SHAPES}
        lines[0] += f", {len(unknown)} of unknown size: " + ", ".join(
            name + parameters.get(name, "") for name in unknown
        )
    return lines


def _disk_lines(e: Estimate) -> list[str]:
    parts = ", ".join(f"{what} {_size(size) if size else 'none'}" for what, size in e.disk.items())
    lines = [f"disk: {_size(sum(e.disk.values()))} ({parts})"]
    if None in e.downloads.values():
        lines[0] += ", and the data of unknown size"
    return lines


def _device_lines(e: Estimate) -> list[str]:
    d = e.device
    what, unit, single = ("core", "GFLOP/s", "fp32") if d.kind == "cpu" else ("GPU", "TFLOP/s", "TF32")
    fp32, half = (rate / (1e9 if d.kind == "cpu" else 1e12) for rate in (d.fp32, d.half))
    rate = f"{fp32:,.0f} {unit} in {single}, {half:,.0f} in bf16"
    lines = [f"device: {d.name}, {d.count} of them; a {what} multiplies matrices at {rate} ({d.source})"]
    if e.profile is not None:
        if e.at_once is None:
            lines.append(
                f"time with {e.profile.folder}: at least {_duration(e.wall_hours)}, the longest run; "
                "the cluster decides how many run at once"
            )
        else:
            lines.append(f"time with {e.profile.folder}: {_duration(e.wall_hours)}, {e.at_once} at once")
    else:
        lines.append("time: --profile profiles/default says how long that takes here")
    share = sum(study.evaluation_hours for study in e.studies) / e.hours if e.hours else 0.0
    lines += [f"of the hours, {share:.0%} are for evaluation", "", "How this was estimated:"]
    return lines + [f"  {line}" for line in assumptions(e)]
