import numpy as np
import pytest

from helpers.tiny import random_data, tiny
from tacit.errors import OptionError
from tacit.protocols import Queries
from tacit.references import ease
from tacit.references.ease import EASE

WORKED = [(0, 0), (0, 1), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2), (3, 1)]


def test_worked_example() -> None:
    model = EASE(l2=1.0).fit(tiny(WORKED, 4, 3))
    wanted = [[0, 0.5, 0.5], [0.363636, 0, 0], [0.545455, 0, 0]]
    np.testing.assert_allclose(model.weights, wanted, atol=1e-6)
    np.testing.assert_allclose(model.score(Queries(np.array([0]))), [[0.363636, 0.5, 0.5]], atol=1e-6)


@pytest.mark.parametrize("block", [3, 8, 1024])
def test_blocks_equal_the_formula(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease, "BLOCK", block)
    data = random_data(0, 40, 17, 200)
    dense = np.zeros((40, 17))
    for user in range(40):
        dense[user, data.positives.row(user)] = 1
    inverse = np.linalg.inv(dense.T @ dense + 5 * np.eye(17))
    wanted = -inverse / np.diag(inverse)
    np.fill_diagonal(wanted, 0)
    np.testing.assert_allclose(EASE(l2=5.0).fit(data).weights, wanted, atol=1e-5)


def test_minimises_the_squared_error_without_self() -> None:
    data = random_data(1, 40, 12, 150)
    weights = EASE(l2=2.0).fit(data).weights.astype(np.float64)
    dense = np.zeros((40, 12))
    for user in range(40):
        dense[user, data.positives.row(user)] = 1

    def loss(candidate: np.ndarray) -> float:
        return ((dense - dense @ candidate) ** 2).sum() + 2 * (candidate**2).sum()

    chance = np.random.default_rng(0)
    for _ in range(20):
        step = 1e-2 * chance.standard_normal((12, 12))
        np.fill_diagonal(step, 0)
        assert loss(weights) < loss(weights + step)


def test_the_table_is_never_copied_to_score() -> None:
    assert EASE().fit(random_data(0)).weights.flags.c_contiguous


def test_a_ridge_that_is_too_small_is_named() -> None:
    twins = tiny([(user, item) for user in range(4) for item in (0, 1)], 4, 2)
    with pytest.raises(OptionError, match=r"l2 = 0\.0: raise it"):
        EASE(l2=0.0).fit(twins)
