"""Splits: fit, choose, report. The parts share one vocabulary."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from jaxtyping import Int64

from tacit import storage
from tacit.data.interactions import Interactions
from tacit.errors import DataError, OptionError

By = Literal["time", "last", "random", "user"]
Rows = dict[str, Int64[np.ndarray, "part"]]
VALIDATION_SHARE, VALIDATION_USERS = 0.05, 10_000


@dataclass(frozen=True, eq=False)
class Split:
    """Parts of a log. `valid_history` and `test_history` exist where whole users are held out."""

    train: Interactions
    valid: Interactions | None
    test: Interactions | None
    valid_history: Interactions | None = None
    test_history: Interactions | None = None
    kind: str = "given"
    notes: tuple[str, ...] = ()

    @staticmethod
    def given(train: Interactions, valid: Interactions | None, test: Interactions | None) -> Split:
        """Parts that came as files: one vocabulary over all, rows of train first. Unknown ids stay in."""
        users, items = train.user_ids, train.item_ids
        for part in (valid, test):
            if part is not None:
                users = users.extended(part.user_ids.to_arrow())
                items = items.extended(part.item_ids.to_arrow())
        parts = [None if p is None else p.with_vocabulary(users, items) for p in (train, valid, test)]
        assert parts[0] is not None
        return Split(parts[0], parts[1], parts[2])


def split(
    log: Interactions,
    by: By | None = None,
    *,
    valid: float = 0.1,
    test: float = 0.1,
    n: int = 1,
    seed: int = 0,
) -> Split:
    """Split a log: `time` at two moments for everybody (the default where there are times), `last` n events
    of each user (the default where there are positions), `random` per user, `user` (people held out whole).

    `valid` and `test` are shares, of events or of people. Raises `OptionError` for a share out of range or a
    way that the log's columns do not allow, `DataError` where a part is empty.
    """
    rows, kind, notes = split_rows(log, by, valid=valid, test=test, n=n, seed=seed)
    parts = {name: log.select(chosen) for name, chosen in rows.items()}
    return Split(
        parts["train"],
        parts["valid"],
        parts["test"],
        parts.get("valid_history"),
        parts.get("test_history"),
        kind,
        notes,
    )


def split_rows(
    log: Interactions,
    by: By | None = None,
    *,
    valid: float = 0.1,
    test: float = 0.1,
    n: int = 1,
    seed: int = 0,
) -> tuple[Rows, str, tuple[str, ...]]:
    """Rows of each part, the way that was used, and what was decided. Raises as `split`."""
    if valid < 0 or test <= 0 or valid + test >= 1:
        raise OptionError(f"valid = {valid} and test = {test} must be shares that leave some for training")
    notes: list[str] = []
    if by is None:
        by = "time" if log.times is not None else "last" if log.positions is not None else "random"
        notes.append(f"split by {by}: the default for a log with these columns")
    rng = np.random.default_rng(seed)
    if by == "time":
        rows = _by_time(log, valid, test)
    elif by == "last":
        if log.clock is None:
            raise OptionError("split by last needs timestamps or positions: name the column, or split at random")
        notes.append("leave-last-out: training holds events later than other users' test events")
        rows = _by_last(log, n)
    elif by == "random":
        rows = _at_random(log, valid, test, rng)
    else:
        rows = _by_user(log, valid, test, rng)
    for name in ("train", "test"):
        if len(rows[name]) == 0:
            raise DataError(f"the {name} part of the split by {by} is empty: split another way, or change shares")
    return rows, by, tuple(notes)


def validation(log: Interactions, seed: int = 0) -> tuple[Interactions, Interactions]:
    """Train and validation parts where the user gave none.

    The last 5 % of yeses by time where there are times, else the last one (by position) or a random one of at
    most 10,000 users. Everything else, noes and impressions too, stays in train. Raises `DataError` where no
    user has two yeses.
    """
    yes = np.flatnonzero(log.yes)
    if log.times is not None:
        cut = np.quantile(log.times[yes], 1 - VALIDATION_SHARE, method="higher")
        held = yes[log.times[yes] >= cut]
        known = np.bincount(log.users[yes[log.times[yes] < cut]], minlength=log.n_users) > 0
        if len(held) < len(yes) and known[log.users[held]].any():
            return _without(log, held)
    order, indptr = log.histories()
    counts = np.diff(indptr)
    people = np.flatnonzero(counts >= 2)
    if len(people) == 0:
        raise DataError("no user has two events, so none can be held out to validate: give a validation file")
    rng = np.random.default_rng(seed)
    if len(people) > VALIDATION_USERS:
        people = np.sort(rng.choice(people, VALIDATION_USERS, replace=False))
    if log.clock is not None:
        return _without(log, order[indptr[people + 1] - 1])
    return _without(log, order[indptr[people] + (rng.random(len(people)) * counts[people]).astype(np.int64)])


def write(table: pa.Table, rows: Rows, kind: str, notes: tuple[str, ...], folder: Path) -> None:
    """The parts of a source table, all its columns kept, as Parquet files; split.json comes last."""
    for name, chosen in rows.items():
        storage.write_parquet(folder / f"{name}.parquet", table.take(pa.array(chosen)))
    counts = {name: len(chosen) for name, chosen in rows.items()}
    storage.write_json(folder / "split.json", {"kind": kind, "notes": list(notes), "rows": counts})


def _without(log: Interactions, held: Int64[np.ndarray, "held"]) -> tuple[Interactions, Interactions]:
    keep = np.ones(len(log), bool)
    keep[held] = False
    return log.select(keep), log.select(np.sort(held))


def _by_time(log: Interactions, valid: float, test: float) -> Rows:
    if log.times is None:
        raise OptionError("split by time needs timestamps: name the column, or split by last, random or user")
    first, second = np.quantile(log.times, [1 - valid - test, 1 - test], method="higher")
    rows = np.arange(len(log))
    return {
        "train": rows[log.times < first],
        "valid": rows[(log.times >= first) & (log.times < second)],
        "test": rows[log.times >= second],
    }


def _by_last(log: Interactions, n: int) -> Rows:
    order, indptr = log.histories()
    counts = np.diff(indptr)
    from_end = np.repeat(indptr[1:], counts) - np.arange(len(order)) - 1
    long = np.repeat(counts > 2 * n, counts)
    part = np.full(len(log), -1)
    part[order] = np.where(long & (from_end < n), 2, np.where(long & (from_end < 2 * n), 1, 0))
    part[part < 0] = 0
    return {name: np.flatnonzero(part == at) for at, name in enumerate(("train", "valid", "test"))}


def _at_random(log: Interactions, valid: float, test: float, rng: np.random.Generator) -> Rows:
    order = np.lexsort((rng.random(len(log)), log.users))
    counts = np.bincount(log.users, minlength=log.n_users)
    starts = np.concatenate([[0], np.cumsum(counts)])
    place = np.arange(len(log)) - np.repeat(starts[:-1], counts)
    n = np.repeat(counts, counts)
    n_test, n_valid = np.floor(n * test + 0.5), np.floor(n * valid + 0.5)
    n_test = np.minimum(n_test, n - 1)
    n_valid = np.minimum(n_valid, n - 1 - n_test)
    part = np.where(place < n_test, 2, np.where(place < n_test + n_valid, 1, 0))
    return {
        name: np.sort(order[part == at]) for at, name in enumerate(("train", "valid", "test"))
    }


def _by_user(log: Interactions, valid: float, test: float, rng: np.random.Generator) -> Rows:
    people = rng.permutation(log.n_users)
    n_test, n_valid = max(round(len(people) * test), 1), round(len(people) * valid)
    group = np.zeros(log.n_users, np.int64)
    group[people[:n_test]] = 2
    group[people[n_test : n_test + n_valid]] = 1
    held = _at_random(replace(log), 0.0, 0.2, rng)
    truth = np.zeros(len(log), bool)
    truth[held["test"]] = True
    of = group[log.users]
    rows = np.arange(len(log))
    return {
        "train": rows[of == 0],
        "valid": rows[(of == 1) & truth],
        "test": rows[(of == 2) & truth],
        "valid_history": rows[(of == 1) & ~truth],
        "test_history": rows[(of == 2) & ~truth],
    }
