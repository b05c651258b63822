"""Recommending by inner product: for users with a vector, and by fold-in for people without."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, Int64

from tacit.errors import InternalError
from tacit.kernels.products import InnerProducts
from tacit.protocols import Queries, TopK
from tacit.sparse import CSR

FoldIn = Callable[[CSR], Float32[np.ndarray, "Q d"]]


class VectorRecommender:
    """Scores are user . item (+ item bias), float32.

    Queries without a user row are folded in from their history. What a person gets does not depend on who
    else is asked for in the same call.
    """

    def __init__(
        self,
        user_vectors: Float32[np.ndarray, "U d"],
        item_vectors: Float32[np.ndarray, "N d"],
        item_bias: Float32[np.ndarray, "N"] | None = None,
        fold_in: FoldIn | None = None,
    ) -> None:
        self.user_vectors, self.item_vectors, self.item_bias = user_vectors, item_vectors, item_bias
        self.fold_in, self.n_items = fold_in, len(item_vectors)
        self._products = InnerProducts(item_vectors, item_bias)

    def vectors(self, queries: Queries) -> Float32[np.ndarray, "Q d"]:
        """Query vectors: rows of known users, folded-in histories of others.

        Raises `InternalError` where there are others and no way to fold them in.
        """
        known = queries.users >= 0
        result = np.empty((len(queries), self.item_vectors.shape[1]), np.float32)
        result[known] = self.user_vectors[queries.users[known]]
        if known.all():
            return result
        if self.fold_in is None or queries.history is None:
            raise InternalError("people without a row need a history and a fold-in")
        result[~known] = self.fold_in(queries.history.select(np.flatnonzero(~known)))
        return result

    def score(self, queries: Queries) -> Float32[np.ndarray, "Q N"]:
        """Scores of every item for each query, in a fresh array."""
        return self._products.scores(self.vectors(queries))

    def pairs(self, queries: Queries, items: Int64[np.ndarray, "Q"]) -> Float32[np.ndarray, "Q"]:
        """Score of one item for each query."""
        scores = np.einsum("qd,qd->q", self.vectors(queries), self.item_vectors[items], dtype=np.float64)
        biases = 0 if self.item_bias is None else self.item_bias[items]
        result: Float32[np.ndarray, "Q"] = (scores + biases).astype(np.float32)
        return result

    def recommend(self, queries: Queries, k: int, *, exclude: CSR | None = None) -> TopK:
        """The k best items of each query outside `exclude`."""
        return self._products.best(self.vectors(queries), k, exclude)
