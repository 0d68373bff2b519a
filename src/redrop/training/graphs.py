"""A training step as one CUDA graph: a small model's step is hundreds of launches, a graph is one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import torch

from redrop.streams import MaskStream

log = logging.getLogger(__name__)

WARM_UP = 3
"""Steps run one kernel at a time before the capture: libraries choose and allocate in their first calls."""

Compute = Callable[..., torch.Tensor]


class GraphedStep:
    """Runs ``compute`` on batches of one shape: a few times as it is, then by replaying its graph.

    ``compute`` may change tensors in place, must read nothing on the host, and returns one tensor.
    The dropout streams are registered with the graph, so that each replay goes on where the last one
    ended and a stream's state can be stored at any time. Where the capture fails, a warning says why and
    every step runs as it is, with the same numbers.
    """

    def __init__(self, compute: Compute, streams: Sequence[MaskStream]) -> None:
        self.compute, self.streams = compute, list(streams)
        self.steps = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.failed = False
        self._inputs: list[torch.Tensor] = []
        self._output: torch.Tensor | None = None
        self._side: torch.cuda.Stream | None = None

    def __call__(self, *batch: torch.Tensor) -> torch.Tensor:
        """One step; the result is the caller's own."""
        self.steps += 1
        if self.failed or self.steps <= WARM_UP:
            return self._beside(batch)
        if self.graph is None:
            self._capture(batch)
            if self.failed:
                return self._beside(batch)
        for static, values in zip(self._inputs, batch, strict=True):
            static.copy_(values)
        self.graph.replay()
        return self._output.clone()

    def _beside(self, batch: Sequence[torch.Tensor]) -> torch.Tensor:
        """Run as it is on a stream of its own, as the capture will: nothing may be tied to the main one."""
        stream = self._side = self._side or torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            output = self.compute(*batch)
        torch.cuda.current_stream().wait_stream(stream)
        for tensor in (*batch, output):  # their memory must not be given away while either stream uses it
            tensor.record_stream(stream)
            tensor.record_stream(torch.cuda.current_stream())
        return output

    def _capture(self, batch: Sequence[torch.Tensor]) -> None:
        """Record one step; nothing is computed by that."""
        before = [stream.state() for stream in self.streams]
        self._inputs = [values.clone() for values in batch]
        graph = torch.cuda.CUDAGraph()
        for stream in self.streams:
            graph.register_generator_state(stream.generator)
        try:
            # The outer block puts the stream back also where the capture fails on its way out.
            with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph):
                self._output = self.compute(*self._inputs)
        except RuntimeError as error:
            log.warning("no CUDA graph, each step is launched kernel by kernel: %s", error)
            self.failed = True
            for stream, state in zip(self.streams, before, strict=True):
                stream.restore(state)
            return
        self.graph = graph
