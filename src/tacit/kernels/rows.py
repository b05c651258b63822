"""Differentiable look-ups of table rows with coalesced sparse gradients.

`take_rows(table, ids)` equals `table[ids]`; `gather_dot` equals
`einsum("qd,qcd->qc", users_table[users], items_table[items])` without the (Q, C, d) copy. Where a table is
a leaf parameter its gradient is a *coalesced sparse* tensor, built by counting sort and segment sums:
no atomics, so the same bits on each run. Elsewhere (a propagated or normalised table) it is dense.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Int32, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable

from tacit.kernels._compiled import rows as compiled


def _array(tensor: Tensor) -> Any:
    return tensor.detach().contiguous().numpy()


@dataclass(frozen=True, eq=False)
class Groups:
    """Positions of `ids` grouped by id: `rows` ascending, `starts` of segments, `order` of positions."""

    rows: Int64[np.ndarray, "segments"]
    starts: Int64[np.ndarray, "segments_plus_one"]
    order: Int32[np.ndarray, "positions"]
    cuts: Int64[np.ndarray, "chunks_plus_one"]

    @staticmethod
    def of(ids: Tensor, n_rows: int) -> Groups:
        """Group flat ids in [0, n_rows)."""
        rows, starts, order = compiled.group(_array(ids).reshape(-1), n_rows)
        return Groups(rows, starts, order, compiled.bounds(starts, compiled.CHUNKS))


def _as_gradient(groups: Groups, values: Tensor, table: Tensor, sparse: bool) -> Tensor:
    rows = torch.from_numpy(groups.rows)
    if sparse:
        return torch.sparse_coo_tensor(
            rows[None], values, table.shape, is_coalesced=True, check_invariants=False
        )
    dense = torch.zeros_like(table)
    dense[rows] = values
    return dense


def _portable_gradient(ids: Tensor, gradient: Tensor, table: Tensor, sparse: bool) -> Tensor:
    """The same on any device, with stock operations."""
    if not sparse:
        return torch.zeros_like(table).index_add_(0, ids, gradient)
    rows, inverse = torch.unique(ids, return_inverse=True)
    values = gradient.new_zeros(len(rows), table.shape[1]).index_add_(0, inverse, gradient)
    return torch.sparse_coo_tensor(rows[None], values, table.shape, is_coalesced=True, check_invariants=False)


class _TakeRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, ids: Tensor) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.table, ctx.sparse = table.detach(), table.is_leaf
        return table.detach().index_select(0, ids.reshape(-1)).view(*ids.shape, table.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (ids,) = ctx.saved_tensors
        table = ctx.table
        flat = gradient.reshape(-1, table.shape[1])
        if table.device.type != "cpu":
            return _portable_gradient(ids.reshape(-1), flat, table, ctx.sparse), None
        groups = Groups.of(ids, len(table))
        values = torch.empty(len(groups.rows), table.shape[1], dtype=table.dtype)
        compiled.segment_sum(_array(flat), groups.starts, groups.order, groups.cuts, values.numpy())
        return _as_gradient(groups, values, table, ctx.sparse), None


def take_rows(table: Float[Tensor, "N d"], ids: Int[Tensor, "*ids"]) -> Float[Tensor, "*ids d"]:
    """Rows of a table: equals `table[ids]`; coalesced sparse gradient iff `table` is a leaf.

    Raises `IndexError` from torch where an id is out of range.
    """
    return _TakeRows.apply(table, ids)  # type: ignore[no-any-return, no-untyped-call]


class _GatherDot(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, left: Tensor, right: Tensor, users: Tensor, items: Tensor, cosine: bool
    ) -> tuple[Tensor, Tensor]:
        _check_range(users, len(left), "user")
        _check_range(items, len(right), "item")
        scores = torch.empty(items.shape, dtype=left.dtype)
        norms = torch.empty(len(users), dtype=left.dtype)
        arrays = [_array(tensor) for tensor in (left, right, users, items)]
        compiled.dots(*arrays, scores.numpy(), norms.numpy())
        ctx.sparse = left.is_leaf, right.is_leaf
        inverse: tuple[Tensor, ...] = ()
        if cosine:
            of_left, of_right = (torch.empty(len(t), dtype=t.dtype) for t in (left, right))
            compiled.inverse_norms(arrays[0], of_left.numpy())
            compiled.inverse_norms(arrays[1], of_right.numpy())
            inverse = (of_left[users], of_right[items])
            scores = scores * inverse[0][:, None] * inverse[1]
        ctx.save_for_backward(left, right, users, items, scores, *inverse)
        return scores, norms.sum() / 2

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        gradient, decay = gradients
        left, right, users, items, scores, *inverse = ctx.saved_tensors
        own_left, own_right = gradient.new_empty(0), gradient.new_empty(0, 0)
        if inverse:
            own = -gradient * scores
            own_left, own_right = own.sum(1) * inverse[0] ** 2, own * inverse[1] ** 2
            gradient = gradient * inverse[0][:, None] * inverse[1]
        l_array, r_array, g_array = _array(left), _array(right), _array(gradient)
        results = []
        for ids, table, own, kernel, other, sparse in (
            (users, left, own_left, compiled.left_gradient, items, ctx.sparse[0]),
            (items, right, own_right, compiled.right_gradient, users, ctx.sparse[1]),
        ):
            groups = Groups.of(ids, len(table))
            values = torch.empty(len(groups.rows), table.shape[1], dtype=table.dtype)
            kernel(
                l_array,
                r_array,
                _array(other),
                g_array,
                _array(own),
                float(decay),
                groups.rows,
                groups.starts,
                groups.order,
                groups.cuts,
                values.numpy(),
            )
            results.append(_as_gradient(groups, values, table, sparse))
        return results[0], results[1], None, None, None


def _check_range(ids: Tensor, n_rows: int, what: str) -> None:
    """Compiled passes read whatever memory an id points at. By numpy: no threads to wake."""
    if ids.numel() == 0:
        return
    array = ids.numpy()
    for wrong in (int(array.min()), int(array.max())):
        if not 0 <= wrong < n_rows:
            raise IndexError(f"{what} {wrong} is out of range: the table has {n_rows} rows")


def gather_dot(
    user_table: Float[Tensor, "U d"],
    item_table: Float[Tensor, "N d"],
    users: Int[Tensor, "Q"],
    items: Int[Tensor, "Q C"],
    *,
    cosine: bool = False,
) -> tuple[Float[Tensor, "Q C"], Float[Tensor, ""]]:
    """Inner products (or cosines) of query rows with their candidates' rows, and half their squared norms.

    First value: `(user_table[users][:, None] * item_table[items]).sum(-1)`, with both rows normalised
    where `cosine`. Second value: half the sum over occurrences of the squared norms of all rows read,
    `(|user rows|^2 + |item rows|^2) / 2`: L2 on batch rows at the price of nothing. Gradients as in
    `take_rows`, one per table, for both values together.

    Raises `IndexError` that names the id and the table's size where one is out of range.
    """
    if user_table.device.type != "cpu":
        user_rows, item_rows = take_rows(user_table, users), take_rows(item_table, items)
        half = (user_rows.square().sum() + item_rows.square().sum()) / 2
        if cosine:
            user_rows, item_rows = (torch.nn.functional.normalize(r, dim=-1) for r in (user_rows, item_rows))
        return torch.einsum("qd,qcd->qc", user_rows, item_rows), half
    return _GatherDot.apply(user_table, item_table, users, items, cosine)  # type: ignore[no-any-return, no-untyped-call]


class _SharedDots(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, rows: Tensor) -> Tensor:
        n = len(queries)
        ctx.save_for_backward(queries, rows)
        scores = queries.new_empty(n, 1 + len(rows) - n)
        torch.sum(queries * rows[:n], 1, out=scores[:, 0])
        torch.mm(queries, rows[n:].T, out=scores[:, 1:])
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        queries, rows = ctx.saved_tensors
        n = len(queries)
        to_rows = torch.empty_like(rows)
        torch.mul(gradient[:, :1], queries, out=to_rows[:n])
        torch.mm(gradient[:, 1:].T, queries, out=to_rows[n:])
        return torch.addcmul(gradient[:, 1:] @ rows[n:], gradient[:, :1], rows[:n]), to_rows


def shared_dots(
    queries: Float[Tensor, "Q d"], rows: Float[Tensor, "Q_plus_M d"]
) -> Float[Tensor, "Q one_plus_M"]:
    """Inner products of each query with its own row (column 0) and with the M shared rows after the first Q.

    Equals `cat([(queries * rows[:Q]).sum(1, keepdim=True), queries @ rows[Q:].T], 1)` without the copy.
    """
    return _SharedDots.apply(queries, rows)  # type: ignore[no-any-return, no-untyped-call]


@dataclass(eq=False)
class Rows:
    """Rows of a table by id, looked up at most once: scores and regularisers of a step share the look-up.

    `table` (N, d), `ids` (Q,).
    """

    table: Tensor
    ids: Tensor
    _taken: Tensor | None = field(default=None, repr=False)
    _pairs: tuple[tuple[Any, ...], Tensor, Tensor] | None = field(default=None, repr=False)

    def take(self) -> Float[Tensor, "Q d"]:
        """The rows themselves."""
        if self._taken is None:
            self._taken = take_rows(self.table, self.ids)
        return self._taken

    def dots(
        self, item_table: Float[Tensor, "N d"], items: Int[Tensor, "Q C"], *, cosine: bool = False
    ) -> Float[Tensor, "Q C"]:
        """Scores against each query's own candidates: see `gather_dot`."""
        key = (item_table, items, cosine)
        if self._pairs is None or any(a is not b for a, b in zip(self._pairs[0], key, strict=True)):
            self._pairs = (key, *gather_dot(self.table, item_table, self.ids, items, cosine=cosine))
        return self._pairs[1]

    @property
    def half_squared_norm(self) -> Float[Tensor, ""] | None:
        """Half the squared norms of all rows that `dots` read; None where it was not called."""
        return None if self._pairs is None else self._pairs[2]
