import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.matrices import csr_of, random_csr
from longhand.ranking import area, best_items
from tacit.evaluation.names import NAMES, OF_CATALOGUE, OF_LISTS
from tacit.evaluation.ranking import rank
from tacit.kernels.topk import areas_of, recommend_in_blocks
from tacit.protocols import Queries, TopK
from tacit.sparse import CSR


@dataclass
class Table:
    """A recommender that knows all its scores."""

    scores: np.ndarray

    @property
    def n_items(self) -> int:
        return self.scores.shape[1]

    def score(self, queries: Queries) -> np.ndarray:
        return self.scores[queries.users]

    def recommend(self, queries: Queries, k: int, *, exclude: CSR | None = None) -> TopK:
        return recommend_in_blocks(self.score, self.n_items, queries, k, exclude)


def people(table: Table) -> Queries:
    return Queries(np.arange(len(table.scores)))


def example(seed: int = 0, n_people: int = 30, n_items: int = 40) -> tuple[Table, CSR, CSR]:
    """Scores with ties, a truth of at least one item a person, and exclusions apart from it."""
    chance = np.random.default_rng(seed)
    table = Table(chance.integers(0, 9, (n_people, n_items)).astype(np.float32))
    truth = [chance.choice(n_items, chance.integers(1, 8), replace=False).tolist() for _ in range(n_people)]
    others = random_csr(chance, n_people, n_items, 0.2)
    exclude = [sorted(set(others.row(row).tolist()) - set(truth[row])) for row in range(n_people)]
    return table, csr_of(truth, n_items), csr_of(exclude, n_items)


def test_values_are_those_of_the_longhand_lists() -> None:
    table, truth, exclude = example()
    found = rank(table, truth, people(table), exclude=exclude, ks=(5,), metrics=("recall", "mrr")).values
    for person, best in enumerate(best_items(table.scores, 5, exclude)):
        wanted = set(truth.row(person).tolist())
        ranks = [place + 1 for place, item in enumerate(best) if item in wanted]
        assert found["recall@5"][person] == pytest.approx(len(ranks) / len(wanted))
        assert found["mrr@5"][person] == pytest.approx(1 / ranks[0] if ranks else 0)


def test_all_cuts_in_one_pass_equal_each_alone() -> None:
    table, truth, exclude = example(1)
    options = {"exclude": exclude, "metrics": NAMES, "popularity": np.arange(40)}
    together = rank(table, truth, people(table), ks=(3, 10, 40), **options)
    for k in (3, 10, 40):
        alone = rank(table, truth, people(table), ks=(k,), **options)
        for name, values in alone.values.items():
            np.testing.assert_array_equal(values, together.values[name])
        for name, value in alone.overall.items():
            assert value == together.overall[name]


def test_does_not_depend_on_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    table, truth, exclude = example(2)
    options = {"exclude": exclude, "ks": (4,), "metrics": NAMES, "popularity": np.arange(40)}
    whole = rank(table, truth, people(table), **options)
    for module in ("tacit.kernels.topk", "tacit.evaluation.ranking"):
        monkeypatch.setattr(f"{module}.BLOCK_BYTES", 4 * 40 * 7)
    blocks = rank(table, truth, people(table), **options)
    assert whole.overall == blocks.overall
    for name, values in whole.values.items():
        np.testing.assert_array_equal(values, blocks.values[name])


def test_items_the_model_never_knew_stay_in_the_truth() -> None:
    table = Table(np.array([[3.0, 2.0, 1.0]], np.float32))
    found = rank(table, csr_of([[0, 7]], 9), people(table), exclude=None, ks=(2,), metrics=("recall", "auc"))
    assert found.values["recall@2"].tolist() == [0.5]
    assert found.values["auc"].tolist() == [0.5]


def test_cuts_beyond_the_catalogue_keep_their_divisor() -> None:
    table = Table(np.array([[3.0, 2.0]], np.float32))
    found = rank(table, csr_of([[0]], 2), people(table), exclude=None, ks=(10,), metrics=("precision",))
    assert found.values["precision@10"].tolist() == [0.1]


def test_lists_of_all_people() -> None:
    table = Table(np.array([[3.0, 2, 1, 0], [3, 0, 1, 2]], np.float32))
    found = rank(
        table,
        csr_of([[0], [0]], 4),
        people(table),
        exclude=csr_of([[], [1, 2]], 4),
        ks=(1, 3),
        metrics=OF_LISTS,
        popularity=np.array([8, 4, 2, 0]),
    )
    assert found.values == {}
    assert found.overall["coverage@1"] == 0.25
    assert found.overall["coverage@3"] == 1.0
    assert found.overall["mean_popularity@3"] == pytest.approx((8 + 4 + 2 + 8 + 0) / 5)
    assert found.overall["gini@1"] == pytest.approx(0.75)


def test_mean_popularity_needs_counts() -> None:
    table, truth, exclude = example()
    found = rank(table, truth, people(table), exclude=exclude, ks=(2,), metrics=("mean_popularity",))
    assert math.isnan(found.overall["mean_popularity@2"])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 25))
def test_area_equals_counting_pairs(seed: int, n_items: int) -> None:
    chance = np.random.default_rng(seed)
    scores = chance.integers(0, 5, (4, n_items)).astype(np.float32)
    truth = random_csr(chance, 4, n_items + 3, 0.3)
    hidden = random_csr(chance, 4, n_items, 0.3)
    exclude = csr_of(
        [sorted(set(hidden.row(r).tolist()) - set(truth.row(r).tolist())) for r in range(4)], n_items
    )
    found = areas_of(scores, truth, exclude)
    for row in range(4):
        wanted = area(scores[row].tolist(), set(truth.row(row).tolist()), set(exclude.row(row).tolist()))
        assert found[row] == pytest.approx(wanted, nan_ok=True)


def test_area_of_a_coin_a_saint_and_a_sinner() -> None:
    scores = np.array([[0, 0, 0, 0], [9, 1, 1, 1], [0, 1, 1, 1]], np.float32)
    assert areas_of(scores, csr_of([[0], [0], [0]], 4), None).tolist() == [0.5, 1.0, 0.0]


def test_gauc_weighs_people_by_their_items() -> None:
    table = Table(np.array([[4.0, 3, 2, 1], [1, 2, 3, 4], [1, 1, 1, 1]], np.float32))
    truth = csr_of([[0, 1], [0], [0, 1, 2, 3]], 4)  # areas 1, 0 and none: nothing else is left
    found = rank(table, truth, people(table), exclude=None, ks=(1,), metrics=OF_CATALOGUE)
    assert found.overall["gauc"] == pytest.approx(2 / 3)
    np.testing.assert_array_equal(found.values["auc"], [1.0, 0.0, np.nan])


def test_authors_variants_go_by_their_own_names() -> None:
    table = Table(np.array([[4.0, 3, 2, 1]], np.float32))
    asked = ("directspec_recall", "recall_min", "recall")
    found = rank(table, csr_of([[1, 2, 3]], 4), people(table), exclude=None, ks=(2,), metrics=asked).values
    assert found["directspec_recall@2"].tolist() == [1.0]
    assert found["recall_min@2"].tolist() == [0.5]
    assert found["recall@2"] == pytest.approx([1 / 3])
