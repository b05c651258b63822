"""What is said where a reference wins, and where the test file looks foreign."""

from __future__ import annotations

import numpy as np
import pytest

from tacit.evaluation.report import Report, Summary
from tacit.evaluation.verdict import beaten, strangers


def report(mean: float | None, spread: float = 0.001) -> Report:
    shown = Summary(None) if mean is None else Summary(mean, mean - spread, mean + spread)
    return Report(9, {"coverage@20": Summary(0.5), "ndcg@20": shown}, {}, np.arange(9))


def test_the_best_winning_reference_is_named_with_a_way_out() -> None:
    told = beaten(report(0.0119), {"popular": report(0.02), "ials": report(0.0295), "ease": report(None)})
    assert told == (
        "run loses to ials on ndcg@20 (0.0119 against 0.0295): "
        "try --start ials, another --scheme or more epochs"
    )


def test_what_reads_sequences_is_not_sent_to_factors() -> None:
    told = beaten(report(0.01), {"ials": report(0.02)}, sequences=True)
    assert told is not None
    assert "--start" not in told


def test_overlapping_intervals_are_said() -> None:
    told = beaten(report(0.019, 0.002), {"ease": report(0.020, 0.002)})
    assert told is not None
    assert "intervals overlap" in told


@pytest.mark.parametrize("rivals", [{}, {"popular": report(0.01)}, {"popular": report(0.03)}])
def test_nothing_is_said_of_a_run_that_wins(rivals: dict[str, Report]) -> None:
    assert beaten(report(0.03), rivals) is None


def test_many_strangers_are_said() -> None:
    assert strangers("users", 20, 100) is None
    told = strangers("users", 21, 100)
    assert told is not None
    assert "21 of 100 users" in told
    assert "21%" in told
