"""Train paper B's runs in packs, in the order of specs.jsonl, until a moment; the rest has a checkpoint."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from common import finish, options

from redrop.layout import ResultsLayout
from redrop.places import Places
from redrop.record import PROVENANCE, read_json, write_json
from redrop.runtime.launch import Workplace, checkpoint_of, run
from redrop.runtime.pool import PACK_ON_ACCELERATOR, Pool
from redrop.spec import RunSpec

STUDY = "residual"
log = logging.getLogger(__name__)


def choose_pack(rows: list[dict[str, Any]], spec: RunSpec, seconds: float) -> int:
    """Runs to train together, by what the benchmark measured.

    The largest pack that is trained to its end in the time that is left; without one the usual size, as
    the checkpoints of a few runs are all that an archive has room for.
    """

    def whole(row: dict[str, Any]) -> float:
        iterations = spec.schedule.iterations
        evaluations = iterations / spec.evaluation.every + 1
        return iterations * row["ms_a_step"] / 1e3 + evaluations * row["evaluation_s"]

    in_time = [
        row["models"] for row in rows if row["evaluation_s"] is not None and whole(row) <= 0.9 * seconds
    ]
    return max(in_time, default=PACK_ON_ACCELERATOR)


def name_commit(folder: Path, tree: dict[str, Any]) -> None:
    """A copied tree is no repository: the record of how a run was made gets the commit of the copy."""
    path = folder / PROVENANCE
    made = read_json(path)
    if made["git"]["commit"] is None:
        write_json(path, made | {"git": {"commit": tree["commit"], "dirty": tree["dirty"]}})


def main() -> int:
    """Train, collect what was trained along, write what there is."""
    parser = options(__doc__)
    parser.add_argument("--work", type=Path, required=True, help="a results folder")
    parser.add_argument("--until", type=float, required=True, help="seconds since the epoch")
    parser.add_argument("--more-seconds", type=float, default=0.0, help="of later calls in the same folder")
    parser.add_argument("--updates", type=int, help="stop after about so many")
    parser.add_argument("--pack", type=int, help="runs trained together; default: by the benchmark's result")
    parser.add_argument("--benchmark", type=Path, help="its result")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    lines = (given.tree / "specs.jsonl").read_text(encoding="utf-8").splitlines()
    specs = [RunSpec.from_json(line) for line in lines]
    layout = ResultsLayout(given.work)
    runs = layout.path / "runs" / STUDY
    pool = Pool(layout.pool(STUDY), runs=runs)
    pool.write_wanted(specs)
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return time.time() >= given.until or (given.updates is not None and asked > given.updates)

    pack = given.pack
    unfinished = [spec for spec in specs if not pool.finished(spec.run)]
    if pack is None and unfinished and given.benchmark is not None and given.benchmark.exists():
        left = given.until - time.time() + given.more_seconds
        pack = choose_pack(read_json(given.benchmark)["rows"], unfinished[0], left)
    workplace = Workplace(
        places=Places(given.tree / "data", given.tree / "models"),
        checkpoints=layout.checkpoints(STUDY),
        device=torch.device(given.device),
        pack=pack or PACK_ON_ACCELERATOR,
        should_stop=should_stop,
    )
    log.info("%d of %d runs are left, up to %d together", len(unfinished), len(specs), workplace.pack)
    faults = []
    for spec in specs:
        if time.time() >= given.until or (given.updates is not None and asked > given.updates):
            break
        try:
            run(spec, out=runs / spec.run, workplace=workplace, pool=pool)
        except Exception as error:
            log.exception("%s", spec.run)
            faults.append(f"{spec.run}: {type(error).__name__}: {error}")
            workplace = replace(workplace, pack=max(1, workplace.pack // 4))  # for want of memory, perhaps
    tree = read_json(given.tree / "tree.json")
    finished, reached = [], {}
    for spec in specs:
        pool.collect(spec, runs / spec.run)
        if pool.finished(spec.run):
            name_commit(runs / spec.run, tree)
            finished.append(spec.run)
        elif iteration := checkpoint_of(spec, workplace).iteration():
            reached[spec.run] = iteration
    print(json.dumps({"finished": len(finished), "begun": reached}))
    report = {"finished": finished, "begun": reached, "runs": len(specs), "pack": workplace.pack}
    return finish(given.json, report, faults)


if __name__ == "__main__":
    raise SystemExit(main())
