"""What was found inside finished decoders, as their records keep it (docs/mechanisms.md)."""

from __future__ import annotations

from typing import Any

from redrop.errors import RecordError
from redrop.record import REMEDY, RunRecord, read_json

MECHANISMS = "mechanisms.json"
PLACES, SUBLAYERS, HEADS = "stream", "sub-layer", "layer"
"""What a quantity has a number for: places of the stream, embeddings first; sub-layers; heads by layer."""
QUANTITIES = {
    "token_rank": PLACES,
    "token_rank_without_skips": PLACES,
    "variance_shift": PLACES,
    "total": SUBLAYERS,
    "direct": SUBLAYERS,
    "repair": SUBLAYERS,
    "turn": SUBLAYERS,
    "attention_entropy": HEADS,
}
THIRDS = ("frequent", "middle", "rare")


def mechanisms_of(record: RunRecord) -> dict[str, list[Any]]:
    """Numbers by quantity, a list of them for each layer under ``attention_entropy``; empty: not measured."""
    path = record.folder / MECHANISMS
    if not path.exists():
        return {}
    try:
        document = read_json(path)
        return {name: list(numbers) for name, numbers in document.items() if name in QUANTITIES}
    except (TypeError, AttributeError) as error:
        raise RecordError(f"{path}: no mechanisms ({error!r}); {REMEDY}") from error
