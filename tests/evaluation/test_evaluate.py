import numpy as np
import pytest

from helpers.matrices import csr_of, random_csr
from tacit.errors import DataError, OptionError
from tacit.evaluation.evaluate import evaluate
from tacit.recommend.recommender import VectorRecommender


def model(scores: list[list[float]]) -> VectorRecommender:
    """A recommender with exactly these scores."""
    table = np.array(scores, np.float32)
    return VectorRecommender(table, np.eye(table.shape[1], dtype=np.float32))


def test_masks_what_was_seen() -> None:
    report = evaluate(model([[9, 8, 7, 6]]), truth=csr_of([[2]], 4), seen=csr_of([[0, 1]], 4), ks=(1,))
    assert report.metrics["recall@1"].mean == 1


def test_masks_what_is_excluded_beyond_the_history() -> None:
    options = {"truth": csr_of([[2]], 4), "seen": csr_of([[0]], 4), "ks": (1,)}
    assert evaluate(model([[9, 8, 7, 6]]), **options).metrics["recall@1"].mean == 0
    both = evaluate(model([[9, 8, 7, 6]]), **options, exclude=csr_of([[0, 1]], 4))
    assert both.metrics["recall@1"].mean == 1


def test_nothing_masked_where_repeats_are_wanted() -> None:
    report = evaluate(
        model([[9, 8]]), truth=csr_of([[0]], 2), seen=csr_of([[0]], 2), exclude=csr_of([[]], 2), ks=(1,)
    )
    assert report.metrics["recall@1"].mean == 1
    assert report.counts["masked_test_pairs"] == 0


def test_test_pairs_that_are_masked_leave_the_truth() -> None:
    report = evaluate(model([[9, 8, 7]]), truth=csr_of([[0, 1]], 3), seen=csr_of([[0]], 3), ks=(1,))
    assert report.metrics["recall@1"].mean == 1
    assert report.counts["masked_test_pairs"] == 1


def test_people_left_without_truth_are_counted() -> None:
    report = evaluate(model([[9, 8]] * 2), truth=csr_of([[0], [1]], 2), seen=csr_of([[0], [0]], 2), ks=(1,))
    assert report.users == 1
    assert report.rows.tolist() == [1]
    assert report.counts["users_left_without_truth"] == 1


def test_cold_people_are_outside_the_means() -> None:
    report = evaluate(
        model([[1, 9]] * 3), truth=csr_of([[1], [0], []], 2), seen=csr_of([[0], [], [0]], 2), ks=(1,)
    )
    assert report.users == 1
    assert report.metrics["recall@1"].mean == 1
    assert report.counts["cold_users"] == 1


def test_items_never_in_train_stay_in_the_truth() -> None:
    report = evaluate(model([[1, 9, 5]]), truth=csr_of([[1, 4]], 6), seen=csr_of([[0]], 3), ks=(2,))
    assert report.metrics["recall@2"].mean == 0.5


@pytest.mark.parametrize("seen", [[[]], [[0]]])
def test_nobody_left_is_an_error_with_the_mend(seen: list[list[int]]) -> None:
    with pytest.raises(DataError, match="give --history, or another test file"):
        evaluate(model([[1, 2]]), truth=csr_of([[0]], 2), seen=csr_of(seen, 2))


def test_unknown_metrics_are_refused() -> None:
    with pytest.raises(OptionError, match="recall"):
        evaluate(model([[1, 2]]), truth=csr_of([[1]], 2), seen=csr_of([[0]], 2), metrics=("recal",))


def test_names_are_those_of_the_json() -> None:
    report = evaluate(model([[1, 2]]), truth=csr_of([[1]], 2), seen=csr_of([[0]], 2), ks=(10, 20))
    wanted = {"recall", "ndcg", "hit_rate", "mrr", "map", "precision", "coverage", "gini", "mean_popularity"}
    assert set(report.metrics) == {f"{name}@{k}" for name in wanted for k in (10, 20)}
    assert report.metrics["coverage@10"].low is None
    assert report.metrics["recall@10"].low is not None


def test_a_random_model_has_area_one_half() -> None:
    chance = np.random.default_rng(0)
    seen, truth = (random_csr(chance, 300, 50, 0.1) for _ in range(2))
    report = evaluate(
        model(chance.random((300, 50)).tolist()), truth=truth, seen=seen, metrics=("auc", "gauc")
    )
    assert report.metrics["auc"].low < 0.5 < report.metrics["auc"].high
    assert report.metrics["gauc"].mean == pytest.approx(0.5, abs=0.03)


def test_people_are_judged_alike_in_any_company() -> None:
    chance = np.random.default_rng(1)
    vectors = (
        chance.standard_normal((90, 8)).astype(np.float32),
        chance.standard_normal((200, 8)).astype(np.float32),
    )
    seen, truth = (random_csr(chance, 90, 200, 0.05) for _ in range(2))
    recommender = VectorRecommender(*vectors)
    whole = evaluate(recommender, truth=truth, seen=seen, ks=(20,))
    for person in whole.rows[:5]:
        alone = np.zeros(90, bool)
        alone[person] = True
        rows = [truth.row(row).tolist() if alone[row] else [] for row in range(90)]
        report = evaluate(recommender, truth=csr_of(rows, 200), seen=seen, ks=(20,))
        at = whole.rows.tolist().index(person)
        assert report.values["ndcg@20"][0] == whole.values["ndcg@20"][at]


def test_means_are_over_people_whatever_is_ranked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """D8 of the specification of DeSoRec: ranks 1, miss and 3, two people at a time."""
    monkeypatch.setattr("tacit.kernels.products.TILE", 2)
    scores = [[20 - place, *range(19, 8, -1), 30] for place in (0, 12, 2.5)]
    report = evaluate(
        model(scores),
        truth=csr_of([[0]] * 3, 13),
        seen=csr_of([[12]] * 3, 13),
        ks=(10,),
        metrics=["recall", "ndcg"],
    )
    assert report.metrics["recall@10"].mean == pytest.approx(2 / 3, abs=1e-6)
    assert report.metrics["ndcg@10"].mean == pytest.approx(0.5, abs=1e-6)
