import json
import time

import numpy as np
import pytest

from tacit.evaluation.report import Report, Summary, summaries


def values(people: int = 400, seed: int = 0) -> dict[str, np.ndarray]:
    chance = np.random.default_rng(seed)
    return {"recall@20": chance.random(people), "ndcg@20": chance.random(people) ** 2}


def test_means_are_means() -> None:
    table = values()
    for name, summary in summaries(table, {}).items():
        assert summary.mean == pytest.approx(table[name].mean(), abs=1e-12)


def test_intervals_have_the_width_of_the_central_limit() -> None:
    table = values(2000)
    for name, summary in summaries(table, {}).items():
        width = 2 * 1.96 * table[name].std() / np.sqrt(2000)
        assert summary.high - summary.low == pytest.approx(width, rel=0.1)
        assert summary.low < summary.mean < summary.high


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    covered = 0
    for seed in range(100):
        summary = summaries({"x": values(150, seed)["recall@20"]}, {})["x"]
        covered += summary.low <= 0.5 <= summary.high
    assert 88 <= covered <= 99


def test_one_seed_one_interval() -> None:
    assert summaries(values(), {}, 3) == summaries(values(), {}, 3)
    assert summaries(values(), {}, 3) != summaries(values(), {}, 4)


def test_undefined_people_are_outside() -> None:
    column = np.array([0.25, np.nan, 0.75, np.nan])
    summary = summaries({"auc": column}, {})["auc"]
    assert summary.mean == 0.5
    assert 0.25 <= summary.low <= summary.high <= 0.75


def test_a_metric_undefined_for_everybody_is_null() -> None:
    assert summaries({"auc": np.full(3, np.nan)}, {})["auc"] == Summary(None)


def test_figures_of_all_lists_have_no_interval() -> None:
    found = summaries({}, {"coverage@10": 0.5, "gini@10": float("nan")})
    assert found == {"coverage@10": Summary(0.5), "gini@10": Summary(None)}


def test_to_dict_is_strict_json() -> None:
    table = values()
    metrics = summaries(table, {"coverage@20": 0.5})
    report = Report(400, metrics, table, np.arange(400), {"cold_users": 3})
    read = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert read["users"] == 400
    assert read["cold_users"] == 3
    assert set(read["metrics"]["recall@20"]) == {"mean", "low", "high"}
    assert read["metrics"]["coverage@20"] == {"mean": 0.5, "low": None, "high": None}


def test_prints_a_line_a_metric() -> None:
    table = values()
    lines = str(Report(400, summaries(table, {"gini@20": 0.5}), table, np.arange(400))).splitlines()
    assert lines[0] == "400 users"
    assert [line.split()[0] for line in lines[1:]] == ["recall@20", "ndcg@20", "gini@20"]


def test_intervals_cost_little() -> None:
    chance = np.random.default_rng(0)
    table = {str(at): chance.random(30_000) for at in range(12)}
    started = time.process_time()
    summaries(table, {})
    assert time.process_time() - started < 5
