"""Recommending by inner product: blocks of scores in one kept buffer, then the best k."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float32

from tacit.kernels.topk import top_k
from tacit.types import CSR, Queries, TopK

BLOCK_ROWS = 512
FoldIn = Callable[[CSR], Float32[np.ndarray, "Q d"]]


class VectorRecommender:
    """Scores are user . item (+ item bias), float32.

    Queries without a user row are folded in from their history. Blocks have a fixed number of rows, so that
    results do not depend on how many people are asked for at once.
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
        self._columns = torch.from_numpy(np.ascontiguousarray(item_vectors)).T
        self._bias = None if item_bias is None else torch.from_numpy(item_bias)
        self._buffer = torch.empty(0, 0)

    def vectors(self, queries: Queries) -> Float32[np.ndarray, "Q d"]:
        """Query vectors: rows of known users, folded-in histories, zeros where there is neither."""
        known = queries.users >= 0
        result = np.zeros((len(queries), self.item_vectors.shape[1]), np.float32)
        result[known] = self.user_vectors[queries.users[known]]
        if self.fold_in is not None and queries.history is not None and not known.all():
            unknown = np.flatnonzero(~known)
            result[unknown] = self.fold_in(queries.history.select(unknown))
        return result

    def score(self, queries: Queries) -> Float32[np.ndarray, "Q N"]:
        """Scores of every item for each query."""
        return np.concatenate([self._block(rows).copy() for rows in _blocks(self.vectors(queries))])[: len(queries)]

    def recommend(self, queries: Queries, k: int, *, exclude: CSR | None = None) -> TopK:
        """The k best items of each query outside `exclude`."""
        items = np.empty((len(queries), k), np.int32)
        scores = np.empty((len(queries), k), np.float32)
        vectors = self.vectors(queries)
        for at, block in enumerate(_blocks(vectors)):
            rows = np.arange(at * BLOCK_ROWS, min((at + 1) * BLOCK_ROWS, len(queries)))
            masked = None if exclude is None else exclude.select(rows)
            best = top_k(self._block(block)[: len(rows)], k, masked)
            items[rows], scores[rows] = best.items, best.scores
        return TopK(items, scores)

    def _block(self, vectors: Float32[np.ndarray, "block d"]) -> Float32[np.ndarray, "block N"]:
        if not len(self._buffer):
            self._buffer = torch.empty(BLOCK_ROWS, self.n_items)
        torch.mm(torch.from_numpy(vectors), self._columns, out=self._buffer)
        if self._bias is not None:
            self._buffer += self._bias
        return self._buffer.numpy()


def _blocks(vectors: Float32[np.ndarray, "Q d"]) -> list[Float32[np.ndarray, "block d"]]:
    """Blocks of BLOCK_ROWS rows, the last one filled up with zeros."""
    blocks = []
    for start in range(0, max(len(vectors), 1), BLOCK_ROWS):
        block = vectors[start : start + BLOCK_ROWS]
        missing = BLOCK_ROWS - len(block)
        blocks.append(np.pad(block, ((0, missing), (0, 0))) if missing else block)
    return blocks
