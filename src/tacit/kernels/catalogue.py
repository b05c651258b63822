"""Log-sum-exp over the whole catalogue in bounded memory.

`log_rest(queries, table, bias, targets)` equals
`(queries @ table.T + bias).masked_fill(one_hot(targets), -inf).logsumexp(1)` without the (Q, N) matrix:
tiles of queries by blocks of items, recomputed in the backward. Where the loss is known to be that of a
softmax, its gradient is formed along the way instead, and only scaled in the backward.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

TILE = 256
BLOCK = 8192
DENSE_LIMIT = 2**20
ENTRIES, NARROWEST = 2**23, 32  # of a tile of whole rows, whose gradient is formed along the way; its rows
AGREES = 1e-5  # how far a gradient may be, against the largest, from what was formed


class _LogRest(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, table: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
        highest = queries.new_full((len(queries),), -torch.inf)
        total = queries.new_zeros(len(queries))
        for rows, _, tile in _tiles(queries, table, bias, targets):
            top = torch.maximum(highest[rows], tile.amax(1))
            safe = torch.where(top > -torch.inf, top, 0.0)
            tile.sub_(safe[:, None]).exp_()
            total[rows] = total[rows] * (highest[rows] - safe).exp() + tile.sum(1)
            highest[rows] = top
        result = highest + total.log()
        ctx.save_for_backward(queries, table, targets, result, *(() if bias is None else (bias,)))
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor | None, None]:
        queries, table, targets, log_rest, *rest = ctx.saved_tensors
        bias = rest[0] if rest else None
        to_queries, to_table = torch.zeros_like(queries), torch.zeros_like(table)
        to_bias = None if bias is None else torch.zeros_like(bias)
        log_rest = torch.where(log_rest > -torch.inf, log_rest, 0.0)
        for rows, columns, tile in _tiles(queries, table, bias, targets):
            tile.sub_(log_rest[rows, None]).exp_().mul_(gradient[rows, None])
            to_queries[rows].addmm_(tile, table[columns])
            to_table[columns].addmm_(tile.T, queries[rows])
            if to_bias is not None:
                to_bias[columns] += tile.sum(0)
        return to_queries, to_table, to_bias, None


class _Softmax(torch.autograd.Function):
    """As `_LogRest`, for a gradient proportional to sigmoid(log_rest - own): that of a mean softmax loss."""

    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, table: Tensor, bias: Tensor | None, targets: Tensor, own: Tensor
    ) -> Tensor:
        to_queries, to_table = torch.empty_like(queries), torch.zeros_like(table)
        to_bias = None if bias is None else torch.zeros_like(bias)
        result, shares = torch.empty_like(own), torch.empty_like(own)
        height = max(ENTRIES // len(table), NARROWEST)
        buffer = queries.new_empty(min(height, len(queries)), len(table))
        for start in range(0, len(queries), height):
            rows = slice(start, min(start + height, len(queries)))
            tile = torch.mm(queries[rows], table.T, out=buffer[: rows.stop - start])
            if bias is not None:
                tile += bias
            tile.scatter_(1, targets[rows, None], -torch.inf)
            top = tile.amax(1, keepdim=True)
            top = torch.where(top > -torch.inf, top, 0.0)
            sums = tile.sub_(top).exp_().sum(1, keepdim=True)
            result[rows] = (top + sums.log())[:, 0]
            shares[rows] = (result[rows] - own[rows]).sigmoid()
            tile.mul_(shares[rows, None] / sums.clamp(min=torch.finfo(sums.dtype).tiny))
            torch.mm(tile, table, out=to_queries[rows])
            to_table.addmm_(tile.T, queries[rows])
            if to_bias is not None:
                to_bias += tile.sum(0)
        ctx.formed = to_queries, to_table, to_bias, shares
        ctx.save_for_backward(queries, table, targets, result, *(() if bias is None else (bias,)))
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        to_queries, to_table, to_bias, shares = ctx.formed
        total = shares.sum()
        factor = gradient.sum() / torch.where(total > 0, total, 1.0)
        if (gradient - factor * shares).abs().max() <= AGREES * gradient.abs().max():
            return (
                to_queries * factor,
                to_table * factor,
                None if to_bias is None else to_bias * factor,
                None,
                None,
            )
        return (*_LogRest.backward(ctx, gradient), None)


def _tiles(
    queries: Tensor, table: Tensor, bias: Tensor | None, targets: Tensor
) -> Iterator[tuple[slice, slice, Tensor]]:
    """Scores of tiles of queries against blocks of items, -inf at the targets, in one kept buffer."""
    buffer = queries.new_empty(min(TILE, len(queries)) * min(BLOCK, len(table)))
    for start in range(0, len(queries), TILE):
        rows = slice(start, min(start + TILE, len(queries)))
        tile_targets = targets[rows]
        for first in range(0, len(table), BLOCK):
            columns = slice(first, min(first + BLOCK, len(table)))
            shape = (rows.stop - rows.start, columns.stop - columns.start)
            tile = buffer[: shape[0] * shape[1]].view(shape)
            torch.mm(queries[rows], table[columns].T, out=tile)
            if bias is not None:
                tile += bias[columns]
            inside = ((tile_targets >= columns.start) & (tile_targets < columns.stop)).nonzero()[:, 0]
            tile[inside, tile_targets[inside] - columns.start] = -torch.inf
            yield rows, columns, tile


def log_rest(
    queries: Float[Tensor, "Q d"],
    table: Float[Tensor, "N d"],
    bias: Float[Tensor, "N"] | None,
    targets: Int[Tensor, "Q"],
    *,
    dense: bool | None = None,
    own: Float[Tensor, "Q"] | None = None,
) -> Float[Tensor, "Q"]:
    """Log-sum-exp of each query's scores over all items but its target; -inf with one item.

    `dense` keeps the (Q, N) matrix for autograd; by default only where it has at most 2**20 entries. `own`:
    the targets' scores, where the loss is the mean of softplus(log_rest - own): its gradient is then formed
    in the forward pass, three products in all instead of four, and where another one comes all the same it
    is computed anew. Catalogues of more than 2**23 / 32 items take the other way.
    """
    if dense is None:
        dense = len(queries) * len(table) <= DENSE_LIMIT
    anticipated = len(table) * NARROWEST <= ENTRIES and torch.is_grad_enabled()
    if not dense and own is not None and anticipated:
        return _Softmax.apply(queries, table, bias, targets, own.detach())  # type: ignore[no-any-return, no-untyped-call]
    if not dense:
        return _LogRest.apply(queries, table, bias, targets)  # type: ignore[no-any-return, no-untyped-call]
    scores = queries @ table.T
    if bias is not None:
        scores = scores + bias
    return scores.scatter(1, targets[:, None], -torch.inf).logsumexp(1)
