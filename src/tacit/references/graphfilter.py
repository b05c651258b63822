"""GF-CF: a graph filter that needs no training (Shen et al., CIKM 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from tacit.kernels.graphfilter import RANK, WEIGHT, ItemFilter
from tacit.kernels.topk import recommend_in_blocks
from tacit.protocols import Queries, TopK
from tacit.references.history import history_of
from tacit.sparse import CSR
from tacit.types import TrainingData


@dataclass(frozen=True)
class GraphFilter:
    """Scores r (R~^T R~ + weight D_I^-1/2 V V^T D_I^1/2) with R~ = D_U^-1/2 R D_I^-1/2.

    V holds the `rank` first right singular vectors of R~.
    """

    rank: int = RANK
    weight: float = WEIGHT

    def fit(self, data: TrainingData) -> GraphFilterRecommender:
        """A randomised truncated SVD from a fixed start, so that equal data give equal fits."""
        return GraphFilterRecommender(ItemFilter.of(data.positives, self.rank, self.weight), data.positives)

    def from_state(
        self, arrays: dict[str, Any], values: dict[str, Any], data: TrainingData
    ) -> GraphFilterRecommender:
        """A fitted model from its state."""
        made = ItemFilter.of(data.positives, self.rank, self.weight, arrays["vectors"])
        return GraphFilterRecommender(made, data.positives)


@dataclass(frozen=True, eq=False)
class GraphFilterRecommender:
    """Linear part over the graph plus the ideal low-pass part."""

    filter: ItemFilter
    positives: CSR

    @property
    def n_items(self) -> int:
        return self.positives.n_columns

    def score(self, queries: Queries) -> Float32[np.ndarray, "Q N"]:
        """Scores of every item for each query, from its history or its training row."""
        return self.filter.score(history_of(queries, self.positives))

    def recommend(self, queries: Queries, k: int, *, exclude: CSR | None = None) -> TopK:
        """The k best items of each query outside `exclude`."""
        return recommend_in_blocks(self.score, self.n_items, queries, k, exclude)

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Arrays and JSON values that restore the fit."""
        return {"vectors": self.filter.vectors}, {}
