"""Nearest neighbours by brute force in blocks, and labels that spread along them."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int32, Int64

from tacit.kernels._compiled import propagation as compiled

BLOCK = 1024


def nearest(
    vectors: Float32[np.ndarray, "n d"], count: int
) -> tuple[Int32[np.ndarray, "n k"], Float32[np.ndarray, "n k"]]:
    """The `count` nearest other rows of each row, and their Euclidean distances, nearest first.

    Fewer where there are not so many. Rows are chosen by products about their mean, and distances are of
    differences, so that near rows keep their digits wherever they lie.
    """
    table = torch.from_numpy(vectors)
    table = table - table.mean(0)
    k = min(count, len(table) - 1)
    items, found = np.empty((len(table), k), np.int32), np.empty((len(table), k), np.float32)
    squares = table.square().sum(1)
    for start in range(0, len(table) if k else 0, BLOCK):
        block = table[start : start + BLOCK]
        scores = squares - 2 * block @ table.T
        scores[torch.arange(len(block)), torch.arange(start, start + len(block))] = torch.inf
        chosen = scores.topk(k, largest=False).indices
        distances = (table[chosen] - block[:, None]).norm(dim=2)
        order = distances.sort(dim=1, stable=True)
        items[start : start + len(block)] = chosen.gather(1, order.indices).numpy()
        found[start : start + len(block)] = order.values.numpy()
    return items, found


def spread(
    others: Int32[np.ndarray, "n k"],
    weights: Float[np.ndarray, "n k"],
    targets: Int64[np.ndarray, "n"],
    alpha: float,
    steps: int,
    keep: int,
) -> tuple[Int32[np.ndarray, "n"], Int32[np.ndarray, "n keep"], Float64[np.ndarray, "n keep"]]:
    """q of `steps` rounds q <- alpha w q + (1 - alpha) q0, q0 the targets, w n rows of k weights.

    Of each row at most `keep` items stay after a round, the target among them; what the others held is given
    to these in proportion. Equals the dense product where nothing is left out. Returns how many items each
    row has, the items, and their shares.
    """
    known, place = np.unique(targets, return_inverse=True)
    counts = np.ones(len(targets), np.int32)
    items = np.zeros((len(targets), keep), np.int32)
    values = np.zeros((len(targets), keep), np.float64)
    items[:, 0], values[:, 0] = place, 1.0
    for _ in range(steps):
        more = np.zeros_like(counts), np.zeros_like(items), np.zeros_like(values)
        compiled.spread(
            others, weights.astype(np.float64), place, alpha, len(known), counts, items, values, *more
        )
        counts, items, values = more
    return counts, known[items].astype(np.int32), values
