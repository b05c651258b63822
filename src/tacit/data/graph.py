"""Normalised bipartite adjacency of users and items; which rows of a batch share a neighbour."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from tacit.kernels.propagate import Graph
from tacit.sparse import CSR


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


class Cooccurrence:
    """Which rows of a sparse matrix share a column, asked for a batch: never a square matrix of all."""

    def __init__(self, matrix: CSR) -> None:
        values = np.ones(len(matrix.indices), np.int32)
        shape = (matrix.n_rows, matrix.n_columns)
        self._matrix = sp.csr_array((values, matrix.indices, matrix.indptr), shape)

    def among(self, rows: Int[Tensor, "n"]) -> Callable[[slice], Bool[Tensor, "tile n"]]:
        """A function from a slice of `rows` to whether each shares a column with each of `rows`."""
        chosen = self._matrix[rows.numpy()]
        turned = chosen.T.tocsr()

        def related(tile: slice) -> Bool[Tensor, "tile n"]:
            return torch.from_numpy((chosen[tile] @ turned).toarray() > 0)

        return related
