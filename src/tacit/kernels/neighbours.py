"""Nearest items by shared users, and sums of sparse rows over histories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64, UInt16

from tacit.kernels._compiled import neighbours as compiled
from tacit.sparse import CSR


def transposed(matrix: CSR) -> CSR:
    """Rows become columns."""
    rows = np.repeat(np.arange(matrix.n_rows, dtype=np.int32), matrix.degrees())
    order = np.argsort(matrix.indices, kind="stable")
    counts = np.bincount(matrix.indices, minlength=matrix.n_columns)
    return CSR(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), rows[order], matrix.n_rows)


def nearest_items(
    positives: CSR, user_weights: Float32[np.ndarray, "U"], k: int, shrink: float
) -> tuple[Int32[np.ndarray, "N k"], Float32[np.ndarray, "N k"]]:
    """For each item i its k nearest j by the cosine of columns whose entries weigh sqrt(w_u), shrunk:

    sum of w_u over U_i & U_j / (sqrt(m_i m_j) + shrink), m_i the sum of w_u over U_i; in no order within the
    k. Where there are fewer, items are -1 and weights 0. Memory is N x k, never N x N; time is the sum of
    squared degrees of users.
    """
    by_item = transposed(positives)
    users = np.repeat(user_weights, positives.degrees())
    masses = np.bincount(positives.indices, users, minlength=positives.n_columns)
    near = np.empty((positives.n_columns, k), np.int32)
    weights = np.empty((positives.n_columns, k), np.float32)
    pairs = (positives.indptr, positives.indices, by_item.indptr, by_item.indices)
    compiled.nearest(*pairs, user_weights, masses, k, float(shrink), near, weights)
    return near, weights


def sum_rows(
    history: CSR,
    indptr: Int64[np.ndarray, "N_plus_one"],
    columns: Int32[np.ndarray, "entries"],
    weights: Float32[np.ndarray, "entries"],
) -> Float32[np.ndarray, "Q N"]:
    """For each query the sum of the sparse rows of the items in its history."""
    scores = np.empty((history.n_rows, history.n_columns), np.float32)
    compiled.add_rows(history.indptr, history.indices, indptr, columns, weights, scores)
    return scores


def sum_dense_rows(history: CSR, table: Float32[np.ndarray, "N d"]) -> Float32[np.ndarray, "Q d"]:
    """For each query the sum of the table's rows of the items in its history; equals `history @ table`.

    No copy of the table, whatever its size; it must be in C order.
    """
    sums = np.empty((history.n_rows, table.shape[1]), np.float32)
    compiled.add_dense_rows(history.indptr, history.indices, table, sums)
    return sums


@dataclass(frozen=True, eq=False)
class ItemGraph:
    """R~^T R~ with R~ = D_U^-1/2 R D_I^-1/2 as an operator on histories: never an N x N matrix."""

    by_user: CSR
    by_item: CSR
    user_weights: Float32[np.ndarray, "U"]  # 1 / degree
    item_weights: Float32[np.ndarray, "N"]  # 1 / sqrt(degree)

    @staticmethod
    def of(positives: CSR) -> ItemGraph:
        """The operator of a log; those without events are never reached."""
        by_item = transposed(positives)
        users, items = np.maximum(positives.degrees(), 1), np.maximum(by_item.degrees(), 1)
        weights = (1.0 / users).astype(np.float32), (1.0 / np.sqrt(items)).astype(np.float32)
        return ItemGraph(positives, by_item, *weights)

    def add_to(self, scores: Float32[np.ndarray, "Q N"], history: CSR) -> None:
        """scores += history R~^T R~, in place; time is the sum of degrees of the users that share an item."""
        compiled.add_two_hops(
            history.indptr,
            history.indices,
            self.by_user.indptr,
            self.by_user.indices,
            self.by_item.indptr,
            self.by_item.indices,
            self.user_weights,
            self.item_weights,
            scores,
        )


def nearest_on_graph(graph: ItemGraph, k: int) -> tuple[Int32[np.ndarray, "N k"], Float32[np.ndarray, "N k"]]:
    """For each item its k largest entries of R~^T R~ beside the diagonal, as `nearest_items`."""
    shape = (len(graph.item_weights), k)
    near, weights = np.empty(shape, np.int32), np.empty(shape, np.float32)
    masses = np.maximum(graph.by_item.degrees(), 1).astype(np.float64)
    pairs = (graph.by_user.indptr, graph.by_user.indices, graph.by_item.indptr, graph.by_item.indices)
    compiled.nearest(*pairs, graph.user_weights, masses, k, 0.0, near, weights)
    return near, weights


@dataclass(frozen=True, eq=False)
class NearItems:
    """The near items of each item, as the functions above find them, to be summed over a user's items."""

    near: UInt16[np.ndarray, "N k"] | Int32[np.ndarray, "N k"]  # N where there is none; 16 bits if they do
    weights: Float32[np.ndarray, "N k"]

    @staticmethod
    def of(near: Int32[np.ndarray, "N k"], weights: Float32[np.ndarray, "N k"]) -> NearItems:
        """Neighbours in any order, -1 where there is none."""
        kind = np.uint16 if len(near) <= np.iinfo(np.uint16).max else np.int32
        return NearItems(np.where(near < 0, len(near), near).astype(kind), weights)

    def sums(
        self, positives: CSR, users: Int64[np.ndarray, "Q"], items: Int64[np.ndarray, "*Q M"]
    ) -> Float32[np.ndarray, "Q M"]:
        """For each cell the weights of the item's near items that the user has, summed.

        Time is Q M k; where all queries share their items, it is the few near items that a history meets.
        """
        sums = np.empty((len(users), items.shape[-1]), np.float32)
        body = compiled.shared_weights_of_few if items.ndim == 1 else compiled.shared_weights
        body(positives.indptr, positives.indices, self.near, self.weights, users, items, sums)
        return sums
