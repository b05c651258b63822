"""GF-CF: a graph filter that needs no training (Shen et al., CIKM 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float32
from scipy.sparse.linalg import svds

from tacit.kernels.neighbours import ItemGraph, sum_dense_rows
from tacit.kernels.products import InnerProducts
from tacit.kernels.topk import recommend_in_blocks
from tacit.references.history import history_of
from tacit.types import CSR, Queries, TopK, TrainingData


@dataclass(frozen=True)
class GraphFilter:
    """Scores r (R~^T R~ + weight D_I^-1/2 V V^T D_I^1/2) with R~ = D_U^-1/2 R D_I^-1/2.

    V holds the `rank` first right singular vectors of R~.
    """

    rank: int = 256
    weight: float = 0.3

    def fit(self, data: TrainingData) -> GraphFilterRecommender:
        """A truncated SVD from a fixed start, so that equal data give equal fits."""
        normal = _normalised(data.positives)
        rank = min(self.rank, min(normal.shape) - 1)
        if rank < 1:
            return self._made(np.zeros((data.n_items, 0), np.float32), data)
        start = np.random.default_rng(0).standard_normal(min(normal.shape)).astype(np.float32)
        _, _, vectors = svds(normal, k=rank, v0=start, which="LM")
        return self._made(np.ascontiguousarray(vectors.T, np.float32), data)

    def from_state(
        self, arrays: dict[str, Any], values: dict[str, Any], data: TrainingData
    ) -> GraphFilterRecommender:
        """A fitted model from its state."""
        return self._made(arrays["vectors"], data)

    def _made(self, vectors: Float32[np.ndarray, "N rank"], data: TrainingData) -> GraphFilterRecommender:
        graph = ItemGraph.of(data.positives)
        roots = graph.item_weights[:, None]
        inward, outward = vectors * roots * self.weight, InnerProducts(vectors / roots)
        return GraphFilterRecommender(vectors, graph, inward, outward, data.positives)


@dataclass(frozen=True, eq=False)
class GraphFilterRecommender:
    """Linear part over the graph plus the ideal low-pass part."""

    vectors: Float32[np.ndarray, "N rank"]
    graph: ItemGraph
    inward: Float32[np.ndarray, "N rank"]
    outward: InnerProducts
    positives: CSR

    @property
    def n_items(self) -> int:
        return len(self.vectors)

    def score(self, queries: Queries) -> Float32[np.ndarray, "Q N"]:
        """Scores of every item for each query, from its history or its training row."""
        history = history_of(queries, self.positives)
        scores = self.outward.scores(sum_dense_rows(history, self.inward))
        self.graph.add_to(scores, history)
        return scores

    def recommend(self, queries: Queries, k: int, *, exclude: CSR | None = None) -> TopK:
        """The k best items of each query outside `exclude`."""
        return recommend_in_blocks(self.score, self.n_items, queries, k, exclude)

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Arrays and JSON values that restore the fit."""
        return {"vectors": self.vectors}, {}


def _normalised(positives: CSR) -> sp.csr_array:
    users = np.repeat(np.arange(positives.n_rows), positives.degrees())
    degrees = np.bincount(positives.indices, minlength=positives.n_columns)
    weights = 1.0 / np.sqrt(positives.degrees()[users] * degrees[positives.indices])
    shape = (positives.n_rows, positives.n_columns)
    return sp.csr_array((weights.astype(np.float32), positives.indices, positives.indptr), shape)
