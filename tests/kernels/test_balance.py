from __future__ import annotations

import pytest
import torch

from tacit.kernels.balance import Heat, softmax_means

N = 600  # more than two tiles


def related(rows: slice) -> torch.Tensor:
    every = torch.arange(N)
    return (every[rows, None] + every) % 3 == 0


@pytest.fixture
def rows() -> torch.Tensor:
    return torch.randn(N, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("heat", [Heat(3.0), Heat(3.0, 2.5, related)], ids=["one", "two"])
@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("counted", [False, True])
def test_tiles_equal_the_whole_matrix_in_values_and_gradients(rows, heat, detach, counted):
    counts = torch.arange(1, N + 1, dtype=torch.float64).log() if counted else None
    found = []
    for dense in (True, False):
        x = rows.clone().requires_grad_()
        means = softmax_means(x, heat, log_counts=counts, detach=detach, dense=dense)
        (gradient,) = torch.autograd.grad((means * rows.roll(1, 0)).sum(), x)
        found.append((means.detach(), gradient))
    (means, gradient), (tiled, tiled_gradient) = found
    assert torch.allclose(means, tiled, atol=1e-12, rtol=0)
    assert torch.allclose(gradient, tiled_gradient, atol=1e-10, rtol=0)


def test_gradient_agrees_with_finite_differences():
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda value: softmax_means(value, Heat(2.0), dense=False), (x,))


def test_a_counted_row_stands_for_as_many():
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    repeated = torch.cat([x, x[:1], x[:1]])
    counts = torch.tensor([3.0, 1.0, 1.0, 1.0], dtype=torch.float64).log()
    assert torch.allclose(
        softmax_means(x, Heat(2.0), log_counts=counts), softmax_means(repeated, Heat(2.0))[:4], atol=1e-14
    )
