"""Splits: fit, choose, report. The parts share one vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int64

from tacit.data.interactions import Interactions
from tacit.errors import DataError, OptionError
from tacit.kernels.ingest import order_by_user
from tacit.kernels.sampling import derived_key

By = Literal["time", "last", "random", "user", "start"]
Rows = dict[str, Int64[np.ndarray, "part"]]
Part = Int64[np.ndarray, "n"]  # of each row the index of its part in PARTS
PARTS = ("train", "valid", "test", "valid_history", "test_history")
VALIDATION_SHARE, VALIDATION_USERS, TRUTH_SHARE = 0.05, 10_000, 0.2
WHOLE = ("user", "start")  # ways that hold users out whole
SPLIT, VALIDATION = 7, 8
LEAK = "leave-last-out leaks across users: training holds events later than others' test events"


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
        """Parts that came as files: one vocabulary over all, rows of train first. Unknown ids stay in.

        `DataError` where ids are integers in one part and text in another.
        """
        users, items = train.user_ids, train.item_ids
        for part in (valid, test):
            if part is not None:
                users, items = users.extended(part.user_ids), items.extended(part.item_ids)
        held = [None if part is None else part.with_vocabulary(users, items) for part in (valid, test)]
        return Split(train.with_vocabulary(users, items), held[0], held[1])


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
    of each user (the default where there are positions), `random` per user, `user` (people held out whole),
    `start` (those held out whole who began last: users that are sessions).

    `valid` and `test` are shares, of events or of people. Events at one moment are never parted by time. By
    `last` and `random` at least one yes of each user stays in train; by time people may begin after the cut.
    Of people held out whole the last fifth of their yeses is the truth, what was before it their history.
    By `start` who has one yes alone is held out too, as a history without truth.
    Noes and impressions go with the time or the person, else to train. An empty valid part is None.

    Raises `OptionError` for a share out of range or a way that the log's columns do not allow, `DataError`
    where train or test would be empty.
    """
    rows, kind, notes = split_rows(log, by, valid=valid, test=test, n=n, seed=seed)
    parts = {name: log.select(chosen) for name, chosen in rows.items() if len(chosen) or name == "train"}
    return Split(
        parts["train"],
        parts.get("valid"),
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
    if n < 1:
        raise OptionError(f"n = {n}: leave at least one event of each user")
    notes: list[str] = []
    if by is None:
        by = "time" if log.times is not None else "last" if log.positions is not None else "random"
        notes.append(f"split by {by}: the default for a log with these columns")
    rng = np.random.default_rng(derived_key(seed, SPLIT))
    if by == "time":
        part = _by_time(log, valid, test)
    elif by == "last":
        if log.times is not None:
            notes.append(LEAK)
        elif log.positions is None:
            notes.append("no times or positions: of each user's rows the lowest in the file is the last")
        part = _by_last(log, n if valid else 0, n)
    elif by == "random":
        part = _at_random(log, valid, test, rng)
    elif by == "user":
        part = _by_user(log, valid, test, rng)
    else:
        part = _by_start(log, valid, test)
    names = PARTS if by in WHOLE else PARTS[:3]
    rows = {name: np.flatnonzero(part == at) for at, name in enumerate(names)}
    for name in ("train", "test"):
        if len(rows[name]) == 0:
            raise DataError(
                f"the {name} part of the split by {by} is empty: split another way, or change shares"
            )
    if by == "time":
        notes += _newcomers(log, rows)
    if valid and len(rows["valid"]) == 0:
        notes.append("the valid part is empty: the log is too small for its share")
    return rows, by, tuple(notes)


def _newcomers(log: Interactions, rows: Rows) -> list[str]:
    """One sentence where most people of the test part begin after the cut."""
    people, known = np.unique(log.users[rows["test"]]), np.unique(log.users[rows["train"]])
    new = len(np.setdiff1d(people, known))
    if new <= len(people) / 2:
        return []
    return [
        f"{new:,} of {len(people):,} users of the test part have nothing in train: where each user is one "
        "visit or session, split by start; by last or at random, everybody has a part of their own in train"
    ]


def validation(
    log: Interactions, seed: int = 0, *, sequences: bool = False
) -> tuple[Interactions, Interactions]:
    """Train and validation parts where the user gave none.

    The last 5 % of yeses by time where there are times, else the last one (where there are positions, or the
    backbone reads `sequences`: then by row) or a random one of at most 10,000 users who have two. Everything
    else, noes and impressions too, stays in train. Raises `DataError` where no user has two yeses.
    """
    if log.times is not None and log.n_yes:
        yes = np.flatnonzero(log.yes)
        late = log.times[yes] >= _cut(np.sort(log.times[yes]), VALIDATION_SHARE)
        known = np.bincount(log.users[yes[~late]], minlength=log.n_users) > 0
        if known[log.users[yes[late]]].any():
            return _without(log, yes[late])
    order, indptr = log.histories()
    counts = np.diff(indptr)
    people = np.flatnonzero(counts >= 2)
    if len(people) == 0:
        raise DataError("no user has two events, so none can be held out to validate: give a validation file")
    rng = np.random.default_rng(derived_key(seed, VALIDATION))
    if len(people) > VALIDATION_USERS:
        people = np.sort(rng.choice(people, VALIDATION_USERS, replace=False))
    if sequences or log.clock is not None:
        return _without(log, order[indptr[people + 1] - 1])
    return _without(log, order[indptr[people] + rng.integers(0, counts[people])])


def _without(log: Interactions, held: Int64[np.ndarray, "held"]) -> tuple[Interactions, Interactions]:
    keep = np.ones(len(log), bool)
    keep[held] = False
    return log.select(keep), log.select(np.sort(held))


def _cut(times: Int64[np.ndarray, "n"], share: float) -> int:
    """The moment, of ascending times, from which on about that share lies; one past the last for none.

    The boundary between two distinct times that comes nearest, so that ties stay together.
    """
    at = round(len(times) * (1 - share))
    if not 0 < at < len(times):
        at = min(max(at, 1), len(times) - 1)
    low, high = np.searchsorted(times, times[at]), np.searchsorted(times, times[at], "right")
    chosen = high if low == 0 or (high < len(times) and high - at < at - low) else low
    return int(times[chosen]) if chosen < len(times) else int(times[-1]) + 1


def _by_time(log: Interactions, valid: float, test: float) -> Part:
    if log.times is None:
        raise OptionError("split by time needs timestamps: name the column, or split by last, random or user")
    times = np.sort(log.times)
    second = _cut(times, test)
    before = times[: np.searchsorted(times, second)]
    first = _cut(before, valid / (1 - test)) if valid else second
    return np.add(log.times >= first, log.times >= second, dtype=np.int64)


def _by_last(log: Interactions, n_valid: int, n_test: int) -> Part:
    order, indptr = log.histories()
    counts = np.diff(indptr)
    room = counts - 1
    tests = np.where(room >= n_test, n_test, 0)
    valids = np.where(room - tests >= n_valid, n_valid, 0)
    return _from_end(log, order, indptr, valids, tests)


def _at_random(log: Interactions, valid: float, test: float, rng: np.random.Generator) -> Part:
    yes = rng.permutation(np.flatnonzero(log.yes))
    order, indptr = order_by_user(log.users, yes, log.n_users)
    counts = np.diff(indptr)
    chance = rng.random(len(counts))  # one for both cuts, so that the shares hold in expectation
    held = np.floor((valid + test) * counts + chance).astype(np.int64)
    tests = np.floor(test * counts + chance).astype(np.int64)
    held = np.clip(held, 0, np.maximum(counts - 1, 0))
    tests = np.minimum(tests, held)
    return _from_end(log, order, indptr, held - tests, tests)


def _by_user(log: Interactions, valid: float, test: float, rng: np.random.Generator) -> Part:
    order, indptr = log.histories()
    if log.clock is None:
        order, indptr = order_by_user(log.users, rng.permutation(order), log.n_users)
    counts = np.diff(indptr)
    people = rng.permutation(np.flatnonzero(counts >= 2))
    n_test, n_valid = max(round(len(people) * test), 1), round(len(people) * valid)
    group = np.zeros(log.n_users, np.int64)
    group[people[:n_test]] = 2
    group[people[n_test : n_test + n_valid]] = 1
    return _held_whole(log, order, indptr, group)


def _by_start(log: Interactions, valid: float, test: float) -> Part:
    if log.times is None:
        raise OptionError("split by start needs timestamps: name the column, or split by user")
    order, indptr = log.histories()
    begins = np.full(log.n_users, np.iinfo(np.int64).max)
    np.minimum.at(begins, log.users, log.times)
    ordered = np.sort(begins[np.diff(indptr) >= 2])
    if len(ordered) == 0:
        raise DataError("no user has two events, so nobody's last ones can be told from what was before them")
    second = _cut(ordered, test)
    before = ordered[: np.searchsorted(ordered, second)]
    first = _cut(before, valid / (1 - test)) if valid and len(before) else second
    return _held_whole(log, order, indptr, np.add(begins >= first, begins >= second, dtype=np.int64))


def _held_whole(
    log: Interactions,
    order: Int64[np.ndarray, "yeses"],
    indptr: Int64[np.ndarray, "users_plus_one"],
    group: Int64[np.ndarray, "users"],
) -> Part:
    """Of users in valid (1) and test (2) the last yeses there, all else to their histories."""
    counts = np.diff(indptr)
    truths = np.where(counts >= 2, np.maximum(np.round(counts * TRUTH_SHARE), 1), 0).astype(np.int64)
    truth = _from_end(log, order, indptr, np.zeros_like(truths), truths) == 2
    of = group[log.users]
    part: Part = np.where(truth | (of == 0), of, of + 2)
    return part


def _from_end(
    log: Interactions,
    order: Int64[np.ndarray, "yeses"],
    indptr: Int64[np.ndarray, "users_plus_one"],
    valids: Int64[np.ndarray, "users"],
    tests: Int64[np.ndarray, "users"],
) -> Part:
    """Of each user's ordered rows the last `tests` to test (2), `valids` before them to valid (1), else 0."""
    counts = np.diff(indptr)
    from_end = np.repeat(indptr[1:], counts) - np.arange(len(order)) - 1
    part = np.zeros(len(log), np.int64)
    in_test = from_end < np.repeat(tests, counts)
    in_valid = from_end < np.repeat(tests + valids, counts)
    part[order] = np.add(in_test, in_valid, dtype=np.int64)
    return part
