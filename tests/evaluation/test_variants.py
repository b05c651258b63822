import numpy as np
import pytest

from tacit.errors import OptionError
from tacit.evaluation import variants
from tacit.evaluation.metrics import ndcg, recall


@pytest.fixture
def twelve() -> tuple[np.ndarray, np.ndarray]:
    """Hits at the places 0, 10 and 15; 12 test items."""
    hits = np.zeros((1, 20), bool)
    hits[0, [0, 10, 15]] = True
    return hits, np.array([12])


def test_directspec_at_ten(twelve: tuple) -> None:
    assert variants.directspec_recall(*twelve, 10)[0] == pytest.approx(0.2)
    assert variants.directspec_ndcg(*twelve, 10)[0] == pytest.approx(0.281485, abs=1e-6)


def test_directspec_at_twenty(twelve: tuple) -> None:
    assert variants.recall_min(*twelve, 20)[0] == pytest.approx(0.25)
    assert ndcg(*twelve, 20)[0] == pytest.approx(0.299170, abs=1e-6)


def test_directspec_may_exceed_one() -> None:
    hits, sizes = np.ones((1, 20), bool), np.array([40])
    assert variants.directspec_recall(hits, sizes, 10)[0] == pytest.approx(1.1)
    assert variants.directspec_ndcg(hits, sizes, 10)[0] == pytest.approx(1.061393, abs=1e-6)
    assert variants.recall_min(hits, sizes, 20)[0] == 1
    assert recall(hits, sizes, 20)[0] == 0.5


@pytest.mark.parametrize(("hits", "size", "wanted"), [([1, 0, 1, 0], 3, 0.919721), ([1, 0, 0, 0], 2, 1.0)])
def test_ideal_of_the_hits_alone(hits: list[int], size: int, wanted: float) -> None:
    found = variants.ndcg_hits_ideal(np.array([hits], bool), np.array([size]), 4)
    assert found[0] == pytest.approx(wanted, abs=1e-6)


def test_no_hit_has_an_ideal_too() -> None:
    assert variants.ndcg_hits_ideal(np.zeros((1, 4), bool), np.array([2]), 4).tolist() == [0]


def test_mean_of_batches_overweighs_the_last() -> None:
    values = np.array([1.0, 0.0, 1.0])
    assert values.mean() == pytest.approx(2 / 3)
    assert variants.mean_of_batches(values, 2) == 0.75


def test_labelled_rows_by_hand() -> None:
    scores, labels = np.array([0.2, 0.9, 0.7, 0.1]), np.array([True, False, True, False])
    assert variants.labelled_ndcg(scores, labels, 2) == pytest.approx(0.386853, abs=1e-6)
    assert variants.labelled_mrr(scores, labels) == pytest.approx(0.416667, abs=1e-6)
    assert variants.harm(scores, labels, 2) == 0.25


def test_labels_ranked_by_themselves_give_the_constant_of_the_authors_mrr() -> None:
    labels = np.array([True, False, True, False])
    assert variants.labelled_mrr(labels.astype(float), labels) == 0.75


def test_labelled_rows_tie_to_the_later() -> None:
    assert variants.labelled_ndcg(np.zeros(2), np.array([False, True]), 1) == 1
    assert variants.labelled_ndcg(np.zeros(2), np.array([True, False]), 1) == 0


def test_best_on_test_takes_the_first_of_equals() -> None:
    assert variants.best_on_test({5: 0.1, 10: 0.3, 15: 0.3}) == (10, 0.3)
    with pytest.raises(OptionError, match="no epoch"):
        variants.best_on_test({})
