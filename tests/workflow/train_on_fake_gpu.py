"""`redrop train` on a GPU that is not there: torch computes on the CPU, everything else is as it is.

Notes in the file EVENTS when the process starts and stops, and from when to when it has which device.
"""

import os

from redrop.cli import main
from redrop.runtime import gpu, launch

EVENTS = os.open(os.environ["EVENTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def note(event, device):
    os.write(EVENTS, f"{event} {device}\n".encode())


class NotedLease(gpu.Lease):
    def __enter__(self):
        note("begin", os.environ["CUDA_VISIBLE_DEVICES"])
        return super().__enter__()

    def __exit__(self, *error):
        note("end", os.environ["CUDA_VISIBLE_DEVICES"])
        super().__exit__(*error)


gpu.Lease = NotedLease
launch.automatic = lambda leased: "cpu"
launch.KEEP_GOING_SECONDS = 0.0  # each run in its own job

if __name__ == "__main__":
    note("begin", "job")
    try:
        main()
    finally:
        note("end", "job")
