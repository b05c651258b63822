from __future__ import annotations

import math

import pytest
import torch

from helpers.tiny import seeded
from tacit.kernels.gradients import added, clip_norm, distinct, inner, sign

VALUES = torch.randn(3, 4, generator=seeded(2), dtype=torch.float64)


def sparse(*, split: bool) -> torch.Tensor:
    """Rows 0, 3 and 5 of six; `split`: each in two halves, out of order."""
    rows, values = torch.tensor([0, 3, 5]), VALUES.clone()
    if split:
        rows, values = torch.cat([rows.flip(0), rows]), torch.cat([values.flip(0), values]) / 2
    return torch.sparse_coo_tensor(rows[None], values, (6, 4))


def dense() -> torch.Tensor:
    return sparse(split=False).to_dense()


def rows_of(rows: list[int], values: torch.Tensor) -> torch.Tensor:
    return torch.sparse_coo_tensor(torch.tensor(rows, dtype=torch.int64)[None], values, (6, 4))


def one_of(kind: int, values: torch.Tensor) -> torch.Tensor:
    """A gradient of rows 0, 3 and 5: dense, sparse, or sparse in two halves out of order."""
    if kind == 2:
        return rows_of([5, 3, 0, 0, 3, 5], torch.cat([values.flip(0), values]) / 2)
    found = rows_of([0, 3, 5], values)
    return found if kind else found.to_dense()


def graded(*, split: bool) -> list[torch.nn.Parameter]:
    shapes = (6, 4), (2,), (6, 4)
    parameters = [torch.nn.Parameter(torch.zeros(shape, dtype=torch.float64)) for shape in shapes]
    parameters[0].grad = sparse(split=split)
    parameters[1].grad = torch.tensor([3.0, 4.0], dtype=torch.float64)
    return parameters


@pytest.mark.parametrize("split", [False, True])
def test_distinct_rows_ascend_and_sum_to_the_same(split):
    found = distinct(sparse(split=split))
    assert found._indices()[0].tolist() == [0, 3, 5]
    torch.testing.assert_close(found.to_dense(), dense())


@pytest.mark.parametrize("split", [False, True])
def test_clip_norm_returns_the_joint_norm(split):
    expected = torch.cat([dense().ravel(), torch.tensor([3.0, 4.0])]).norm()
    assert clip_norm(graded(split=split), 1e9) == pytest.approx(float(expected))


@pytest.mark.parametrize("split", [False, True])
def test_clip_norm_scales_dense_and_sparse_alike(split):
    parameters = graded(split=split)
    norm = clip_norm(parameters, 0.5)
    torch.testing.assert_close(parameters[0].grad.to_dense(), dense() * 0.5 / norm)
    torch.testing.assert_close(parameters[1].grad.norm(), torch.tensor(2.5 / norm, dtype=torch.float64))


def test_clip_norm_leaves_small_gradients():
    parameters = graded(split=False)
    clip_norm(parameters, 1e9)
    assert parameters[1].grad.tolist() == [3.0, 4.0]


def test_clip_norm_of_nothing_is_zero():
    assert clip_norm([torch.nn.Parameter(torch.zeros(2))], 1.0) == 0.0


@pytest.mark.parametrize("kinds", [(a, b) for a in (0, 1, 2) for b in (0, 1, 2)], ids=str)
def test_inner_is_one_number_whatever_is_sparse(kinds):
    a, b = (one_of(kind, VALUES * scale) for kind, scale in zip(kinds, (1.0, -2.0), strict=True))
    assert inner(a, b) == pytest.approx(float((a.to_dense() * b.to_dense()).sum()))


def test_inner_meets_only_shared_rows():
    a, b = rows_of([0, 3, 5], VALUES), rows_of([1, 3, 4], VALUES)
    assert inner(a, b) == pytest.approx(float(VALUES[1] @ VALUES[1]))
    assert inner(a, rows_of([1, 2, 4], VALUES)) == 0.0


def test_inner_with_no_rows_is_zero():
    assert inner(rows_of([], VALUES[:0]), rows_of([0, 3, 5], VALUES)) == 0.0
    assert inner(rows_of([0, 3, 5], VALUES), rows_of([], VALUES[:0])) == 0.0


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "sparse"])
def test_inner_sums_in_double_precision(is_sparse):
    big, one = torch.tensor([[1e4, 1e-4, 0.0, 0.0]]), torch.tensor([[1e4, 1.0, 0.0, 0.0]])
    if is_sparse:
        big, one = rows_of([2], big), rows_of([2], one)
    assert inner(big, one) == pytest.approx(1e8 + 1e-4, abs=1e-6)


def test_inner_with_a_nan_is_nan():
    broken = VALUES.clone()
    broken[1, 0] = float("nan")
    assert math.isnan(inner(rows_of([0, 3, 5], broken), rows_of([1, 3, 4], VALUES)))


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_sign_keeps_what_is_sparse(kind):
    gradient = one_of(kind, VALUES)
    found = sign(gradient)
    assert found.is_sparse is gradient.is_sparse
    assert torch.equal(found.to_dense(), gradient.to_dense().sign())


def test_sign_of_a_row_that_comes_twice_is_that_of_its_sum():
    gradient = rows_of([2, 2], torch.stack([VALUES[0], -3 * VALUES[0]]))
    assert torch.equal(sign(gradient).to_dense()[2], -VALUES[0].sign())


@pytest.mark.parametrize("kinds", [(a, b) for a in (0, 1, 2) for b in (0, 1, 2)], ids=str)
@pytest.mark.parametrize("scale", [-1.0, 0.5])
def test_added_is_the_scaled_sum_whatever_is_sparse(kinds, scale):
    a, b = (one_of(kind, VALUES + kind) for kind in kinds)
    found = added(a, b, scale)
    assert found.is_sparse is (a.is_sparse and b.is_sparse)
    torch.testing.assert_close(found.to_dense(), a.to_dense() + scale * b.to_dense())


def test_added_joins_rows_of_two_look_ups():
    a, b = rows_of([0, 3], VALUES[:2]), rows_of([3, 5], VALUES[1:])
    torch.testing.assert_close(added(a, b, 2.0).to_dense(), a.to_dense() + 2 * b.to_dense())


def test_added_takes_nothing_for_zero():
    gradient = one_of(0, VALUES)
    assert added(gradient, None, 1.0) is gradient
    assert added(gradient, gradient, 0.0) is gradient
    assert added(None, gradient, 0.0) is None
    torch.testing.assert_close(added(None, gradient, -2.0), -2 * gradient)


def test_added_leaves_its_summands():
    a, b = one_of(1, VALUES), one_of(1, VALUES)
    before = a.to_dense(), b.to_dense()
    added(a, b, -1.0)
    assert torch.equal(a.to_dense(), before[0])
    assert torch.equal(b.to_dense(), before[1])
