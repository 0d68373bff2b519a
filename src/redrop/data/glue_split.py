"""The rows of one split of a GLUE task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class Split:
    """The rows of one split, in the order of the file. The arrays are read-only."""

    sentence1: list[str] = field(repr=False)
    """n sentences."""
    sentence2: list[str] | None = field(repr=False)
    """Their partners; None where the task has one sentence."""
    labels: np.ndarray = field(repr=False)
    """int64 class numbers or float32 scores, shape [n]."""
    idx: np.ndarray = field(repr=False)
    """int32, shape [n]: the row's number in the original file."""

    def __len__(self) -> int:
        return len(self.sentence1)

    def columns(self) -> dict[str, list[Any]]:
        """The rows as plain lists, a score as the shortest decimal that gives its float32."""
        is_score = self.labels.dtype.kind == "f"
        columns = {"idx": self.idx.tolist(), "sentence1": self.sentence1}
        if self.sentence2 is not None:
            columns["sentence2"] = self.sentence2
        labels = [float(str(score)) for score in self.labels] if is_score else self.labels.tolist()
        return columns | {"label": labels}

    def take(self, rows: Sequence[int] | np.ndarray) -> Split:
        """Some of the rows, in the order given."""
        return make_split(
            [self.sentence1[i] for i in rows],
            None if self.sentence2 is None else [self.sentence2[i] for i in rows],
            self.labels[rows],
            self.idx[rows],
        )


def make_split(
    sentence1: list[str],
    sentence2: list[str] | None,
    labels: Sequence[int] | Sequence[float] | np.ndarray,
    idx: Sequence[int] | np.ndarray,
) -> Split:
    """Rows with read-only arrays: labels int64, or float32 where they are scores."""
    import numpy as np

    values = np.asarray(labels)
    values = values.astype(np.float32 if values.dtype.kind == "f" else np.int64)
    numbers = np.array(idx, dtype=np.int32)
    values.setflags(write=False)
    numbers.setflags(write=False)
    return Split(sentence1, sentence2, values, numbers)
