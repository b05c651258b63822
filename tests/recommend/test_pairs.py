"""Everything is scored, whatever the catalogue's size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tacit.protocols import Queries
from tacit.recommend.pairs import PAIRS, PairRecommender


class Numbered:
    """Scores say which pair they belong to; remembers the shapes it was asked for."""

    def __init__(self, n_items: int) -> None:
        self.n_items, self.shapes = n_items, set()

    def score(self, users, items):
        self.shapes.add(tuple(items.shape))
        return (users[:, None] * self.n_items + items).to(torch.float64)


@pytest.mark.parametrize("n_items", [7, PAIRS - 1, PAIRS, PAIRS + 5])
def test_every_item_is_scored_for_everybody(n_items):
    backbone, users = Numbered(n_items), np.array([3, -1, 0, 9])
    popularity = np.arange(n_items)
    scores = PairRecommender(backbone, popularity).score(Queries(users))
    expected = np.where(users[:, None] < 0, popularity, users[:, None] * n_items + np.arange(n_items))
    np.testing.assert_array_equal(scores, expected.astype(np.float32))


@pytest.mark.parametrize("count", [1, 3, 6000])
def test_the_shape_of_a_block_does_not_depend_on_who_asks(count):
    backbone = Numbered(7)
    PairRecommender(backbone, np.zeros(7, np.int64)).score(Queries(np.arange(count)))
    assert backbone.shapes == {(PAIRS // 7, 7)}
