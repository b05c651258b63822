"""Recommending from ordered histories: everybody's vector is that of what they did, known or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch.nn.functional import normalize

from tacit.errors import InternalError
from tacit.kernels.products import InnerProducts
from tacit.kernels.topk import merge
from tacit.protocols import Queries, TopK
from tacit.sparse import CSR, Sequences
from tacit.types import History

# The last bits depend on the shape, so sequences of a length are always encoded as many at a time.
EVENTS = 512  # at a time, about
TOGETHER = 32  # sequences at a time, at most


class SequenceRecommender:
    """Scores are the highest over a person's interests of interest . item (+ item bias), float32.

    Sequences are encoded with others of their own length only, so that what a person gets does not depend on
    who else is asked for. Whoever has no event gets the items' biases alone, or zeros. The
    backbone is in evaluation mode.
    """

    def __init__(self, backbone: Any, similarity: str) -> None:
        vectors = backbone.vectors()
        self.backbone, self.cosine = backbone, similarity == "cosine"
        items = normalize(vectors.items, dim=1) if self.cosine else vectors.items
        self.item_vectors = items.numpy()
        self.item_bias = None if vectors.item_bias is None else vectors.item_bias.numpy()
        self.n_items = len(self.item_vectors)
        self._products = InnerProducts(self.item_vectors, self.item_bias)

    def interests(self, events: Sequences) -> tuple[Float32[np.ndarray, "Q K d"], Bool[np.ndarray, "Q K"]]:
        """Vectors of each history's interests, and which of them are in use; none of an empty history."""
        events = events.last(self.backbone.length)
        lengths, interests = events.lengths(), self.backbone.interests
        found = np.zeros((len(events), interests, self.item_vectors.shape[1]), np.float32)
        active = np.zeros((len(events), interests), bool)
        for length in np.unique(lengths[lengths > 0]):
            rows = np.flatnonzero(lengths == length)
            count = min(TOGETHER, max(1, EVENTS // int(length)))
            for first in range(0, len(rows), count):
                chosen = rows[first : first + count]
                found[chosen], active[chosen] = self._encoded(events.select(chosen), int(length), count)
        return found, active

    def score(self, queries: Queries) -> Float32[np.ndarray, "Q N"]:
        """Scores of every item for each query, in a fresh array."""
        vectors, active = self.interests(_events(queries))
        result: Float32[np.ndarray, "Q N"] = self._products.scores(vectors[:, 0])
        for interest in range(1, vectors.shape[1]):
            more = self._products.scores(vectors[:, interest])
            more[~active[:, interest]] = -np.inf
            np.maximum(result, more, out=result)
        return result

    def pairs(self, queries: Queries, items: Int64[np.ndarray, "Q"]) -> Float32[np.ndarray, "Q"]:
        """Score of one item for each query."""
        vectors, active = self.interests(_events(queries))
        scores = np.einsum("qkd,qd->qk", vectors, self.item_vectors[items], dtype=np.float64)
        scores[:, 1:][~active[:, 1:]] = -np.inf
        biases = 0 if self.item_bias is None else self.item_bias[items]
        result: Float32[np.ndarray, "Q"] = (scores.max(1) + biases).astype(np.float32)
        return result

    def recommend(self, queries: Queries, k: int, *, exclude: CSR | None = None) -> TopK:
        """The k best items of each query outside `exclude`."""
        vectors, active = self.interests(_events(queries))
        people, interests, dim = vectors.shape
        if exclude is not None:
            exclude = exclude.select(np.repeat(np.arange(people), interests))
        best = self._products.best(vectors.reshape(-1, dim), k, exclude)
        if interests == 1:
            return best
        items, scores = (found.reshape(people, interests, k) for found in (best.items, best.scores))
        items[:, 1:][~active[:, 1:]] = -1
        return merge([TopK(items[:, one], scores[:, one]) for one in range(interests)], k)

    @torch.no_grad()
    def _encoded(self, events: Sequences, length: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Of sequences of one length, filled up to `count` with the first of them."""
        used = len(events)
        events = events.select(np.arange(count) * (np.arange(count) < used))
        items = torch.from_numpy(events.flat()[1].astype(np.int64)).view(count, length)
        ends = torch.arange(1, count + 1) * length - 1
        encoded = self.backbone.encode(History(items, torch.full((count,), length), ends))
        queries = normalize(encoded.queries, dim=2) if self.cosine else encoded.queries
        active = torch.ones(queries.shape[:2], dtype=torch.bool) if encoded.active is None else encoded.active
        return queries[:used].float().numpy(), active[:used].numpy()


def _events(queries: Queries) -> Sequences:
    if queries.events is None:
        raise InternalError("a recommender that reads sequences needs each query's events in their order")
    return queries.events
