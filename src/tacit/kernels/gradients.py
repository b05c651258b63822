"""Gradients of tables, sparse and dense alike."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from tacit.kernels._compiled import updates as compiled


def distinct(gradient: Tensor) -> Tensor:
    """A sparse gradient with each row once, ascending. Autograd drops the mark of ours; checking is cheap."""
    rows = gradient._indices()[0]
    return gradient if bool((rows[1:] > rows[:-1]).all()) else gradient.coalesce()


@torch.no_grad()
def clip_norm(parameters: Iterable[torch.nn.Parameter], maximum: float) -> float:
    """Scale all gradients so that their joint Euclidean norm is at most `maximum`; sparse ones too.

    Returns the norm before.
    """
    values = []
    for parameter in parameters:
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad = distinct(parameter.grad)
            values.append(parameter.grad._values())
        elif parameter.grad is not None:
            values.append(parameter.grad)
    norm = float(torch.stack([v.norm() for v in values]).norm()) if values else 0.0
    if norm > maximum:
        for value in values:
            value.mul_(maximum / norm)
    return norm


def inner(a: Tensor, b: Tensor) -> float:
    """Inner product of two gradients of one table, each sparse or dense, summed in float64."""
    if a.is_sparse and b.is_sparse:
        a, b = distinct(a), distinct(b)
        rows, others = a._indices()[0], b._indices()[0]
        if len(others) == 0:
            return 0.0
        place = torch.searchsorted(others, rows).clamp(max=len(others) - 1)
        products = np.empty(len(rows))
        arrays = (tensor.contiguous().numpy() for tensor in (rows, a._values(), place, others, b._values()))
        compiled.row_products(*arrays, products)
        return float(products.sum())
    if a.is_sparse:
        return inner(b, a)
    if b.is_sparse:
        b = distinct(b)
        return float((a[b._indices()[0]].double() * b._values()).sum())
    return float((a.double() * b).sum())


def sign(gradient: Tensor) -> Tensor:
    """-1, 0 or 1 of each entry, sparse where the gradient is."""
    if not gradient.is_sparse:
        return gradient.sign()
    gradient = distinct(gradient)
    return _sparse(gradient, gradient._values().sign())


def added(a: Tensor | None, b: Tensor | None, scale: float) -> Tensor | None:
    """a + scale * b, where None is zero; sparse where both are. Cheap for gradients of one look-up."""
    if b is None or scale == 0:
        return a
    if a is None:
        return b * scale
    if a.is_sparse and not b.is_sparse:
        return b.mul(scale).add(a)
    if a.is_sparse and b.is_sparse:
        a, b = distinct(a), distinct(b)
        if torch.equal(a._indices(), b._indices()):
            return _sparse(a, a._values().add(b._values(), alpha=scale))
    return a.add(b, alpha=scale)


def _sparse(like: Tensor, values: Tensor) -> Tensor:
    """A gradient with distinct rows, of other values."""
    return torch.sparse_coo_tensor(
        like._indices(), values, like.shape, is_coalesced=True, check_invariants=False
    )
