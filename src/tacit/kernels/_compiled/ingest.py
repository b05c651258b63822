"""Compiled bodies of `tacit.kernels.ingest`: dense encoding, counting sorts, distinct pairs."""

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
def by_column(users: Any, items: Any, item_starts: Any) -> Any:
    """Keys user << 32 | row, grouped by item, in row order within each."""
    at = item_starts[:-1].copy()
    keys = np.empty(users.size, np.int64)
    for row in range(users.size):
        item = items[row]
        keys[at[item]] = (np.int64(users[row]) << 32) | row
        at[item] += 1
    return keys


@jit()
def by_row(grouped: Any, item_starts: Any, user_starts: Any) -> Any:
    """From keys grouped by item: keys item << 32 | row, grouped by user, ascending within each."""
    at = user_starts[:-1].copy()
    keys = np.empty(grouped.size, np.int64)
    for item in range(item_starts.size - 1):
        upper = np.int64(item) << 32
        for index in range(item_starts[item], item_starts[item + 1]):
            user = grouped[index] >> 32
            keys[at[user]] = upper | (grouped[index] & LOW)
            at[user] += 1
    return keys


@jit(parallel=True)
def count_distinct(keys: Any, starts: Any) -> Any:
    """How many distinct upper halves each ascending segment of keys holds."""
    distinct = np.zeros(starts.size - 1, np.int64)
    for segment in prange(starts.size - 1):
        last = np.int64(-1)
        for index in range(starts[segment], starts[segment + 1]):
            item = keys[index] >> 32
            distinct[segment] += item != last
            last = item
    return distinct


@jit(parallel=True)
def choose(
    keys: Any, starts: Any, kinds: Any, clock: Any, indptr: Any, indices: Any, of: Any, keep: Any
) -> None:
    """Of each distinct pair the item and its kind; keep[row] = False for rows that another one outdoes.

    The row with the least (kind, clock, row) speaks. Empty `kinds` or `clock`: all rows alike in it; empty
    `keep`: nothing repeats.
    """
    for segment in prange(starts.size - 1):
        at = indptr[segment] - 1
        last = np.int64(-1)
        best = np.int64(-1)
        for index in range(starts[segment], starts[segment + 1]):
            item = keys[index] >> 32
            row = keys[index] & LOW
            if item != last:
                at += 1
                last = item
                best = row
                indices[at] = item
            else:
                earlier = clock.size > 0 and clock[row] < clock[best]
                if kinds.size > 0 and kinds[row] != kinds[best]:
                    earlier = kinds[row] < kinds[best]
                keep[best if earlier else row] = False
                if earlier:
                    best = row
            if kinds.size > 0:
                of[at] = kinds[best]


@jit(parallel=True)
def count_kept(keep: Any, cuts: Any) -> Any:
    """How many are kept between each two cuts."""
    counts = np.zeros(cuts.size - 1, np.int64)
    for chunk in prange(cuts.size - 1):
        for row in range(cuts[chunk], cuts[chunk + 1]):
            counts[chunk] += keep[row]
    return counts


@jit(parallel=True)
def compress(values: Any, keep: Any, cuts: Any, starts: Any, kept: Any) -> None:
    """kept = values[keep], chunk by chunk; `starts` where each chunk writes."""
    for chunk in prange(cuts.size - 1):
        at = starts[chunk]
        for row in range(cuts[chunk], cuts[chunk + 1]):
            if keep[row]:
                kept[at] = values[row]
                at += 1


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
