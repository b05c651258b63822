import numpy as np
import pytest

from helpers.matrices import csr_of
from tacit.recommend.foldin import ridge

ITEMS = np.array([[1, 0], [0, 1], [1, 1]], np.float32)


@pytest.mark.parametrize(
    ("regularisation", "nu", "wanted"), [(0.5, 0.0, (0.680473, 0.147929)), (0.5, 1.0, (0.540338, 0.172608))]
)
def test_worked_example(regularisation: float, nu: float, wanted: tuple[float, float]) -> None:
    fold = ridge(ITEMS, alpha=0.1, regularisation=regularisation, nu=nu)
    np.testing.assert_allclose(fold(csr_of([[0, 2]], 3))[0], wanted, atol=1e-6)


def test_an_empty_history_is_the_zero_vector() -> None:
    assert ridge(ITEMS)(csr_of([[], [1]], 3))[0].tolist() == [0.0, 0.0]


def test_is_the_minimum_of_its_objective() -> None:
    chance = np.random.default_rng(0)
    items = chance.standard_normal((40, 5)).astype(np.float32)
    seen = [1, 7, 30]
    found = ridge(items, alpha=0.2, regularisation=0.3)(csr_of([seen], 40))[0]

    def objective(vector: np.ndarray) -> float:
        scores = items.astype(np.float64) @ vector
        return ((1 - scores[seen]) ** 2).sum() + 0.2 * (scores**2).sum() + 0.3 * vector @ vector

    here = objective(found)
    for _ in range(20):
        assert here < objective(found + 1e-3 * chance.standard_normal(5))


def test_one_by_one_equals_all_at_once() -> None:
    chance = np.random.default_rng(1)
    items = chance.standard_normal((30, 4)).astype(np.float32)
    rows = [chance.choice(30, size, replace=False).tolist() for size in (1, 0, 9, 30, 3)]
    fold = ridge(items)
    single = np.concatenate([fold(csr_of([row], 30)) for row in rows])
    np.testing.assert_allclose(fold(csr_of(rows, 30)), single, rtol=1e-6, atol=1e-12)
