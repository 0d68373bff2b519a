"""Mean loss over k dropout masks of the whole net (DROPOUT_k, arXiv 2002.12915): k passes of each batch.

The expected gradient is that of one pass, and dropout's share of its variance is divided by k, so this is the
control of every method of two passes. With k = 1 it is plain training.
"""

from __future__ import annotations

from typing import Any

from redrop.settings import Option

OPTIONS = {"k": Option(2, 1)}


def passes(options: dict[str, Any]) -> int:
    """k."""
    return options["k"]
