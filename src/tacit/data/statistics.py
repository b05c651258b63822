"""Statistics of a log that say how hard it is: popularity, density, activity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Int64

_POINTS = 50


@dataclass(frozen=True)
class LogStatistics:
    """Of distinct pairs: their number, share of all pairs, unevenness over items, spread over users."""

    users: int
    items: int
    pairs: int
    density: float
    popularity_exponent: float
    gini: float
    per_user: tuple[int, int, int]  # quantiles at 5, 50 and 95 %


def log_statistics(
    users: Int[np.ndarray, "n"], items: Int[np.ndarray, "n"], n_users: int, n_items: int
) -> LogStatistics:
    """Statistics of the distinct pairs among n events over a catalogue of `n_items`."""
    pairs = np.unique(users.astype(np.int64) * n_items + items)
    counts = np.bincount(pairs % n_items, minlength=n_items)
    activity = np.bincount(pairs // n_items, minlength=n_users)
    low, middle, high = (int(value) for value in np.quantile(activity, [0.05, 0.5, 0.95]))
    return LogStatistics(
        int(n_users),
        int(n_items),
        len(pairs),
        len(pairs) / (int(n_users) * int(n_items)),
        popularity_exponent(counts),
        gini(counts),
        (low, middle, high),
    )


def popularity_exponent(counts: Int64[np.ndarray, "items"]) -> float:
    """The a of count ~ rank^-a: least squares in logs, at 50 log-spaced ranks of the more popular half.

    Log-spaced ranks weigh each decade alike; the rarer half of a catalogue falls off faster in any log.
    """
    ordered = np.sort(counts)[::-1]
    ordered = ordered[: max(2, np.count_nonzero(ordered) // 2)]
    ranks = np.unique(np.geomspace(1, len(ordered), _POINTS).astype(np.int64))
    return -float(np.polyfit(np.log(ranks), np.log(np.maximum(ordered[ranks - 1], 1)), 1)[0])


def gini(counts: Int64[np.ndarray, "items"]) -> float:
    """Gini coefficient: 0 where all items have equal counts, near 1 where one item has everything."""
    ordered, n = np.sort(counts), len(counts)
    total = int(ordered.sum())
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total)) if total else 0.0
