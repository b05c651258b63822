import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacit.data import split as module
from tacit.data.interactions import Interactions
from tacit.data.read import table_of
from tacit.data.split import Split, split, split_rows, validation
from tacit.data.splitfiles import write
from tacit.data.vocabulary import Vocabulary
from tacit.errors import DataError, OptionError

PARTS = ("train", "valid", "test")


def log(users: Any, items: Any = None, **columns: Any) -> Interactions:
    users = np.asarray(users, np.int32)
    items = np.arange(len(users), dtype=np.int32) if items is None else np.asarray(items, np.int32)
    names = [Vocabulary(np.arange(int(rows.max()) + 1)) for rows in (users, items)]
    return Interactions(users, items, *names, **columns)


def timed(users: Any, times: Any, **columns: Any) -> Interactions:
    return log(users, times=np.asarray(times, np.int64), **columns)


def random_log(n: int = 3000, n_users: int = 60, **columns: Any) -> Interactions:
    rng = np.random.default_rng(1)
    return log(rng.integers(0, n_users, n), rng.integers(0, 90, n), **columns)


EVENTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 20)), min_size=3, max_size=60)


@settings(deadline=None)
@given(EVENTS, st.sampled_from([0.0, 0.1, 0.3]), st.sampled_from([0.1, 0.4]))
def test_a_split_by_time_never_trains_on_the_future(
    events: list[tuple[int, int]], valid: float, test: float
) -> None:
    users, times = zip(*events, strict=True)
    if len(set(times)) == 1:
        with pytest.raises(DataError, match="is empty"):
            split(timed(users, times), valid=valid, test=test)
        return
    parts = split(timed(users, times), valid=valid, test=test)
    moments = [
        p.times for p in (parts.train, parts.valid, parts.test) if p is not None and p.times is not None
    ]
    assert sum(map(len, moments)) == len(events)
    for earlier, later in pairwise(moments):
        assert earlier.max() < later.min()


@settings(deadline=None)
@given(EVENTS, st.sampled_from(["last", "random", "user"]), st.integers(0, 3))
def test_every_row_is_in_one_part_and_nobody_loses_all(
    events: list[tuple[int, int]], by: Any, seed: int
) -> None:
    users, times = zip(*events, strict=True)
    some = timed(users, times)
    try:
        rows, _, _ = split_rows(some, by, valid=0.3, test=0.3, seed=seed)
    except DataError:
        assert by != "last" or max(np.bincount(users)) < 3
        return
    assert sorted(np.concatenate(list(rows.values()))) == list(range(len(some)))
    kept = np.concatenate([rows["train"], *(rows[name] for name in rows if name.endswith("history"))])
    assert set(some.users[kept]) == set(users)


def test_shares_by_time_are_those_asked_for() -> None:
    rows, kind, _ = split_rows(timed(np.zeros(100), np.arange(100)), valid=0.2, test=0.1)
    assert (kind, [len(rows[name]) for name in PARTS]) == ("time", [70, 20, 10])


def test_ties_move_the_cut_to_the_nearer_boundary() -> None:
    times = [1] * 8 + [2] * 5 + [3] * 7
    rows, _, _ = split_rows(timed(np.zeros(20), times), valid=0, test=0.5)
    assert [len(rows[name]) for name in PARTS] == [8, 0, 12]


def test_the_last_events_of_each_user_are_held_out() -> None:
    some = timed([0, 0, 0, 0, 1, 1, 2], [40, 10, 30, 20, 5, 6, 9])
    rows, _, notes = split_rows(some, "last")
    assert [rows[name].tolist() for name in PARTS] == [[1, 3, 4, 6], [2], [0, 5]]
    assert module.LEAK in notes


def test_without_a_clock_the_order_of_the_file_says_what_is_last() -> None:
    rows, _, notes = split_rows(log([0, 1, 0, 1, 0]), "last")
    assert rows["test"].tolist() == [3, 4]
    assert any("lowest in the file" in note for note in notes)


def test_people_who_begin_after_the_cut_are_told_of() -> None:
    sessions = timed([0, 0, 1, 1, 2, 2, 3, 3], range(8))
    _, _, notes = split_rows(sessions, "time", valid=0, test=0.25)
    assert any("1 of 1 users of the test part have nothing in train" in note for note in notes)
    _, _, notes = split_rows(timed(np.zeros(8), range(8)), "time", valid=0, test=0.25)
    assert not any("nothing in train" in note for note in notes)


def test_more_than_one_last_event() -> None:
    rows, _, _ = split_rows(timed(np.zeros(7), np.arange(7)), "last", n=2)
    assert [len(rows[name]) for name in PARTS] == [3, 2, 2]


def test_positions_make_last_the_default() -> None:
    some = log([0, 0, 0], positions=np.array([2, 0, 1], np.int32))
    rows, kind, notes = split_rows(some)
    assert (kind, rows["test"].tolist()) == ("last", [0])
    assert "split by last: the default for a log with these columns" in notes


def test_random_is_the_default_without_order() -> None:
    assert split_rows(random_log())[1] == "random"


def test_random_shares_hold_also_for_short_histories() -> None:
    some = log(np.repeat(np.arange(4000), 3))
    rows, _, _ = split_rows(some, "random", valid=0.1, test=0.2)
    assert len(rows["test"]) / len(some) == pytest.approx(0.2, abs=0.02)
    assert len(rows["valid"]) / len(some) == pytest.approx(0.1, abs=0.02)


def test_the_seed_alone_decides_chance() -> None:
    first, again, other = (split_rows(random_log(), "random", seed=seed)[0]["test"] for seed in (1, 1, 2))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


def test_people_are_held_out_whole() -> None:
    parts = split(random_log(), "user", valid=0.1, test=0.2)
    assert parts.valid is not None
    assert parts.test is not None
    assert parts.test_history is not None
    people = set(parts.test.users.tolist())
    assert len(people) == 12
    assert people == set(parts.test_history.users.tolist())
    assert not people & set(parts.train.users.tolist())
    assert not people & set(parts.valid.users.tolist())
    assert len(parts.test) / (len(parts.test) + len(parts.test_history)) == pytest.approx(0.2, abs=0.03)


def test_the_truth_of_people_held_out_is_their_latest() -> None:
    some = timed(np.repeat(np.arange(10), 5), np.tile([3, 1, 5, 2, 4], 10))
    parts = split(some, "user", test=0.3)
    assert parts.test is not None
    assert set(parts.test.items.tolist()) == {5 * int(user) + 2 for user in parts.test.users}


@pytest.mark.parametrize("by", ["last", "random", "user"])
def test_noes_are_never_held_out_as_truth(by: Any) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 3000).astype(np.float32)
    parts = split(random_log(labels=labels, times=rng.integers(0, 99, 3000)), by)
    for part in (parts.valid, parts.test):
        assert part is not None
        assert part.yes.all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "time"}, "needs timestamps"),
        ({"valid": 0.5, "test": 0.5}, "leave some for training"),
        ({"test": 0}, "leave some for training"),
        ({"n": 0}, "at least one event"),
    ],
)
def test_impossible_splits_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        split(random_log(), **options)


def test_an_empty_valid_part_is_none_and_said() -> None:
    parts = split(timed([0, 0], [1, 2]))
    assert parts.valid is None
    assert any("valid part is empty" in note for note in parts.notes)


def test_given_parts_share_one_vocabulary_and_keep_unknown_items() -> None:
    train, test = log([0, 1], [0, 1]), log([1, 2], [5, 0])
    parts = Split.given(train, None, test)
    assert parts.test is not None
    assert parts.test.to_arrow().equals(test.to_arrow())
    assert parts.train.item_ids == parts.test.item_ids
    assert parts.train.items.tolist() == train.items.tolist()


def test_given_parts_of_other_ids_are_refused() -> None:
    text = Interactions.read(pa.table({"user": ["a", "b"], "item": [1, 2]}))
    with pytest.raises(DataError, match="ids are text here and integers in the vocabulary"):
        Split.given(log([0, 1]), None, text)


def test_validation_is_the_last_twentieth_by_time() -> None:
    train, valid = validation(timed(np.tile(np.arange(5), 20), np.arange(100)))
    assert valid.times is not None
    assert sorted(valid.times) == [95, 96, 97, 98, 99]
    assert len(train) == 95


def test_validation_by_position_is_the_last_event() -> None:
    some = log([0, 0, 1, 1, 2], positions=np.array([1, 0, 0, 1, 0], np.int32))
    assert validation(some)[1].items.tolist() == [0, 3]


def test_validation_for_sequences_goes_by_row() -> None:
    assert validation(log([0, 0, 1, 1, 2]), sequences=True)[1].items.tolist() == [1, 3]


def test_validation_without_order_is_one_event_of_each() -> None:
    train, valid = validation(random_log())
    assert np.bincount(valid.users).tolist() == [1] * 60
    assert len(train) + len(valid) == 3000


def test_validation_takes_at_most_ten_thousand_people() -> None:
    _, valid = validation(log(np.repeat(np.arange(12_000), 2)))
    assert len(valid) == len(set(valid.users)) == module.VALIDATION_USERS


def test_validation_holds_yeses_only() -> None:
    labels = np.tile(np.array([1, 0], np.float32), 50)
    train, valid = validation(timed(np.tile(np.arange(4), 25), np.arange(100), labels=labels))
    assert valid.yes.all()
    assert len(train) + len(valid) == 100


def test_validation_by_time_needs_somebody_who_was_there_before() -> None:
    times = [1, 1, 1, 2, 2, 2, 3]
    _, valid = validation(timed([0, 0, 0, 1, 1, 1, 2], times))
    assert valid.users.tolist() == [0, 1]


def test_validation_of_single_events_is_refused() -> None:
    with pytest.raises(DataError, match="no user has two events"):
        validation(log([0, 1, 2]))


def test_writing_keeps_all_columns_of_the_source(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,item,time,colour\n1,5,10,red\n2,6,20,blue\n1,6,30,\n")
    rows, kind, notes = split_rows(Interactions.read(path, collapse=False), valid=0, test=0.3)
    write(table_of(path), rows, kind, notes, tmp_path / "out")
    assert pq.read_table(tmp_path / "out" / "test.parquet").to_pylist() == [
        {"user": 1, "item": 6, "time": 30, "colour": None}
    ]
    facts = json.loads((tmp_path / "out" / "split.json").read_text())
    assert (facts["kind"], facts["rows"]) == ("time", {"train": 2, "valid": 0, "test": 1})


def test_writing_leaves_no_part_of_a_former_split(tmp_path: Path) -> None:
    for name in ("test_history.parquet", "mine.parquet"):
        (tmp_path / name).write_bytes(b"there before")
    whole = timed([0, 0, 1], [1, 2, 3])
    write(whole.to_arrow(), *split_rows(whole, "time", valid=0, test=0.3), tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["mine.parquet", "split.json", "test.parquet", "train.parquet", "valid.parquet"]


def test_by_start_those_who_began_last_are_held_out_whole() -> None:
    """Ten people of five events, one an hour; each begins a day after the one before."""
    users = np.repeat(np.arange(10), 5)
    times = users * 86_400 + np.tile(np.arange(5), 10) * 3_600
    order = np.random.default_rng(0).permutation(50)
    found = split(timed(users[order], times[order]), "start", valid=0.2, test=0.2)
    assert found.valid is not None
    assert found.test is not None
    assert found.valid_history is not None
    assert found.test_history is not None
    assert sorted(set(found.train.users)) == list(range(6))
    assert sorted(found.valid.users) == [6, 7]
    assert sorted(found.test.users) == [8, 9]
    assert np.bincount(found.valid_history.users, minlength=10).tolist() == [0] * 6 + [4, 4, 0, 0]
    assert np.bincount(found.test_history.users, minlength=10).tolist() == [0] * 8 + [4, 4]
    assert found.test.times is not None
    assert sorted(found.test.times % 86_400) == [4 * 3_600] * 2


def test_by_start_a_single_event_after_the_cut_teaches_nothing() -> None:
    """The last three of ten people have one event each: a history without truth."""
    users = np.array([*np.repeat(np.arange(7), 2), 7, 8, 9])
    found = split(timed(users, np.arange(len(users))), "start", valid=0.0, test=0.2)
    assert found.test is not None
    assert found.test_history is not None
    assert found.test.users.tolist() == [6]
    assert sorted(found.test_history.users) == [6, 7, 8, 9]
    assert found.train.users.max() == 5


def test_by_start_needs_times_and_somebody_with_two_events() -> None:
    with pytest.raises(OptionError, match="split by start needs timestamps"):
        split(log([0, 0, 1, 1]), "start")
    with pytest.raises(DataError, match="no user has two events"):
        split(timed([0, 1, 2], [1, 2, 3]), "start")


@given(EVENTS)
def test_by_start_nobody_in_train_begins_after_somebody_in_test(events: list[tuple[int, int]]) -> None:
    users, times = zip(*events, strict=True)
    whole = timed(users, times)
    try:
        rows, _, _ = split_rows(whole, "start", valid=0.2, test=0.3)
    except DataError:
        return
    assert sorted(np.concatenate(list(rows.values()))) == list(range(len(whole)))
    begins = {user: min(time for other, time in events if other == user) for user in set(users)}
    trained = [begins[user] for user in whole.users[rows["train"]].tolist()]
    tested = [begins[user] for user in whole.users[rows["test"]].tolist()]
    assert max(trained) < min(tested)
