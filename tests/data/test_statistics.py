"""Statistics of a log, on numbers known on paper."""

from __future__ import annotations

import numpy as np
import pytest

from tacit.data.statistics import gini, log_statistics, popularity_exponent


@pytest.mark.parametrize("exponent", [0.0, 0.4, 1.0])
def test_the_exponent_of_a_power_law_is_found(exponent: float) -> None:
    counts = np.rint(1e6 * np.arange(1, 2001) ** -exponent).astype(np.int64)
    assert popularity_exponent(counts[::-1]) == pytest.approx(exponent, abs=0.01)


def test_the_exponent_of_two_items_is_a_number() -> None:
    assert popularity_exponent(np.array([4, 2])) == pytest.approx(1.0)


@pytest.mark.parametrize(("counts", "value"), [([3, 3, 3], 0.0), ([0, 0, 0, 8], 0.75), ([1, 3], 0.25)])
def test_gini_by_hand(counts: list[int], value: float) -> None:
    assert gini(np.array(counts)) == pytest.approx(value)


def test_repeats_count_once_and_absent_users_count() -> None:
    users, items = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    found = log_statistics(users, items, 4, 5)
    assert (found.pairs, found.density, found.per_user) == (3, 0.15, (0, 0, 1))
