"""Random streams: one a purpose, each derived from (run seed, purpose), none shared.

Initialisation, data order, dropout and evaluation never draw from each other's stream, so evaluating
more often, or adding a dropout site, moves nothing else. Every stream's state is a small JSON value,
which a checkpoint stores.

On a CPU the masks dominate a small model's step when they are drawn one Bernoulli number at a time; here
they are 16-bit words of a PCG64 stream compared with a threshold, so a rate is exact to 1/65536 and
rates 0 and 1 are exact.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import numpy as np
import torch

WORDS = 65536
BLOCK = 2**20
"""Numbers that an accelerator draws at a time, 4 MB: a kernel for many sites, since it counts launches."""


def derive_seed(seed: int, purpose: str) -> int:
    """A 63-bit seed for one purpose of one run."""
    digest = hashlib.sha256(f"redrop/{seed}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


class NumpyStream:
    """A PCG64 stream with a state that can be stored."""

    def __init__(self, seed: int, purpose: str) -> None:
        self.bits = np.random.PCG64(derive_seed(seed, purpose))
        self.generator = np.random.Generator(self.bits)

    def state(self) -> str:
        """The stream's position, as JSON."""
        return json.dumps(self.bits.state, sort_keys=True)

    def restore(self, state: str) -> None:
        """Continue from a stored position."""
        self.bits.state = json.loads(state)


class GlobalStream:
    """torch's global generators, lent to one run within the block: released models draw from nowhere else."""

    def __init__(self, seed: int, purpose: str, device: torch.device) -> None:
        self.device = device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(derive_seed(seed, purpose))
            self._state = self._read()
        self._outside: list[dict[str, torch.Tensor]] = []

    def _read(self) -> dict[str, torch.Tensor]:
        state = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self.device)
        return state

    def _write(self, state: dict[str, torch.Tensor]) -> None:
        torch.set_rng_state(state["cpu"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda"], self.device)

    def __enter__(self) -> None:
        self._outside.append(self._read())
        self._write(self._state)

    def __exit__(self, *_: object) -> None:
        self._state = self._read()
        self._write(self._outside.pop())

    def state(self) -> dict[str, torch.Tensor]:
        """The stream's position, for a checkpoint."""
        return dict(self._state)

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Continue from a stored position; a position of another kind of device is refused."""
        if state.keys() != self._state.keys():
            raise ValueError("this checkpoint's dropout stream belongs to another kind of device")
        self._state = {name: values.cpu() for name, values in state.items()}


class MaskStream:
    """Dropout masks of one model: of a ``NumpyStream`` on a CPU, else of a generator on the device."""

    def __init__(self, seed: int, device: torch.device, purpose: str = "dropout") -> None:
        self.device = device
        self.scale = 1.0
        """What a dropout schedule multiplies the rates by just now; it goes into no checkpoint."""
        self._numpy = NumpyStream(seed, purpose) if device.type == "cpu" else None
        self.generator: torch.Generator | None = None
        """The generator of an accelerator's stream, which a CUDA graph has to know."""
        if self._numpy is None:
            self.generator = torch.Generator(device).manual_seed(derive_seed(seed, purpose))
        self._drawn: torch.Tensor | None = None
        """What is left of the numbers that an accelerator has drawn in this pass; None: no pass has begun."""

    def begin(self) -> None:
        """A forward pass begins: an accelerator draws for many sites at once, until the next one.

        What is left of the last pass is dropped, so that the generator's position is the stream's and all
        passes draw alike, as a CUDA graph has to.
        """
        self._drawn = torch.empty(0, device=self.device)

    def uniform(self, count: int) -> torch.Tensor:
        """An accelerator's next numbers, float32 (count,), uniform on [0, 1); not to be written into."""
        if self._drawn is None:
            return torch.empty(count, device=self.device).uniform_(generator=self.generator)
        if len(self._drawn) < count:
            size = max(count, BLOCK)
            self._drawn = torch.empty(size, device=self.device).uniform_(generator=self.generator)
        numbers, self._drawn = self._drawn.split([count, len(self._drawn) - count])
        return numbers

    def mask(self, shape: tuple[int, ...], rate: float, keep_value: float) -> torch.Tensor:
        """A float32 tensor: ``keep_value`` with probability 1 - ``rate``, which is in (0, 1), else 0."""
        if self._numpy is None:
            return (self.uniform(math.prod(shape)).view(shape) >= rate) * keep_value
        mask = torch.empty(shape)
        self.fill(mask, rate, keep_value)
        return mask

    def fill(self, mask: torch.Tensor, rate: float, keep_value: float) -> None:
        """The same, written into a contiguous float32 tensor on the CPU."""
        count = mask.numel()
        words = self._numpy.bits.random_raw((count + 3) // 4).view(np.uint16)[:count]
        threshold = np.uint16(min(round((1.0 - rate) * WORDS), WORDS - 1))
        np.multiply(words < threshold, np.float32(keep_value), out=mask.numpy().reshape(-1))

    def state(self) -> dict[str, Any]:
        """The stream's position, for a checkpoint."""
        if self._numpy is not None:
            return {"numpy": self._numpy.state()}
        return {"torch": self.generator.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a stored position; a position of another kind of device is refused."""
        if ("numpy" in state) != (self._numpy is not None):
            raise ValueError("this checkpoint's dropout stream belongs to another kind of device")
        self._drawn = None
        if self._numpy is not None:
            self._numpy.restore(state["numpy"])
        else:
            # A new one: a generator that a CUDA graph knows belongs to that graph.
            self.generator = torch.Generator(self.device)
            self.generator.set_state(state["torch"].cpu())
