import math

import numpy as np
import pytest
import pytrec_eval

from longhand.ranking import gini as gini_by_pairs
from tacit.errors import OptionError
from tacit.evaluation.metrics import PER_USER, coverage, gini, mean_popularity
from tacit.evaluation.names import known_metric

CUTS = (1, 3, 10, 20)
NAMES_OF_TREC = {"recall": "recall", "ndcg": "ndcg_cut", "precision": "P", "hit_rate": "success"}


@pytest.fixture(scope="module")
def judged() -> tuple[np.ndarray, np.ndarray, dict[str, dict[str, int]], dict[str, dict[str, float]]]:
    """Hits of 40 people's lists of 20, sizes of their truths, and the same as TREC's qrels and runs."""
    chance = np.random.default_rng(0)
    hits, sizes, qrels, runs = [], [], {}, {}
    for person in range(40):
        truth = set(chance.choice(60, chance.integers(1, 30), replace=False).tolist())
        best = chance.choice(60, 20, replace=False).tolist()
        hits.append([item in truth for item in best])
        sizes.append(len(truth))
        qrels[f"u{person}"] = {f"i{item}": 1 for item in truth}
        runs[f"u{person}"] = {f"i{item}": 1.0 - rank / 100 for rank, item in enumerate(best)}
    return np.array(hits), np.array(sizes), qrels, runs


@pytest.mark.parametrize("k", CUTS)
@pytest.mark.parametrize("name", sorted(NAMES_OF_TREC))
def test_agrees_with_trec_eval(name: str, k: int, judged: tuple) -> None:
    hits, sizes, qrels, runs = judged
    measure = NAMES_OF_TREC[name]
    found = pytrec_eval.RelevanceEvaluator(qrels, {f"{measure}.{k}"}).evaluate(runs)
    theirs = [found[f"u{person}"][f"{measure}_{k}"] for person in range(len(hits))]
    np.testing.assert_allclose(PER_USER[name](hits, sizes, k), theirs, atol=1e-9, rtol=0)


@pytest.mark.parametrize("k", CUTS)
def test_mrr_agrees_with_trec_eval(k: int, judged: tuple) -> None:
    hits, sizes, qrels, runs = judged
    cut = {user: dict(list(run.items())[:k]) for user, run in runs.items()}
    found = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(cut)
    theirs = [found[f"u{person}"]["recip_rank"] for person in range(len(hits))]
    np.testing.assert_allclose(PER_USER["mrr"](hits, sizes, k), theirs, atol=1e-9, rtol=0)


@pytest.mark.parametrize("k", CUTS)
def test_map_agrees_with_trec_eval_but_for_its_divisor(k: int, judged: tuple) -> None:
    hits, sizes, qrels, runs = judged
    found = pytrec_eval.RelevanceEvaluator(qrels, {f"map_cut.{k}"}).evaluate(runs)
    theirs = np.array([found[f"u{person}"][f"map_cut_{k}"] for person in range(len(hits))])
    np.testing.assert_allclose(
        PER_USER["map"](hits, sizes, k), theirs * sizes / np.minimum(sizes, k), atol=1e-9, rtol=0
    )


def test_worked_example() -> None:
    hits, sizes = np.array([[True, False, True, False]]), np.array([3])  # ranking 5 3 9 1, truth 9 5 7
    values = {name: float(metric(hits, sizes, 4)[0]) for name, metric in PER_USER.items()}
    assert values["recall"] == pytest.approx(2 / 3)
    assert values["ndcg"] == pytest.approx(0.703918, abs=1e-6)
    assert values["hit_rate"] == 1
    assert values["mrr"] == 1
    assert values["map"] == pytest.approx((1 + 2 / 3) / 3)
    assert values["precision"] == 0.5


def test_published_example_at_two_cuts() -> None:
    hits = np.zeros((1, 20), bool)
    hits[0, [0, 10, 15]] = True
    sizes = np.array([12])
    for k, recall, ndcg in ((10, 0.083333, 0.220092), (20, 0.25, 0.299170)):
        assert PER_USER["recall"](hits, sizes, k)[0] == pytest.approx(recall, abs=1e-6)
        assert PER_USER["ndcg"](hits, sizes, k)[0] == pytest.approx(ndcg, abs=1e-6)


@pytest.mark.parametrize("name", sorted(PER_USER))
def test_a_perfect_list_scores_one(name: str) -> None:
    assert PER_USER[name](np.ones((2, 5), bool), np.array([5, 5]), 5).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("name", sorted(PER_USER))
def test_no_hit_scores_zero(name: str) -> None:
    assert PER_USER[name](np.zeros((1, 5), bool), np.array([2]), 5).tolist() == [0.0]


@pytest.mark.parametrize("name", sorted(set(PER_USER) - {"precision"}))
def test_lists_shorter_than_k_are_not_cut(name: str) -> None:
    short = np.array([[True, False, True]])
    padded = np.concatenate([short, np.zeros((1, 7), bool)], 1)
    assert PER_USER[name](short, np.array([4]), 10) == PER_USER[name](padded, np.array([4]), 10)


def test_precision_counts_missing_places() -> None:
    assert PER_USER["precision"](np.ones((1, 2), bool), np.array([4]), 10).tolist() == [0.2]


def test_gini_equals_its_definition() -> None:
    counts = [3, 0, 7, 1, 1, 0]
    assert gini(np.array(counts)) == pytest.approx(gini_by_pairs(counts))


def test_gini_from_equal_to_one_for_all() -> None:
    assert gini(np.full(5, 3)) == pytest.approx(0)
    assert gini(np.array([0, 0, 0, 9])) == pytest.approx(3 / 4)
    assert math.isnan(gini(np.zeros(4, np.int64)))


def test_coverage_and_mean_popularity() -> None:
    counts = np.array([2, 0, 1, 0])
    assert coverage(counts) == 0.5
    assert mean_popularity(counts, np.array([9, 100, 3, 100])) == 7
    assert math.isnan(mean_popularity(np.zeros(2, np.int64), np.ones(2, np.int64)))


def test_an_unknown_metric_names_the_nearest() -> None:
    with pytest.raises(OptionError, match='did you mean "recall"'):
        known_metric("recal")
    with pytest.raises(OptionError, match="Expected one of: recall, ndcg"):
        known_metric("zzz")
