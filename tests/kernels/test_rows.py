from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from longhand import rows as longhand
from tacit.kernels.rows import Rows, gather_dot, shared_dots, take_rows

TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-12}
DTYPES = [torch.float32, torch.float64]


def tables(dtype: torch.dtype, n_users: int = 7, n_items: int = 9, dim: int = 5, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    left = torch.randn(n_users, dim, generator=generator, dtype=torch.float64).to(dtype)
    right = torch.randn(n_items, dim, generator=generator, dtype=torch.float64).to(dtype)
    return left.requires_grad_(), right.requires_grad_()


def ids(n_users: int, n_items: int, queries: int, columns: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randint(0, n_users, (queries,), generator=generator),
        torch.randint(0, n_items, (queries, columns), generator=generator),
    )


def dense(gradient: Tensor | None) -> Tensor:
    assert gradient is not None
    return gradient.to_dense()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "chosen", [[], [3], [0, 0, 0], [4, 1, 4, 6, 1], [[1, 2], [2, 1]], [[[5]], [[5]]]], ids=str
)
def test_take_rows_equals_indexing_in_value_and_gradient(chosen, dtype):
    ours, _ = tables(dtype)
    twin = ours.detach().clone().requires_grad_()
    where = torch.tensor(chosen, dtype=torch.int64)
    weight = torch.randn(*where.shape, 5, generator=torch.Generator().manual_seed(2)).to(dtype)
    found, expected = take_rows(ours, where), twin[where]
    (found * weight).sum().backward()
    (expected * weight).sum().backward()
    assert torch.equal(found, expected)
    torch.testing.assert_close(dense(ours.grad), dense(twin.grad), rtol=0, atol=TOLERANCE[dtype])


def test_take_rows_of_a_leaf_has_a_coalesced_sparse_gradient():
    table, _ = tables(torch.float32)
    (gradient,) = torch.autograd.grad(take_rows(table, torch.tensor([5, 2, 5])).sum(), table)
    assert gradient.is_sparse
    assert gradient.is_coalesced()
    assert gradient.indices()[0].tolist() == [2, 5]


def test_take_rows_of_a_computed_table_has_a_dense_gradient():
    table, _ = tables(torch.float32)
    take_rows(table * 2, torch.tensor([5, 2, 5])).sum().backward()
    assert table.grad is not None
    assert not table.grad.is_sparse
    assert table.grad[:, 0].tolist() == [0, 0, 2, 0, 0, 4, 0]


def test_take_rows_of_nothing_has_an_empty_gradient():
    table, _ = tables(torch.float32)
    take_rows(table, torch.zeros(0, dtype=torch.int64)).sum().backward()
    assert dense(table.grad).abs().sum() == 0


@pytest.mark.parametrize("wrong", [-1, 7])
def test_take_rows_refuses_ids_out_of_range(wrong):
    with pytest.raises(IndexError):
        take_rows(tables(torch.float32)[0], torch.tensor([wrong]))


def test_take_rows_passes_the_gradient_check():
    table = tables(torch.float64)[0]
    where = torch.tensor([1, 1, 6, 0])
    assert torch.autograd.gradcheck(lambda t: take_rows(t * 1, where).tanh(), (table,))


@pytest.mark.parametrize("cosine", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (6, 1), (3, 4), (20, 7)])
def test_gather_dot_equals_longhand_in_values_and_gradients(shape, dtype, cosine):
    left, right = tables(dtype)
    left_twin, right_twin = (t.detach().clone().requires_grad_() for t in (left, right))
    users, items = ids(7, 9, *shape)
    weight = torch.randn(*shape, generator=torch.Generator().manual_seed(3)).to(dtype)
    scores, half = gather_dot(left, right, users, items, cosine=cosine)
    twin_scores, twin_half = longhand.gather_dot(left_twin, right_twin, users, items, cosine)
    ((scores * weight).sum() + 0.3 * half).backward()
    ((twin_scores * weight).sum() + 0.3 * twin_half).backward()
    size = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    torch.testing.assert_close(scores, twin_scores, **size)
    torch.testing.assert_close(half, twin_half, **size)
    torch.testing.assert_close(dense(left.grad), dense(left_twin.grad), **size)
    torch.testing.assert_close(dense(right.grad), dense(right_twin.grad), **size)


@pytest.mark.parametrize("cosine", [False, True])
def test_gather_dot_equals_einsum(cosine):
    left, right = tables(torch.float64)
    users, items = ids(7, 9, 11, 3)
    rows, others = left[users], right[items]
    if cosine:
        rows, others = (torch.nn.functional.normalize(t, dim=-1) for t in (rows, others))
    scores, _ = gather_dot(left, right, users, items, cosine=cosine)
    torch.testing.assert_close(scores, torch.einsum("qd,qcd->qc", rows, others), rtol=0, atol=1e-12)


def test_half_squared_norm_counts_each_occurrence():
    left, right = torch.eye(2).requires_grad_(), (3 * torch.eye(2)).requires_grad_()
    _, half = gather_dot(left, right, torch.tensor([0, 0]), torch.tensor([[0, 1], [1, 1]]))
    assert half.item() == (2 * 1 + 4 * 9) / 2


def test_half_squared_norm_pulls_each_row_by_its_occurrences():
    left, right = tables(torch.float64)
    users, items = torch.tensor([0, 0, 2]), torch.tensor([[1, 1], [1, 3], [0, 3]])
    gather_dot(left, right, users, items)[1].backward()
    user_counts, item_counts = torch.bincount(users, minlength=7), torch.bincount(items.ravel(), minlength=9)
    torch.testing.assert_close(dense(left.grad), left.detach() * user_counts[:, None], rtol=0, atol=1e-12)
    torch.testing.assert_close(dense(right.grad), right.detach() * item_counts[:, None], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("left_leaf", "right_leaf"), [(True, True), (True, False), (False, True), (False, False)]
)
def test_gather_dot_gradients_are_sparse_iff_the_table_is_a_leaf(left_leaf, right_leaf):
    left, right = tables(torch.float32)
    seen = {}
    inputs = []
    for name, table, leaf in (("left", left, left_leaf), ("right", right, right_leaf)):
        inputs.append(table if leaf else table * 1)
        inputs[-1].register_hook(lambda grad, name=name: seen.__setitem__(name, grad.is_sparse))
    users, items = ids(7, 9, 4, 2)
    gather_dot(*inputs, users, items)[0].sum().backward()
    assert seen == {"left": left_leaf, "right": right_leaf}


def test_gather_dot_gradients_of_leaves_are_coalesced_and_ascending():
    left, right = tables(torch.float32)
    users, items = ids(7, 9, 30, 3)
    gradients = torch.autograd.grad(gather_dot(left, right, users, items)[0].sum(), (left, right))
    for gradient, touched in zip(gradients, (users, items), strict=True):
        assert gradient.is_coalesced()
        assert torch.equal(gradient.indices()[0], touched.unique())


@pytest.mark.parametrize("cosine", [False, True])
def test_gather_dot_passes_the_gradient_check(cosine):
    left, right = tables(torch.float64, 3, 4, 2)
    users, items = ids(3, 4, 4, 3)

    def both(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        return gather_dot(a * 1, b * 1, users, items, cosine=cosine)

    assert torch.autograd.gradcheck(both, (left, right))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_gather_dot_of_nothing(shape):
    left, right = tables(torch.float32)
    users, items = ids(7, 9, *shape)
    scores, half = gather_dot(left, right, users, items)
    (scores.sum() + half).backward()
    assert scores.shape == shape
    assert dense(right.grad).abs().sum() == 0


@pytest.mark.parametrize("wrong", [-1, 5, 2**40])
def test_gather_dot_names_a_user_out_of_range(wrong):
    with pytest.raises(IndexError, match=f"user {wrong} is out of range: the table has 5 rows"):
        gather_dot(torch.ones(5, 3), torch.ones(7, 3), torch.tensor([0, wrong]), torch.tensor([[1], [6]]))


@pytest.mark.parametrize("wrong", [-3, 7, 2**40])
def test_gather_dot_names_an_item_out_of_range(wrong):
    items = torch.tensor([[1, 6], [wrong, 0]])
    with pytest.raises(IndexError, match=f"item {wrong} is out of range: the table has 7 rows"):
        gather_dot(torch.ones(5, 3), torch.ones(7, 3), torch.tensor([0, 4]), items)


@pytest.mark.parametrize("cosine", [False, True])
def test_zero_rows_give_finite_scores_and_gradients(cosine):
    left, right = torch.zeros(2, 3, requires_grad=True), torch.ones(2, 3, requires_grad=True)
    scores, _ = gather_dot(left, right, torch.tensor([0, 1]), torch.tensor([[0], [1]]), cosine=cosine)
    scores.sum().backward()
    assert scores.abs().sum() == 0
    assert dense(left.grad).isfinite().all()
    assert dense(right.grad).isfinite().all()


def test_two_runs_give_the_same_bits():
    results = []
    for _ in range(2):
        left, right = tables(torch.float32, 50, 60, 16)
        users, items = ids(50, 60, 500, 6)
        scores, half = gather_dot(left, right, users, items, cosine=True)
        (scores.tanh().sum() + half).backward()
        results.append((scores.detach(), dense(left.grad), dense(right.grad)))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.tuples(*(st.integers(1, 6) for _ in range(3))),
    queries=st.integers(0, 12),
    columns=st.integers(1, 5),
    cosine=st.booleans(),
    seed=st.integers(0, 2**20),
)
def test_gather_dot_equals_autograd_for_any_shape(sizes, queries, columns, cosine, seed):
    left, right = tables(torch.float64, *sizes, seed=seed)
    users, items = ids(sizes[0], sizes[1], queries, columns, seed)
    rows, others = left[users], right[items]
    half = (rows.square().sum() + others.square().sum()) / 2
    if cosine:
        rows, others = (torch.nn.functional.normalize(t, dim=-1) for t in (rows, others))
    expected = torch.einsum("qd,qcd->qc", rows, others)
    scores, norms = gather_dot(left, right, users, items, cosine=cosine)
    torch.testing.assert_close(scores, expected, rtol=1e-12, atol=1e-12)
    twin = torch.autograd.grad(expected.tanh().sum() + half, (left, right))
    ours = torch.autograd.grad(scores.tanh().sum() + norms, (left, right))
    for a, b in zip(ours, twin, strict=True):
        torch.testing.assert_close(a.to_dense(), b, rtol=1e-9, atol=1e-10)


def test_rows_take_looks_up_once():
    table, _ = tables(torch.float32)
    rows = Rows(table, torch.tensor([1, 1]))
    assert rows.take() is rows.take()


def test_rows_share_one_product_for_the_same_question():
    left, right = tables(torch.float32)
    rows = Rows(left, torch.tensor([1, 2]))
    items = torch.tensor([[0], [3]])
    assert rows.dots(right, items) is rows.dots(right, items)
    assert rows.dots(right, items) is not rows.dots(right, items, cosine=True)


def test_rows_know_their_norm_only_after_dots():
    left, right = tables(torch.float32)
    rows = Rows(left, torch.tensor([1]))
    assert rows.half_squared_norm is None
    rows.dots(right, torch.tensor([[0]]))
    expected = (left[1].square().sum() + right[0].square().sum()) / 2
    torch.testing.assert_close(rows.half_squared_norm, expected)


@pytest.mark.parametrize("shared", [0, 1, 5])
def test_shared_dots_equal_their_parts_in_value_and_gradient(shared):
    queries, _ = tables(torch.float64)
    rows = torch.randn(7 + shared, 5, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    rows.requires_grad_()
    expected = torch.cat([(queries * rows[:7]).sum(1, keepdim=True), queries @ rows[7:].T], 1)
    found = shared_dots(queries, rows)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    twins = torch.autograd.grad(expected.tanh().sum(), (queries, rows))
    for a, b in zip(torch.autograd.grad(found.tanh().sum(), (queries, rows)), twins, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_a_table_written_between_forward_and_backward_is_refused():
    table, items = torch.randn(3, 2, requires_grad=True), torch.randn(4, 2, requires_grad=True)
    scores, _ = gather_dot(table, items, torch.tensor([0]), torch.tensor([[1]]))
    with torch.no_grad():
        items.mul_(10)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        scores.sum().backward()
