"""From external ids to the best k items, with the lists that a request may bring."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float32, Int, Int32, Int64

from tacit.data.evidence import clipped
from tacit.data.interactions import Interactions
from tacit.data.vocabulary import Kind, Vocabulary
from tacit.errors import OptionError
from tacit.kernels.topk import diversify, top_k
from tacit.protocols import Queries, Recommender, TopK
from tacit.recommend.foldin import trained_rows
from tacit.sparse import CSR, Sequences

Id = int | str
BLOCK_BYTES = 2**27
DEPTH = 10  # times as many items are ranked as are chosen with diversity


@dataclass(frozen=True, eq=False)
class Recommendations:
    """Best items per person, best first, with external ids; `notes` say what was unusual."""

    users: list[Id | None]
    items: list[list[Id]]
    scores: list[list[float]]
    notes: tuple[str, ...] = ()
    kinds: tuple[Kind, Kind] = ("str", "str")  # of user and item ids

    def __iter__(self) -> Any:
        return iter(zip(self.users, self.items, self.scores, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """One JSON object."""
        people = [
            {"user": user, "items": [{"item": i, "score": s} for i, s in zip(items, scores, strict=True)]}
            for user, items, scores in self
        ]
        return {"recommendations": people, "notes": list(self.notes)}

    def to_arrow(self) -> pa.Table:
        """Columns user, item, score, rank (from 1); people without an id have a null there."""
        counts = [len(items) for items in self.items]
        user, item = (pa.int64() if kind == "int" else pa.string() for kind in self.kinds)
        return pa.table(
            {
                "user": pa.array(
                    [who for who, n in zip(self.users, counts, strict=True) for _ in range(n)], user
                ),
                "item": pa.array([what for items in self.items for what in items], item),
                "score": pa.array([score for scores in self.scores for score in scores], pa.float32()),
                "rank": pa.array([rank + 1 for n in counts for rank in range(n)], pa.int32()),
            }
        )


@dataclass(frozen=True, eq=False)
class Diversity:
    """How much an item gives way to others of its category: `coefficient` of the score for each chosen one.

    `categories`: of items by id; those that are missing have none, ids that the run does not know are left
    out. Raises `OptionError` for a coefficient below 0.
    """

    coefficient: float
    categories: Mapping[Id, Any]

    def __post_init__(self) -> None:
        if not 0 <= self.coefficient < np.inf:
            raise OptionError(f"diversity must be at least 0, not {self.coefficient}")

    def of(self, item_ids: Vocabulary) -> Int32[np.ndarray, "N"]:
        """A number of its category for every item row, -1 where it has none."""
        numbers: dict[Any, int] = {}
        found = np.full(len(item_ids), -1, np.int32)
        rows = item_ids.encode(list(self.categories)) if self.categories else ()
        for row, category in zip(rows, self.categories.values(), strict=True):
            if row >= 0 and category is not None:
                found[row] = numbers.setdefault(category, len(numbers))
        return found


@dataclass(frozen=True, eq=False)
class Catalogue:
    """What answers a request: the recommender, its ids, its evidence."""

    recommender: Recommender
    user_ids: Vocabulary
    item_ids: Vocabulary
    trained: CSR  # positives that training saw
    history: CSR  # seen positives
    masked: CSR  # never recommended
    popularity: Int64[np.ndarray, "N"]
    folds: bool = True  # whether a history tells the recommender who somebody is
    events: Sequences | None = None  # the histories in their order, where the recommender reads them

    def for_users(
        self,
        users: Sequence[Id],
        k: int = 10,
        *,
        allow: Iterable[Id] | None = None,
        deny: Iterable[Id] | None = None,
        keep_seen: bool = False,
        diversity: Diversity | None = None,
    ) -> Recommendations:
        """The k best items of known users outside what they have seen.

        Users without a trained positive are folded in from what they have seen; those who have seen nothing
        are answered by popularity, which the notes say. Raises `UnknownId` for ids
        the run does not know and `OptionError` for a k below 1 or above the catalogue.
        """
        rows = self.user_ids.rows(users)
        exclude = None if keep_seen else self.masked.select(rows)
        events = None if self.events is None else self.events.select(rows)
        queries = Queries(trained_rows(rows, self.trained), self.history.select(rows), events)
        return self._answer(list(users), queries, k, exclude, allow, deny, diversity)

    def for_history(
        self,
        histories: Sequence[Sequence[Id]],
        k: int = 10,
        *,
        allow: Iterable[Id] | None = None,
        deny: Iterable[Id] | None = None,
        keep_seen: bool = False,
        diversity: Diversity | None = None,
    ) -> Recommendations:
        """The k best items for people known by what they touched, oldest first; raises as `for_users`."""
        lengths = [len(history) for history in histories]
        rows = np.repeat(np.arange(len(histories)), lengths)
        items = self.item_ids.rows([item for history in histories for item in history])
        queries = self._strangers(rows, items, len(histories))
        masked = None if keep_seen else queries.history
        return self._answer([None] * len(histories), queries, k, masked, allow, deny, diversity)

    def for_log(
        self,
        log: Interactions,
        k: int = 10,
        *,
        allow: Iterable[Id] | None = None,
        deny: Iterable[Id] | None = None,
        keep_seen: bool = False,
        diversity: Diversity | None = None,
    ) -> Recommendations:
        """The k best items for everybody in a log, in the order of its ids, by what it says of them alone.

        The log's items begin with those of the run; events of others are left out, which the notes say.
        Explicit noes are masked as well. Raises as `for_users`.
        """
        n_items = len(self.item_ids)
        people = np.unique(log.users)
        order, _ = log.histories()
        order = order[log.items[order] < n_items]
        queries = self._strangers(np.searchsorted(people, log.users[order]), log.items[order], len(people))
        masked = None if keep_seen else clipped(log.known.select(people), n_items)
        found = self._answer(
            np.array(log.user_ids.decode(people), object).tolist(), queries, k, masked, allow, deny, diversity
        )
        strange = int((log.items >= n_items).sum())
        note = f"{strange:,} of {len(log):,} events are of items that the run does not know, and left out"
        return replace(found, notes=(note, *found.notes)) if strange else found

    def _strangers(
        self, rows: Int[np.ndarray, "events"], items: Int[np.ndarray, "events"], people: int
    ) -> Queries:
        """People known by their events alone, which are sorted by row, and in a row by time."""
        history = CSR.from_pairs(rows, items, people, len(self.item_ids))
        return Queries(np.full(people, -1, np.int64), history, Sequences.of(rows, items, people))

    def _answer(
        self,
        users: list[Id | None],
        queries: Queries,
        k: int,
        exclude: CSR | None,
        allow: Iterable[Id] | None,
        deny: Iterable[Id] | None,
        diversity: Diversity | None,
    ) -> Recommendations:
        n_items = self.recommender.n_items
        if not 1 <= k <= n_items:
            raise OptionError(f"k must lie between 1 and the {n_items} items of the catalogue, not {k}")
        allowed = self._allowed(allow, deny)
        assert queries.history is not None
        cold = queries.history.degrees() == 0
        strange = ~cold & (queries.users < 0) & (not self.folds)
        depth = k if diversity is None else min(DEPTH * k, n_items)
        best = _ranked(self.recommender, queries, depth, exclude, allowed)
        notes = []
        if cold.any():
            popular = np.broadcast_to(self.popularity.astype(np.float32), (int(cold.sum()), n_items))
            rows = None if exclude is None else exclude.select(np.flatnonzero(cold))
            answer = _best(popular.copy(), depth, rows, allowed)
            best.items[cold], best.scores[cold] = answer.items, answer.scores
            notes.append(f"{int(cold.sum())} without any event: answered by popularity")
        if strange.any():
            notes.append(f"{int(strange.sum())} whom training did not see: answered by popularity")
        if diversity is not None:
            best = diversify(best, diversity.of(self.item_ids), diversity.coefficient, k)
        found = best.items >= 0
        short = int((found.sum(1) < k).sum())
        if short:
            notes.append(f"{short} of {len(users)} have fewer than {k} items left to recommend")
        ids = self.item_ids.decode(np.where(found, best.items, 0).reshape(-1))
        table = np.array(ids, dtype=object).reshape(best.items.shape)
        return Recommendations(
            users,
            [row[mask].tolist() for row, mask in zip(table, found, strict=True)],
            [row[mask].tolist() for row, mask in zip(best.scores, found, strict=True)],
            tuple(notes),
            (self.user_ids.kind, self.item_ids.kind),
        )

    def _allowed(self, allow: Iterable[Id] | None, deny: Iterable[Id] | None) -> Bool[np.ndarray, "N"] | None:
        if allow is None and deny is None:
            return None
        allowed = np.full(self.recommender.n_items, allow is None)
        if allow is not None:
            allowed[self.item_ids.rows(list(allow))] = True
        if deny is not None:
            allowed[self.item_ids.rows(list(deny))] = False
        return allowed


def _ranked(recommender: Recommender, queries: Queries, k: int, exclude: CSR | None, allowed: Any) -> TopK:
    if allowed is None:
        return recommender.recommend(queries, k, exclude=exclude)
    step = max(BLOCK_BYTES // (4 * recommender.n_items), 1)
    parts = []
    for start in range(0, max(len(queries), 1), step):
        rows = np.arange(start, min(start + step, len(queries)))
        masked = _hidden(allowed, None if exclude is None else exclude.select(rows), len(rows))
        parts.append(recommender.recommend(queries.select(rows), k, exclude=masked))
    return TopK(np.concatenate([p.items for p in parts]), np.concatenate([p.scores for p in parts]))


def _hidden(allowed: Bool[np.ndarray, "N"], exclude: CSR | None, n_rows: int) -> CSR:
    """What is not allowed to anybody, and what is excluded of each row."""
    rows = []
    for row in range(n_rows):
        hidden = ~allowed
        if exclude is not None:
            hidden[exclude.row(row)] = True
        rows.append(np.flatnonzero(hidden).astype(np.int32))
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
    return CSR(indptr, np.concatenate([np.zeros(0, np.int32), *rows]), len(allowed))


def _best(scores: Float32[np.ndarray, "Q N"], k: int, exclude: CSR | None, allowed: Any) -> TopK:
    if allowed is not None:
        scores[:, ~allowed] = -np.inf
    best = top_k(scores, k, exclude)
    return TopK(np.where(best.scores > -np.inf, best.items, -1).astype(np.int32), best.scores)
