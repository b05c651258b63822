"""Compiled bodies of the item-item references."""

from typing import Any

import numpy as np

from tacit.kernels._compiled.jit import jit, prange, prefetch_row
from tacit.kernels._compiled.topk import sift

CHUNKS, FEW_CHUNKS = 64, 8
AHEAD, ASKED = 4, 512  # queries whose history is asked for before it is read; bytes of it


@jit(parallel=True)
def nearest(
    by_user_ptr: Any,
    by_user: Any,
    by_item_ptr: Any,
    by_item: Any,
    user_weights: Any,
    masses: Any,
    k: int,
    shrink: float,
    near: Any,
    weights: Any,
) -> None:
    """For each item the k others of highest shared weight / (root of the masses + shrink); -1 if fewer."""
    n_items = by_item_ptr.size - 1
    for chunk in prange(CHUNKS):
        shared = np.zeros(n_items, np.float32)
        touched = np.empty(n_items, np.int32)
        for item in range(chunk * n_items // CHUNKS, (chunk + 1) * n_items // CHUNKS):
            n_touched = 0
            for entry in range(by_item_ptr[item], by_item_ptr[item + 1]):
                user = by_item[entry]
                for place in range(by_user_ptr[user], by_user_ptr[user + 1]):
                    other = by_user[place]
                    if shared[other] == 0:
                        touched[n_touched] = other
                        n_touched += 1
                    shared[other] += user_weights[user]
            kept_scores = np.full(k, -np.inf, np.float32)
            kept_items = np.full(k, n_items, np.int32)
            for place in range(n_touched):
                other = touched[place]
                if other != item:
                    score = np.float32(shared[other] / (np.sqrt(masses[item] * masses[other]) + shrink))
                    if score > kept_scores[0] or (score == kept_scores[0] and other < kept_items[0]):
                        kept_scores[0] = score
                        kept_items[0] = other
                        sift(kept_scores, kept_items, k)
                shared[other] = 0
            for place in range(k):
                found = kept_scores[place] > -np.inf
                near[item, place] = kept_items[place] if found else -1
                weights[item, place] = kept_scores[place] if found else 0.0


@jit(parallel=True)
def add_rows(history_ptr: Any, history: Any, indptr: Any, columns: Any, weights: Any, scores: Any) -> None:
    """scores[q] = sum of the sparse rows of the items in q's history."""
    for query in prange(scores.shape[0]):
        for column in range(scores.shape[1]):
            scores[query, column] = 0.0
        for entry in range(history_ptr[query], history_ptr[query + 1]):
            item = history[entry]
            for place in range(indptr[item], indptr[item + 1]):
                scores[query, columns[place]] += weights[place]


@jit(parallel=True, fastmath=True)
def add_dense_rows(history_ptr: Any, history: Any, table: Any, sums: Any) -> None:
    """sums[q] = sum of the table's rows of the items in q's history."""
    width = table.shape[1]
    for query in prange(sums.shape[0]):
        for column in range(width):
            sums[query, column] = 0.0
        for entry in range(history_ptr[query], history_ptr[query + 1]):
            item = history[entry]
            for column in range(width):
                sums[query, column] += table[item, column]


@jit(parallel=True)
def add_two_hops(
    history_ptr: Any,
    history: Any,
    by_user_ptr: Any,
    by_user: Any,
    by_item_ptr: Any,
    by_item: Any,
    user_weights: Any,
    item_weights: Any,
    scores: Any,
) -> None:
    """scores[q] += D_I^-1/2 R^T D_U^-1 R D_I^-1/2 h for each history h, one user's row at a time."""
    n_users, n_items = by_user_ptr.size - 1, scores.shape[1]
    for chunk in prange(CHUNKS):
        first, last = chunk * scores.shape[0] // CHUNKS, (chunk + 1) * scores.shape[0] // CHUNKS
        reached = np.zeros(n_users if last > first else 0, np.float32)
        touched = np.empty(reached.size, np.int32)
        sums = np.zeros(n_items if last > first else 0, np.float32)
        for query in range(first, last):
            n_touched = 0
            for entry in range(history_ptr[query], history_ptr[query + 1]):
                item = history[entry]
                for place in range(by_item_ptr[item], by_item_ptr[item + 1]):
                    user = by_item[place]
                    if reached[user] == 0:
                        touched[n_touched] = user
                        n_touched += 1
                    reached[user] += item_weights[item]
            for place in range(n_touched):
                user = touched[place]
                weight = reached[user] * user_weights[user]
                reached[user] = 0
                for entry in range(by_user_ptr[user], by_user_ptr[user + 1]):
                    sums[by_user[entry]] += weight
            for item in range(n_items):
                scores[query, item] += sums[item] * item_weights[item]
                sums[item] = 0


@jit(parallel=True)
def shared_weights(
    indptr: Any, indices: Any, near: Any, weights: Any, users: Any, items: Any, sums: Any
) -> None:
    """sums[q, m] = weights of the near items of an item that stand in the user's row, which is marked.

    A mark is the number of its query, modulo 255: none need be taken back. What later queries need is asked
    for while this one counts; few near items are held, and weights are read for those only.
    """
    starts, history = indptr.ctypes.data, indices.ctypes.data
    base, size = near.ctypes.data, near.shape[1] * near.itemsize
    for chunk in prange(FEW_CHUNKS):
        first, last = chunk * users.size // FEW_CHUNKS, (chunk + 1) * users.size // FEW_CHUNKS
        held = np.zeros(near.shape[0] + 1 if last > first else 0, np.uint8)
        mark = np.uint8(0)
        for query in range(first, last):
            if query + 2 * AHEAD < last:
                prefetch_row(starts, users[query + 2 * AHEAD], 8)
                start, stop = indptr[users[query + AHEAD]], indptr[users[query + AHEAD] + 1]
                prefetch_row(history + 4 * start, 0, min(4 * (stop - start), ASKED))
                for column in range(items.shape[1]):
                    prefetch_row(base, items[query + AHEAD // 2, column], size)
            if mark == 255:
                held[:] = 0
                mark = np.uint8(0)
            mark = np.uint8(mark + 1)
            for place in range(indptr[users[query]], indptr[users[query] + 1]):
                held[indices[place]] = mark
            for column in range(items.shape[1]):
                item = items[query, column]
                total = np.float32(0)
                for place in range(near.shape[1]):
                    if held[near[item, place]] == mark:
                        total += weights[item, place]
                sums[query, column] = total


@jit(parallel=True)
def shared_weights_of_few(
    indptr: Any, indices: Any, near: Any, weights: Any, users: Any, items: Any, sums: Any
) -> None:
    """`shared_weights` where all rows have the same items: theirs are dealt to their near items first."""
    starts = np.zeros(near.shape[0] + 2, np.int64)
    for column in range(items.size):
        for place in range(near.shape[1]):
            starts[near[items[column], place] + 1] += 1
    starts = np.cumsum(starts)
    free = starts[:-1].copy()
    columns = np.empty(starts[-1], np.int32)
    dealt = np.empty(starts[-1], np.float32)
    for column in range(items.size):
        item = items[column]
        for place in range(near.shape[1]):
            at = free[near[item, place]]
            free[near[item, place]] += 1
            columns[at] = column
            dealt[at] = weights[item, place]
    for query in prange(users.size):
        for column in range(items.size):
            sums[query, column] = 0
        for entry in range(indptr[users[query]], indptr[users[query] + 1]):
            for at in range(starts[indices[entry]], starts[indices[entry] + 1]):
                sums[query, columns[at]] += dealt[at]
