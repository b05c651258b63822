"""DLI in loops over cells, straight from its specification; equations as in docs/methods/dli.md.

Rows hold the valid candidates only, so they may differ in length.
"""

from __future__ import annotations

from math import exp, floor

from longhand.losses import Row, bce, bpr, sampled_softmax, softplus

Cell = tuple[int, int]


def share(step: int, end: float, warmup: int, growth: int, power: float = 1.0) -> float:
    """(1), in steps."""
    if growth == 0:
        return end if step >= warmup else 0.0
    return end * min(max((step - warmup) / growth, 0.0), 1.0) ** power


def criterion(name: str, pointwise: bool, target: float, score: float) -> float:
    """Section 3.1."""
    return softplus(score) if name == "loss" and pointwise else softplus(score - target)


def strengths(
    values: list[Row],
    beliefs: list[Row],
    *,
    share: float,
    gate: float,
    scope: str,
    keep: int,
    confident: float,
    levels: tuple[float, float],
) -> list[Row]:
    """(2), the gate, what rows keep, and (3)."""

    def highest_first(cells: list[Cell]) -> list[Cell]:
        return sorted(cells, key=lambda cell: -values[cell[0]][cell[1]])

    groups = [[(row, column) for column in range(len(values[row]))] for row in range(len(values))]
    if scope == "batch":
        groups = [[cell for group in groups for cell in group]]
    chosen: list[Cell] = []
    for group in groups:
        chosen += highest_first(group)[: floor(share * len(group) + 1e-9)]
    chosen = [(row, column) for row, column in chosen if beliefs[row][column] >= gate]
    for row in range(len(values)):
        mine = highest_first(sorted(cell for cell in chosen if cell[0] == row))
        while mine and len(values[row]) - len(mine) < keep:
            chosen.remove(mine.pop())
    rho = [[0.0] * len(row) for row in values]
    for place, (row, column) in enumerate(highest_first(sorted(chosen))):
        rho[row][column] = levels[0] if place < confident * len(chosen) - 1e-9 else levels[1]
    return rho


def loss(objective: str, reverse: bool, targets: Row, others: list[Row], rho: list[Row]) -> float:
    """(4)-(12), divided by all candidates."""
    zeros = [[0.0] * len(row) for row in others]
    weights = zeros if reverse else rho
    weights = [[1 - value for value in row] for row in weights]
    labels = rho if reverse else zeros
    if objective == "bce":
        return bce(targets, others, weights, labels)
    if objective == "bpr":
        return bpr(targets, others, weights, labels) if any(others) else 0.0
    counted = [
        sampled_softmax(target, row, row_weights, row_labels)
        for target, row, row_weights, row_labels in zip(targets, others, weights, labels, strict=True)
        if row
    ]
    return sum(counted) / len(counted) if counted else 0.0


def stable(snapshots: Row, caution: float) -> float:
    """Section 3.1: mean less `caution` population standard deviations."""
    mean = sum(snapshots) / len(snapshots)
    return mean - caution * (sum((value - mean) ** 2 for value in snapshots) / len(snapshots)) ** 0.5


def belief(pointwise: bool, target: float, score: float) -> float:
    """q of the gate."""
    return 1 / (1 + exp(-(score if pointwise else score - target)))
