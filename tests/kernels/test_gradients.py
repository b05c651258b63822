from __future__ import annotations

import pytest
import torch

from helpers.tiny import seeded
from tacit.kernels.gradients import clip_norm, distinct

VALUES = torch.randn(3, 4, generator=seeded(2), dtype=torch.float64)


def sparse(*, split: bool) -> torch.Tensor:
    """Rows 0, 3 and 5 of six; `split`: each in two halves, out of order."""
    rows, values = torch.tensor([0, 3, 5]), VALUES.clone()
    if split:
        rows, values = torch.cat([rows.flip(0), rows]), torch.cat([values.flip(0), values]) / 2
    return torch.sparse_coo_tensor(rows[None], values, (6, 4))


def dense() -> torch.Tensor:
    return sparse(split=False).to_dense()


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
