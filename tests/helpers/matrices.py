"""Sparse matrices written as lists."""

from __future__ import annotations

from itertools import chain

import numpy as np

from tacit.sparse import CSR


def csr_of(rows: list[list[int]], n_columns: int) -> CSR:
    """The matrix whose rows hold these columns."""
    at = np.repeat(np.arange(len(rows)), [len(row) for row in rows]).astype(np.int64)
    return CSR.from_pairs(at, np.array(list(chain(*rows)), np.int64), len(rows), n_columns)


def random_csr(chance: np.random.Generator, n_rows: int, n_columns: int, density: float) -> CSR:
    """A matrix in which each entry stands with this probability."""
    return csr_of(
        [np.flatnonzero(chance.random(n_columns) < density).tolist() for _ in range(n_rows)], n_columns
    )
