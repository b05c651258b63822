"""Ranking and its metrics with loops and sorted lists."""

from __future__ import annotations

import math

import numpy as np

from tacit.sparse import CSR


def best_items(scores: np.ndarray, k: int, exclude: CSR | None) -> list[list[int]]:
    """The k best columns of each row, best first, ties by lower column, -1 where there are fewer."""
    result = []
    for row, line in enumerate(scores.tolist()):
        masked = set() if exclude is None else set(exclude.row(row).tolist())
        left = [(-s, i) for i, s in enumerate(line) if i not in masked and s > -math.inf]
        chosen = [item for _, item in sorted(left)][:k]
        result.append(chosen + [-1] * (k - len(chosen)))
    return result


def area(scores: list[float], relevant: set[int], masked: set[int]) -> float:
    """Share of (relevant, other) pairs in the right order, ties one half; unknown items lose all theirs."""
    others = [i for i in range(len(scores)) if i not in relevant and i not in masked]
    wanted = relevant - masked
    if not wanted or not others:
        return math.nan
    total = 0.0
    for good in wanted:
        for bad in others:
            if good < len(scores):
                total += (scores[good] > scores[bad]) + (scores[good] == scores[bad]) / 2
    return total / (len(wanted) * len(others))


def gini(counts: list[int]) -> float:
    """Mean absolute difference of two items' counts over twice the mean count."""
    n, mean = len(counts), sum(counts) / len(counts)
    return sum(abs(a - b) for a in counts for b in counts) / (2 * n * n * mean)
