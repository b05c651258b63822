"""The table of defaults: what a run does where its user says nothing.

Chosen on validation data by `benchmarks/choose_defaults.py`; shown, with the figures, in docs/defaults.md.
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


TABLE: dict[tuple[str, str], Suggested] = {
    ("mf", "bpr"): Suggested("row-adagrad", 0.05, 16384, 200, 10, {"negatives": 1}, {"scale": 0.01}),
    ("mf", "bce"): Suggested("row-adagrad", 0.05, 16384, 200, 10, {}, {"scale": 0.01}),
    ("mf", "sampled-softmax"): Suggested("row-adagrad", 0.05, 16384, 100, 5),
    ("mf", "softmax"): Suggested("row-adagrad", 0.05, 4096, 100, 5),
    ("gmf", "bpr"): Suggested("row-adagrad", 0.05, 16384, 200, 10, {}, {"scale": 0.01}),
    ("gmf", "bce"): Suggested("row-adagrad", 0.05, 16384, 200, 10, {}, {"scale": 0.01}),
    ("gmf", "sampled-softmax"): Suggested("row-adagrad", 0.05, 16384, 100, 5),
    ("gmf", "softmax"): Suggested("row-adagrad", 0.05, 4096, 100, 5),
    ("lightgcn", "bpr"): Suggested("adam", 0.01, 65536, 400, 20),
    ("lightgcn", "bce"): Suggested("adam", 0.01, 65536, 400, 20),
    ("lightgcn", "sampled-softmax"): Suggested("adam", 0.005, 16384, 100, 5),
    ("lightgcn", "softmax"): Suggested("adam", 0.005, 4096, 50, 5),
}
FALLBACK = Suggested("adam", 0.001, 4096, 100, 5)


def suggested(backbone: str, scheme: str) -> Suggested:
    """Defaults of this backbone under this scheme; a cautious fallback for one's own parts."""
    return TABLE.get((backbone, scheme), FALLBACK)
