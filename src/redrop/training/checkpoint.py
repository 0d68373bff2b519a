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
import shutil
from pathlib import Path
from typing import Any

import torch

from redrop.atomic import replacing
from redrop.errors import naming

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

        A damaged file is named in the log and passed over, never used. It gives way to the previous one
        at once: the next ``save`` would put it in that one's place.
        """
        for path in (self.last, self.previous):
            if not path.exists():
                continue
            state, fault = self._read(path)
            if state is not None:
                if path != self.last:
                    with naming(self.last):
                        os.replace(path, self.last)
                return state
            older = "" if path == self.previous else f"; {self.previous} is tried"
            log.warning("%s: %s; passed over%s", path, fault, older or "; the run begins anew")
        return None

    def iteration(self) -> int:
        """The iteration that the newest file says it is at, unverified; 0 without one."""
        for path in (self.last, self.previous):
            try:  # another process may be replacing the file
                with path.open("rb") as file:
                    return int(json.loads(file.readline())["iteration"])
            except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
                continue
        return 0

    def _read(self, path: Path) -> tuple[dict[str, Any] | None, str]:
        try:
            header_line, _, payload = path.read_bytes().partition(b"\n")
            header = json.loads(header_line)
            run, digest, iteration = header["run"], header["sha256"], header["iteration"]
        except IsADirectoryError:
            return None, "a folder, not a checkpoint"
        except (ValueError, KeyError, TypeError, RecursionError):
            return None, "not a checkpoint, or its header is damaged"
        if run != self.run:
            return None, f"belongs to run {run}"
        if hashlib.sha256(payload).hexdigest() != digest:
            return None, "truncated or damaged (its checksum is wrong)"
        try:
            state = torch.load(io.BytesIO(payload), weights_only=True, map_location="cpu")
        except Exception:  # what is no checkpoint makes torch raise has no common base
            return None, "damaged, or it holds more than tensors and plain values"
        if not isinstance(state, dict) or state.get("iteration") != iteration:
            return None, "damaged (its header and its content are not of one iteration)"
        return state, ""

    def delete(self) -> None:
        """Remove a finished run's folder, with what a killed process left half-written there."""
        shutil.rmtree(self.last.parent, ignore_errors=True)
