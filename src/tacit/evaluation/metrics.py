"""Ranking metrics: pure functions of hits, one value per user.

`hits` (users, K) bool, in rank order; `sizes` (users,) the number of relevant items |T|; k at most K.
Recall = hits / |T|; the ideal of NDCG and the divisor of MAP are cut at min(k, |T|).
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

import numpy as np
from jaxtyping import Bool, Float64, Int

from tacit.errors import OptionError

Hits = Bool[np.ndarray, "users K"]
Sizes = Int[np.ndarray, "users"]
Values = Float64[np.ndarray, "users"]


def recall(hits: Hits, sizes: Sizes, k: int) -> Values:
    """Share of the relevant items among the first k."""
    return hits[:, :k].sum(1) / sizes


def precision(hits: Hits, sizes: Sizes, k: int) -> Values:
    """Share of relevant items in the first k places; missing places count as misses."""
    return hits[:, :k].sum(1) / k


def hit_rate(hits: Hits, sizes: Sizes, k: int) -> Values:
    """1 where any of the first k is relevant."""
    return hits[:, :k].any(1).astype(np.float64)


def mrr(hits: Hits, sizes: Sizes, k: int) -> Values:
    """1 / rank of the first relevant item, 0 where it lies beyond k."""
    found = hits[:, :k]
    return np.where(found.any(1), 1.0 / (found.argmax(1) + 1.0), 0.0)


def ndcg(hits: Hits, sizes: Sizes, k: int) -> Values:
    """Discounted gain 1 / log2(rank + 1) over that of the ideal order (Jarvelin and Kekalainen 2002)."""
    gains = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[0.0], np.cumsum(gains)])
    return hits[:, :k] @ gains[: hits[:, :k].shape[1]] / ideal[np.minimum(sizes, k)]


def average_precision(hits: Hits, sizes: Sizes, k: int) -> Values:
    """Mean of the precision at each relevant place within k, divided by min(k, |T|)."""
    found = hits[:, :k]
    at = found.cumsum(1) / np.arange(1, found.shape[1] + 1)
    return (at * found).sum(1) / np.minimum(sizes, k)


PER_USER: dict[str, Callable[[Hits, Sizes, int], Values]] = {
    "recall": recall,
    "ndcg": ndcg,
    "hit_rate": hit_rate,
    "mrr": mrr,
    "map": average_precision,
    "precision": precision,
}
OF_LISTS = ("coverage", "gini", "mean_popularity")
OF_CATALOGUE = ("auc", "gauc")
NAMES = (*PER_USER, *OF_LISTS, *OF_CATALOGUE)


def known_metric(name: str) -> str:
    """The name itself. Raises `OptionError` with the nearest name for any other."""
    if name in NAMES:
        return name
    near = get_close_matches(name, NAMES, 1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    raise OptionError(f'unknown metric "{name}"{hint} Expected one of: {", ".join(NAMES)}')
