"""``redrop plan``: what an estimate looks like."""

from __future__ import annotations

from collections.abc import Iterator

from redrop.analysis.summary import several
from redrop.models.sizes import SHAPES
from redrop.runtime.plan import Estimate, StudyPlan, assumptions
from redrop.view.numbers import HOUR, duration, size
from redrop.view.screen import Block, Column, Line, Table

COUNTS = ("runs", "left", "iterations")
COLUMNS = [Column("study", folds=True), *(Column(name, right=True) for name in COUNTS)]


def blocks(e: Estimate) -> Iterator[Block]:
    """For the screen."""
    yield Line(f"results go to {e.results}/", whole=True)
    done, shared = sum(s.finished for s in e.studies), sum(s.shared for s in e.studies)
    if done:
        yield Line(f"{done:,} runs are finished and not counted below")
    if shared:
        yield Line(f"{shared:,} runs belong to two studies; they are counted in the first")
    yield Line("")
    yield _studies(e)
    for study in e.studies:
        yield from (Line(f"  {study.name}, {text}", "dim") for text in _protocols(study))
        for name in sorted(study.unknown):
            yield Line(f"  no estimate for {name}: its size is not known", "yellow")
    yield Line("")
    jobs = ", ".join(f"{count:,} {rule}" for rule, count in e.jobs.items())
    yield Line(f"jobs: {sum(e.jobs.values()):,} ({jobs})")
    yield Line(_downloads(e))
    yield Line(_disk(e))
    if e.device is not None:
        yield from map(Line, _device(e))
        yield Line("\nHow this was estimated:")
        yield from (Line(f"  {text}") for text in assumptions(e))


def _studies(e: Estimate) -> Table:
    table = Table(list(COLUMNS))
    if e.device is not None:
        unit = "GPU hours" if e.device.kind == "cuda" else "core hours"
        table.columns += [Column(unit, right=True), Column("longest run", right=True, spare=True)]

    def row(name: str, counts: list[int], hours: float | None, longest: str) -> None:
        times = [] if hours is None else [f"{hours:,.1f}", longest]
        table.row(name, *(f"{count:,}" for count in counts), *times)

    for study in e.studies:
        counts = [getattr(study, what) for what in COUNTS]
        row(study.name, counts, study.hours, duration(HOUR * study.longest))
    sums = [sum(getattr(study, what) for study in e.studies) for what in COUNTS]
    row("total", sums, e.hours, "")
    return table


def _protocols(study: StudyPlan) -> Iterator[str]:
    """Runs a protocol, with what they are on."""
    tasks: dict[str, dict[str, int]] = {}
    for key, count in study.tasks.items():
        protocol, _, task = key.partition(" on ")
        tasks.setdefault(protocol, {})[task] = count
    for protocol, counts in tasks.items():
        yield f"{protocol}: {several(sum(counts.values()), 'run')} on {', '.join(counts)}"


def _downloads(e: Estimate) -> str:
    if not e.downloads:
        return "downloads: none"
    said = f"downloads: {size(sum(n for n in e.downloads.values() if n is not None))} known"
    unknown = [name for name, n_bytes in e.downloads.items() if n_bytes is None]
    if unknown:
        sizes = {name: f" ({shape.parameters / 1e6:.0f} M parameters)" for name, shape in SHAPES.items()}
        said += f", {len(unknown)} of unknown size: " + ", ".join(
            name + sizes.get(name, "") for name in unknown
        )
    return said


def _disk(e: Estimate) -> str:
    each = ", ".join(f"{what} {size(n_bytes) if n_bytes else 'none'}" for what, n_bytes in e.disk.items())
    unknown = ", and the data of unknown size" if None in e.downloads.values() else ""
    return f"disk: {size(sum(e.disk.values()))} ({each}){unknown}"


def _device(e: Estimate) -> Iterator[str]:
    d = e.device
    what, unit, single = ("core", "GFLOP/s", "fp32") if d.kind == "cpu" else ("GPU", "TFLOP/s", "TF32")
    fp32, half = (rate / (1e9 if d.kind == "cpu" else 1e12) for rate in (d.fp32, d.half))
    rate = f"{fp32:,.0f} {unit} in {single}, {half:,.0f} in bf16"
    yield f"device: {d.name}, {d.count} of them; a {what} multiplies matrices at {rate} ({d.source})"
    if e.profile is None:
        yield "time: --profile profiles/default says how long that takes here"
    elif e.at_once is None:
        yield (
            f"time with {e.profile.folder}: at least {duration(HOUR * e.wall_hours)}, the longest run; "
            "the cluster decides how many run at once"
        )
    else:
        yield f"time with {e.profile.folder}: {duration(HOUR * e.wall_hours)}, {e.at_once} at once"
    share = sum(study.evaluation_hours for study in e.studies) / e.hours if e.hours else 0.0
    yield f"of the hours, {share:.0%} are for evaluation"
