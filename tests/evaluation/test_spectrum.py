from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacit.errors import DataError
from tacit.evaluation.spectrum import Spectrum, alignment, diagnosis, spectrum_of, uniformity, unit
from tacit.sparse import CSR

USERS = np.array([[3.0, 4.0], [4.0, 3.0], [0.0, 2.0]])
ITEMS = np.array([[1.0, 0.0], [1.0, 1.0], [-1.0, 1.0]])
PAIRS = CSR.from_pairs(np.arange(3), np.arange(3), 3, 3)


def test_figures_of_the_worked_diagonal():
    found = spectrum_of(np.vstack([np.diag([3.0, 2.0, 1.0]), np.zeros(3)]))
    assert found.effective_rank == pytest.approx(2.749459, abs=1e-6)
    assert found.information_abundance == pytest.approx(2)
    assert found.condition_number == pytest.approx(3)
    assert found.stable_rank == pytest.approx(1.555556, abs=1e-6)
    assert found.participation_ratio == pytest.approx(2)
    assert found.drop(2) == pytest.approx(1.5)


def test_the_effective_rank_weighs_by_singular_values_and_not_by_their_squares():
    values = np.array([3.0, 2.0, 1.0])
    assert Spectrum(values).effective_rank == pytest.approx(2.749459, abs=1e-6)
    assert Spectrum(values**2).effective_rank == pytest.approx(2.294401, abs=1e-6)


def test_figures_of_the_worked_rows():
    found = spectrum_of(np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]]))
    assert found.singular_values == pytest.approx([2.135779, 0.662153], abs=1e-6)
    assert found.effective_rank == pytest.approx(1.728402, abs=1e-6)
    assert found.information_abundance == pytest.approx(1.310029, abs=1e-6)
    assert found.condition_number == pytest.approx(3.225505, abs=1e-6)


def test_alignment_of_the_worked_pairs():
    assert alignment(USERS, ITEMS, PAIRS) == pytest.approx(0.468629, abs=1e-6)


@pytest.mark.parametrize(("pair", "wanted"), [(0, 0.8), (1, 0.020101), (2, 0.585786)])
def test_alignment_of_each_worked_pair(pair, wanted):
    alone = CSR.from_pairs(np.array([pair]), np.array([pair]), 3, 3)
    assert alignment(USERS, ITEMS, alone) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(("rows", "wanted"), [(USERS, -0.690904), (ITEMS, -2.209467)])
def test_uniformity_of_the_worked_rows(rows, wanted):
    assert uniformity(rows) == pytest.approx(wanted, abs=1e-6)


def test_uniformity_leaves_out_each_row_with_itself():
    over_all_nine = (6 * math.exp(uniformity(USERS)) + 3) / 9
    assert math.log(over_all_nine) == pytest.approx(-0.404343, abs=1e-6)


matrices = st.tuples(st.integers(2, 40), st.integers(1, 6), st.integers(0, 2**32 - 1)).map(
    lambda drawn: np.random.default_rng(drawn[2]).normal(size=drawn[:2])
)


@given(matrices)
def test_singular_values_are_those_of_the_decomposition(matrix):
    wanted = np.zeros(matrix.shape[1])
    values = np.linalg.svd(matrix, compute_uv=False)
    wanted[: len(values)] = values
    assert spectrum_of(matrix).singular_values == pytest.approx(wanted, abs=1e-6 * wanted[0])


@given(matrices, st.floats(0.01, 100))
def test_figures_do_not_depend_on_the_scale(matrix, scale):
    one, other = spectrum_of(matrix), spectrum_of(scale * matrix)
    assert one.effective_rank == pytest.approx(other.effective_rank, rel=1e-6)
    assert one.stable_rank == pytest.approx(other.stable_rank, rel=1e-6)


@given(matrices)
def test_ranks_lie_between_one_and_the_dimension(matrix):
    found = spectrum_of(matrix)
    for figure in (
        found.effective_rank,
        found.information_abundance,
        found.stable_rank,
        found.participation_ratio,
    ):
        assert 1 - 1e-9 <= figure <= matrix.shape[1] + 1e-9


def test_parallel_rows_have_collapsed():
    found = spectrum_of(np.outer(np.arange(1, 9), [1.0, 2.0, 3.0]))
    assert found.effective_rank == pytest.approx(1)
    assert math.isinf(found.condition_number)
    assert found.figures()["condition_number"] is None


def test_a_common_direction_is_gone_from_the_centred_spectrum():
    rows = np.random.default_rng(0).normal(size=(500, 8)) + 100
    assert spectrum_of(rows).effective_rank < 1.5
    assert spectrum_of(rows, centred=True).effective_rank > 7.9


def test_a_zero_matrix_has_no_rank():
    found = spectrum_of(np.zeros((4, 3)))
    assert (found.effective_rank, found.stable_rank, found.condition_number) == (0, 0, 0)


def test_blocks_agree_with_all_pairs_at_once():
    rows = unit(np.random.default_rng(0).normal(size=(1500, 4)))
    distances = 2 - 2 * rows @ rows.T
    wanted = math.log(np.exp(-2 * distances)[np.triu_indices(1500, 1)].mean())
    assert uniformity(rows) == pytest.approx(wanted, abs=1e-9)


def test_a_sample_of_many_rows_comes_near_the_whole():
    rows = np.random.default_rng(0).normal(size=(6000, 8)).astype(np.float32)
    unit_rows = unit(rows)
    wanted = math.log(np.exp(-2 * (2 - 2 * unit_rows @ unit_rows[:500].T)).mean())
    assert uniformity(rows) == pytest.approx(wanted, abs=0.05)


def test_many_pairs_are_aligned_in_parts():
    chance = np.random.default_rng(0)
    left, right = chance.normal(size=(300, 4)), chance.normal(size=(200, 4))
    every = np.arange(60_000)
    pairs = CSR.from_pairs(every // 200, every % 200, 300, 200)
    distances = ((unit(left)[:, None] - unit(right)) ** 2).sum(2)
    assert alignment(left, right, pairs) == pytest.approx(distances.mean(), abs=1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("centred", [False, True])
def test_vectors_that_are_no_numbers_have_no_spectrum(value, centred):
    with pytest.raises(DataError, match="hold NaN or infinity and have no spectrum: training has diverged"):
        spectrum_of(np.array([[1.0, value], [0.0, -value]]), centred=centred)


def test_nothing_to_compare_gives_nothing():
    assert uniformity(np.ones((1, 3))) is None
    assert alignment(USERS, ITEMS, CSR.from_pairs(np.array([], int), np.array([], int), 3, 3)) is None


def test_a_diagnosis_has_every_side_and_form():
    found = diagnosis(USERS, ITEMS, PAIRS)
    assert {(side, form) for side, forms in found["spectrum"].items() for form in forms} == {
        (side, form) for side in ("users", "items", "both") for form in ("raw", "unit", "centred")
    }
