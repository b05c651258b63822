"""Item-based nearest neighbours by cosine with shrinkage (Sarwar et al., WWW 2001)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32, Int64

from tacit.kernels.neighbours import nearest_items, sum_rows
from tacit.kernels.topk import recommend_in_blocks
from tacit.protocols import Queries, TopK
from tacit.references.history import history_of
from tacit.sparse import CSR
from tacit.types import TrainingData


@dataclass(frozen=True)
class ItemKNN:
    """Each item of a history votes for its k nearest items.

    S_ij = sum of w_u over U_i & U_j / (sqrt(m_i m_j) + shrink), where w_u = |I_u|^-user_weight and m_i is the
    sum of w_u over U_i: the plain cosine at user_weight 0; above it, people with long histories count less.
    With `normalised` the votes of an item sum to one. Both are in Deshpande and Karypis.
    """

    k: int = 100
    shrink: float = 10.0
    user_weight: float = 0.5
    normalised: bool = True

    def fit(self, data: TrainingData) -> ItemKNNRecommender:
        """Neighbours from the positives."""
        degrees = np.maximum(data.positives.degrees(), 1).astype(np.float64)
        users = (degrees**-self.user_weight).astype(np.float32)
        near, weights = nearest_items(
            data.positives, users, min(self.k, max(data.n_items - 1, 1)), self.shrink
        )
        found = near >= 0
        if self.normalised:
            weights /= np.maximum(weights.sum(1, keepdims=True), np.finfo(np.float32).tiny)
        indptr = np.concatenate([np.zeros(1, np.int64), found.sum(1).cumsum()])
        return ItemKNNRecommender(indptr, near[found], weights[found], data.positives)

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
