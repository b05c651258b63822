"""Scores and readouts, one cell at a time."""

from __future__ import annotations

import torch
from torch import Tensor


def read_out(
    interests: Tensor, target: Tensor, active: list[bool], readout: str, power: float = 1.0
) -> Tensor:
    """One vector (d,) from interests (K, d): the best for the target, or the mixture weighted by softmax."""
    used = [vector for vector, on in zip(interests, active, strict=True) if on]
    similarity = [float(vector @ target) for vector in used]
    if readout == "hard":
        return used[similarity.index(max(similarity))]
    weights = [torch.tensor(power * s, dtype=interests.dtype).exp() for s in similarity]
    return sum(weight / sum(weights) * vector for weight, vector in zip(weights, used, strict=True))


def scores(
    queries: Tensor,
    table: Tensor,
    columns: list[list[int]],
    *,
    cosine: bool = False,
    temperature: float = 1.0,
    item_bias: Tensor | None = None,
    query_bias: Tensor | None = None,
) -> Tensor:
    """(similarity + biases) / temperature of each query (Q, d) with its columns' items."""
    rows = []
    for query, items in enumerate(columns):
        row = []
        for item in items:
            one, other = queries[query], table[item]
            score = (one * other).sum()
            if cosine:
                score = score / (one.norm() * other.norm())
            if item_bias is not None:
                score = score + item_bias[item]
            if query_bias is not None:
                score = score + query_bias[query]
            row.append(score / temperature)
        rows.append(torch.stack(row))
    return torch.stack(rows)
