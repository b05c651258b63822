import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.matrices import csr_of
from longhand.ranking import best_items
from tacit.kernels.topk import diversify, hits_of, merge, recommend_in_blocks, shared_with, top_k
from tacit.protocols import Queries, TopK


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_equals_a_sort_of_what_is_left(data: st.DataObject) -> None:
    queries, n_items = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 30))
    k = data.draw(st.integers(1, n_items + 2))
    seed = data.draw(st.integers(0, 2**32 - 1))
    chance = np.random.default_rng(seed)
    scores = chance.integers(0, 6, (queries, n_items)).astype(np.float32)  # many ties
    exclude = csr_of([np.flatnonzero(chance.random(n_items) < 0.4).tolist() for _ in range(queries)], n_items)
    found = top_k(scores, k, exclude)
    assert found.items.tolist() == best_items(scores, k, exclude)


def test_scores_belong_to_the_items() -> None:
    scores = np.random.default_rng(0).standard_normal((7, 50)).astype(np.float32)
    found = top_k(scores, 9)
    np.testing.assert_array_equal(found.scores, np.take_along_axis(scores, found.items, 1))


def test_ties_go_to_the_lower_row() -> None:
    assert top_k(np.zeros((1, 6), np.float32), 3, csr_of([[1]], 6)).items.tolist() == [[0, 2, 3]]


def test_fewer_than_k_are_said() -> None:
    found = top_k(np.array([[3.0, 1.0, 2.0]], np.float32), 3, csr_of([[0, 1]], 3))
    assert found.items.tolist() == [[2, -1, -1]]
    assert found.scores.tolist() == [[2.0, -np.inf, -np.inf]]


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_items_without_a_score_are_never_recommended(bad: float) -> None:
    assert top_k(np.array([[bad, 1.0, bad, 2.0]], np.float32), 4).items.tolist() == [[3, 1, -1, -1]]


def test_everything_excluded() -> None:
    assert top_k(np.ones((1, 3), np.float32), 2, csr_of([[0, 1, 2]], 3)).items.tolist() == [[-1, -1]]


def test_exclusions_beyond_the_catalogue_are_ignored() -> None:
    assert top_k(np.ones((1, 3), np.float32), 2, csr_of([[0, 7]], 9)).items.tolist() == [[1, 2]]


def test_missing_places_are_no_hits() -> None:
    best = np.array([[4, 2, -1], [-1, -1, -1]], np.int32)
    assert hits_of(best, csr_of([[0, 2], []], 5)).tolist() == [[False, True, False], [False] * 3]


def test_shared_entries() -> None:
    left, right = csr_of([[0, 3, 5], [1], []], 6), csr_of([[3, 4], [0, 1, 2], [5]], 6)
    assert shared_with(left, right).tolist() == [False, True, False, True]


def test_blocks_of_a_scoring_function(monkeypatch: pytest.MonkeyPatch) -> None:
    table = np.random.default_rng(1).standard_normal((11, 8)).astype(np.float32)
    exclude = csr_of([[row % 8] for row in range(11)], 8)
    queries = Queries(np.arange(11))
    asked: list[int] = []

    def score(block: Queries) -> np.ndarray:
        asked.append(len(block))
        return table[block.users]

    monkeypatch.setattr("tacit.kernels.topk.BLOCK_BYTES", 4 * 8 * 3)
    found = recommend_in_blocks(score, 8, queries, 4, exclude)
    assert max(asked) == 3
    assert found.items.tolist() == best_items(table, 4, exclude)


def test_rankings_merge_as_in_the_worked_example() -> None:
    """R12 of the specification of REMI."""
    first = TopK(np.array([[4, 7, 2]], np.int32), np.array([[0.9, 0.8, 0.1]], np.float32))
    second = TopK(np.array([[7, 4, 8]], np.int32), np.array([[0.95, 0.3, 0.25]], np.float32))
    assert merge([first, second], 3).items.tolist() == [[7, 4, 8]]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 20), st.integers(1, 25))
def test_merged_rankings_are_the_ranking_of_the_highest_scores(
    seed: int, lists: int, n_items: int, k: int
) -> None:
    chance = np.random.default_rng(seed)
    scores = chance.integers(0, 6, (lists, 3, n_items)).astype(np.float32)  # many ties
    exclude = csr_of([np.flatnonzero(chance.random(n_items) < 0.3).tolist() for _ in range(3)], n_items)
    found = merge([top_k(each, k, exclude) for each in scores], k)
    expected = top_k(scores.max(0), k, exclude)
    assert found.items.tolist() == expected.items.tolist()
    np.testing.assert_array_equal(found.scores, expected.scores)


def greedy(items: list, scores: list, categories: list, coefficient: float, k: int) -> list[int]:
    """One item after another, with lists."""
    left, chosen = [(i, s) for i, s in zip(items, scores, strict=True) if i >= 0], []
    while left and len(chosen) < k:
        held = [categories[item] for item in chosen]
        values = [s - coefficient * (held.count(categories[i]) if categories[i] >= 0 else 0) for i, s in left]
        chosen.append(left.pop(values.index(max(values)))[0])
    return chosen + [-1] * (k - len(chosen))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12), st.floats(0, 4))
def test_diversity_equals_its_longhand_twin(seed: int, n_items: int, k: int, coefficient: float) -> None:
    chance = np.random.default_rng(seed)
    best = top_k(chance.integers(0, 6, (2, n_items)).astype(np.float32), n_items)
    categories = chance.integers(-1, 3, n_items).astype(np.int32)
    found = diversify(best, categories, coefficient, k)
    for row in range(2):
        lists = best.items[row].tolist(), best.scores[row].tolist(), categories.tolist()
        assert found.items[row].tolist() == greedy(*lists, coefficient, k)


def test_without_a_coefficient_the_ranking_stays() -> None:
    best = top_k(np.random.default_rng(0).standard_normal((3, 20)).astype(np.float32), 10)
    found = diversify(best, np.zeros(20, np.int32), 0.0, 6)
    np.testing.assert_array_equal(found.items, best.items[:, :6])
    np.testing.assert_array_equal(found.scores, best.scores[:, :6])
