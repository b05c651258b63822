from dataclasses import replace

import numpy as np
import pytest

from helpers.matrices import csr_of, random_csr
from helpers.tiny import random_data, tiny
from tacit.protocols import Queries
from tacit.references.itemknn import ItemKNN, ItemKNNRecommender
from tacit.sparse import CSR

PLAIN = ItemKNN(shrink=0, user_weight=0, normalised=False)
WORKED = [(0, 0), (0, 1), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2), (3, 1)]


def similarities(model: ItemKNNRecommender) -> np.ndarray:
    """S, from the scores of people who know one item each."""
    n = model.n_items
    return model.score(Queries(np.full(n, -1), csr_of([[item] for item in range(n)], n)))


def cosines(matrix: CSR, shrink: float) -> np.ndarray:
    """All similarities, with sets."""
    people = [set() for _ in range(matrix.n_columns)]
    for user in range(matrix.n_rows):
        for item in matrix.row(user).tolist():
            people[item].add(user)
    return np.array(
        [
            [
                len(a & b) / ((len(a) * len(b)) ** 0.5 + shrink) if i != j and a & b else 0.0
                for j, b in enumerate(people)
            ]
            for i, a in enumerate(people)
        ]
    )


def data_of(matrix: CSR) -> object:
    rows = np.repeat(np.arange(matrix.n_rows), matrix.degrees())
    return tiny(
        list(zip(rows.tolist(), matrix.indices.tolist(), strict=True)), matrix.n_rows, matrix.n_columns
    )


def test_worked_example() -> None:
    table = similarities(PLAIN.fit(tiny(WORKED, 4, 3)))
    wanted = [[0, 0.666667, 0.816497], [0.666667, 0, 0.408248], [0.816497, 0.408248, 0]]
    np.testing.assert_allclose(table, wanted, atol=1e-6)


@pytest.mark.parametrize("shrink", [0.0, 10.0])
def test_equals_sets(shrink: float) -> None:
    matrix = random_csr(np.random.default_rng(0), 60, 25, 0.15)
    found = similarities(replace(PLAIN, shrink=shrink).fit(data_of(matrix)))
    np.testing.assert_allclose(found, cosines(matrix, shrink), atol=1e-6)


def test_keeps_the_k_nearest_of_each_item() -> None:
    matrix = random_csr(np.random.default_rng(1), 60, 25, 0.2)
    found, every = similarities(replace(PLAIN, k=4).fit(data_of(matrix))), cosines(matrix, 0)
    for item in range(25):
        kept = np.flatnonzero(found[item])
        assert len(kept) <= 4
        np.testing.assert_allclose(np.sort(found[item, kept]), np.sort(every[item])[-4:], atol=1e-6)


def test_scores_are_sums_over_the_history() -> None:
    data = tiny(WORKED, 4, 3)
    model = PLAIN.fit(data)
    asked = Queries(np.arange(4), data.positives)
    rows = np.array([[1, 1, 0], [1, 0, 1], [1, 1, 1], [0, 1, 0]])
    np.testing.assert_allclose(model.score(asked), rows @ similarities(model), atol=1e-6)


def test_known_users_need_no_history() -> None:
    data = tiny(WORKED, 4, 3)
    model = ItemKNN().fit(data)
    asked = np.array([2, 0])
    with_history = model.score(Queries(asked, data.positives.select(asked)))
    np.testing.assert_array_equal(model.score(Queries(asked)), with_history)


def test_items_the_model_never_knew_are_ignored() -> None:
    model = ItemKNN().fit(tiny(WORKED, 4, 3))
    score = model.score(Queries(np.array([-1]), csr_of([[1, 8]], 9)))
    np.testing.assert_array_equal(score, model.score(Queries(np.array([-1]), csr_of([[1]], 3))))


def test_one_item_only() -> None:
    model = ItemKNN().fit(tiny([(0, 0)], 1, 1))
    assert model.score(Queries(np.array([0]))).tolist() == [[0.0]]


def test_long_histories_count_less() -> None:
    data = random_data(0, 30, 12, 120)
    dense = np.zeros((30, 12))
    for user in range(30):
        dense[user, data.positives.row(user)] = len(data.positives.row(user)) ** -0.35
    shared, norms = dense.T @ dense, np.linalg.norm(dense, axis=0)
    wanted = shared / (np.outer(norms, norms) + 0.5)
    np.fill_diagonal(wanted, 0)
    found = similarities(replace(PLAIN, user_weight=0.7, shrink=0.5).fit(data))
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_votes_of_an_item_sum_to_one() -> None:
    table = similarities(ItemKNN(k=3).fit(random_data(1, 30, 12, 120)))
    np.testing.assert_allclose(table.sum(1), 1, atol=1e-6)


def test_an_item_without_neighbours_votes_for_none() -> None:
    model = ItemKNN().fit(tiny([(0, 0), (1, 1), (1, 2)], 2, 3))
    assert similarities(model)[0].tolist() == [0, 0, 0]
