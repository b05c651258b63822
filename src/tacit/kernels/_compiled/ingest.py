"""Compiled bodies of `tacit.kernels.ingest`: dense encoding, counting sort by user, distinct pairs."""

from typing import Any

import numpy as np

from tacit.kernels._compiled.jit import jit, prange

LOW = 0xFFFFFFFF


@jit()
def extent(values: Any) -> Any:
    """Least and greatest value of a non-empty array."""
    low = values[0]
    high = values[0]
    for index in range(values.size):
        low = min(low, values[index])
        high = max(high, values[index])
    return low, high


@jit(parallel=True)
def mark(values: Any, low: int, present: Any) -> None:
    """present[value - low] = 1; threads may write the same cell, always the same value."""
    for index in prange(values.size):
        present[values[index] - low] = 1


@jit()
def rank(present: Any, ranks: Any) -> int:
    """Number the cells that are present, in place of `ranks`; returns how many there are."""
    total = 0
    for cell in range(present.size):
        ranks[cell] = total
        total += present[cell]
    return total


@jit(parallel=True)
def look_up(values: Any, low: int, ranks: Any, codes: Any) -> None:
    """codes = ranks[values - low]."""
    for index in prange(values.size):
        codes[index] = ranks[values[index] - low]


@jit()
def starts_of(groups: Any, n_groups: int) -> Any:
    """Where each group starts once sorted by group, (n_groups + 1,)."""
    starts = np.zeros(n_groups + 1, np.int64)
    for row in range(groups.size):
        starts[groups[row] + 1] += 1
    for group in range(n_groups):
        starts[group + 1] += starts[group]
    return starts


@jit()
def spread_keys(users: Any, items: Any, starts: Any) -> Any:
    """Keys item << 32 | row, grouped by user, in row order within each."""
    at = starts[:-1].copy()
    keys = np.empty(users.size, np.int64)
    for row in range(users.size):
        user = users[row]
        keys[at[user]] = (np.int64(items[row]) << 32) | row
        at[user] += 1
    return keys


@jit(parallel=True)
def sort_segments(keys: Any, starts: Any) -> Any:
    """Sort each segment of keys; returns how many distinct upper halves each holds."""
    distinct = np.zeros(starts.size - 1, np.int64)
    for segment in prange(starts.size - 1):
        part = keys[starts[segment] : starts[segment + 1]]
        ascending = True
        for index in range(1, part.size):
            if part[index] < part[index - 1]:
                ascending = False
                break
        if not ascending:
            part.sort()
        count = 0
        last = np.int64(-1)
        for index in range(part.size):
            item = part[index] >> 32
            if item != last:
                count += 1
                last = item
        distinct[segment] = count
    return distinct


@jit(parallel=True)
def choose(keys: Any, starts: Any, kinds: Any, clock: Any, indptr: Any, indices: Any, first: Any) -> None:
    """Of each distinct pair the item and the row that speaks for it: least (kind, clock, row).

    Empty `kinds` or `clock`: all rows alike in it.
    """
    for segment in prange(starts.size - 1):
        at = indptr[segment] - 1
        last = np.int64(-1)
        for index in range(starts[segment], starts[segment + 1]):
            item = keys[index] >> 32
            row = keys[index] & LOW
            if item != last:
                at += 1
                last = item
                indices[at] = item
                first[at] = row
                continue
            best = first[at]
            earlier = clock.size > 0 and clock[row] < clock[best]
            if kinds.size > 0 and kinds[row] != kinds[best]:
                earlier = kinds[row] < kinds[best]
            if earlier:
                first[at] = row


@jit()
def spread_rows(groups: Any, rows: Any, starts: Any) -> Any:
    """Rows grouped by groups[row], in the given order within each; `starts` of exactly these rows."""
    at = starts[:-1].copy()
    order = np.empty(rows.size, np.int64)
    for index in range(rows.size):
        group = groups[rows[index]]
        order[at[group]] = rows[index]
        at[group] += 1
    return order


@jit(parallel=True)
def sort_by_clock(order: Any, starts: Any, clock: Any) -> None:
    """Order each segment of rows by clock[row]; ties keep their order."""
    for segment in prange(starts.size - 1):
        part = order[starts[segment] : starts[segment + 1]]
        for index in range(1, part.size):
            if clock[part[index]] < clock[part[index - 1]]:
                part[:] = part[np.argsort(clock[part], kind="mergesort")]
                break
