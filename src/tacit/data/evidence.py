"""What a log says of each user and item, as matrices: all that serving and starting anew need of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Int64

from tacit.data.moments import Moments
from tacit.kernels.topk import shared_with
from tacit.sparse import CSR, Sequences
from tacit.types import TrainingData

MATRICES = ("positives", "seen", "noes", "impressions")
MOMENTS = ("moments", "shown_moments")


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the log said, by row: positives the run trained on, all that it has seen, explicit noes, shown.

    Implements `TrainingData` for the positives it trained on.
    """

    positives: CSR
    seen: CSR
    noes: CSR
    impressions: CSR
    item_counts: Int64[np.ndarray, "N"]
    moments: Moments | None = None  # of the events trained on, where all have times
    shown_moments: Moments | None = None  # of the impressions trained on, where all have times
    events: Sequences | None = None  # what is seen in its order, where the backbone reads sequences

    @staticmethod
    def of(log: TrainingData, earlier: Evidence | None = None, events: Sequences | None = None) -> Evidence:
        """Of a log, and of what an earlier run had seen; a pair that either calls a yes is a yes.

        The earlier vocabulary is the beginning of the log's. A pair of both counts once in `item_counts`.
        `events` are the log's; those of the earlier run stand before them, less the pairs of the log.
        """
        noes, impressions = log.noes, log.impressions
        if earlier is None:
            return Evidence(log.positives, log.positives, noes, impressions, log.item_counts, events=events)
        earlier = earlier.padded(log.n_users, log.n_items)
        seen = union(log.positives, earlier.seen)
        noes = without(union(noes, earlier.noes), seen)
        impressions = without(without(union(impressions, earlier.impressions), seen), noes)
        more = without(earlier.positives, log.positives)
        counts = log.item_counts + np.bincount(more.indices, minlength=log.n_items)
        if events is not None and earlier.events is not None:
            events = unlike(earlier.events, log.positives).then(events)
        return Evidence(union(log.positives, more), seen, noes, impressions, counts, events=events)

    @property
    def n_users(self) -> int:
        return self.positives.n_rows

    @property
    def n_items(self) -> int:
        return self.positives.n_columns

    @cached_property
    def known(self) -> CSR:
        """Positives and explicit noes."""
        return union(self.positives, self.noes)

    @cached_property
    def masked(self) -> CSR:
        """What is never recommended: all seen positives and explicit noes."""
        return union(self.seen, self.noes)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All of it as arrays by name, none of which share memory."""
        arrays = {
            f"{name}.{part}": getattr(getattr(self, name), part).copy()
            for name in MATRICES
            for part in ("indptr", "indices")
        }
        arrays["item_counts"] = self.item_counts
        if self.events is not None:
            arrays |= {"events.items": self.events.flat()[1], "events.counts": self.events.lengths()}
        for name in MOMENTS:
            if (moments := getattr(self, name)) is not None:
                arrays |= {f"{name}.times": moments.times, f"{name}.events": moments.events}
        return arrays

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray]) -> Evidence:
        """From what `to_arrays` gave."""
        counts, events = arrays["item_counts"], None
        if "events.items" in arrays:
            stops = np.cumsum(arrays["events.counts"])
            events = Sequences(arrays["events.items"], stops - arrays["events.counts"], stops)
        parts: dict[str, Any] = {
            name: CSR(arrays[f"{name}.indptr"], arrays[f"{name}.indices"], len(counts)) for name in MATRICES
        }
        parts |= {
            name: Moments(arrays[f"{name}.times"], arrays[f"{name}.events"])
            for name in MOMENTS
            if f"{name}.times" in arrays
        }
        return Evidence(**parts, item_counts=counts, events=events)

    def padded(self, n_users: int, n_items: int) -> Evidence:
        """The same under a vocabulary that begins with this one."""
        four = (self.positives, self.seen, self.noes, self.impressions)
        positives, seen, noes, impressions = (padded(matrix, n_users, n_items) for matrix in four)
        counts = np.concatenate([self.item_counts, np.zeros(n_items - self.n_items, np.int64)])
        events = None if self.events is None else lengthened(self.events, n_users)
        return Evidence(positives, seen, noes, impressions, counts, events=events)


def lengthened(events: Sequences, n_rows: int) -> Sequences:
    """The same with empty sequences at the end, for as many rows."""
    none = np.zeros(n_rows - len(events), np.int64)
    return Sequences(
        events.items, np.concatenate([events.starts, none]), np.concatenate([events.stops, none])
    )


def within(events: Sequences, n_items: int) -> Sequences:
    """Events of the first items."""
    rows, items = events.flat()
    kept = items < n_items
    return Sequences.of(rows[kept], items[kept], len(events))


def unlike(events: Sequences, other: CSR) -> Sequences:
    """Events whose pair the matrix, with as many rows, does not hold."""
    rows, items = events.flat()
    keys = rows * other.n_columns + items
    held = np.repeat(np.arange(other.n_rows), other.degrees()) * other.n_columns + other.indices
    left = ~np.isin(keys, held)
    return Sequences.of(rows[left], items[left], len(events))


def padded(matrix: CSR, n_rows: int, n_columns: int) -> CSR:
    """The same pairs in a matrix of at least as many rows and columns."""
    more = np.full(n_rows - matrix.n_rows, matrix.indptr[-1])
    return CSR(np.concatenate([matrix.indptr, more]), matrix.indices, n_columns)


def clipped(matrix: CSR, n_columns: int) -> CSR:
    """The pairs of the first columns."""
    rows = np.repeat(np.arange(matrix.n_rows), matrix.degrees())
    left = matrix.indices < n_columns
    return CSR.from_pairs(rows[left], matrix.indices[left], matrix.n_rows, n_columns)


def union(a: CSR, b: CSR) -> CSR:
    """Pairs that either matrix, of the same shape, holds."""
    if len(b.indices) == 0:
        return a
    rows = np.concatenate([np.repeat(np.arange(m.n_rows), m.degrees()) for m in (a, b)])
    return CSR.from_pairs(rows, np.concatenate([a.indices, b.indices]), a.n_rows, a.n_columns)


def without(matrix: CSR, other: CSR) -> CSR:
    """Pairs of a matrix that the other one, with as many rows, does not hold."""
    rows = np.repeat(np.arange(matrix.n_rows), matrix.degrees())
    left = ~shared_with(matrix, other)
    return CSR.from_pairs(rows[left], matrix.indices[left], matrix.n_rows, matrix.n_columns)
