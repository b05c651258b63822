"""From external ids to the best k items, with the lists that a request may bring."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int32, Int64

from tacit.data.evidence import clipped, lengthened, padded, union, within
from tacit.data.interactions import Interactions
from tacit.data.vocabulary import Kind, Vocabulary
from tacit.errors import OptionError
from tacit.kernels.topk import diversify, shared_with
from tacit.protocols import Queries, Recommender, TopK
from tacit.recommend.foldin import trained_rows
from tacit.references.popular import PopularRecommender
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

    @cached_property
    def popular(self) -> PopularRecommender:
        """What answers people of whom nothing is known."""
        return PopularRecommender(self.popularity.astype(np.float32))

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
        rows, people = np.repeat(np.arange(len(histories)), lengths), len(histories)
        items = self.item_ids.rows([item for history in histories for item in history])
        history = CSR.from_pairs(rows, items, people, len(self.item_ids))
        queries = Queries(np.full(people, -1, np.int64), history, Sequences.of(rows, items, people))
        masked = None if keep_seen else history
        return self._answer([None] * people, queries, k, masked, allow, deny, diversity)

    def for_log(
        self,
        log: Interactions,
        k: int = 10,
        *,
        append: bool = False,
        allow: Iterable[Id] | None = None,
        deny: Iterable[Id] | None = None,
        keep_seen: bool = False,
        diversity: Diversity | None = None,
    ) -> Recommendations:
        """The k best items for everybody in a log, those whom the run knows first, then by id.

        They are known by what the log says of them alone; with `append` that comes after what the run knows.
        The log's vocabularies begin with those of the run; events of other items are left out, which the
        notes say. Explicit noes are masked as well. Raises as `for_users`.
        """
        n_users, n_items = log.n_users, len(self.item_ids)
        events, masked = within(log.sequences, n_items), clipped(log.known, n_items)
        history, twice = events.to_csr(n_items), 0
        if append:
            known = padded(self.history, n_users, n_items)
            if self.events is not None:
                twice = int(shared_with(history, known).sum())
                events = lengthened(self.events, n_users).then(events)
            history, masked = union(known, history), union(padded(self.masked, n_users, n_items), masked)
        people = np.unique(log.users).astype(np.int64)
        by_row = append and not self.folds
        rows = trained_rows(people, self.trained) if by_row else np.full(len(people), -1, np.int64)
        found = self._answer(
            np.array(log.user_ids.decode(people), object).tolist(),
            Queries(rows, history.select(people), events.select(people)),
            k,
            None if keep_seen else masked.select(people),
            *(allow, deny, diversity),
        )
        notes, strange = [], int((log.items >= n_items).sum())
        if strange:
            left = f"{strange:,} of {len(log):,} events"
            notes.append(f"{left} are of items that the run does not know, and left out")
        if twice:
            notes.append(f"{twice:,} pairs of the log are among what the run knows: their events count again")
        return replace(found, notes=(*notes, *found.notes))

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
        best = TopK(np.empty((len(users), depth), np.int32), np.empty((len(users), depth), np.float32))
        for model, rows in ((self.recommender, ~cold & ~strange), (self.popular, cold | strange)):
            if rows.any():
                asked = np.flatnonzero(rows)
                hidden = None if exclude is None else exclude.select(asked)
                answer = _ranked(model, queries.select(asked), depth, hidden, allowed)
                best.items[asked], best.scores[asked] = answer.items, answer.scores
        notes = []
        if cold.any():
            notes.append(f"{int(cold.sum())} without any event: answered by popularity")
        if strange.any():
            notes.append(
                f"{int(strange.sum())} answered by popularity: the backbone cannot be asked by a history"
            )
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
    for start in range(0, len(queries), step):
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
