import json
from dataclasses import replace

import numpy as np
import pytest

from tacit.errors import DataError, OptionError
from tacit.evaluation.compare import compare, holm
from tacit.evaluation.report import Report


def report(rows: np.ndarray, **values: np.ndarray) -> Report:
    return Report(len(rows), {}, values, rows)


def chance(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_model_against_itself() -> None:
    one = report(np.arange(50), recall=chance().random(50))
    found = compare(one, one).metrics["recall"]
    assert (found.difference, found.low, found.high, found.p, found.p_holm) == (0, 0, 0, 1, 1)


def test_a_small_steady_gain_is_seen_through_large_spread() -> None:
    people = chance().random(300)
    gain = people + 0.01 + 0.005 * chance(1).standard_normal(300)
    found = compare(report(np.arange(300), recall=gain), report(np.arange(300), recall=people)).metrics[
        "recall"
    ]
    assert found.difference == pytest.approx(0.01, abs=0.001)
    assert 0 < found.low < found.difference < found.high < 0.02
    assert found.p < 0.01


def test_noise_is_no_gain() -> None:
    a, b = (report(np.arange(300), recall=chance(seed).random(300)) for seed in (1, 2))
    found = compare(a, b).metrics["recall"]
    assert found.low < 0 < found.high
    assert found.p > 0.05


def test_sides_swapped_swap_the_sign() -> None:
    a, b = (report(np.arange(300), recall=chance(seed).random(300)) for seed in (1, 2))
    forth, back = compare(a, b).metrics["recall"], compare(b, a).metrics["recall"]
    assert forth.difference == pytest.approx(-back.difference)
    assert forth.low == pytest.approx(-back.high, abs=1e-6)
    assert forth.p == pytest.approx(back.p)


def test_people_are_matched_by_row() -> None:
    a = report(np.array([3, 1, 8]), recall=np.array([0.3, 0.1, 0.8]))
    b = report(np.array([8, 2, 3]), recall=np.array([0.7, 0.9, 0.2]))
    found = compare(a, b)
    assert found.users == 2
    assert found.metrics["recall"].difference == pytest.approx(0.1)


def test_people_are_matched_by_id_where_there_are_ids() -> None:
    a = replace(report(np.arange(3), recall=np.array([0.3, 0.1, 0.8])), ids=np.array(["x", "y", "zoe"]))
    b = replace(report(np.arange(3), recall=np.array([0.7, 0.9, 0.2])), ids=np.array(["zoe", "w", "x"]))
    found = compare(a, b)
    assert found.users == 2
    assert found.metrics["recall"].difference == pytest.approx(0.1)


@pytest.mark.parametrize("other", [None, np.array(["1", "2", "3"])], ids=["rows", "text"])
def test_people_known_in_different_ways_are_refused(other: np.ndarray | None) -> None:
    one = report(np.arange(3), recall=np.array([0.3, 0.1, 0.8]))
    with pytest.raises(DataError, match="evaluate alike"):
        compare(replace(one, ids=np.arange(1, 4)), replace(one, ids=other))


def test_people_undefined_on_one_side_are_outside() -> None:
    a = report(np.arange(3), auc=np.array([0.5, np.nan, 0.9]))
    b = report(np.arange(3), auc=np.array([0.25, 0.1, 0.75]))
    assert compare(a, b).metrics["auc"].difference == pytest.approx(0.2)


def test_seeds_widen_the_interval() -> None:
    people = chance().random(400)
    runs = [report(np.arange(400), recall=people + shift) for shift in (-0.05, 0.0, 0.05)]
    base = report(np.arange(400), recall=people)
    alone, several = compare(runs[1], base), compare(runs, [base] * 3)
    assert several.metrics["recall"].difference == pytest.approx(0, abs=1e-9)
    assert several.metrics["recall"].high > alone.metrics["recall"].high + 0.02


def test_only_shared_metrics_are_compared() -> None:
    a = report(np.arange(5), recall=chance().random(5), mrr=chance(1).random(5))
    b = report(np.arange(5), recall=chance(2).random(5))
    assert list(compare(a, b).metrics) == ["recall"]


@pytest.mark.parametrize(
    ("rows", "name", "missing"), [([9], "recall", "people"), ([0], "mrr", "per-user metrics")]
)
def test_nothing_shared_is_an_error(rows: list[int], name: str, missing: str) -> None:
    a = report(np.array([0]), recall=np.array([0.5]))
    b = report(np.array(rows), **{name: np.array([0.5])})
    with pytest.raises(DataError, match=f"share no {missing}"):
        compare(a, b)


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.9, 0.8])), [1.0, 1.0])


def test_to_dict_and_print() -> None:
    a, b = (report(np.arange(30), recall=chance(seed).random(30)) for seed in (1, 2))
    found = compare(a, b)
    read = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert set(read["metrics"]["recall"]) == {"a", "b", "difference", "low", "high", "p", "p_holm"}
    assert "recall" in str(found)


def test_a_higher_level_widens_the_interval() -> None:
    a, b = (report(np.arange(300), recall=chance(seed).random(300)) for seed in (1, 2))
    usual, wide = (compare(a, b, level=level).metrics["recall"] for level in (0.95, 0.99))
    assert wide.low < usual.low < usual.high < wide.high
    assert wide.p == usual.p


def test_a_level_that_is_no_chance_is_refused() -> None:
    one = report(np.arange(5), recall=chance().random(5))
    with pytest.raises(OptionError, match="level is a chance in"):
        compare(one, one, level=95)


def test_more_resamples_let_p_be_smaller() -> None:
    rows = np.arange(50)
    a, b = (report(rows, recall=np.full(50, value)) for value in (0.6, 0.4))
    usual, many = (compare(a, b, resamples=n).metrics["recall"].p for n in (1000, 10_000))
    assert (usual, many) == (2 / 1001, 2 / 10_001)
    with pytest.raises(OptionError, match="at least 100 resamples, not 9"):
        compare(a, b, resamples=9)
