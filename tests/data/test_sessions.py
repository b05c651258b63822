"""Where sessions begin and end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacit.data.sessions import session_numbers
from tacit.errors import OptionError

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60)), max_size=30)


def numbers(rows, gap):
    users, times = (np.array([row[side] for row in rows]) for side in (0, 1))
    return session_numbers(users.astype(np.int32), times.astype(np.int64), gap)


def test_a_pause_longer_than_the_gap_begins_a_session():
    rows = [(0, 0), (0, 10), (0, 21), (1, 21), (1, 100)]
    assert numbers(rows, 10).tolist() == [0, 0, 1, 2, 3]


def test_rows_may_come_in_any_order():
    assert numbers([(1, 50), (0, 9), (1, 0), (0, 0)], 10).tolist() == [2, 0, 1, 0]


@given(ROWS, st.integers(1, 20))
def test_two_rows_share_a_session_where_steps_within_the_gap_join_them(rows, gap):
    found = numbers(rows, gap)
    for a, (user, time) in enumerate(rows):
        for b, (other, later) in enumerate(rows):
            between = sorted(t for u, t in rows if u == user and min(time, later) <= t <= max(time, later))
            joined = user == other and all(np.diff(between) <= gap)
            assert (found[a] == found[b]) == joined


@pytest.mark.parametrize("gap", [0, -1, float("nan")])
def test_a_gap_is_positive(gap):
    with pytest.raises(OptionError, match="gap"):
        numbers([(0, 0)], gap)
