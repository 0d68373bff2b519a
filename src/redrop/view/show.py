"""``redrop show``: all that there is to know of one run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from redrop.analysis.settings import flat, show, study_spec
from redrop.analysis.summary import several
from redrop.errors import ConfigError, RecordError
from redrop.layout import RUN_SUFFIX
from redrop.provenance import Provenance, read_provenance
from redrop.record import CURVE, DIVERGED, METRICS, SPEC, Metric, read_curve, read_json, read_record
from redrop.spec import RunSpec
from redrop.study import Setting, load_study, project_folder
from redrop.view.find import Found, asked_for
from redrop.view.numbers import duration, size
from redrop.view.screen import Block, Column, Line, Table
from redrop.view.sparkline import sparkline
from redrop.view.states import STATES
from redrop.view.status import details, status_of

HEADING = "bold"
CHANGED = "config"
"""Where a setting comes from that is not as in the study file."""
METRIC_COLUMNS = [Column("name"), Column("value", right=True), Column("n", right=True), Column("split")]
METRIC_COLUMNS += [Column("signature", folds=True, spare=True)]
SETTING_COLUMNS = [Column("setting"), Column("value"), Column("source")]
SETTING_COLUMNS += [Column("note", folds=True, spare=True)]
CURVE_METRICS = ("val_loss", "train_loss")


def blocks(found: Found, project: Path | None = None) -> Iterator[Block]:
    """For the screen; raises ``RecordError`` for a run whose files are damaged."""
    finished = (found.folder / METRICS).exists()
    record = read_record(found.folder) if finished else None
    spec = record.spec if record else _unfinished_spec(found)
    yield Line(f"{record.run}  {record.status}" if record else spec.run, HEADING)
    yield Line(f"{spec.study}: {spec.protocol}, {spec.config}, {spec.task}, seed {spec.seed}")
    if record is not None and record.status == DIVERGED:
        yield Line(str(record.reason), "red")
    if record is None:
        yield from _unfinished(found, spec)
    yield from _files(found)
    yield from _curve(found.folder, {} if record is None else record.metrics)
    if record is not None:
        yield Line("\nMetrics", HEADING)
        table = Table(METRIC_COLUMNS)
        for name, metric in record.metrics.items():
            value = f"{metric.value:.6g}" if isinstance(metric.value, float) else show(metric.value)
            table.row(name, value, f"{metric.n:,}", metric.split, metric.signature)
        yield table
    provenance = read_provenance(found.folder)
    if provenance is not None:
        yield from _provenance(provenance)
    yield from _settings(spec, project)
    yield from _reproduce(found.folder, spec, provenance)


def _unfinished_spec(found: Found) -> RunSpec:
    """From its folder, or from the list of what a workflow was asked for."""
    path = found.folder / SPEC
    if path.exists():
        return RunSpec.from_dict(read_json(path))
    for spec in asked_for(found.results) if found.results else ():
        if spec.run == found.run:
            return spec
    raise RecordError(f"{found.folder}: neither {METRICS} nor {SPEC} is there, and no workflow asked for it")


def _unfinished(found: Found, spec: RunSpec) -> Iterator[Line]:
    """What `redrop status` says of it."""
    if found.results is None:
        yield Line("not finished; name its id to be told how far it is")
        return
    status = status_of({spec.study: [spec]}, found.results)
    [run] = status.runs
    yield Line(f"{run.state}: {STATES[run.state]}")
    yield from (Line(f"  {text}", whole="/" in text) for text in details(run, status))


def _files(found: Found) -> Iterator[Line]:
    files = sorted(path.name for path in found.folder.glob("[!.]*"))
    if files:
        yield Line(f"{found.folder}: {', '.join(files)}", whole=True)
    for folder in found.also:
        yield Line(f"{folder}: the same run", whole=True)


def _curve(folder: Path, metrics: dict[str, Metric]) -> Iterator[Line]:
    """Losses, and scores where they were taken while training; scaled without the untrained model's loss."""
    if not (folder / CURVE).exists():
        return
    rows = read_curve(folder)
    trained = [row for row in rows if row["iteration"] > 0]
    yield Line(f"\nCurve of {several(len(rows), 'evaluation')}", HEADING)
    scores = [name for name, metric in metrics.items() if metric.higher_is_better]
    for name in [*CURVE_METRICS, *scores]:
        known = [(row["iteration"], row[name]) for row in trained if row.get(name) is not None]
        if not known:
            continue
        best, word = (min, "lowest") if name in CURVE_METRICS else (max, "highest")
        at, value = best(known, key=lambda point: point[1])
        start = next((row.get(name) for row in rows if row["iteration"] == 0), None)
        line = sparkline([row.get(name) for row in trained])
        text = f"  {name:<12} {line}  {known[0][1]:.4f} to {known[-1][1]:.4f}, {word} {value:.4f} at {at:,}"
        yield Line(text + (f" (untrained {start:.4f})" if start is not None else ""))


def _provenance(found: Provenance) -> Iterator[Line]:
    yield Line("\nCost and provenance", HEADING)
    words = [
        f"{duration(seconds)} of {name}" for name, seconds in sorted(found.seconds.items(), reverse=True)
    ]
    if found.milliseconds_an_iteration is not None:
        words.append(f"{found.milliseconds:.1f} ms an iteration")
    if (found.trained_together or 1) > 1:
        words.append(f"its share of {found.trained_together} runs in one process")
    if (found.processes or 1) > 1:
        own = found.last_process.get("iterations", 0)
        words.append(f"in {found.processes} processes, {several(own, 'iteration')} in the last")
    if words:
        yield Line("  " + ", ".join(words))
    memory = [f"{size(n)} ({where})" for where, n in sorted(found.peak_memory_bytes.items())]
    if memory:
        yield Line("  peak memory: " + ", ".join(memory))
    device = [text for text in (found.device, found.platform) if text]
    yield Line("  " + ", ".join([*device, f"Python {found.python or 'not recorded'}"]))
    yield Line("  " + ", ".join(f"{name} {version}" for name, version in sorted(found.packages.items())))
    commit = found.git.get("commit") or "no commit"
    dirty = ", with changes that were not committed" if found.git.get("dirty") else ""
    yield Line(f"  {commit}{dirty}, finished {found.finished or 'at a time not recorded'}")
    yield Line("  data: " + ", ".join(f"{key} {value}" for key, value in sorted(found.data.items())))


def _settings(spec: RunSpec, project: Path | None) -> Iterator[Block]:
    """Every setting, with its source where the study's file is at hand."""
    sources: dict[str, Setting] = {}
    row = None
    try:
        root = project or project_folder()
        study = load_study(root / "config" / "studies" / f"{spec.study}.yaml", root)
        row = study_spec(study, spec.protocol, spec.config, spec.task, spec.seed)
    except ConfigError:
        pass
    yield Line("\nSettings", HEADING)
    if row is None:
        yield Line("  their sources are not shown: no study file here has this row")
    else:
        protocol = study.protocols[spec.protocol]
        sources = protocol.settings | protocol.tasks.get(spec.task, {}) | protocol.rows[spec.config]
    table = Table(SETTING_COLUMNS)
    own = flat(spec) if row is None else flat(row)
    for key, value in flat(spec).items():
        setting = sources.get(key, Setting(value, "", ""))
        if own.get(key) != value:
            setting = Setting(value, CHANGED, f"the study file has {show(own.get(key))}")
        table.row(key, show(value), setting.source, " ".join(setting.note.split()))
    yield table


def _reproduce(folder: Path, spec: RunSpec, provenance: Provenance | None) -> Iterator[Line]:
    yield Line("\nReproduce", HEADING)
    path = folder / SPEC
    words = ["redrop", "train", "--spec", str(path) if path.exists() else spec.to_json()]
    words += ["--out", f"reproduced/{spec.run}"]
    if provenance is not None:
        words += ["--device", provenance.device_type or "auto"]
    yield Line("  " + shlex.join(words), whole=True)
    if (folder / METRICS).exists():
        if folder.resolve().name != spec.run and RUN_SUFFIX.search(folder.resolve().name):
            yield Line("  of an earlier version, perhaps trained in a pack: its numbers agree up to rounding")
            return
        words = ["cmp", str(folder / METRICS), f"reproduced/{spec.run}/{METRICS}"]
        yield Line("  " + shlex.join(words), whole=True)
        yield Line("  equal bytes are promised on one machine and with one set of versions")
