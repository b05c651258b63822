from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tacit.data.interactions import Interactions
from tacit.data.windows import SequenceLoader, Windows

TURNED = {"user": [1, 1, 1, 2], "item": [30, 10, 20, 40], "position": [2, 0, 1, 0]}
COUNTS = st.lists(st.integers(0, 12), min_size=1, max_size=8)


def bounds(counts: list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def log_of(sequences: list[list[int]], **columns) -> Interactions:
    """A log of these sequences, and of somebody who did one thing, from which nothing is learnt."""
    sequences = [*sequences, [50]]
    columns = {name: [*values, 1] for name, values in columns.items()}
    users = [user for user, items in enumerate(sequences) for _ in items]
    places = [place for items in sequences for place in range(len(items))]
    table = {"user": users, "item": [i for items in sequences for i in items], "position": places, **columns}
    return Interactions.read(pa.table(table), collapse=False)


def asked(batch, log):
    """(what was read, target) of every query of a batch, in the ids of the log."""
    history, width = batch.history, batch.history.items.shape[1]
    items = np.asarray(log.item_ids.decode(np.arange(log.n_items)))
    found = []
    for place, target in zip(history.query.tolist(), batch.targets.tolist(), strict=True):
        row, at = divmod(place, width)
        found.append((items[history.items[row, : at + 1].numpy()].tolist(), int(items[target])))
    return found


@given(COUNTS, st.integers(1, 6), st.sampled_from(["all", "last"]))
def test_every_event_but_the_first_is_a_target_once(counts, length, queries):
    windows = Windows.of(bounds(counts), length, queries)
    targets = sorted(at for a, b in zip(windows.firsts, windows.stops, strict=True) for at in range(a, b))
    starts = set(bounds(counts)[:-1].tolist())
    assert targets == [at for at in range(sum(counts)) if at not in starts]


@given(COUNTS, st.integers(1, 6), st.sampled_from(["all", "last"]))
def test_a_window_stays_within_its_user_and_its_length(counts, length, queries):
    windows, indptr = Windows.of(bounds(counts), length, queries), bounds(counts)
    for start, first, stop in zip(windows.starts, windows.firsts, windows.stops, strict=True):
        user = np.searchsorted(indptr, start, "right") - 1
        assert indptr[user] <= start < first <= stop - 1 < indptr[user + 1]
        assert stop - 1 - start <= length


@given(COUNTS, st.integers(1, 6))
def test_the_last_target_is_read_from_all_that_fits(counts, length):
    windows, indptr = Windows.of(bounds(counts), length, "last"), bounds(counts)
    for start, first in zip(windows.starts, windows.firsts, strict=True):
        begin = indptr[np.searchsorted(indptr, start, "right") - 1]
        assert start == max(begin, first - length)


def test_all_positions_of_a_short_sequence():
    log = log_of([[5, 3, 8]])
    (batch,) = SequenceLoader.of(log, 10, "all", 4, 0).epoch(0)
    assert asked(batch, log) == [([5], 3), ([5, 3], 8)]


def test_the_newest_window_is_full():
    log = log_of([[1, 2, 3, 4, 5, 6]])
    (batch,) = SequenceLoader.of(log, 3, "all", 4, 0).epoch(0)
    found = sorted(asked(batch, log), key=lambda pair: pair[1])
    assert found == [([1], 2), ([1, 2], 3), ([3], 4), ([3, 4], 5), ([3, 4, 5], 6)]


@given(COUNTS, st.integers(1, 6), st.integers(1, 6))
def test_a_stride_asks_for_each_target_once_with_all_that_fits_before_it(counts, length, stride):
    windows, indptr = Windows.of(bounds(counts), length, "all", min(stride, length)), bounds(counts)
    targets = []
    for start, first, stop in zip(windows.starts, windows.firsts, windows.stops, strict=True):
        begin = indptr[np.searchsorted(indptr, start, "right") - 1]
        assert start == max(begin, stop - 1 - length)
        assert stop - first <= stride
        targets += range(first, stop)
    starts = set(indptr[:-1].tolist())
    assert sorted(targets) == [at for at in range(sum(counts)) if at not in starts]


def test_windows_of_a_stride_overlap_by_what_is_not_asked_for():
    log = log_of([[1, 2, 3, 4, 5, 6]])
    (batch,) = SequenceLoader.of(log, 3, "all", 4, 0, stride=2).epoch(0)
    found = sorted(asked(batch, log), key=lambda pair: pair[1])
    assert found == [([1], 2), ([1, 2], 3), ([1, 2, 3], 4), ([3, 4], 5), ([3, 4, 5], 6)]


def test_last_positions_read_what_was_before_them():
    log = log_of([[1, 2, 3, 4], [7, 8]])
    (batch,) = SequenceLoader.of(log, 2, "last", 10, 0).epoch(0)
    found = sorted(asked(batch, log), key=lambda pair: pair[1])
    assert found == [([1], 2), ([1, 2], 3), ([2, 3], 4), ([7], 8)]


@given(COUNTS, st.integers(1, 6))
def test_the_newest_event_alone_is_a_target_once_a_user(counts, length):
    windows, indptr = Windows.of(bounds(counts), length, "newest"), bounds(counts)
    ends = [int(indptr[user + 1]) for user, count in enumerate(counts) if count > 1]
    assert windows.stops.tolist() == ends
    assert windows.firsts.tolist() == [end - 1 for end in ends]


def test_a_repeat_is_a_target_like_another():
    log = log_of([[4, 4, 4]])
    (batch,) = SequenceLoader.of(log, 5, "all", 4, 0).epoch(0)
    assert asked(batch, log) == [([4], 4), ([4, 4], 4)]


def test_order_is_by_position_not_by_row():
    log = Interactions.read(pa.table(TURNED), collapse=False)
    (batch,) = SequenceLoader.of(log, 5, "all", 4, 0).epoch(0)
    assert asked(batch, log) == [([10], 20), ([10, 20], 30)]


def test_rows_are_those_of_the_log():
    log = Interactions.read(pa.table(TURNED), collapse=False)
    (batch,) = SequenceLoader.of(log, 5, "all", 4, 0).epoch(0)
    assert batch.rows.tolist() == [2, 0]
    assert np.array_equal(log.items[batch.rows.numpy()], batch.targets.numpy())


def test_numbers_are_kept_in_32_bits_and_given_in_64():
    loader = SequenceLoader.of(log_of([[10, 20, 30]]), 2, "last", 8, seed=0)
    kept = (loader.items, loader.rows, loader.users, loader.starts, loader.firsts, loader.stops)
    assert {numbers.dtype for numbers in kept} == {torch.int32}
    batch = next(loader.epoch(0))
    given = (batch.rows, batch.users, batch.targets, batch.history.items, batch.history.query)
    assert {numbers.dtype for numbers in given} == {torch.int64}


def test_weights_are_those_of_the_targets():
    log = log_of([[1, 2, 3]], weight=[0.5, 2.0, 3.0])
    (batch,) = SequenceLoader.of(log, 5, "all", 4, 0).epoch(0)
    assert batch.weights.tolist() == [2.0, 3.0]


def test_noes_are_no_part_of_a_sequence():
    log = log_of([[1, 2, 3, 4]], label=[1, 0, 1, 1])
    (batch,) = SequenceLoader.of(log, 5, "all", 4, 0).epoch(0)
    assert asked(batch, log) == [([1], 3), ([1, 3], 4)]


@pytest.mark.parametrize("queries", ["all", "last"])
def test_users_belong_to_their_queries(queries):
    log = log_of([[1, 2, 3], [4, 5], [6, 7, 8, 9]])
    for batch in SequenceLoader.of(log, 2, queries, 2, 0).epoch(3):
        truth = {int(i): int(u) for u, i in zip(log.users, log.items, strict=True)}
        assert [truth[t] for t in batch.targets.tolist()] == batch.users.tolist()


def test_an_epoch_can_be_entered_in_the_middle():
    log = log_of([[1, 2, 3], [4, 5], [6, 7, 8, 9], [2, 3]])
    loader = SequenceLoader.of(log, 2, "last", 2, 0)
    whole, rest = list(loader.epoch(1)), list(loader.epoch(1, 2))
    assert len(whole) == loader.steps
    for batch, again in zip(whole[2:], rest, strict=True):
        assert torch.equal(batch.targets, again.targets)
    assert torch.equal(loader.batch(1, 1).targets, whole[1].targets)


def test_epochs_differ_and_seeds_differ():
    log = log_of([[i, i + 1, i + 2] for i in range(20)])
    rows = [
        torch.cat([batch.rows for batch in SequenceLoader.of(log, 5, "all", 4, seed).epoch(epoch)]).tolist()
        for seed, epoch in ((0, 0), (0, 1), (1, 0), (0, 0))
    ]
    assert rows[0] == rows[3]
    assert rows[0] != rows[1]
    assert rows[0] != rows[2]
    assert sorted(rows[0]) == sorted(rows[1]) == sorted(rows[2])


def test_over_users_everybody_is_drawn_alike():
    log = log_of([list(range(40)), [1, 2], [3, 4]])
    loader = SequenceLoader.of(log, 5, "last", 16, 0, over_users=True)
    users = torch.cat([batch.users for epoch in range(30) for batch in loader.epoch(epoch)])
    shares = torch.bincount(users) / len(users)
    assert (shares - 1 / 3).abs().max() < 0.04


def test_windows_that_are_held_out_are_others():
    log = log_of([[1, 2, 3], [4, 5], [6, 7, 8, 9]])
    loader = SequenceLoader.of(log, 5, "last", 16, 0)
    held = np.array([True, False, False, True, False, False])
    kept, other = ({int(t) for b in side.epoch(0) for t in b.rows} for side in loader.parted(held))
    assert len(kept) == 4
    assert len(other) == 2
    assert not kept & other
