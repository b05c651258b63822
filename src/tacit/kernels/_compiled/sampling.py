"""Compiled bodies of `tacit.kernels.sampling`. Chance is a hash of (key, query, column, try)."""

from typing import Any

import numpy as np

from tacit.kernels._compiled.jit import jit, prange, prefetch_row

TRIES = 64
AHEAD = 8


@jit()
def mix(key: Any, counter: Any) -> Any:
    """SplitMix64 output function of a key and a counter (Steele, Lea, Flood 2014)."""
    z = np.uint64(key) + np.uint64(counter) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@jit()
def contains(indices: Any, low: int, high: int, value: Any) -> bool:
    """Whether sorted indices[low:high] hold the value."""
    while low < high:
        middle = (low + high) >> 1
        if indices[middle] < value:
            low = middle + 1
        elif indices[middle] > value:
            high = middle
        else:
            return True
    return False


@jit(parallel=True)
def uniform(key: Any, users: Any, indptr: Any, indices: Any, n_items: int, result: Any) -> int:
    """Uniform items outside each user's known row; after TRIES the complement of the last, which is known.

    Returns the number of these.
    """
    n_queries, n_columns = result.shape
    failed = 0
    rows_base, base = indptr.ctypes.data, indices.ctypes.data
    for query in prange(n_queries):
        if query + 2 * AHEAD < n_queries:
            prefetch_row(rows_base, users[query + 2 * AHEAD], 8)
            prefetch_row(base, indptr[users[query + AHEAD]], 4)
        user = users[query]
        low, high = indptr[user], indptr[user + 1]
        for column in range(n_columns):
            cell = np.uint64(query) * np.uint64(n_columns) + np.uint64(column)
            item = np.int64(0)
            for attempt in range(TRIES):
                bits = mix(key, cell * np.uint64(TRIES) + np.uint64(attempt))
                item = np.int64(((bits >> np.uint64(32)) * np.uint64(n_items)) >> np.uint64(32))
                if not contains(indices, low, high, item):
                    break
            else:
                item = ~item
                failed += 1
            result[query, column] = item
    return failed


@jit(parallel=True)
def weighted(key: Any, users: Any, indptr: Any, indices: Any, threshold: Any, alias: Any, result: Any) -> int:
    """Items by an alias table (Walker 1977), outside each user's known row; failures as in `uniform`."""
    n_queries, n_columns = result.shape
    failed = 0
    n_items = threshold.size
    rows_base, base = indptr.ctypes.data, indices.ctypes.data
    for query in prange(n_queries):
        if query + 2 * AHEAD < n_queries:
            prefetch_row(rows_base, users[query + 2 * AHEAD], 8)
            prefetch_row(base, indptr[users[query + AHEAD]], 4)
        user = users[query]
        low, high = indptr[user], indptr[user + 1]
        for column in range(n_columns):
            cell = np.uint64(query) * np.uint64(n_columns) + np.uint64(column)
            item = np.int64(0)
            for attempt in range(TRIES):
                bits = mix(key, cell * np.uint64(TRIES) + np.uint64(attempt))
                item = np.int64(((bits >> np.uint64(32)) * np.uint64(n_items)) >> np.uint64(32))
                if np.float64(bits & np.uint64(0xFFFFFFFF)) * 2.0**-32 >= threshold[item]:
                    item = np.int64(alias[item])
                if not contains(indices, low, high, item):
                    break
            else:
                item = ~item
                failed += 1
            result[query, column] = item
    return failed


@jit(parallel=True)
def from_rows(key: Any, users: Any, indptr: Any, indices: Any, result: Any, found: Any) -> None:
    """Uniform draws from each user's own row; found is False where the row is empty."""
    n_queries, n_columns = result.shape
    for query in prange(n_queries):
        user = users[query]
        low = indptr[user]
        count = indptr[user + 1] - low
        for column in range(n_columns):
            found[query, column] = count > 0
            if count > 0:
                bits = mix(key, np.uint64(query) * np.uint64(n_columns) + np.uint64(column))
                at = np.int64(((bits >> np.uint64(32)) * np.uint64(count)) >> np.uint64(32))
                result[query, column] = indices[low + at]


@jit(parallel=True)
def from_pools(
    key: Any, seed: Any, users: Any, indptr: Any, indices: Any, n_items: int, size: int, result: Any
) -> int:
    """Uniform draws from each user's pool outside the known row; failures as in `uniform`.

    Slot s of a pool of `size` holds one of the items s, s + size, s + 2 size ...: a hash of (seed, user, s)
    says which, so that no pool is ever stored, items are distinct, and an item's slot is item % size.
    """
    n_queries, n_columns = result.shape
    failed = 0
    for query in prange(n_queries):
        user = users[query]
        low, high = indptr[user], indptr[user + 1]
        for column in range(n_columns):
            cell = np.uint64(query) * np.uint64(n_columns) + np.uint64(column)
            item = np.int64(0)
            for attempt in range(TRIES):
                bits = mix(key, cell * np.uint64(TRIES) + np.uint64(attempt))
                slot = np.int64(((bits >> np.uint64(32)) * np.uint64(size)) >> np.uint64(32))
                bits = mix(seed, np.uint64(user) * np.uint64(size) + np.uint64(slot))
                choices = (n_items - slot + size - 1) // size
                item = slot + size * np.int64(((bits >> np.uint64(32)) * np.uint64(choices)) >> np.uint64(32))
                if not contains(indices, low, high, item):
                    break
            else:
                item = ~item
                failed += 1
            result[query, column] = item
    return failed


@jit(parallel=True)
def mark_known(
    users: Any, targets: Any, indptr: Any, indices: Any, first: Any, after: Any, valid: Any
) -> None:
    """valid[q, m] = False where shared candidate m is the target of q or known to its user.

    first[item] is the first position of the item among the candidates (-1: none), after[m] the next one.
    """
    for query in prange(users.size):
        user = users[query]
        for entry in range(indptr[user], indptr[user + 1]):
            position = first[indices[entry]]
            while position >= 0:
                valid[query, position] = False
                position = after[position]
        position = first[targets[query]]
        while position >= 0:
            valid[query, position] = False
            position = after[position]


@jit()
def chains(items: Any, n_items: int) -> Any:
    """Linked positions of each item among shared candidates."""
    first = np.full(n_items, -1, np.int64)
    after = np.full(items.size, -1, np.int64)
    for position in range(items.size - 1, -1, -1):
        after[position] = first[items[position]]
        first[items[position]] = position
    return first, after


@jit()
def alias_table(weights: Any) -> Any:
    """Vose's construction: threshold and alias of each item."""
    n = weights.size
    scaled = weights * (n / weights.sum())
    threshold = np.ones(n)
    alias = np.arange(n)
    small = np.empty(n, np.int64)
    large = np.empty(n, np.int64)
    n_small = n_large = 0
    for item in range(n):
        if scaled[item] < 1.0:
            small[n_small] = item
            n_small += 1
        else:
            large[n_large] = item
            n_large += 1
    while n_small > 0 and n_large > 0:
        n_small -= 1
        low = small[n_small]
        high = large[n_large - 1]
        threshold[low] = scaled[low]
        alias[low] = high
        scaled[high] -= 1.0 - scaled[low]
        if scaled[high] < 1.0:
            n_large -= 1
            small[n_small] = high
            n_small += 1
    return threshold, alias
