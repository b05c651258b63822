"""The normalised adjacency and its powers, dense."""

from __future__ import annotations

import torch
from torch import Tensor

from tacit.sparse import CSR


def adjacency(positives: CSR) -> Tensor:
    """D^-1/2 A D^-1/2 over users then items, (n, n) float64; isolated nodes have zero rows."""
    n_users, n = positives.n_rows, positives.n_rows + positives.n_columns
    matrix = torch.zeros(n, n, dtype=torch.float64)
    for user in range(n_users):
        for item in positives.row(user).tolist():
            matrix[user, n_users + item] = matrix[n_users + item, user] = 1.0
    degrees = matrix.sum(1)
    for a in range(n):
        for b in range(n):
            if matrix[a, b]:
                matrix[a, b] = 1 / (degrees[a] * degrees[b]).sqrt()
    return matrix


def layers_of(matrix: Tensor, table: Tensor, layers: int) -> list[Tensor]:
    """The embeddings after 0..layers propagations."""
    result = [table]
    for _ in range(layers):
        result.append(matrix @ result[-1])
    return result


def layer_mean(matrix: Tensor, table: Tensor, layers: int) -> Tensor:
    """Their mean."""
    return torch.stack(layers_of(matrix, table, layers)).mean(0)


def fold_in(positives: CSR, table: Tensor, layers: int, history: list[int]) -> Tensor:
    """What a new node, linked to its items and without an embedding, receives in layers 1..K; mean of K + 1.

    The others pass on what they hold in the old graph.
    """
    matrix = adjacency(positives)
    counts = [0] * positives.n_columns
    for item in positives.indices.tolist():
        counts[item] += 1
    total = torch.zeros(table.shape[1], dtype=table.dtype)
    for layer in layers_of(matrix, table, layers)[:layers]:
        for item in history:
            weight = 1 / (len(history) * (counts[item] + 1)) ** 0.5
            total = total + weight * layer[positives.n_rows + item]
    return total / (layers + 1)
