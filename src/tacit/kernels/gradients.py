"""Gradients of tables, sparse and dense alike."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


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
