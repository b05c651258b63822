"""Item-based nearest neighbours by cosine with shrinkage (Sarwar et al., WWW 2001)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32, Int64

from tacit.kernels.neighbours import nearest_items, sum_rows
from tacit.kernels.topk import recommend_in_blocks
from tacit.references.history import history_of
from tacit.types import CSR, Queries, TopK, TrainingData


@dataclass(frozen=True)
class ItemKNN:
    """The k nearest items of each item count; S_ij = |U_i & U_j| / (sqrt(|U_i| |U_j|) + shrink)."""

    k: int = 100
    shrink: float = 10.0

    def fit(self, data: TrainingData) -> ItemKNNRecommender:
        """Neighbours from the positives."""
        near, weights = nearest_items(data.positives, min(self.k, max(data.n_items - 1, 1)), self.shrink)
        targets = np.repeat(np.arange(data.n_items, dtype=np.int32), near.shape[1])
        rows, values = near.reshape(-1), weights.reshape(-1)
        found = rows >= 0
        order = np.argsort(rows[found], kind="stable")
        indptr = np.concatenate([[0], np.cumsum(np.bincount(rows[found], minlength=data.n_items))])
        return ItemKNNRecommender(
            indptr.astype(np.int64), targets[found][order], values[found][order], data.positives
        )

    def from_state(
        self, arrays: dict[str, Any], values: dict[str, Any], data: TrainingData
    ) -> ItemKNNRecommender:
        """A fitted model from its state."""
        return ItemKNNRecommender(arrays["indptr"], arrays["columns"], arrays["weights"], data.positives)


@dataclass(frozen=True, eq=False)
class ItemKNNRecommender:
    """score_j = sum of S_ij over the items i of the history."""

    indptr: Int64[np.ndarray, "N_plus_one"]
    columns: Int32[np.ndarray, "entries"]
    weights: Float32[np.ndarray, "entries"]
    positives: CSR

    @property
    def n_items(self) -> int:
        return len(self.indptr) - 1

    def score(self, queries: Queries) -> Float32[np.ndarray, "Q N"]:
        """Scores of every item for each query, from its history or its training row."""
        return sum_rows(history_of(queries, self.positives), self.indptr, self.columns, self.weights)

    def recommend(self, queries: Queries, k: int, *, exclude: CSR | None = None) -> TopK:
        """The k best items of each query outside `exclude`."""
        return recommend_in_blocks(self.score, self.n_items, queries, k, exclude)

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Arrays and JSON values that restore the fit."""
        return {"indptr": self.indptr, "columns": self.columns, "weights": self.weights}, {}
