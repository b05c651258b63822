import numpy as np
import pytest

from helpers.tiny import Tiny, random_data, tiny
from tacit.protocols import Queries
from tacit.references.graphfilter import GraphFilter


def by_hand(data: Tiny, rank: int, weight: float) -> np.ndarray:
    """Scores of all users by dense algebra."""
    dense = np.zeros((data.n_users, data.n_items))
    for user in range(data.n_users):
        dense[user, data.positives.row(user)] = 1
    users, items = np.maximum(dense.sum(1), 1), np.maximum(dense.sum(0), 1)
    normal = dense / np.sqrt(users)[:, None] / np.sqrt(items)
    first = np.linalg.svd(normal)[2][:rank]
    low = np.diag(items**-0.5) @ first.T @ first @ np.diag(items**0.5)
    return dense @ (normal.T @ normal + weight * low)


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_equals_dense_algebra(weight: float) -> None:
    data = random_data(0, 30, 20, 150)
    model = GraphFilter(rank=5, weight=weight).fit(data)
    np.testing.assert_allclose(model.score(Queries(np.arange(30))), by_hand(data, 5, weight), atol=2e-5)


def test_users_and_items_without_events_get_zero() -> None:
    data = tiny([(0, 0), (0, 1), (1, 1), (3, 0)], 5, 4)
    scores = GraphFilter(rank=2).fit(data).score(Queries(np.arange(5)))
    assert scores[2].tolist() == [0, 0, 0, 0]
    np.testing.assert_allclose(scores[:, 2:], 0, atol=1e-6)


def test_a_rank_beyond_the_data_is_cut() -> None:
    data = random_data(1, 6, 9, 25)
    model = GraphFilter(rank=256).fit(data)
    np.testing.assert_allclose(model.score(Queries(np.arange(6))), by_hand(data, 6, 0.3), atol=2e-5)


def test_equal_data_give_equal_bits() -> None:
    one, two = (GraphFilter(rank=4).fit(random_data(2)) for _ in range(2))
    np.testing.assert_array_equal(one.filter.vectors, two.filter.vectors)


def test_one_user_only() -> None:
    scores = GraphFilter().fit(tiny([(0, 0), (0, 1)], 1, 3)).score(Queries(np.array([0])))
    np.testing.assert_allclose(scores, [[1.3, 1.3, 0]], atol=1e-6)
