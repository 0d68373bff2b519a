"""What a run reads, minimises and measures: the part of training that differs between kinds of models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from redrop.objectives.terms import Batch
from redrop.record import Metric
from redrop.spec import RunSpec
from redrop.training.run import Run

if TYPE_CHECKING:
    from redrop.training.trainer import Trainer


class Task(ABC):
    """Data, model and measurements of one run; ``trainer.py`` makes the updates."""

    spec: RunSpec
    device: torch.device
    model: torch.nn.Module
    updates: int
    """That the learning rate's schedule spans."""
    last_update: int
    """Where training ends."""
    every: int
    """Updates between two evaluations."""
    dropout: AbstractContextManager[None] = nullcontext()
    """Entered around forward and backward pass, for a model whose dropout draws from torch's generators."""

    check: Callable[[], None] = staticmethod(lambda: None)
    """Called at least every few seconds of measuring; raises ``Stopped`` where the run is to stop."""

    @contextmanager
    def scaled(self, scale: float) -> Iterator[None]:
        """Within the block the dropout rates are multiplied by ``scale``, as a dropout schedule says."""
        if scale == 1.0:
            yield
            return
        self.scale_dropout(scale)
        try:
            yield
        finally:
            self.scale_dropout(1.0)

    @abstractmethod
    def scale_dropout(self, scale: float) -> None:
        """Multiply the dropout rates that the spec gives by ``scale``."""

    @abstractmethod
    def batches(self, update: int) -> Iterable[tuple[Batch, float]]:
        """What the update after ``update`` finished ones is computed in, each with its share of the whole."""

    @abstractmethod
    def measure(self, trainer: Trainer, row: dict[str, float]) -> None:
        """Fill a row of the curve, without dropout; what it has is not measured again.

        Comes first what a process that goes on from a checkpoint could not measure.
        """

    @abstractmethod
    def validation_loss(self) -> float:
        """The mean loss of what the run is scored on, as the model is now, without dropout."""

    def sample(self, share: float) -> Iterator[Batch]:
        """An evenly spaced share of the training set, batch by batch, always the same."""
        raise NotImplementedError

    validation_size: int
    """Windows or examples that ``validation_loss`` is a mean over."""

    @abstractmethod
    def metrics(self, run: Run) -> dict[str, Metric]:
        """The run's metrics from its curve."""

    def begin_training(self) -> None:
        """Put the model into training mode."""
        if not self.model.training:
            self.model.train()

    @abstractmethod
    def finish(self, trainer: Trainer) -> None:
        """What only the finished model shows goes into the run's metrics, files and cost.

        Where it is stopped it leaves the task's state as it was, or such that it can be done again.
        """

    @abstractmethod
    def keep(self, folder: Path) -> None:
        """Write the finished model and all that it is used with into an empty folder."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """The positions of its random streams and what else the rest of the run depends on."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of ``state``."""
