import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.matrices import csr_of
from longhand.ranking import best_items
from tacit.kernels.products import TILE, InnerProducts


def exact(vectors: np.ndarray, items: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return (vectors.astype(np.float64) @ items.T.astype(np.float64) + bias).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_ranks_by_exact_scores_however_many_are_even(data: st.DataObject) -> None:
    chance = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    queries, n_items, kinds = (data.draw(st.integers(1, high)) for high in (4, 200, 60))
    k = data.draw(st.integers(1, n_items))
    vectors = chance.standard_normal((queries, 9)).astype(np.float32)
    items = chance.standard_normal((kinds, 9)).astype(np.float32)[chance.integers(0, kinds, n_items)]
    bias = np.round(chance.standard_normal(n_items), 1).astype(np.float32)
    exclude = csr_of([np.flatnonzero(chance.random(n_items) < 0.2).tolist() for _ in range(queries)], n_items)
    found = InnerProducts(items, bias).best(vectors, k, exclude)
    scores = exact(vectors, items, bias)
    assert found.items.tolist() == best_items(scores, k, exclude)
    there = found.items >= 0
    np.testing.assert_array_equal(
        found.scores[there], np.take_along_axis(scores, np.maximum(found.items, 0), 1)[there]
    )


def test_items_as_good_but_for_rounding_are_told_apart() -> None:
    chance = np.random.default_rng(0)
    vector = chance.standard_normal((1, 64)).astype(np.float32)
    one = chance.standard_normal(64).astype(np.float32)
    orders = np.stack([one] * 500)
    nudged = np.nextafter(orders[np.arange(500), np.arange(500) % 64], np.float32(np.inf))
    orders[np.arange(500), np.arange(500) % 64] = nudged
    found = InnerProducts(orders).best(vector, 40)
    assert found.items.tolist() == best_items(exact(vector, orders, np.zeros(500)), 40, None)


def test_a_vector_of_zeros_ranks_by_bias() -> None:
    bias = np.array([0.5, 2.0, -1.0, 2.0], np.float32)
    found = InnerProducts(np.ones((4, 3), np.float32), bias).best(np.zeros((1, 3), np.float32), 3)
    assert found.items.tolist() == [[1, 3, 0]]


def test_nobody_asked_is_nobody_ranked() -> None:
    products = InnerProducts(np.ones((4, 3), np.float32))
    assert products.best(np.zeros((0, 3), np.float32), 2).items.shape == (0, 2)


def test_where_everything_is_excluded_nothing_is_ranked() -> None:
    products = InnerProducts(np.ones((3, 1), np.float32))
    found = products.best(np.ones((1, 1), np.float32), 2, csr_of([[0, 1, 2]], 3))
    assert found.items.tolist() == [[-1, -1]]


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_items_without_a_score_are_not_ranked(bad: float) -> None:
    items = np.array([[1.0], [2.0], [3.0]], np.float32)
    bias = np.array([0.0, bad, 0.0], np.float32)
    found = InnerProducts(items, bias).best(np.ones((1, 1), np.float32), 3)
    assert found.items.tolist() == [[2, 0, -1]]


def test_all_scores_of_a_row_are_those_of_its_tile() -> None:
    chance = np.random.default_rng(1)
    vectors, items = (chance.standard_normal((rows, 33)).astype(np.float32) for rows in (TILE + 9, 301))
    products = InnerProducts(items)
    whole = products.scores(vectors)
    np.testing.assert_array_equal(products.scores(vectors[TILE:]), whole[TILE:])
    np.testing.assert_allclose(whole, exact(vectors, items, np.zeros(301)), atol=1e-5)
