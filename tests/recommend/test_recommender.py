import numpy as np
import pytest

from longhand.ranking import best_items
from tacit.errors import InternalError
from tacit.kernels.products import TILE
from tacit.protocols import Queries
from tacit.recommend.recommender import VectorRecommender
from tacit.sparse import CSR


def vectors(rows: int, dim: int = 7, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)


def made(users: int = 3 * TILE // 2, items: int = 203) -> VectorRecommender:
    return VectorRecommender(vectors(users), vectors(items, seed=1), vectors(items, 1, 2)[:, 0])


def test_scores_are_inner_products_and_bias() -> None:
    model = made()
    scores = model.score(Queries(np.arange(5)))
    wanted = model.user_vectors[:5].astype(np.float64) @ model.item_vectors.T + model.item_bias
    np.testing.assert_allclose(scores, wanted, atol=1e-5)


def test_recommends_the_best_outside_the_excluded() -> None:
    model = made()
    everyone = Queries(np.arange(len(model.user_vectors)))
    chance = np.random.default_rng(3)
    rows = np.repeat(everyone.users, 20)
    exclude = CSR.from_pairs(rows, chance.integers(0, 203, len(rows)), len(everyone), 203)
    found = model.recommend(everyone, 6, exclude=exclude)
    assert found.items.tolist() == best_items(model.score(everyone), 6, exclude)


@pytest.mark.parametrize("size", [1, 5, TILE - 1, TILE, TILE + 1])
def test_bits_do_not_depend_on_who_else_is_asked_for(size: int) -> None:
    model = made(2 * TILE, 3001)
    everyone = np.arange(len(model.user_vectors))
    whole = model.recommend(Queries(everyone), 5)
    for start in range(0, len(everyone), size):
        part = model.recommend(Queries(everyone[start : start + size]), 5)
        np.testing.assert_array_equal(part.items, whole.items[start : start + size])
        np.testing.assert_array_equal(part.scores, whole.scores[start : start + size])


def test_an_answer_outlives_the_next_one() -> None:
    model = made()
    first = model.score(Queries(np.arange(2)))
    kept = first.copy()
    model.score(Queries(np.arange(2, 4)))
    np.testing.assert_array_equal(first, kept)


def test_people_without_a_row_are_folded_in() -> None:
    model = made()
    model.fold_in = lambda history: np.stack(
        [model.item_vectors[history.row(r)].sum(0) for r in range(history.n_rows)]
    )
    history = CSR.from_pairs(np.array([0, 1, 1]), np.array([9, 4, 5]), 2, 203)
    answer = model.vectors(Queries(np.array([7, -1]), history))
    np.testing.assert_array_equal(answer[0], model.user_vectors[7])
    np.testing.assert_allclose(answer[1], model.item_vectors[4] + model.item_vectors[5])


def test_people_without_a_row_need_a_fold_in() -> None:
    with pytest.raises(InternalError, match="fold-in"):
        made().recommend(Queries(np.array([-1])), 3)


def test_nobody_asked() -> None:
    assert made().recommend(Queries(np.zeros(0, np.int64)), 3).items.shape == (0, 3)
