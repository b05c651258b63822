"""Requests by external ids, on a catalogue made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from helpers.matrices import csr_of
from tacit.data.vocabulary import Vocabulary
from tacit.recommend.recommender import VectorRecommender
from tacit.recommend.request import Catalogue


@pytest.fixture
def catalogue() -> Catalogue:
    """Two users, named by numbers, and four items, named by words."""
    seen = csr_of([[0], [1]], 4)
    scorer = VectorRecommender(np.eye(2, 4, dtype=np.float32), np.eye(4, dtype=np.float32))
    users, items = Vocabulary(pa.array([7, 8])), Vocabulary(pa.array(["a", "b", "c", "d"]))
    return Catalogue(scorer, users, items, seen, seen, seen, np.ones(4, np.int64))


@pytest.mark.parametrize("options", [{}, {"allow": ["a"]}], ids=["all", "allowed"])
@pytest.mark.parametrize("users", [[], [7]], ids=["nobody", "somebody"])
def test_columns_have_the_types_of_the_ids(catalogue: Catalogue, users: list[int], options: Any) -> None:
    schema = catalogue.for_users(users, 2, **options).to_arrow().schema
    assert schema.types == [pa.int64(), pa.string(), pa.float32(), pa.int32()]


def test_people_without_an_id_have_a_null_of_its_type(catalogue: Catalogue) -> None:
    catalogue.recommender.fold_in = lambda history: np.ones((history.n_rows, 4), np.float32)
    table = catalogue.for_history([["a"]], 2).to_arrow()
    assert table["user"].type == pa.int64()
    assert table["user"].null_count == len(table) == 2


def test_only_what_is_allowed_and_was_not_seen_is_ranked(catalogue: Catalogue) -> None:
    found = catalogue.for_users([7, 8], 3, allow=["a", "b", "d"], deny=["d"])
    assert found.items == [["b"], ["a"]]
    assert "2 of 2 have fewer than 3 items left to recommend" in found.notes
