"""Truncated and reweighted cross-entropy as loops over plain floats; column 0 of a row is its target."""

from __future__ import annotations

from math import exp, floor

from longhand.losses import Row, softplus


def loss(score: float, label: float) -> float:
    return softplus(score) - label * score


def t_ce(scores: list[Row], labels: Row, rate: float) -> float:
    """Mean over what stays; `labels` are of the targets, all other cells are noes."""
    cells = [(loss(score, 0.0), None) for row in scores for score in row[1:]]
    targets = [(loss(row[0], label), label) for row, label in zip(scores, labels, strict=True)]
    total = len(cells) + len(targets)
    drop = total - floor((1 - rate) * total + 1e-9)
    positives = sorted((value for value, label in targets if label == 1), reverse=True)
    kept = [value for value, _ in cells] + [value for value, label in targets if label != 1]
    kept += positives[drop:]
    return sum(kept) / max(len(kept), 1)


def r_ce(scores: list[Row], labels: Row, power: float) -> float:
    """Mean over all cells of w * loss, w = p^a of a yes and (1 - p)^a of a no."""
    total, number = 0.0, 0
    for row, label in zip(scores, labels, strict=True):
        for column, score in enumerate(row):
            own = label if column == 0 else 0.0
            p = 1 / (1 + exp(-score))
            total += (p if own == 1 else 1 - p) ** power * loss(score, own)
            number += 1
    return total / number
