"""EASE^R: the closed-form item-item autoencoder (Steck, WWW 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float32
from scipy.linalg import lapack

from tacit.errors import OptionError
from tacit.kernels.neighbours import sum_dense_rows
from tacit.kernels.topk import recommend_in_blocks
from tacit.protocols import Queries, TopK
from tacit.references.history import history_of
from tacit.sparse import CSR
from tacit.types import TrainingData

BLOCK = 1024


@dataclass(frozen=True)
class EASE:
    """B = -P / diag(P) with P = (R^T R + l2 I)^-1 and a zero diagonal (eq. 8).

    One N x N float32 matrix, factorised and inverted in place by LAPACK: 4 N^2 bytes.
    """

    l2: float = 100.0

    def fit(self, data: TrainingData) -> EASERecommender:
        """Raises `OptionError` where the ridge is too small for the factorisation."""
        matrix = _sparse(data.positives)
        gram = np.empty((data.n_items, data.n_items), np.float32, order="F")
        for start in range(0, data.n_items, BLOCK):
            block = slice(start, min(start + BLOCK, data.n_items))
            gram[:, block] = (matrix.T @ matrix[:, block]).toarray()
        gram[np.diag_indices(data.n_items)] += self.l2
        factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1, clean=0)
        if failed:
            raise OptionError(f"EASE cannot be factorised with l2 = {self.l2}: raise it")
        inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
        _mirror(inverse)
        weights = inverse.T  # symmetric, so this is the same matrix in C order
        weights /= -weights.diagonal().copy()
        weights[np.diag_indices(data.n_items)] = 0
        return EASERecommender(weights, data.positives)

    def from_state(
        self, arrays: dict[str, Any], values: dict[str, Any], data: TrainingData
    ) -> EASERecommender:
        """A fitted model from its state."""
        return EASERecommender(arrays["weights"], data.positives)


@dataclass(frozen=True, eq=False)
class EASERecommender:
    """Scores are r B for the 0/1 history r."""

    weights: Float32[np.ndarray, "N N"]
    positives: CSR

    @property
    def n_items(self) -> int:
        return len(self.weights)

    def score(self, queries: Queries) -> Float32[np.ndarray, "Q N"]:
        """Scores of every item for each query, from its history or its training row."""
        return sum_dense_rows(history_of(queries, self.positives), self.weights)

    def recommend(self, queries: Queries, k: int, *, exclude: CSR | None = None) -> TopK:
        """The k best items of each query outside `exclude`."""
        return recommend_in_blocks(self.score, self.n_items, queries, k, exclude)

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Arrays and JSON values that restore the fit."""
        return {"weights": self.weights}, {}


def _sparse(matrix: CSR) -> sp.csr_array:
    values = np.ones(len(matrix.indices), np.float32)
    return sp.csr_array((values, matrix.indices, matrix.indptr), (matrix.n_rows, matrix.n_columns))


def _mirror(matrix: Float32[np.ndarray, "N N"]) -> None:
    """Copy the lower triangle to the upper one, in blocks."""
    for start in range(0, len(matrix), BLOCK):
        end = min(start + BLOCK, len(matrix))
        square = matrix[start:end, start:end]
        lower = np.tril(square)
        square[:] = lower + np.tril(square, -1).T
        matrix[start:end, end:] = matrix[end:, start:end].T
