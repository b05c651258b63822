"""Vectors for people known by their history only, from the item vectors alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, Int64

from tacit.sparse import CSR

BLOCK = 1024


def trained_rows(users: Int64[np.ndarray, "Q"], positives: CSR) -> Int64[np.ndarray, "Q"]:
    """The rows of users whom training saw with a positive, -1 for all others: their vectors are noise."""
    inside = (users >= 0) & (users < positives.n_rows)
    known = np.zeros(len(users), bool)
    known[inside] = positives.degrees()[users[inside]] > 0
    return np.where(known, users, -1)


def ridge(
    item_vectors: Float32[np.ndarray, "N d"],
    alpha: float = 0.1,
    regularisation: float = 0.5,
    nu: float = 0.0,
) -> Callable[[CSR], Float32[np.ndarray, "Q d"]]:
    """Fold-in by the normal equations of iALS (Rendle et al., RecSys 2022), items held fixed.

    p = (sum over S of q q^T + alpha G + lambda I)^-1 sum over S of q, with G = Q^T Q over all items and
    lambda = regularisation * (|S| + alpha N)^nu. An empty history gives the zero vector.
    """
    items = item_vectors.astype(np.float64)
    gram = alpha * items.T @ items

    def fold(history: CSR) -> Float32[np.ndarray, "Q d"]:
        result = np.zeros((history.n_rows, items.shape[1]), np.float32)
        for start in range(0, history.n_rows, BLOCK):
            rows = range(start, min(start + BLOCK, history.n_rows))
            lefts, rights = [], []
            for row in rows:
                chosen = items[history.row(row)]
                strength = regularisation * (len(chosen) + alpha * len(items)) ** nu
                lefts.append(chosen.T @ chosen + gram + strength * np.eye(items.shape[1]))
                rights.append(chosen.sum(0))
            result[rows.start : rows.stop] = np.linalg.solve(np.stack(lefts), np.stack(rights)[..., None])[
                ..., 0
            ]
        return result

    return fold
