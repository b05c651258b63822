import numpy as np
import pytest

from tacit.data.moments import POINTS, Moments


def test_a_short_log_is_counted_exactly() -> None:
    times = np.random.default_rng(0).integers(0, 50, 300)
    moments = Moments.of(times)
    assert [moments.after(moment) for moment in range(-1, 51)] == [
        int((times > moment).sum()) for moment in range(-1, 51)
    ]


def test_a_long_log_is_counted_to_one_point_never_too_low() -> None:
    times = np.random.default_rng(1).permutation(25 * POINTS)
    moments = Moments.of(times)
    assert len(moments.times) == POINTS
    for moment in (0, 77, 100_003, 249_998):
        exact = int((times > moment).sum())
        assert exact <= moments.after(moment) < exact + 25
    assert moments.after(25 * POINTS - 1) == 0


def test_events_of_two_logs_are_counted_together() -> None:
    both = Moments.of(np.array([1, 5, 9])).and_of(Moments.of(np.array([4, 6])))
    assert [both.after(moment) for moment in (0, 5, 9)] == [5, 2, 0]


@pytest.mark.parametrize("moment", [0, 10])
def test_nothing_happens_after_a_moment_in_an_empty_log(moment: int) -> None:
    assert Moments.of(np.zeros(0, np.int64)).after(moment) == 0
