from collections.abc import Iterator
from typing import Any

import jaxtyping
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacit.data.interactions import Interactions
from tacit.data.vocabulary import Vocabulary
from tacit.errors import DataError
from tacit.sparse import CSR

USERS, ITEMS = 4, 5


def log(users: Any, items: Any, **columns: Any) -> Interactions:
    return Interactions(
        np.asarray(users, np.int32),
        np.asarray(items, np.int32),
        Vocabulary([f"u{row}" for row in range(USERS)]),
        Vocabulary([10 * row for row in range(ITEMS)]),
        **columns,
    )


def cells(matrix: CSR) -> set[tuple[int, int]]:
    return {(user, int(item)) for user in range(matrix.n_rows) for item in matrix.row(user)}


@st.composite
def columns(draw: Any) -> dict[str, Any]:
    n = draw(st.integers(1, 40))

    def column(values: Any, dtype: Any) -> Any:
        return np.array(draw(st.lists(values, min_size=n, max_size=n)), dtype)

    optional = {
        "times": (st.integers(0, 9), np.int64),
        "labels": (st.sampled_from([0.0, 1.0]), np.float32),
        "shown": (st.booleans(), np.bool_),
    }
    return {
        "users": column(st.integers(0, USERS - 1), np.int32),
        "items": column(st.integers(0, ITEMS - 1), np.int32),
    } | {name: column(*optional[name]) for name in optional if draw(st.booleans())}


def longhand_kinds(some: Interactions) -> list[int]:
    kinds = []
    for row in range(len(some)):
        if some.shown is not None and some.shown[row]:
            kinds.append(2)
        else:
            kinds.append(int(some.labels is not None and some.labels[row] == 0))
    return kinds


@settings(deadline=None)
@given(columns())
def test_matrices_are_those_of_a_slow_loop(drawn: dict[str, Any]) -> None:
    some = log(**drawn)
    best: dict[tuple[int, int], int] = {}
    for row, kind in enumerate(longhand_kinds(some)):
        pair = int(some.users[row]), int(some.items[row])
        best[pair] = min(kind, best.get(pair, 2))
    by_kind = [{pair for pair, kind in best.items() if kind == wanted} for wanted in range(3)]
    assert cells(some.positives) == by_kind[0]
    assert cells(some.noes) == by_kind[1]
    assert cells(some.impressions) == by_kind[2]
    assert cells(some.known) == by_kind[0] | by_kind[1]


@settings(deadline=None)
@given(columns())
def test_collapsing_keeps_the_earliest_of_the_best_kind(drawn: dict[str, Any]) -> None:
    some = log(**drawn)
    kinds, kept = longhand_kinds(some), {}
    for row in range(len(some)):
        pair = int(some.users[row]), int(some.items[row])
        rank = (kinds[row], 0 if some.times is None else int(some.times[row]), row)
        kept[pair] = min(rank, kept.get(pair, rank))
    rows = sorted(row for _, _, row in kept.values())
    single = some.collapsed()
    assert single.to_arrow().equals(some.select(np.array(rows)).to_arrow())
    assert cells(single.positives) == cells(some.positives)
    assert cells(single.noes) == cells(some.noes)


@settings(deadline=None)
@given(columns())
def test_histories_are_a_stable_sort_by_time(drawn: dict[str, Any]) -> None:
    some = log(**drawn)
    order, indptr = some.histories()
    for user in range(USERS):
        rows = [row for row in range(len(some)) if some.yes[row] and some.users[row] == user]
        if some.times is not None:
            rows.sort(key=lambda row: some.times[row])
        assert order[indptr[user] : indptr[user + 1]].tolist() == rows


@settings(deadline=None)
@given(columns(), st.integers(1, 3), st.integers(1, 3))
def test_the_core_is_that_of_a_slow_loop(drawn: dict[str, Any], users: int, items: int) -> None:
    some = log(**drawn)
    rows = list(range(len(some)))
    while True:
        yes = [row for row in rows if some.yes[row]]
        of_user = [sum(some.users[r] == u for r in yes) for u in range(USERS)]
        of_item = [sum(some.items[r] == i for r in yes) for i in range(ITEMS)]
        kept = [r for r in rows if of_user[some.users[r]] >= users and of_item[some.items[r]] >= items]
        if kept == rows:
            break
        rows = kept
    if not rows:
        with pytest.raises(DataError, match="nothing is left"):
            some.k_core(users, items)
        return
    core = some.k_core(users, items)
    assert core.to_arrow().equals(some.select(np.array(rows)).to_arrow())
    assert core.n_items == len(set(some.items[rows].tolist()))


def test_a_silent_impression_is_neither_yes_nor_no() -> None:
    some = log([0, 0], [1, 2], shown=np.array([False, True]), labels=np.zeros(2, np.float32))
    assert some.yes.tolist() == [False, False]
    assert (cells(some.noes), cells(some.impressions)) == ({(0, 1)}, {(0, 2)})


def test_counts_of_items_count_repeats_of_yeses() -> None:
    some = log([0, 0, 1, 1], [1, 1, 1, 2], labels=np.array([1, 1, 1, 0], np.float32))
    assert some.item_counts.tolist() == [0, 3, 0, 0, 0]
    assert some.n_yes == 3


def test_positions_order_where_there_are_no_times() -> None:
    some = log([0, 0, 0], [1, 2, 3], positions=np.array([2, 0, 1], np.int32))
    assert some.items[some.histories()[0]].tolist() == [2, 3, 1]


def test_collapsing_says_how_many_rows_went() -> None:
    assert log([0, 0, 1], [1, 1, 1]).collapsed().notes[0].startswith("1 repeated (user, item) rows collapsed")


def test_collapsing_a_log_without_repeats_is_itself() -> None:
    some = log([0, 1], [1, 1])
    assert some.collapsed() is some


def test_joining_fills_labels_with_yes_and_drops_times_that_are_missing() -> None:
    first = log([0], [1], labels=np.zeros(1, np.float32), times=np.zeros(1, np.int64))
    whole = first.concat(log([1], [2]))
    assert whole.labels is not None
    assert whole.labels.tolist() == [0, 1]
    assert whole.times is None
    assert whole.users.tolist() == [0, 1]


def test_joining_other_vocabularies_is_refused() -> None:
    other = Interactions(np.zeros(1, np.int32), np.zeros(1, np.int32), Vocabulary(["x"]), Vocabulary([1]))
    with pytest.raises(DataError, match="different vocabularies"):
        log([0], [1]).concat(other)


def test_a_larger_vocabulary_keeps_the_ids_of_the_rows() -> None:
    some = log([0, 3], [4, 1])
    wider = some.with_vocabulary(Vocabulary(["new", "u3", "u0", "u1", "u2"]), some.item_ids.extended([5]))
    assert wider.to_arrow().equals(some.to_arrow())
    assert wider.n_items == ITEMS + 1


def test_a_vocabulary_that_lacks_an_id_is_refused() -> None:
    some = log([0, 3], [4, 1])
    with pytest.raises(DataError, match="id 'u3' is not in the new vocabulary"):
        some.with_vocabulary(Vocabulary(["u0"]), some.item_ids)


def test_the_fingerprint_is_that_of_the_content() -> None:
    first, again = log([0, 1], [1, 2], notes=("read",)), log([0, 1], [1, 2])
    assert first.fingerprint() == again.fingerprint()


@pytest.mark.parametrize(
    "other",
    [
        log([0, 1], [2, 1]),
        log([0, 1], [1, 2], weights=np.ones(2, np.float32)),
        log([0, 1], [1, 2]).with_vocabulary(
            Vocabulary(["u0", "u1", "u2", "u33"]), Vocabulary([0, 10, 20, 30, 40])
        ),
        log([0, 1], [1, 2]).with_vocabulary(
            Vocabulary(["u0", "u1", "u2", "u3"]), Vocabulary([0, 10, 20, 30, 41])
        ),
    ],
)
def test_the_fingerprint_sees_every_part(other: Interactions) -> None:
    assert other.fingerprint() != log([0, 1], [1, 2]).fingerprint()


def test_the_table_has_external_ids_and_every_column() -> None:
    some = log(
        [1],
        [2],
        times=np.array([9]),
        positions=np.array([3], np.int32),
        labels=np.ones(1, np.float32),
        weights=np.full(1, 2, np.float32),
        shown=np.zeros(1, bool),
        ratings=np.full(1, 4, np.float32),
    )
    assert some.to_arrow().to_pylist() == [
        {
            "user": "u1",
            "item": 20,
            "timestamp": 9,
            "position": 3,
            "rating": 4.0,
            "label": 1.0,
            "weight": 2.0,
            "shown": False,
        }
    ]


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Without the shape checks of the tests, as users run it."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"times": np.zeros(1, np.int64)}, "column times has 1 rows, users 2"),
        ({"times": np.zeros(2, np.int32)}, "column times: give a flat numpy array of int64"),
        ({"positions": [1, 2]}, "column positions: give a flat numpy array of int32 or int64"),
        ({"weights": np.array([1, np.nan], np.float32)}, "column weights, row 1: not finite"),
        ({"weights": np.array([-1, 1], np.float32)}, "column weights, row 0: not finite and at least 0"),
        ({"labels": np.array([1, 0.5], np.float32)}, "column labels, row 1: not 0 or 1"),
    ],
)
def test_bad_columns_are_refused(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        log([0, 1], [1, 2], **columns)


@pytest.mark.parametrize(("users", "items"), [([0, USERS], [0, 0]), ([0, 1], [0, -1])])
def test_rows_outside_the_vocabulary_are_refused(users: list[int], items: list[int]) -> None:
    with pytest.raises(DataError, match="row 1: not a row of the vocabulary"):
        log(users, items)


def test_a_sliced_vocabulary_has_the_fingerprint_of_a_copy() -> None:
    ids = pa.array(["skip", "a", "b"])[1:]
    one = np.zeros(1, np.int32)
    assert (
        Interactions(one, one, Vocabulary(ids), Vocabulary([1])).fingerprint()
        == Interactions(one, one, Vocabulary(["a", "b"]), Vocabulary([1])).fingerprint()
    )
