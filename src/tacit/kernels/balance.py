"""Self-attention means of rows in O(n) memory: what DirectSpec+ subtracts from a batch of vectors.

`softmax_means(x, T)` equals `softmax(T * (x @ x.T), 1) @ x` with gradients through the weights, one tile of
rows at a time, recomputed in the backward: no (n, n) matrix is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

TILE = 256
DENSE_LIMIT = 2**20
Related = Callable[[slice], Bool[Tensor, "tile n"]]


@dataclass(frozen=True, eq=False)
class Heat:
    """Inverse temperature of pairs: `plain`, but `related` where a pair of rows is related."""

    plain: float
    related: float = 0.0
    is_related: Related | None = None

    def of(self, rows: slice, dtype: torch.dtype) -> float | Tensor:
        """Of the given rows against all: a number, or a matrix (tile, n)."""
        if self.is_related is None:
            return self.plain
        related = self.is_related(rows)
        return torch.full(related.shape, self.plain, dtype=dtype).masked_fill_(related, self.related)


class _SoftmaxMeans(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, heat: Heat, log_counts: Tensor | None, detach: bool) -> Tensor:
        means, normaliser = torch.empty_like(x), x.new_empty(len(x))
        for rows, _, logits in _tiles(x, heat, log_counts):
            normaliser[rows] = logits.logsumexp(1)
            torch.mm(logits.sub_(normaliser[rows, None]).exp_(), x, out=means[rows])
        ctx.heat, ctx.log_counts, ctx.detach = heat, log_counts, detach
        ctx.save_for_backward(x, means, normaliser)
        return means

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        x, means, normaliser = ctx.saved_tensors
        inner = (gradient * means).sum(1)
        result = torch.zeros_like(x)
        for rows, heat, logits in _tiles(x, ctx.heat, ctx.log_counts):
            weights = logits.sub_(normaliser[rows, None]).exp_()
            result.addmm_(weights.T, gradient[rows])
            if not ctx.detach:
                through = (gradient[rows] @ x.T).sub_(inner[rows, None]).mul_(weights).mul_(heat)
                result[rows].addmm_(through, x)
                result.addmm_(through.T, x[rows])
        return result, None, None, None


def _tiles(
    x: Tensor, heat: Heat, log_counts: Tensor | None
) -> Iterator[tuple[slice, float | Tensor, Tensor]]:
    """Rows, their inverse temperatures and their logits against all rows, in one kept buffer."""
    buffer = x.new_empty(min(TILE, len(x)), len(x))
    for start in range(0, len(x), TILE):
        rows = slice(start, min(start + TILE, len(x)))
        logits = torch.mm(x[rows], x.T, out=buffer[: rows.stop - rows.start])
        temperature = heat.of(rows, x.dtype)
        logits.mul_(temperature)
        if log_counts is not None:
            logits += log_counts
        yield rows, temperature, logits


def softmax_means(
    x: Float[Tensor, "n d"],
    heat: Heat,
    *,
    log_counts: Float[Tensor, "n"] | None = None,
    detach: bool = False,
    dense: bool | None = None,
) -> Float[Tensor, "n d"]:
    """For each row the mean of all rows, weighted by a softmax over heat * inner product + log counts.

    `log_counts`: a row that stands for several counts as often. `detach`: no gradient through the weights.
    `dense` keeps the (n, n) matrix for autograd; by default only where it has at most 2**20 entries.
    """
    if dense is None:
        dense = len(x) ** 2 <= DENSE_LIMIT
    if not dense:
        return _SoftmaxMeans.apply(x, heat, log_counts, detach)  # type: ignore[no-any-return, no-untyped-call]
    logits = (x @ x.T) * heat.of(slice(0, len(x)), x.dtype)
    if log_counts is not None:
        logits = logits + log_counts
    weights = logits.softmax(1)
    return (weights.detach() if detach else weights) @ x
