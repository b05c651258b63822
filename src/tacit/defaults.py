"""The table of defaults: what a run does where its user says nothing.

What has been measured for them, and what has not yet, stands in docs/defaults.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Suggested:
    """Training options and options of scheme and backbone for one pair of them."""

    optimizer: str
    rate: float
    batch_size: int
    epochs: int
    patience: int
    scheme: dict[str, Any] = field(default_factory=dict)
    backbone: dict[str, Any] = field(default_factory=dict)
    decay: float = 1.0


SMALL = {"scale": 0.01}
TABLE: dict[tuple[str, str], Suggested] = {
    ("mf", "bpr"): Suggested("row-adagrad", 0.05, 16384, 150, 5, {"negatives": 16}, SMALL),
    ("mf", "bce"): Suggested("row-adagrad", 0.05, 16384, 150, 5, {}, SMALL),
    ("mf", "sampled-softmax"): Suggested("row-adagrad", 0.2, 2048, 60, 5),
    ("mf", "softmax"): Suggested("row-adagrad", 0.2, 2048, 60, 5),
    ("gmf", "bpr"): Suggested("row-adagrad", 0.05, 16384, 150, 5, {"negatives": 16}, SMALL),
    ("gmf", "bce"): Suggested("row-adagrad", 0.05, 16384, 150, 5, {}, SMALL),
    ("gmf", "sampled-softmax"): Suggested("row-adagrad", 0.2, 2048, 60, 5),
    ("gmf", "softmax"): Suggested("row-adagrad", 0.2, 2048, 60, 5),
    ("lightgcn", "bpr"): Suggested("adam", 0.01, 65536, 300, 10),
    ("lightgcn", "bce"): Suggested("adam", 0.01, 65536, 300, 10),
    ("lightgcn", "sampled-softmax"): Suggested("adam", 0.005, 2048, 40, 5),
    ("lightgcn", "softmax"): Suggested("adam", 0.005, 2048, 40, 5),
}
FALLBACK = Suggested("adam", 0.001, 4096, 100, 5)

RATES = {"row-adagrad": 0.1, "row-adam": 0.005, "lazy-adam": 0.005, "adam": 0.005}  # of another optimiser


def suggested(backbone: str, scheme: str) -> Suggested:
    """Defaults of this backbone under this scheme; a cautious fallback for one's own parts."""
    return TABLE.get((backbone, scheme), FALLBACK)
