"""Look-ups and inner products, one number at a time."""

from __future__ import annotations

import torch
from torch import Tensor


def gather_dot(
    left: Tensor, right: Tensor, users: Tensor, items: Tensor, cosine: bool = False
) -> tuple[Tensor, Tensor]:
    """Scores (Q, C) and half the squared norms of every row read, by stock autograd operations."""
    scores, norms = [], torch.zeros((), dtype=left.dtype)
    for query, user in enumerate(users.tolist()):
        row = []
        one = left[user]
        norms = norms + (one * one).sum()
        for item in items[query].tolist():
            other = right[item]
            norms = norms + (other * other).sum()
            dot = (one * other).sum()
            if cosine:
                dot = dot / (one.norm().clamp(min=1e-12) * other.norm().clamp(min=1e-12))
            row.append(dot)
        scores.append(torch.stack(row) if row else torch.zeros(0, dtype=left.dtype))
    return (torch.stack(scores) if scores else torch.zeros(items.shape, dtype=left.dtype)), norms / 2
