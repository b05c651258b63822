"""Nearest items by shared users, and sums of sparse rows over histories."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int32, Int64

from tacit.kernels._compiled import neighbours as compiled
from tacit.types import CSR


def transposed(matrix: CSR) -> CSR:
    """Rows become columns."""
    rows = np.repeat(np.arange(matrix.n_rows, dtype=np.int32), matrix.degrees())
    order = np.argsort(matrix.indices, kind="stable")
    counts = np.bincount(matrix.indices, minlength=matrix.n_columns)
    return CSR(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), rows[order], matrix.n_rows)


def nearest_items(
    positives: CSR, k: int, shrink: float
) -> tuple[Int32[np.ndarray, "N k"], Float32[np.ndarray, "N k"]]:
    """For each item its k nearest by |U_i & U_j| / (sqrt(|U_i| |U_j|) + shrink), with the weights.

    Where there are fewer, items are -1 and weights 0.

    Memory is N x k, never N x N; time is the sum of squared degrees of users.
    """
    by_item = transposed(positives)
    near = np.empty((positives.n_columns, k), np.int32)
    weights = np.empty((positives.n_columns, k), np.float32)
    compiled.nearest(
        positives.indptr, positives.indices, by_item.indptr, by_item.indices, k, float(shrink), near, weights
    )
    return near, weights


def sum_rows(
    history: CSR,
    indptr: Int64[np.ndarray, "N_plus_one"],
    columns: Int32[np.ndarray, "entries"],
    weights: Float32[np.ndarray, "entries"],
) -> Float32[np.ndarray, "Q N"]:
    """For each query the sum of the sparse rows of the items in its history."""
    scores = np.empty((history.n_rows, history.n_columns), np.float32)
    compiled.add_rows(history.indptr, history.indices, indptr, columns, weights, scores)
    return scores
