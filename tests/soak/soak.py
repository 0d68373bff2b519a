"""The long checks (``make soak``): heads of the authors' curves, and commands killed at random moments.

Writes curve-heads.csv and kills.json. The authors' recorded losses are read from REDROP_REFERENCE and
the real text from REDROP_MIRROR or its address; without the reference, the heads are left out and said
to be. The kills need neither.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

os.environ |= {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}  # before numpy: threads do not survive a fork
sys.path[0] = str(Path(__file__).resolve().parents[1])


def main() -> None:
    """Run both; exit status 1 if either fails."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=["heads", "kills"])
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that no process is left behind
    good = True
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        if options.only != "kills":
            from soak.heads import curve_heads

            good &= curve_heads(options.out, work)
        if options.only != "heads":
            from redrop.record import write_json
            from soak.kills import kill_all

            found = kill_all(options.kills, options.seed, work)
            write_json(options.out / "kills.json", found)
            good &= not any(row["wrong"] or row["leftovers"] for row in found["rows"])
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
