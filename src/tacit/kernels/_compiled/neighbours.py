"""Compiled bodies of the item-item references."""

from typing import Any

import numpy as np

from tacit.kernels._compiled.jit import jit, prange
from tacit.kernels._compiled.topk import sift

CHUNKS = 64


@jit(parallel=True)
def nearest(
    by_user_ptr: Any,
    by_user: Any,
    by_item_ptr: Any,
    by_item: Any,
    k: int,
    shrink: float,
    near: Any,
    weights: Any,
) -> None:
    """For each item j the k items i of highest |U_i & U_j| / (sqrt(|U_i| |U_j|) + shrink); -1 where fewer."""
    n_items = by_item_ptr.size - 1
    for chunk in prange(CHUNKS):
        counts = np.zeros(n_items, np.int32)
        touched = np.empty(n_items, np.int32)
        for item in range(chunk * n_items // CHUNKS, (chunk + 1) * n_items // CHUNKS):
            n_touched = 0
            degree = by_item_ptr[item + 1] - by_item_ptr[item]
            for entry in range(by_item_ptr[item], by_item_ptr[item + 1]):
                user = by_item[entry]
                for place in range(by_user_ptr[user], by_user_ptr[user + 1]):
                    other = by_user[place]
                    if counts[other] == 0:
                        touched[n_touched] = other
                        n_touched += 1
                    counts[other] += 1
            kept_scores = np.full(k, -np.inf, np.float32)
            kept_items = np.full(k, n_items, np.int32)
            for place in range(n_touched):
                other = touched[place]
                if other != item:
                    both = np.sqrt(np.float64(degree) * (by_item_ptr[other + 1] - by_item_ptr[other]))
                    score = np.float32(counts[other] / (both + shrink))
                    if score > kept_scores[0] or (score == kept_scores[0] and other < kept_items[0]):
                        kept_scores[0] = score
                        kept_items[0] = other
                        sift(kept_scores, kept_items, k)
                counts[other] = 0
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
