"""Normalised bipartite adjacency of users and items."""

from __future__ import annotations

import numpy as np

from tacit.kernels.propagate import Graph
from tacit.types import CSR


def bipartite(positives: CSR) -> Graph:
    """D^-1/2 A D^-1/2 over users (first) and items (after them); isolated nodes have no edges.

    Source: LightGCN (He et al., SIGIR 2020), eq. 8. No self loops.
    """
    n_users, n_items = positives.n_rows, positives.n_columns
    users = np.repeat(np.arange(n_users, dtype=np.int64), positives.degrees())
    items = positives.indices.astype(np.int64)
    degrees = positives.degrees()
    item_degrees = np.bincount(items, minlength=n_items)
    weights = 1.0 / np.sqrt(degrees[users] * item_degrees[items])
    by_item = np.argsort(items, kind="stable")
    return Graph.of(
        np.concatenate([positives.indptr, positives.indptr[-1] + np.cumsum(item_degrees)]),
        np.concatenate([items + n_users, users[by_item]]).astype(np.int32),
        np.concatenate([weights, weights[by_item]]).astype(np.float32),
    )
