"""From columns to rows and matrices in linear passes: encoding of ids, distinct pairs, orders by user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Int32, Int64, Integer, Shaped, UInt8

from tacit.errors import DataError
from tacit.kernels._compiled import ingest as compiled

MAX_ROWS = 2**31 - 1
_CHUNKS = 64
_NO_KINDS = np.zeros(0, np.uint8)
_NO_CLOCK = np.zeros(0, np.int64)


def encode_dense(
    values: Integer[np.ndarray, "n"],
) -> tuple[Int64[np.ndarray, "distinct"], Int32[np.ndarray, "n"]] | None:
    """`np.unique(values, return_inverse=True)` by counting; None where the range is too wide to count."""
    if len(values) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int32)
    low, high = (int(value) for value in compiled.extent(values))
    width = high - low + 1
    if width > max(4 * len(values), 1 << 20):
        return None
    present = np.zeros(width, np.uint8)
    compiled.mark(values, low, present)
    ranks = np.empty(width, np.int32)
    compiled.rank(present, ranks)
    codes = np.empty(len(values), np.int32)
    compiled.look_up(values, low, ranks, codes)
    return np.flatnonzero(present).astype(np.int64) + low, codes


@dataclass(frozen=True, eq=False)
class Pairs:
    """Distinct pairs, sorted by user and item, and which rows of the log speak for them.

    `indptr` (users + 1,); `indices` (pairs,) items; `kinds` (pairs,), None where all rows are alike; `keep`
    (rows,) True for the one row of each pair that speaks, None where no pair repeats.
    """

    indptr: Int64[np.ndarray, "users_plus_one"]
    indices: Int32[np.ndarray, "pairs"]
    kinds: UInt8[np.ndarray, "pairs"] | None
    keep: Bool[np.ndarray, "rows"] | None


def distinct_pairs(
    users: Int32[np.ndarray, "n"],
    items: Int32[np.ndarray, "n"],
    n_users: int,
    n_items: int,
    kinds: UInt8[np.ndarray, "n"] | None = None,
    clock: Int[np.ndarray, "n"] | None = None,
) -> Pairs:
    """Distinct (user, item) pairs; of repeated rows the least by (kind, clock, row) speaks.

    Equals a sort by (user, item, kind, clock, row) and the first of each pair, without comparing: a counting
    sort by item, then one by user, then one pass.
    """
    n = len(users)
    if n > MAX_ROWS:
        raise DataError(f"{n} rows: at most {MAX_ROWS} fit in one log; split it by user")
    starts, item_starts = compiled.starts_of(users, n_users), compiled.starts_of(items, n_items)
    keys = compiled.by_row(compiled.by_column(users, items, item_starts), item_starts, starts)
    indptr: np.ndarray[Any, Any] = np.zeros(n_users + 1, np.int64)
    np.cumsum(compiled.count_distinct(keys, starts), out=indptr[1:])
    indices = np.empty(indptr[-1], np.int32)
    keep = np.ones(n if len(indices) < n else 0, np.bool_)
    of = np.empty(len(indices) if kinds is not None else 0, np.uint8)
    some_kinds, some_clock = _NO_KINDS if kinds is None else kinds, _NO_CLOCK if clock is None else clock
    compiled.choose(keys, starts, some_kinds, some_clock, indptr, indices, of, keep)
    return Pairs(indptr, indices, None if kinds is None else of, keep if len(keep) else None)


def compress(keep: Bool[np.ndarray, "n"], *columns: Shaped[np.ndarray, "n"] | None) -> list[Any]:
    """`column[keep]` of each column that is there, on all cores."""
    cuts = np.linspace(0, len(keep), _CHUNKS + 1).astype(np.int64)
    counts = compiled.count_kept(keep, cuts)
    starts = np.cumsum(counts) - counts
    kept = [None if column is None else np.empty(counts.sum(), column.dtype) for column in columns]
    for column, short in zip(columns, kept, strict=True):
        if column is not None:
            compiled.compress(column, keep, cuts, starts, short)
    return kept


def order_by_user(
    users: Int32[np.ndarray, "n"],
    rows: Int64[np.ndarray, "chosen"],
    n_users: int,
    clock: Int[np.ndarray, "n"] | None = None,
) -> tuple[Int64[np.ndarray, "chosen"], Int64[np.ndarray, "users_plus_one"]]:
    """The chosen rows grouped by user and, within each, by clock; ties and no clock keep the given order.

    Second value: where each user's rows start. Equals `rows[np.lexsort((clock[rows], users[rows]))]`.
    """
    starts = compiled.starts_of(users[rows], n_users)
    order = compiled.spread_rows(users, rows, starts)
    if clock is not None:
        compiled.sort_by_clock(order, starts, clock)
    return order, starts
