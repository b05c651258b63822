from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor

from helpers.tiny import seeded
from longhand import optimizers as longhand
from tacit.errors import OptionError
from tacit.training.optimizers import (
    DenseAdam,
    LazyAdam,
    OptimizerOptions,
    RowAdagrad,
    build,
    set_rate,
)

NAMES = ["row-adagrad", "row-adam", "lazy-adam", "adam", "sgd", "sign"]
TWINS = {
    "row-adagrad": lambda table: longhand.RowAdagrad(table, 0.1),
    "row-adam": lambda table: longhand.Adam(table, 0.1, shared=True),
    "lazy-adam": lambda table: longhand.Adam(table, 0.1, shared=False),
}
STEPS = [[1, 3], [0, 3, 5], [3], [0, 1, 2, 3, 4, 5]]


def table(dtype: torch.dtype = torch.float64) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.randn(6, 4, generator=seeded(1), dtype=dtype))


def gradients(dtype: torch.dtype = torch.float64) -> list[dict[int, Tensor]]:
    generator = seeded(2)
    return [{row: torch.randn(4, generator=generator, dtype=dtype) for row in rows} for rows in STEPS]


def sparse(rows: dict[int, Tensor], *, split: bool = False) -> Tensor:
    """As a sparse tensor; `split`: each row in two halves, out of order."""
    index, values = list(rows), list(rows.values())
    if split:
        index, values = [*reversed(index), *index], [0.5 * v for v in [*reversed(values), *values]]
    return torch.sparse_coo_tensor(torch.tensor([index]), torch.stack(values), (6, 4))


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("split", [False, True])
def test_row_wise_optimisers_equal_their_longhand(name, split):
    parameter = table()
    twin = TWINS[name](parameter.detach().clone())
    optimizer = build(name, 0.1, [parameter])
    for rows in gradients():
        parameter.grad = sparse(rows, split=split)
        optimizer.step()
        twin.step(rows)
    torch.testing.assert_close(parameter.detach(), twin.table, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_sparse_and_dense_gradients_give_the_same_result_where_every_row_has_one(name):
    results = []
    for dense in (False, True):
        parameter = table(torch.float32)
        optimizer = build(name, 0.1, [parameter])
        for seed in range(4):
            whole = torch.randn(6, 4, generator=seeded(seed))
            rows = dict(enumerate(whole))
            parameter.grad = whole if dense else sparse(rows)
            optimizer.step()
        results.append(parameter.detach())
    assert torch.equal(*results)


@pytest.mark.parametrize("dense", [False, True], ids=["sparse", "dense"])
def test_every_step_of_sign_descent_is_the_first_of_a_fresh_adam(dense):
    one, other = table(), table()
    optimizer = build("sign", 0.1, [one])
    for rows in gradients():
        gradient = sparse(rows, split=True)
        one.grad = gradient.to_dense() if dense else gradient
        other.grad = gradient.to_dense()
        optimizer.step()
        torch.optim.Adam([other], 0.1).step()
    torch.testing.assert_close(one.detach(), other.detach(), rtol=1e-6, atol=1e-6)


def test_row_adagrad_does_not_move_rows_whose_dense_gradient_is_zero():
    parameter = table()
    before = parameter.detach().clone()
    optimizer = RowAdagrad([parameter], 0.1)
    parameter.grad = sparse(gradients()[0]).to_dense()
    optimizer.step()
    assert torch.equal(parameter[[0, 2, 4, 5]], before[[0, 2, 4, 5]])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lazy_adam_is_adam_where_every_row_has_a_gradient(dtype):
    ours, theirs = table(dtype), table(dtype)
    optimizer, twin = LazyAdam([ours], 0.1), torch.optim.Adam([theirs], lr=0.1)
    for seed in range(10):
        gradient = torch.randn(6, 4, generator=seeded(seed), dtype=dtype)
        ours.grad, theirs.grad = sparse(dict(enumerate(gradient))), gradient.clone()
        optimizer.step()
        twin.step()
    size = 1e-12 if dtype == torch.float64 else 2e-6
    torch.testing.assert_close(ours.detach(), theirs.detach(), rtol=0, atol=size)


def test_dense_adam_on_sparse_gradients_is_adam_on_dense_ones():
    ours, theirs = table(torch.float32), table(torch.float32)
    optimizer, twin = DenseAdam([ours], 0.1), torch.optim.Adam([theirs], lr=0.1)
    for rows in gradients(torch.float32):
        ours.grad, theirs.grad = sparse(rows), sparse(rows).to_dense()
        optimizer.step()
        twin.step()
    torch.testing.assert_close(ours.detach(), theirs.detach(), rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", ["row-adagrad", "row-adam", "lazy-adam"])
def test_rows_without_a_gradient_stay_bit_for_bit(name):
    parameter = table(torch.float32)
    before = parameter.detach().clone()
    optimizer = build(name, 0.1, [parameter])
    for _ in range(3):
        parameter.grad = sparse(gradients(torch.float32)[0])
        optimizer.step()
    untouched = [0, 2, 4, 5]
    assert torch.equal(parameter[untouched], before[untouched])
    assert not torch.equal(parameter[[1, 3]], before[[1, 3]])


@pytest.mark.parametrize("name", NAMES)
def test_vectors_and_columns_are_parameters_too(name):
    axes, biases = torch.nn.Parameter(torch.ones(4)), torch.nn.Parameter(torch.ones(6, 1))
    optimizer = build(name, 0.1, [axes, biases])
    (axes.sum() + biases.sum()).backward()
    optimizer.step()
    assert (axes < 1).all()
    assert (biases < 1).all()


@pytest.mark.parametrize("name", NAMES)
def test_parameters_without_a_gradient_are_left_alone(name):
    parameter = table(torch.float32)
    before = parameter.detach().clone()
    build(name, 0.1, [parameter]).step()
    assert torch.equal(parameter, before)


@pytest.mark.parametrize("name", NAMES)
def test_a_restored_state_goes_on_with_the_same_bits(name):
    def run(stop: int | None) -> Tensor:
        parameter = table(torch.float32)
        optimizer = build(name, 0.1, [parameter])
        for step, rows in enumerate(gradients(torch.float32)):
            if step == stop:
                state = optimizer.state_dict()
                parameter = torch.nn.Parameter(parameter.detach().clone())
                optimizer = build(name, 0.1, [parameter])
                optimizer.load_state_dict(state)
            parameter.grad = sparse(rows)
            optimizer.step()
        return parameter.detach()

    assert torch.equal(run(2), run(None))


@pytest.mark.parametrize("name", NAMES)
def test_the_rate_may_change_between_steps(name):
    parameter = table(torch.float32)
    optimizer = build(name, 0.1, [parameter])
    optimizer.param_groups[0]["rate"] = 0.0
    before = parameter.detach().clone()
    parameter.grad = sparse(gradients(torch.float32)[0])
    optimizer.step()
    assert torch.equal(parameter, before)


@pytest.mark.parametrize("name", NAMES)
def test_closures_are_refused(name):
    with pytest.raises(OptionError, match="take no closure"):
        build(name, 0.1, [table()]).step(lambda: 0.0)


@pytest.mark.parametrize("name", NAMES)
def test_no_optimiser_imports_a_compiler(name):
    code = f"""
import sys, torch
from tacit.training.optimizers import build
parameter = torch.nn.Parameter(torch.ones(2, 2))
optimizer = build("{name}", 0.1, [parameter])
parameter.sum().backward()
optimizer.step()
optimizer.zero_grad()
optimizer.load_state_dict(optimizer.state_dict())
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_autograd_notices_the_update():
    parameter = table(torch.float32)
    product = (parameter * parameter).sum()
    optimizer = RowAdagrad([parameter], 0.1)
    parameter.grad = sparse(gradients(torch.float32)[0])
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product.backward()


def test_unknown_optimisers_are_named_with_the_known_ones():
    with pytest.raises(OptionError, match='unknown optimiser "momentum"; expected row-adagrad'):
        build("momentum", 0.1, [table()])


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_rates_must_be_positive(rate):
    with pytest.raises(OptionError, match=r"optimizer\.rate must be positive"):
        OptimizerOptions(rate=rate)


def test_sgd_takes_one_plain_step():
    parameter = torch.nn.Parameter(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    parameter.grad = torch.tensor([[1.0, 0.0], [0.0, -2.0]])
    build("sgd", 0.5, [parameter]).step()
    assert parameter.tolist() == [[0.5, 2.0], [3.0, 5.0]]


@pytest.mark.parametrize("name", ["row-adagrad", "row-adam", "lazy-adam", "adam", "sgd", "sign"])
def test_a_group_learns_at_its_factor_of_the_rate(name):
    made = {}
    for factor in (1.0, 0.1):
        parameter = torch.nn.Parameter(torch.zeros(3, 2))
        optimizer = build(name, 0.5, [{"params": [parameter], "factor": factor}])
        parameter.grad = torch.ones(3, 2)
        optimizer.step()
        made[factor] = parameter.detach()
    torch.testing.assert_close(made[0.1], 0.1 * made[1.0])


def test_a_changed_rate_keeps_the_factors():
    groups = [{"params": [torch.nn.Parameter(torch.zeros(2, 2))], "factor": 0.1}]
    optimizer = build("row-adagrad", 0.5, groups)
    set_rate(optimizer, 0.2)
    assert optimizer.param_groups[0]["rate"] == pytest.approx(0.02)
