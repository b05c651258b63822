"""From columns to rows and matrices in linear passes: encoding of ids, distinct pairs, orders by user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int, Int32, Int64, Integer, UInt8

from tacit.errors import DataError
from tacit.kernels._compiled import ingest as compiled

MAX_ROWS = 2**31 - 1
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
    """Distinct pairs, sorted by user and item, and the row that speaks for each.

    `indptr` (users + 1,), `indices` and `first` (pairs,): item, and row of the log.
    """

    indptr: Int64[np.ndarray, "users_plus_one"]
    indices: Int32[np.ndarray, "pairs"]
    first: Int64[np.ndarray, "pairs"]


def distinct_pairs(
    users: Int32[np.ndarray, "n"],
    items: Int32[np.ndarray, "n"],
    n_users: int,
    kinds: UInt8[np.ndarray, "n"] | None = None,
    clock: Int[np.ndarray, "n"] | None = None,
) -> Pairs:
    """Distinct (user, item) pairs; of repeated rows the least by (kind, clock, row) speaks.

    Equals a sort by (user, item, kind, clock, row) and the first of each pair, without the sort of
    everything: a counting sort by user, then one small sort for each user.
    """
    if len(users) > MAX_ROWS:
        raise DataError(f"{len(users)} rows: at most {MAX_ROWS} fit in one log; split it by user")
    starts = compiled.starts_of(users, n_users)
    keys = compiled.spread_keys(users, items, starts)
    distinct = compiled.sort_segments(keys, starts)
    indptr: np.ndarray[Any, Any] = np.zeros(n_users + 1, np.int64)
    np.cumsum(distinct, out=indptr[1:])
    indices = np.empty(indptr[-1], np.int32)
    first = np.empty(indptr[-1], np.int64)
    kinds = _NO_KINDS if kinds is None else kinds
    compiled.choose(keys, starts, kinds, _NO_CLOCK if clock is None else clock, indptr, indices, first)
    return Pairs(indptr, indices, first)


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
