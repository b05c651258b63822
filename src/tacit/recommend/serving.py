"""From a trained backbone to what recommends."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Int64
from torch.nn.functional import normalize

from tacit.protocols import PairScorer
from tacit.recommend.foldin import ridge
from tacit.recommend.pairs import PairRecommender
from tacit.recommend.recommender import VectorRecommender
from tacit.recommend.sequences import SequenceRecommender
from tacit.sparse import CSR

Served = VectorRecommender | PairRecommender | SequenceRecommender


def recommender_of(backbone: Any, similarity: str, popularity: Int64[np.ndarray, "N"]) -> Served:
    """Users and items as vectors, cosine scores normalised, people without a row folded in.

    A `PairScorer` has no vectors: it scores, and `popularity` (N,) answers people without a row. What reads
    sequences knows everybody by their events.
    """
    if backbone.reads == "sequences":
        return SequenceRecommender(backbone, similarity)
    if isinstance(backbone, PairScorer):
        return PairRecommender(backbone, popularity)
    vectors, cosine = backbone.vectors(), similarity == "cosine"
    users, items = vectors.users, vectors.items
    if cosine:
        users, items = normalize(users, dim=1), normalize(items, dim=1)
    bias = None if vectors.item_bias is None else vectors.item_bias.numpy()

    def propagate(history: CSR) -> Any:
        found = backbone.fold_in(history)
        return (normalize(found, dim=1) if cosine else found).numpy()

    fold_in = propagate if hasattr(backbone, "fold_in") else ridge(items.numpy())
    return VectorRecommender(users.numpy(), items.numpy(), bias, fold_in)
