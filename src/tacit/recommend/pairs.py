"""Recommending by a backbone that scores pairs: everything is scored, nothing is looked up."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64

from tacit.kernels.topk import recommend_in_blocks
from tacit.protocols import PairScorer, Queries, TopK
from tacit.sparse import CSR

PAIRS = 2**15  # scored at once; always as many, since the last bits of a product depend on its shape
_log = logging.getLogger("tacit")


class PairRecommender:
    """Every item of the catalogue scored for each user, float32, in blocks of users.

    Such a backbone has no way from a history to a person: queries without a row get the items' popularity.
    The backbone is in evaluation mode.
    """

    def __init__(self, backbone: PairScorer, popularity: Int64[np.ndarray, "N"]) -> None:
        self.backbone, self.n_items = backbone, len(popularity)
        self._popularity = popularity.astype(np.float32)

    def score(self, queries: Queries) -> Float32[np.ndarray, "Q N"]:
        """Scores of every item for each query, in a fresh array."""
        result = np.empty((len(queries), self.n_items), np.float32)
        known = np.flatnonzero(queries.users >= 0)
        result[queries.users < 0] = self._popularity
        people, width = max(PAIRS // self.n_items, 1), min(PAIRS, self.n_items)
        for start in range(0, len(known), people):
            rows = known[start : start + people]
            users = np.zeros(people, np.int64)
            users[: len(rows)] = queries.users[rows]
            for first in range(0, self.n_items, width):
                items = np.arange(first, min(first + width, self.n_items))
                result[rows, first : first + width] = self._scored(users, items[None])[: len(rows)]
        return result

    def recommend(self, queries: Queries, k: int, *, exclude: CSR | None = None) -> TopK:
        """The k best items of each query outside `exclude`."""
        strangers = int((queries.users < 0).sum())
        if strangers:
            _log.info("%d people whom training did not see: ranked by popularity", strangers)
        return recommend_in_blocks(self.score, self.n_items, queries, k, exclude)

    def pairs(self, queries: Queries, items: Int64[np.ndarray, "Q"]) -> Float32[np.ndarray, "Q"]:
        """Score of one item for each query."""
        known = queries.users >= 0
        result: Float32[np.ndarray, "Q"] = self._popularity[items]
        result[known] = self._scored(queries.users[known], items[known, None])[:, 0]
        return result

    @torch.no_grad()
    def _scored(self, users: Any, items: Any) -> Any:
        items = np.broadcast_to(items, (len(users), items.shape[1]))
        scores = self.backbone.score(torch.from_numpy(users), torch.from_numpy(items.copy()))
        return scores.float().numpy()
