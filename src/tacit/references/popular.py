"""Most popular items: the reference that every personalised model has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from tacit.kernels.topk import recommend_in_blocks
from tacit.protocols import Queries, TopK
from tacit.sparse import CSR
from tacit.types import TrainingData


@dataclass(frozen=True)
class Popular:
    """Options: none."""

    def fit(self, data: TrainingData) -> PopularRecommender:
        """Scores are the items' counts of positives."""
        return PopularRecommender(data.item_counts.astype(np.float32))

    def from_state(
        self, arrays: dict[str, Any], values: dict[str, Any], data: TrainingData
    ) -> PopularRecommender:
        """A fitted model from its state."""
        return PopularRecommender(arrays["counts"])


@dataclass(frozen=True, eq=False)
class PopularRecommender:
    """The same scores for everybody."""

    counts: Float32[np.ndarray, "N"]

    @property
    def n_items(self) -> int:
        return len(self.counts)

    def score(self, queries: Queries) -> Float32[np.ndarray, "Q N"]:
        """The items' counts, once a query."""
        return np.broadcast_to(self.counts, (len(queries), self.n_items)).copy()

    def recommend(self, queries: Queries, k: int, *, exclude: CSR | None = None) -> TopK:
        """The k most popular items outside `exclude`."""
        return recommend_in_blocks(self.score, self.n_items, queries, k, exclude)

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Arrays and JSON values that restore the fit."""
        return {"counts": self.counts}, {}
