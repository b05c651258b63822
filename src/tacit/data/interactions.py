"""The log: who did what, as columns of rows, and the matrices that training reads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float32, Int, Int32, Int64, UInt8

from tacit.data.checks import check
from tacit.data.vocabulary import Vocabulary
from tacit.errors import DataError
from tacit.kernels.ingest import Pairs, compress, distinct_pairs, order_by_user
from tacit.sparse import CSR, Sequences

YES, NO, SHOWN = range(3)
COLLAPSED = "repeated (user, item) rows collapsed"
OPTIONAL = ("times", "positions", "labels", "weights", "shown", "ratings")
_NAMES = {
    "times": "timestamp",
    "positions": "position",
    "ratings": "rating",
    "labels": "label",
    "weights": "weight",
    "shown": "shown",
}


@dataclass(frozen=True, eq=False)
class Interactions:
    """A log of n rows. Each is a yes, an explicit no, or an impression without action (silence).

    `users`, `items` (n,) int32: rows of `user_ids` and `item_ids`. Columns that the log lacks are None:
    `times` int64 Unix seconds; `positions` order within a user, no clock; `labels` float32, 1 yes and 0
    explicit no; `weights` float32, at least 0; `shown` bool, True where the item was shown without action
    (its label is not read); `ratings` float32 as in the source. `threshold`: the rating from which on a row
    is a yes, None where ratings decided nothing. `notes`: what reading decided, one sentence each.

    Implements `tacit.types.TrainingData`. A pair that is both yes and no is a yes.
    Raises `DataError` for columns of unequal length or wrong type, and values out of range.
    """

    users: Int32[np.ndarray, "n"]
    items: Int32[np.ndarray, "n"]
    user_ids: Vocabulary
    item_ids: Vocabulary
    times: Int64[np.ndarray, "n"] | None = None
    positions: Int[np.ndarray, "n"] | None = None
    labels: Float32[np.ndarray, "n"] | None = None
    weights: Float32[np.ndarray, "n"] | None = None
    shown: Bool[np.ndarray, "n"] | None = None
    ratings: Float32[np.ndarray, "n"] | None = None
    threshold: float | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check(self)

    @classmethod
    def read(
        cls,
        source: Any,
        *,
        user: str | None = None,
        item: str | None = None,
        time: str | None = None,
        position: str | None = None,
        rating: str | None = None,
        label: str | None = None,
        weight: str | None = None,
        shown: str | None = None,
        threshold: float | None = None,
        impressions: str | Path | None = None,
        vocabulary: tuple[Vocabulary, Vocabulary] | None = None,
        collapse: bool = True,
        part: bool = False,
    ) -> Interactions:
        """A log from a file or a frame; options and errors: `tacit.data.read.read`."""
        from tacit.data.read import read

        return read(
            source,
            user=user,
            item=item,
            time=time,
            position=position,
            rating=rating,
            label=label,
            weight=weight,
            shown=shown,
            threshold=threshold,
            impressions=impressions,
            vocabulary=vocabulary,
            collapse=collapse,
            part=part,
        )

    def __len__(self) -> int:
        return len(self.users)

    @property
    def n_users(self) -> int:
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        return len(self.item_ids)

    @cached_property
    def kinds(self) -> UInt8[np.ndarray, "n"] | None:
        """0 yes, 1 explicit no, 2 shown without action, for each row; None where every row is a yes."""
        if self.labels is None and self.shown is None:
            return None
        no = np.zeros(len(self), bool) if self.labels is None else self.labels == 0
        kinds = np.where(no, NO, YES).astype(np.uint8)
        if self.shown is not None:
            kinds[self.shown] = SHOWN
        return kinds

    @property
    def yes(self) -> Bool[np.ndarray, "n"]:
        """True where the row is a yes."""
        return np.ones(len(self), bool) if self.kinds is None else self.kinds == YES

    @property
    def n_yes(self) -> int:
        """Rows that are a yes, repeats counted."""
        return len(self) if self.kinds is None else int((self.kinds == YES).sum())

    @property
    def clock(self) -> Int[np.ndarray, "n"] | None:
        """What orders the rows of a user: times, else positions, else nothing but the row."""
        return self.times if self.times is not None else self.positions

    @cached_property
    def pairs(self) -> Pairs:
        """Distinct pairs, and the rows that speak for them: a yes first, then the earliest."""
        return distinct_pairs(self.users, self.items, self.n_users, self.n_items, self.kinds, self.clock)

    @cached_property
    def positives(self) -> CSR:
        """Pairs with a yes."""
        return self._matrix(YES, YES)

    @cached_property
    def noes(self) -> CSR:
        """Pairs with an explicit no and no yes."""
        return self._matrix(NO, NO)

    @cached_property
    def known(self) -> CSR:
        """Pairs with a yes or an explicit no."""
        return self.positives if self.labels is None else self._matrix(YES, NO)

    @cached_property
    def impressions(self) -> CSR:
        """Pairs that were shown, without action, and are not known otherwise."""
        return self._matrix(SHOWN, SHOWN)

    @cached_property
    def item_counts(self) -> Int64[np.ndarray, "N"]:
        """Rows with a yes of each item, repeats counted."""
        items = self.items if self.kinds is None else self.items[self.yes]
        return np.bincount(items, minlength=self.n_items)

    def histories(self) -> tuple[Int64[np.ndarray, "yeses"], Int64[np.ndarray, "users_plus_one"]]:
        """Sequences without copies: `order`, rows with a yes, and `indptr`.

        The sequence of user u is `items[order[indptr[u]:indptr[u + 1]]]`, by time, else position, else row;
        ties keep the order of the log.
        """
        return order_by_user(self.users, np.flatnonzero(self.yes), self.n_users, self.clock)

    @cached_property
    def sequences(self) -> Sequences:
        """The yeses of each user in their order, repeats kept."""
        order, indptr = self.histories()
        return Sequences(self.items[order], indptr[:-1], indptr[1:])

    def select(self, rows: Bool[np.ndarray, "n"] | Int[np.ndarray, "chosen"]) -> Interactions:
        """The chosen rows (mask or indices), in the given order, with the same vocabularies."""
        columns = {name: getattr(self, name) for name in ("users", "items", *OPTIONAL)}
        return replace(self, **{name: c[rows] for name, c in columns.items() if c is not None})

    def concat(self, *parts: Interactions) -> Interactions:
        """This log and others of the same vocabularies, one after the other.

        Times, positions and ratings stay where all parts have them; labels and weights are 1, and shown
        False, where a part lacks them. `DataError` where vocabularies differ.
        """
        whole = (self, *parts)
        if any(p.user_ids != self.user_ids or p.item_ids != self.item_ids for p in parts):
            raise DataError("logs of different vocabularies: join them by Split.given or with_vocabulary")
        columns: dict[str, Any] = {}
        for name in ("users", "items", *OPTIONAL):
            present = [getattr(part, name) for part in whole]
            if name in ("labels", "weights", "shown") and any(column is not None for column in present):
                default = {"labels": np.float32(1), "weights": np.float32(1), "shown": np.False_}[name]
                present = [
                    np.full(len(p), default) if c is None else c for p, c in zip(whole, present, strict=True)
                ]
            missing = any(column is None for column in present)
            columns[name] = None if missing else np.concatenate(present)
        return replace(self, **columns)

    def collapsed(self) -> Interactions:
        """One row for each pair, in the order of the log: a yes before a no, then the earliest.

        A note counts the rows that went; itself where there are none.
        """
        pairs = self.pairs
        if pairs.keep is None:
            return self
        names = ("users", "items", *OPTIONAL)
        columns = compress(pairs.keep, *(getattr(self, name) for name in names))
        gone = len(self) - len(pairs.indices)
        note = f"{gone:,} {COLLAPSED}; of each pair a yes, then the earliest, stays"
        single = replace(self, **dict(zip(names, columns, strict=True)), notes=(*self.notes, note))
        single.__dict__["pairs"] = Pairs(pairs.indptr, pairs.indices, pairs.kinds, None)
        return single

    def k_core(self, users: int = 5, items: int = 5) -> Interactions:
        """The largest part in which each user and item has that many yes rows, with smaller vocabularies.

        Rows of all kinds of those users and items stay. `DataError` where nothing is left.
        """
        keep, yes = np.ones(len(self), bool), self.yes
        while True:
            counted = keep & yes
            rich_user = np.bincount(self.users[counted], minlength=self.n_users) >= users
            rich_item = np.bincount(self.items[counted], minlength=self.n_items) >= items
            kept = keep & rich_user[self.users] & rich_item[self.items]
            if (kept == keep).all():
                break
            keep = kept
        if not (keep & yes).any():
            raise DataError(
                f"nothing is left of the log at {users} events a user and {items} an item: ask for fewer"
            )
        note = f"{users}/{items}-core: {int(keep.sum()):,} of {len(self):,} rows stay"
        return replace(self.select(keep).compacted(), notes=(*self.notes, note))

    def compacted(self) -> Interactions:
        """With vocabularies that hold only the users and items of its rows."""
        user_ids, item_ids = (
            Vocabulary(ids.to_arrow().take(pa.array(np.unique(column))))
            for ids, column in ((self.user_ids, self.users), (self.item_ids, self.items))
        )
        return self.with_vocabulary(user_ids, item_ids)

    def with_vocabulary(self, user_ids: Vocabulary, item_ids: Vocabulary) -> Interactions:
        """The same rows under other vocabularies. `DataError` where they lack an id of the log."""
        users = self.user_ids.translated(self.users, user_ids)
        items = self.item_ids.translated(self.items, item_ids)
        return replace(self, users=users, items=items, user_ids=user_ids, item_ids=item_ids)

    def under(self, user_ids: Vocabulary, item_ids: Vocabulary) -> Interactions:
        """The same rows under these vocabularies with the log's new ids appended.

        `DataError` where ids are of another kind.
        """
        return self.with_vocabulary(user_ids.extended(self.user_ids), item_ids.extended(self.item_ids))

    def fingerprint(self) -> str:
        """SHA-256 over columns and vocabularies, hexadecimal; notes do not count."""
        digest = hashlib.sha256()
        for name in ("users", "items", *OPTIONAL):
            column = getattr(self, name)
            if column is not None:
                digest.update(f"{name} {column.dtype.str} {len(column)}\n".encode())
                digest.update(np.ascontiguousarray(column).data)
        for ids in (self.user_ids, self.item_ids):
            digest.update(f"{ids.kind} {len(ids)}\n".encode())
            for buffer in ids.buffers():
                digest.update(buffer)
        return digest.hexdigest()

    def to_arrow(self) -> pa.Table:
        """External ids and all columns: user, item, timestamp, position, rating, label, weight, shown."""
        columns: dict[str, Any] = {
            "user": self.user_ids.to_arrow().take(pa.array(self.users)),
            "item": self.item_ids.to_arrow().take(pa.array(self.items)),
        }
        for field, name in _NAMES.items():
            if getattr(self, field) is not None:
                columns[name] = pa.array(getattr(self, field))
        return pa.table(columns)

    def _matrix(self, least: int, most: int) -> CSR:
        """Pairs whose speaking row is of these kinds."""
        pairs = self.pairs
        if pairs.kinds is None:
            if least == YES:
                return CSR(pairs.indptr, pairs.indices, self.n_items)
            return CSR(np.zeros(self.n_users + 1, np.int64), np.zeros(0, np.int32), self.n_items)
        chosen = (pairs.kinds >= least) & (pairs.kinds <= most)
        indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(chosen, dtype=np.int64)])[pairs.indptr]
        return CSR(indptr, pairs.indices[chosen], self.n_items)
