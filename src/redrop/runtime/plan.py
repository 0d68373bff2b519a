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

from redrop.data import get
from redrop.data.tasks import PAIRS, TASKS
from redrop.kinds import EXAMPLES, WINDOWS
from redrop.layout import ResultsLayout
from redrop.models.sizes import shape_of
from redrop.models.sources import RELEASED, TOY
from redrop.places import Places, model_folder
from redrop.runtime.pool import PACK_ON_ACCELERATOR
from redrop.runtime.profiles import Profile
from redrop.runtime.rates import ASSUMED, DECODING, MEASURED, RatedDevice, Seconds, cores, seconds_of
from redrop.runtime.work import RunWork, iterations_of, reported_pairs, unknown, work_of
from redrop.spec import RunSpec
from redrop.study import Plan

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


@dataclass(frozen=True)
class RunPlan:
    """A run that is to be trained."""

    spec: RunSpec
    together: int
    """How many are trained at once with it."""
    work: RunWork | None
    """None where the size of its text or model is not known."""
    seconds: Seconds | None
    """Its share of a device's time; None also without a device."""


@dataclass
class StudyPlan:
    """What a study, or a part of one, asks for."""

    name: str
    device: RatedDevice | None
    runs: int = 0
    finished: int = 0
    shared: int = 0
    """Runs that a study named before this one has, too: they are counted there."""
    tasks: Counter[str] = field(default_factory=Counter)
    """Protocol and task -> runs."""
    to_train: list[RunPlan] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    """Texts and models whose size is not known, so that their runs are in no estimate of hours."""

    @property
    def left(self) -> int:
        """Runs that would be trained for this study."""
        return len(self.to_train)

    @property
    def iterations(self) -> int:
        """Of the runs that are left."""
        return sum(iterations_of(run.spec) for run in self.to_train)

    @property
    def _timed(self) -> list[tuple[RunPlan, Seconds]]:
        return [(run, run.seconds) for run in self.to_train if run.seconds is not None]

    @property
    def hours(self) -> float | None:
        """Of a device; None: no device was given."""
        return None if self.device is None else sum(seconds.total for _, seconds in self._timed) / 3600

    @property
    def evaluation_hours(self) -> float:
        """Of these, for scores and searches."""
        return sum(seconds.evaluation + seconds.decoding for _, seconds in self._timed) / 3600

    @property
    def longest(self) -> float:
        """Hours of the longest run: a share of a pack takes as long as the whole pack."""
        return max((run.together * seconds.total for run, seconds in self._timed), default=0.0) / 3600


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
    device: RatedDevice | None
    at_once: int | None
    """Runs trained at the same time; None: a cluster decides."""
    profile: Profile | None

    @property
    def hours(self) -> float | None:
        """Device hours of all studies; None without a device."""
        return None if self.device is None else sum(study.hours for study in self.studies)

    @property
    def wall_hours(self) -> float | None:
        """Hours until all is done, by what the profile runs at once; no run is shorter than itself."""
        if self.hours is None or self.profile is None:
            return None
        longest = max((study.longest for study in self.studies), default=0.0)
        return longest if self.at_once is None else max(longest, self.hours / self.at_once)


def make(
    plan: Plan, names: Sequence[str], device: RatedDevice | None = None, profile: Profile | None = None
) -> Estimate:
    """What studies ``names`` of a config ask for; hours on ``device``, in time by ``profile``."""
    places = Places(plan.results / "data", plan.results / "models")
    seen: set[str] = set()
    studies = [_study(name, plan, device, places, seen) for name in names]
    left = [run for study in studies for run in study.to_train]
    jobs: Counter[str] = Counter()
    downloads, here = _inputs([run.spec for run in left], plan, places, jobs)
    jobs.update(
        train=len(left),
        collect=len(names),
        tables=sum(bool(plan.studies[name].tables) for name in names),
        figures=sum(bool(plan.studies[name].figures) for name in names),
    )
    at_once = _at_once(profile, device)
    return Estimate(
        results=plan.results,
        studies=studies,
        jobs={rule: count for rule, count in jobs.items() if count},
        downloads=downloads,
        here=here,
        disk=_disk(left, downloads, places, at_once, plan.keep_weights),
        device=device,
        at_once=at_once,
        profile=profile,
    )


def _study(name: str, plan: Plan, device: RatedDevice | None, places: Places, seen: set[str]) -> StudyPlan:
    """One study's; ``seen``: runs of those before it, to which its own are added."""
    study, specs = StudyPlan(name, device), plan.specs[name]
    layout = ResultsLayout(plan.results)
    folders = {other: layout.runs(other) for other in {spec.study for spec in specs.values()}}
    left = []
    for run, spec in specs.items():
        study.runs += 1
        study.tasks[f"{spec.protocol} on {spec.task}"] += 1
        if run in seen:
            study.shared += 1
        elif folders[spec.study].is_finished(spec):
            study.finished += 1
        else:
            left.append(spec)
    seen |= set(specs)
    pack = 1
    if device is not None and device.kind == "cuda":
        pack = min(PACK_ON_ACCELERATOR, len(left))
    for spec in left:
        together = pack if spec.kind.pack else 1
        work, seconds = work_of(spec, iterations_of(spec), places.models, together), None
        if work is None:
            study.unknown.add(unknown(spec, places.models))
        elif device is not None:
            seconds = seconds_of(work, device, spec.kind.reads != WINDOWS)
        study.to_train.append(RunPlan(spec, together, work, seconds))
    return study


def _at_once(profile: Profile | None, device: RatedDevice | None) -> int | None:
    """Runs at the same time: as the profile says, else as many as there are devices."""
    count = cores() if device is None else device.count
    if profile is None:
        return count
    on_gpu = device is not None and device.kind == "cuda"
    return profile.at_once(cores() if on_gpu else count, count if on_gpu else 0)


def _inputs(
    specs: list[RunSpec], plan: Plan, places: Places, jobs: Counter[str]
) -> tuple[dict[str, int | None], list[str]]:
    """``downloads`` and ``here`` of an estimate; the jobs that fetch and prepare are added to ``jobs``."""
    mirror = os.environ.get("REDROP_MIRROR") or plan.mirror
    downloads: dict[str, int | None] = {}
    here = []
    for name in dict.fromkeys(spec.data.data_set for spec in specs):
        prepared = (places.data / name / "meta.json").exists()
        fetched = prepared or (ResultsLayout(plan.results).downloads / name / "source.json").exists()
        jobs.update(fetch=int(not fetched), prepare=int(not prepared))
        data_set = get(name)
        files = data_set.downloads
        if fetched or not files or data_set.in_mirror(None if mirror is None else Path(mirror)):
            here.append(name)
        else:
            sizes = [file.known_size for file in files]
            downloads[name] = None if None in sizes else sum(sizes)
    for name, spec in _models(specs).items():
        fetched = (model_folder(spec, places) / "source.json").exists()
        jobs.update(fetch_model=int(not fetched))
        if fetched or Path(name).is_dir():
            here.append(name)
        else:
            downloads[name] = RELEASED[name].size if name in RELEASED else None
    return downloads, here


def _models(specs: list[RunSpec]) -> dict[str, RunSpec]:
    """Released models, with a run of each, in order."""
    found: dict[str, RunSpec] = {}
    for spec in specs:
        checkpoint = getattr(spec.model, "checkpoint", TOY)
        if checkpoint != TOY:
            found.setdefault(checkpoint, spec)
    return found


def _disk(
    runs: list[RunPlan],
    downloads: dict[str, int | None],
    places: Places,
    at_once: int | None,
    keep_weights: bool,
) -> dict[str, int]:
    """Bytes of what will be written, where they are known."""
    checkpoints, packs = [], []  # bytes of each run's, and of those that are trained with it
    for run in runs:
        if run.work is not None:
            # Weights and AdamW's two moments; and the best weights so far, where those are reported.
            copies = 3 + (getattr(run.spec.evaluation, "report", "") == "best")
            checkpoints.append(COPIES * copies * FLOAT * run.work.parameters)
            packs.append(run.together * checkpoints[-1])
    models = {name: shape_of(spec, places.models) for name, spec in _models([r.spec for r in runs]).items()}
    packs.sort(reverse=True)
    data = sum(n_bytes or 0 for name, n_bytes in downloads.items() if name not in models)
    kept = [shape for name, shape in models.items() if shape is not None and not Path(name).is_dir()]
    return {
        "results": RUN_BYTES * len(runs),
        "predictions": sum(_prediction_bytes(run.spec) for run in runs if run.work is not None),
        "checkpoints at their peak": min(sum(packs[:at_once]), sum(checkpoints)),
        "models": sum(FLOAT * shape.parameters for shape in kept),
        "data, raw and prepared": UNPACKED * data,
        "kept weights": sum(FLOAT * run.work.parameters for run in runs if keep_weights and run.work),
    }


def _prediction_bytes(spec: RunSpec) -> int:
    """Of a run's predictions."""
    if spec.kind.reads == WINDOWS:
        return 0
    if spec.kind.reads == EXAMPLES:
        task = TASKS[spec.task]
        return EXAMPLE_BYTES * sum(task.rows[split] for split in task.dev_splits)
    target = min(PAIRS[spec.data.data_set].target, spec.data.max_target)
    return round(TOKEN_BYTES * reported_pairs(spec) * target)


def to_dict(estimate: Estimate) -> dict[str, Any]:
    """Plain values, for ``--json``."""
    e = estimate
    return {
        "results": e.results.as_posix(),
        "studies": [
            {
                "study": study.name,
                **{key: getattr(study, key) for key in ("runs", "finished", "shared", "left", "iterations")},
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
        "forward), with the mean text lengths in redrop.data.tasks, some of which are assumed.",
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
