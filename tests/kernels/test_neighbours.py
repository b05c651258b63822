import numpy as np
import pytest

from helpers.matrices import csr_of, random_csr
from tacit.kernels.neighbours import (
    ItemGraph,
    NearItems,
    nearest_on_graph,
    sum_dense_rows,
    sum_rows,
    transposed,
)
from tacit.sparse import CSR


def dense(matrix: CSR) -> np.ndarray:
    table = np.zeros((matrix.n_rows, matrix.n_columns))
    for row in range(matrix.n_rows):
        table[row, matrix.row(row)] = 1
    return table


@pytest.fixture
def matrix() -> CSR:
    return random_csr(np.random.default_rng(0), 23, 17, 0.2)


def test_transposed_is_sorted_and_twice_the_same(matrix: CSR) -> None:
    turned = transposed(matrix)
    np.testing.assert_array_equal(dense(turned), dense(matrix).T)
    np.testing.assert_array_equal(transposed(turned).indices, matrix.indices)


def test_sums_of_dense_rows_are_a_product(matrix: CSR) -> None:
    table = np.random.default_rng(1).standard_normal((17, 5)).astype(np.float32)
    np.testing.assert_allclose(sum_dense_rows(matrix, table), dense(matrix) @ table, atol=1e-5)


def test_sums_of_sparse_rows_are_a_product(matrix: CSR) -> None:
    near = random_csr(np.random.default_rng(2), 17, 17, 0.3)
    weights = np.random.default_rng(3).random(len(near.indices)).astype(np.float32)
    table = np.zeros((17, 17))
    table[np.repeat(np.arange(17), near.degrees()), near.indices] = weights
    found = sum_rows(matrix, near.indptr, near.indices, weights)
    np.testing.assert_allclose(found, dense(matrix) @ table, atol=1e-5)


def test_two_hops_are_a_product_and_are_added(matrix: CSR) -> None:
    rows = dense(matrix)
    normal = rows / np.sqrt(np.maximum(rows.sum(1), 1))[:, None] / np.sqrt(np.maximum(rows.sum(0), 1))
    history = random_csr(np.random.default_rng(4), 130, 17, 0.3)
    scores = np.full((130, 17), 2, np.float32)
    ItemGraph.of(matrix).add_to(scores, history)
    np.testing.assert_allclose(scores, 2 + dense(history) @ normal.T @ normal, atol=1e-5)


def test_an_empty_history_adds_nothing(matrix: CSR) -> None:
    scores = np.ones((1, 17), np.float32)
    ItemGraph.of(matrix).add_to(scores, csr_of([[]], 17))
    assert (scores == 1).all()


def table_of(near: np.ndarray, weights: np.ndarray) -> np.ndarray:
    table = np.zeros((len(near), len(near)))
    for item, (row, row_weights) in enumerate(zip(near, weights, strict=True)):
        table[item, row[row >= 0]] = row_weights[row >= 0]
    return table


@pytest.mark.parametrize("k", [3, 16])
def test_the_nearest_on_the_graph_have_the_largest_products(matrix: CSR, k: int) -> None:
    rows = dense(matrix)
    normal = rows / np.sqrt(np.maximum(rows.sum(1), 1))[:, None] / np.sqrt(np.maximum(rows.sum(0), 1))
    whole = normal.T @ normal
    np.fill_diagonal(whole, 0)
    found = table_of(*nearest_on_graph(ItemGraph.of(matrix), k))
    np.testing.assert_allclose(found[found > 0], whole[found > 0], atol=1e-6)
    np.testing.assert_allclose(np.sort(found, 1)[:, -k:], np.sort(whole, 1)[:, -k:], atol=1e-6)


@pytest.mark.parametrize("k", [3, 16])
def test_shared_weights_are_cells_of_a_product(matrix: CSR, k: int) -> None:
    near = nearest_on_graph(ItemGraph.of(matrix), k)
    chance = np.random.default_rng(5)
    users, items = chance.integers(0, 23, 40), chance.integers(0, 17, (40, 6))
    expected = (dense(matrix) @ table_of(*near).T)[users[:, None], items]
    np.testing.assert_allclose(NearItems.of(*near).sums(matrix, users, items), expected, atol=1e-5)


@pytest.mark.parametrize("k", [3, 16])
def test_shared_weights_of_items_that_all_rows_share_are_the_same_cells(matrix: CSR, k: int) -> None:
    near = NearItems.of(*nearest_on_graph(ItemGraph.of(matrix), k))
    chance = np.random.default_rng(5)
    users, items = chance.integers(0, 23, 40), chance.integers(0, 17, 9)
    each = np.broadcast_to(items, (40, 9)).copy()
    expected = near.sums(matrix, users, each)
    np.testing.assert_allclose(near.sums(matrix, users, items), expected, atol=1e-5)


def test_shared_weights_of_more_queries_than_there_are_marks(matrix: CSR) -> None:
    near = nearest_on_graph(ItemGraph.of(matrix), 5)
    users = np.arange(23).repeat(200)
    items = np.random.default_rng(6).integers(0, 17, (len(users), 2))
    expected = (dense(matrix) @ table_of(*near).T)[users[:, None], items]
    np.testing.assert_allclose(NearItems.of(*near).sums(matrix, users, items), expected, atol=1e-5)
