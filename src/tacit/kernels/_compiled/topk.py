"""Compiled bodies of `tacit.kernels.topk`, and of the ranking of `tacit.kernels.products`."""

from typing import Any

import numpy as np

from tacit.kernels._compiled.jit import jit, prange

SPARE = 24  # items that a ranking by exact scores keeps beyond k


@jit()
def sift(scores: Any, items: Any, k: int) -> None:
    """Restore the heap whose root was replaced; the root is the worst: lowest score, then highest row."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= k:
            return
        right = child + 1
        if right < k and (
            scores[right] < scores[child] or (scores[right] == scores[child] and items[right] > items[child])
        ):
            child = right
        if scores[child] < scores[at] or (scores[child] == scores[at] and items[child] > items[at]):
            scores[at], scores[child] = scores[child], scores[at]
            items[at], items[child] = items[child], items[at]
            at = child
        else:
            return


@jit()
def pour(scores: Any, items: Any, best_scores: Any, best_items: Any) -> None:
    """Write a heap best first, -1 where it holds no item."""
    for place in range(scores.size - 1, -1, -1):
        best_scores[place] = scores[0]
        best_items[place] = items[0] if scores[0] > -np.inf else -1
        scores[0], items[0] = scores[place], items[place]
        sift(scores, items, place)


@jit()
def best_of(scores: Any, excluded: Any, size: int) -> Any:
    """Heap of the best columns of a row outside the excluded ones: scores and items."""
    n_items = scores.size
    kept_scores = np.full(size, -np.inf, np.float32)
    kept_items = np.full(size, n_items, np.int32)
    at = 0
    skip = excluded[at] if at < excluded.size else n_items
    worst = np.float32(-np.inf)
    for item in range(n_items):
        if item == skip:
            at += 1
            skip = excluded[at] if at < excluded.size else n_items
            continue
        if scores[item] > worst:
            kept_scores[0] = scores[item]
            kept_items[0] = item
            sift(kept_scores, kept_items, size)
            worst = kept_scores[0]
    return kept_scores, kept_items


@jit(parallel=True)
def top_k(scores: Any, indptr: Any, indices: Any, k: int, best_items: Any, best_scores: Any) -> None:
    """Best k of each row outside its excluded columns, best first; ties by lower column."""
    for row in prange(scores.shape[0]):
        excluded = indices[indptr[row] : indptr[row + 1]]
        kept_scores, kept_items = best_of(scores[row], excluded, k)
        pour(kept_scores, kept_items, best_scores[row], best_items[row])


@jit()
def exact(vector: Any, item: Any, bias: Any) -> Any:
    """Their inner product and the bias, summed in float64 in this order."""
    total = np.float64(bias)
    for at in range(vector.size):
        total += np.float64(vector[at]) * np.float64(item[at])
    return np.float32(total)


@jit()
def offer(scores: Any, items: Any, score: Any, item: Any) -> None:
    """Put an item into a heap of the best where it belongs there, whatever came before it."""
    if score > scores[0] or (score == scores[0] and item < items[0]):
        scores[0], items[0] = score, item
        sift(scores, items, scores.size)


@jit(parallel=True)
def exact_top_k(
    scores: Any,
    reach: Any,
    vectors: Any,
    items: Any,
    bias: Any,
    indptr: Any,
    indices: Any,
    best_items: Any,
    best_scores: Any,
) -> None:
    """As `top_k` of the scores by `exact`, given scores that lie within half of `reach[row]` of them.

    Whoever is that near the k-th best score, or above it, is scored exactly. A few more than k are kept on
    the way; only where these are all that near, all scores are read once more.
    """
    n_items, k = scores.shape[1], best_items.shape[1]
    room = k + SPARE
    for row in prange(scores.shape[0]):
        excluded = indices[indptr[row] : indptr[row + 1]]
        kept_scores, kept_items = best_of(scores[row], excluded, room)
        limit = np.float64(np.sort(kept_scores)[SPARE]) - reach[row]
        found_scores = np.full(k, -np.inf, np.float32)
        found_items = np.full(k, n_items, np.int32)
        if kept_scores[0] == -np.inf or kept_scores[0] < limit:
            for place in range(room):
                item = kept_items[place]
                if item < n_items and kept_scores[place] >= limit:
                    offer(found_scores, found_items, exact(vectors[row], items[item], bias[item]), item)
        else:
            at = 0
            for item in range(n_items):
                if at < excluded.size and item == excluded[at]:
                    at += 1
                elif scores[row, item] >= limit:
                    offer(found_scores, found_items, exact(vectors[row], items[item], bias[item]), item)
        pour(found_scores, found_items, best_scores[row], best_items[row])


@jit(parallel=True)
def mark_hits(best: Any, indptr: Any, indices: Any, hits: Any) -> None:
    """hits[row, place] = whether best[row, place] is among the row's sorted indices."""
    for row in prange(best.shape[0]):
        for place in range(best.shape[1]):
            low, high = indptr[row], indptr[row + 1]
            item = best[row, place]
            while low < high:
                middle = (low + high) >> 1
                if indices[middle] < item:
                    low = middle + 1
                else:
                    high = middle
            hits[row, place] = item >= 0 and low < indptr[row + 1] and indices[low] == item


@jit(parallel=True)
def mark_shared(indptr: Any, indices: Any, other_indptr: Any, other_indices: Any, shared: Any) -> None:
    """shared[entry] = whether the other matrix holds this entry too; both rows are sorted."""
    for row in prange(indptr.size - 1):
        at, end = other_indptr[row], other_indptr[row + 1]
        for entry in range(indptr[row], indptr[row + 1]):
            while at < end and other_indices[at] < indices[entry]:
                at += 1
            shared[entry] = at < end and other_indices[at] == indices[entry]


@jit(parallel=True)
def areas(
    scores: Any,
    indptr: Any,
    indices: Any,
    hidden_ptr: Any,
    hidden: Any,
    result: Any,
) -> None:
    """result[row] = area under the ROC curve of the row's indices against all other columns not hidden."""
    n_items = scores.shape[1]
    for row in prange(scores.shape[0]):
        first, last = indptr[row], indptr[row + 1]
        known = first
        while known < last and indices[known] < n_items:
            known += 1
        good = np.empty(known - first, np.float32)
        for entry in range(first, known):
            good[entry - first] = scores[row, indices[entry]]
        good.sort()
        above = np.zeros(good.size + 1, np.int64)  # others by how many relevant scores they do not reach
        level = np.zeros(good.size + 1, np.int64)
        others = 0
        at, end = hidden_ptr[row], hidden_ptr[row + 1]
        entry = first
        for item in range(n_items):
            if entry < known and indices[entry] == item:
                entry += 1
                continue
            while at < end and hidden[at] < item:
                at += 1
            if at < end and hidden[at] == item:
                continue
            others += 1
            score = scores[row, item]
            low, high = 0, good.size
            while low < high:
                middle = (low + high) >> 1
                if good[middle] < score:
                    low = middle + 1
                else:
                    high = middle
            above[low] += 1
            if low < good.size and good[low] == score:
                level[low] += 1
        won = 0.0
        beaten = 0
        tied = 0
        for place in range(good.size):
            beaten += above[place]
            if place == 0 or good[place] != good[place - 1]:
                tied = level[place]
            won += beaten - 0.5 * tied
        result[row] = won / ((last - first) * others) if last > first and others > 0 else np.nan


@jit(parallel=True)
def merge(items: Any, scores: Any, best_items: Any, best_scores: Any) -> None:
    """Of each row's lists, best first, the distinct items by their best score; ties by lower item."""
    _, lists, width = items.shape
    for row in prange(items.shape[0]):
        heads = np.zeros(lists, np.int64)
        filled = 0
        while filled < best_items.shape[1]:
            chosen = -1
            for candidate in range(lists):
                at = heads[candidate]
                if at == width or items[row, candidate, at] < 0:
                    continue
                if chosen >= 0:
                    score, best = scores[row, candidate, at], scores[row, chosen, heads[chosen]]
                    lower = items[row, candidate, at] < items[row, chosen, heads[chosen]]
                    if score < best or (score == best and not lower):
                        continue
                chosen = candidate
            if chosen < 0:
                break
            item, score = items[row, chosen, heads[chosen]], scores[row, chosen, heads[chosen]]
            heads[chosen] += 1
            known = False
            for place in range(filled):
                known = known or best_items[row, place] == item
            if not known:
                best_items[row, filled], best_scores[row, filled] = item, score
                filled += 1
        for place in range(filled, best_items.shape[1]):
            best_items[row, place], best_scores[row, place] = -1, -np.inf


@jit(parallel=True)
def diversify(
    items: Any, scores: Any, categories: Any, coefficient: float, best_items: Any, best_scores: Any
) -> None:
    """Of each row one item after another, by score less coefficient * those of its category so far."""
    width = items.shape[1]
    for row in prange(items.shape[0]):
        taken = np.zeros(width, np.bool_)
        beside = np.zeros(width, np.int64)  # chosen ones of the item's category
        for place in range(best_items.shape[1]):
            chosen, best = -1, -np.inf
            for at in range(width):
                if taken[at] or items[row, at] < 0:
                    continue
                value = np.float64(scores[row, at]) - coefficient * beside[at]
                if value > best:
                    chosen, best = at, value
            if chosen < 0:
                best_items[row, place], best_scores[row, place] = -1, -np.inf
                continue
            taken[chosen] = True
            best_items[row, place], best_scores[row, place] = items[row, chosen], scores[row, chosen]
            category = categories[items[row, chosen]]
            for at in range(width):
                if category >= 0 and items[row, at] >= 0 and categories[items[row, at]] == category:
                    beside[at] += 1
