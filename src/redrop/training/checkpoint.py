"""Checkpoints: written whole, verified when read, the previous one kept.

A checkpoint is one file: a JSON header line (run id, iteration, SHA-256 of the rest), then what
``torch.save`` wrote. It is read with ``weights_only=True``, so it can hold tensors and plain values only.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
from pathlib import Path
from typing import Any

import torch

from redrop.record import replacing

log = logging.getLogger(__name__)


class Checkpoint:
    """The checkpoint of one run in one folder: ``last.pt``, and ``previous.pt`` behind it."""

    def __init__(self, folder: Path, run: str) -> None:
        self.run = run
        self.last = folder / "last.pt"
        self.previous = folder / "previous.pt"

    def save(self, iteration: int, state: dict[str, Any]) -> None:
        """Write ``state``; at any moment at least one whole checkpoint is on disk."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        payload = buffer.getvalue()
        header = {
            "run": self.run,
            "iteration": iteration,
            "sha256": hashlib.sha256(payload).hexdigest(),
        }
        with replacing(self.last) as part:
            part.write_bytes(json.dumps(header).encode() + b"\n" + payload)
            if self.last.exists():
                os.replace(self.last, self.previous)

    def load(self) -> dict[str, Any] | None:
        """The newest state that is whole and belongs to this run, or None.

        A damaged file is named in the log and passed over, never used.
        """
        for path in (self.last, self.previous):
            if not path.exists():
                continue
            state, fault = self._read(path)
            if state is not None:
                return state
            log.warning("%s: %s; passed over", path, fault)
        return None

    def iteration(self) -> int:
        """The iteration that the newest file says it is at, unverified; 0 without one."""
        for path in (self.last, self.previous):
            try:  # another process may be replacing the file
                with path.open("rb") as file:
                    return int(json.loads(file.readline())["iteration"])
            except (FileNotFoundError, ValueError, KeyError, TypeError):
                continue
        return 0

    def _read(self, path: Path) -> tuple[dict[str, Any] | None, str]:
        header_line, _, payload = path.read_bytes().partition(b"\n")
        try:
            header = json.loads(header_line)
            run, digest = header["run"], header["sha256"]
        except (ValueError, KeyError, TypeError):
            return None, "not a checkpoint, or its header is damaged"
        if run != self.run:
            return None, f"belongs to run {run}"
        if hashlib.sha256(payload).hexdigest() != digest:
            return None, "truncated or damaged (its checksum is wrong)"
        return torch.load(io.BytesIO(payload), weights_only=True, map_location="cpu"), ""

    def delete(self) -> None:
        """Remove the checkpoints of a finished run, and the folder if nothing else is in it."""
        for path in (self.last, self.previous):
            path.unlink(missing_ok=True)
        if self.last.parent.is_dir() and not any(self.last.parent.iterdir()):
            self.last.parent.rmdir()
