"""Ranking metrics: pure functions of hits, one value per user.

`hits` (users, K) bool, in rank order; `sizes` (users,) the number of relevant items |T|; k at most K.
Recall = hits / |T|; the ideal of NDCG and the divisor of MAP are cut at min(k, |T|).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float64, Int

Hits = Bool[np.ndarray, "users K"]
Sizes = Int[np.ndarray, "users"]
Values = Float64[np.ndarray, "users"]


def recall(hits: Hits, sizes: Sizes, k: int) -> Values:
    """Share of the relevant items among the first k."""
    return np.asarray(hits[:, :k].sum(1) / sizes)


def precision(hits: Hits, sizes: Sizes, k: int) -> Values:
    """Share of relevant items in the first k places; missing places count as misses."""
    return np.asarray(hits[:, :k].sum(1) / k)


def hit_rate(hits: Hits, sizes: Sizes, k: int) -> Values:
    """1 where any of the first k is relevant, else 0."""
    return np.asarray(hits[:, :k].any(1), np.float64)


def mrr(hits: Hits, sizes: Sizes, k: int) -> Values:
    """1 / rank of the first relevant item, 0 where it lies beyond k."""
    return np.asarray((hits[:, :k] / _ranks(hits, k)).max(1, initial=0.0))


def ndcg(hits: Hits, sizes: Sizes, k: int) -> Values:
    """Sum of 1 / log2(rank + 1) over the hits, over that of the ideal order (Jarvelin, Kekalainen 2002)."""
    gains = 1.0 / np.log2(_ranks(hits, k) + 1)
    ideal = np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))
    return np.asarray(hits[:, :k] @ gains / ideal[np.minimum(sizes, k) - 1])


def average_precision(hits: Hits, sizes: Sizes, k: int) -> Values:
    """Sum of the precision at each hit within k, over min(k, |T|)."""
    found = hits[:, :k]
    at = found.cumsum(1) / _ranks(hits, k)
    return np.asarray((at * found).sum(1) / np.minimum(sizes, k))


def _ranks(hits: Hits, k: int) -> Float64[np.ndarray, "places"]:
    return np.arange(1.0, hits[:, :k].shape[1] + 1)


def coverage(counts: Int[np.ndarray, "N"]) -> float:
    """Share of the catalogue that stands in any list; `counts`: in how many lists each item stands."""
    return float(np.mean(counts > 0))


def gini(counts: Int[np.ndarray, "N"]) -> float:
    """Inequality of the items' counts: 0 all alike, (N - 1) / N one item has all; NaN for empty lists."""
    ordered = np.sort(counts).astype(np.float64)
    ranks = np.arange(1, len(counts) + 1)
    total = ordered.sum()
    return float((2 * ranks - len(counts) - 1) @ ordered / (len(counts) * total)) if total else float("nan")


def mean_popularity(counts: Int[np.ndarray, "N"], popularity: Int[np.ndarray, "N"]) -> float:
    """Mean number of training events of the items in all lists, in events; NaN for empty lists."""
    total = counts.sum()
    return float(counts @ popularity / total) if total else float("nan")


PER_USER: dict[str, Callable[[Hits, Sizes, int], Values]] = {
    "recall": recall,
    "ndcg": ndcg,
    "hit_rate": hit_rate,
    "mrr": mrr,
    "map": average_precision,
    "precision": precision,
}
