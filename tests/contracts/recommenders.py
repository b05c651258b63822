"""What every recommender promises to evaluation, export and service."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from helpers.tiny import Tiny, random_data
from tacit.protocols import Queries, Recommender
from tacit.sparse import CSR


class RecommenderContract:
    """A recommender made by `make` from `data`, for known users and for people with a history only."""

    data: ClassVar[Tiny] = random_data(0)

    def make(self) -> Any:
        raise NotImplementedError

    @pytest.fixture
    def model(self):
        return self.make()

    @property
    def known(self) -> Queries:
        users = np.arange(self.data.n_users, dtype=np.int64)
        return Queries(users, self.data.positives)

    @property
    def strangers(self) -> Queries:
        history = CSR.from_pairs(np.array([0, 0, 1]), np.array([2, 7, 11]), 3, self.data.n_items)
        return Queries(np.full(3, -1, np.int64), history)

    def test_keeps_its_protocol(self, model):
        assert isinstance(model, Recommender)
        assert model.n_items == self.data.n_items

    @pytest.mark.parametrize("who", ["known", "strangers"])
    def test_scores_every_item_of_each_query(self, model, who):
        queries = getattr(self, who)
        scores = model.score(queries)
        assert scores.shape == (len(queries), self.data.n_items)
        assert scores.dtype == np.float32
        assert np.isfinite(scores).all()

    @pytest.mark.parametrize("who", ["known", "strangers"])
    def test_the_best_come_first_by_score_then_row(self, model, who):
        queries = getattr(self, who)
        best = model.recommend(queries, 5)
        for scores, items in zip(np.array(model.score(queries)), best.items, strict=True):
            expected = np.lexsort((np.arange(len(scores)), -scores))[:5]
            np.testing.assert_allclose(scores[items], scores[expected], rtol=1e-5, atol=1e-6)
        assert (np.diff(best.scores, axis=1) <= 0).all()

    def test_scores_of_the_best_are_their_scores(self, model):
        best, scores = model.recommend(self.known, 5), np.array(model.score(self.known))
        found = np.take_along_axis(scores, best.items.astype(np.int64), 1)
        np.testing.assert_allclose(best.scores, found, rtol=1e-5, atol=1e-6)

    def test_no_item_comes_twice(self, model):
        for row in model.recommend(self.known, self.data.n_items).items.tolist():
            assert sorted(row) == list(range(self.data.n_items))

    def test_excluded_items_stay_out(self, model):
        best = model.recommend(self.known, 8, exclude=self.data.known)
        for user, row in enumerate(best.items.tolist()):
            assert not set(row) & set(self.data.known.row(user).tolist())

    def test_missing_places_are_marked(self, model):
        n = self.data.n_items
        exclude = CSR.from_pairs(np.zeros(n - 2, np.int64), np.arange(n - 2), 1, n)
        best = model.recommend(self.known.select(np.array([3])), 4, exclude=exclude)
        assert sorted(best.items[0, :2].tolist()) == [n - 2, n - 1]
        assert best.items[0, 2:].tolist() == [-1, -1]
        assert best.scores[0, 2:].tolist() == [-np.inf, -np.inf]

    @pytest.mark.parametrize("who", ["known", "strangers"])
    def test_what_one_gets_does_not_depend_on_who_else_asks(self, model, who):
        queries = getattr(self, who)
        together = model.recommend(queries, 6)
        for row in range(len(queries)):
            alone = model.recommend(queries.select(np.array([row])), 6)
            assert alone.items[0].tolist() == together.items[row].tolist()

    def test_asking_twice_gives_the_same(self, model):
        first, second = model.recommend(self.known, 6), model.recommend(self.known, 6)
        assert np.array_equal(first.items, second.items)
        assert np.array_equal(first.scores, second.scores)

    def test_nobody_gets_nothing(self, model):
        nobody = self.known.select(np.zeros(0, np.int64))
        assert model.recommend(nobody, 3).items.shape == (0, 3)
