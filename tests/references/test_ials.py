import sys

import numpy as np
import pytest

from helpers.tiny import checkerboard, missing, random_data
from tacit.errors import MissingExtra
from tacit.protocols import Queries
from tacit.references.ials import IALS


@pytest.fixture(autouse=True)
def needs_implicit(request: pytest.FixtureRequest) -> None:
    if "absent" not in request.node.name:
        pytest.importorskip("implicit", reason="iALS comes with the extra `peers`")


def test_finds_what_the_checkerboard_leaves_out() -> None:
    """Its two groups are of rank two: more factors learn what is missing, or not, by where they start."""
    data = checkerboard()
    best = IALS(factors=2).fit(data).recommend(Queries(np.arange(24)), 1, exclude=data.positives)
    assert best.items[:, 0].tolist() == [missing(user) for user in range(24)]


def test_folds_a_user_in_as_its_own_training_would() -> None:
    data = random_data(0, 40, 30, 250)
    model = IALS(factors=6, iterations=3, alpha=7.0, regularisation=0.5).fit(data)
    stranger = model.score(Queries(np.full(40, -1), data.positives))
    items = model.item_factors.astype(np.float64)
    for user in range(5):
        confidence, liked = np.ones(30), np.zeros(30)
        confidence[data.positives.row(user)], liked[data.positives.row(user)] = 7.0, 1.0
        left = items.T @ (confidence[:, None] * items) + 0.5 * np.eye(6)
        factor = np.linalg.solve(left, items.T @ (confidence * liked))
        np.testing.assert_allclose(stranger[user], items @ factor, atol=1e-5)


def test_the_fold_in_is_that_of_implicit() -> None:
    from implicit.cpu.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix

    data = random_data(3, 40, 30, 250)
    model = IALS(factors=6, alpha=7.0, regularisation=0.5).fit(data)
    theirs = AlternatingLeastSquares(factors=6, alpha=7.0, regularization=0.5, num_threads=1)
    theirs.item_factors = model.item_factors
    liked = np.zeros((40, 30), np.float32)
    for user in range(40):
        liked[user, data.positives.row(user)] = 1
    factors = theirs.recalculate_user(np.arange(40), csr_matrix(liked))
    stranger = model.score(Queries(np.full(40, -1), data.positives))
    np.testing.assert_allclose(stranger, factors @ model.item_factors.T, atol=1e-3)


def test_equal_seeds_give_equal_bits() -> None:
    one, two = (IALS(factors=4, seed=5).fit(random_data(1)) for _ in range(2))
    np.testing.assert_array_equal(one.user_factors, two.user_factors)


def test_absent_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    with pytest.raises(MissingExtra, match=r"pip install 'tacit\[peers\]'"):
        IALS().fit(random_data(0))
