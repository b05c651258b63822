"""Ragged rows in two flat arrays: the distinct items of each row, and ordered events with repeats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Int32, Int64


@dataclass(frozen=True, eq=False)
class CSR:
    """Sparse boolean matrix: for each row the sorted, distinct columns that it holds.

    `indptr` (rows + 1,) int64, `indices` (nonzeros,) int32, ascending within a row.
    """

    indptr: Int64[np.ndarray, "rows_plus_one"]
    indices: Int32[np.ndarray, "nonzeros"]
    n_columns: int

    @property
    def n_rows(self) -> int:
        return len(self.indptr) - 1

    def row(self, row: int) -> Int32[np.ndarray, "degree"]:
        """Columns of one row, ascending; a view."""
        return self.indices[self.indptr[row] : self.indptr[row + 1]]

    def degrees(self) -> Int64[np.ndarray, "rows"]:
        """Number of columns of each row."""
        return np.diff(self.indptr)

    def select(self, rows: Int[np.ndarray, "chosen"]) -> CSR:
        """The chosen rows, in that order, as a new matrix."""
        counts = self.indptr[rows + 1] - self.indptr[rows]
        indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
        within = np.arange(indptr[-1], dtype=np.int64) - np.repeat(indptr[:-1], counts)
        return CSR(indptr, self.indices[np.repeat(self.indptr[rows], counts) + within], self.n_columns)

    @staticmethod
    def from_pairs(
        rows: Int[np.ndarray, "pairs"], columns: Int[np.ndarray, "pairs"], n_rows: int, n_columns: int
    ) -> CSR:
        """Distinct pairs, sorted. Pairs may repeat and come in any order."""
        key = np.sort(rows.astype(np.int64) * n_columns + columns)
        if len(key):
            key = key[np.concatenate([[True], key[1:] != key[:-1]])]
        indptr = np.searchsorted(key, np.arange(n_rows + 1, dtype=np.int64) * n_columns)
        return CSR(indptr.astype(np.int64), (key % max(n_columns, 1)).astype(np.int32), n_columns)


@dataclass(frozen=True, eq=False)
class Sequences:
    """Ordered events as ranges of one array: those of row r are `items[starts[r]:stops[r]]`, oldest first.

    Repeats are kept. `items` (events,) int32 is shared by every selection, never copied.
    """

    items: Int32[np.ndarray, "events"]
    starts: Int64[np.ndarray, "rows"]
    stops: Int64[np.ndarray, "rows"]

    def __len__(self) -> int:
        return len(self.starts)

    def row(self, row: int) -> Int32[np.ndarray, "length"]:
        """Events of one row, oldest first; a view."""
        return self.items[self.starts[row] : self.stops[row]]

    def lengths(self) -> Int64[np.ndarray, "rows"]:
        """Number of events of each row."""
        lengths: Int64[np.ndarray, "rows"] = self.stops - self.starts
        return lengths

    def select(self, rows: Int[np.ndarray, "chosen"]) -> Sequences:
        """The chosen rows, in that order."""
        return Sequences(self.items, self.starts[rows], self.stops[rows])

    def last(self, length: int) -> Sequences:
        """Of each row at most its last `length` events."""
        return Sequences(self.items, np.maximum(self.starts, self.stops - length), self.stops)

    def to_csr(self, n_columns: int) -> CSR:
        """The distinct items of each row."""
        rows, items = self.flat()
        return CSR.from_pairs(rows, items, len(self), n_columns)

    def flat(self) -> tuple[Int64[np.ndarray, "n"], Int32[np.ndarray, "n"]]:
        """Row and item of every event, row by row."""
        lengths = self.lengths()
        ends = np.cumsum(lengths)
        within = np.arange(int(lengths.sum())) - np.repeat(ends - lengths, lengths)
        rows = np.repeat(np.arange(len(self)), lengths)
        return rows, self.items[np.repeat(self.starts, lengths) + within]

    def then(self, later: Sequences) -> Sequences:
        """Of each row these events, then the later ones of the same row: a new array."""
        own, more = self.flat(), later.flat()
        rows = np.concatenate([own[0], more[0]])
        order = rows.argsort(kind="stable")
        return Sequences.of(rows[order], np.concatenate([own[1], more[1]])[order], len(self))

    @staticmethod
    def of(rows: Int[np.ndarray, "n"], items: Int[np.ndarray, "n"], n_rows: int) -> Sequences:
        """From events sorted by row, and within a row from the oldest to the newest."""
        bounds = np.searchsorted(rows, np.arange(n_rows + 1)).astype(np.int64)
        return Sequences(items.astype(np.int32), bounds[:-1], bounds[1:])
