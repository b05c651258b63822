"""Objectives as double loops over cells, with plain floats. `rho` are confidences in [0, 1]."""

from __future__ import annotations

from math import exp, inf, log, log1p

Row = list[float]


def softplus(value: float) -> float:
    return max(value, 0.0) + log1p(exp(-abs(value)))


def logsumexp(values: Row) -> float:
    top = max(values, default=-inf)
    return top if top == -inf else top + log(sum(exp(value - top) for value in values))


def bce(
    targets: Row, others: list[Row], weights: list[Row], labels: list[Row], *, kept: bool = False
) -> float:
    total, number = 0.0, 0.0
    for target, row, row_weights, row_labels in zip(targets, others, weights, labels, strict=True):
        total, number = total + softplus(-target), number + 1
        for score, weight, label in zip(row, row_weights, row_labels, strict=True):
            total += weight * (softplus(score) - label * score)
            number += weight if kept else 1
    return total / number


def bpr(
    targets: Row, others: list[Row], weights: list[Row], labels: list[Row], *, kept: bool = False
) -> float:
    """`kept`: over the weight that is left, at least 1."""
    total, number = 0.0, 0.0
    for target, row, row_weights, row_labels in zip(targets, others, weights, labels, strict=True):
        untreated = [score for score, label in zip(row, row_labels, strict=True) if label == 0]
        for score, weight, label in zip(row, row_weights, row_labels, strict=True):
            number += weight * (1 - label) if kept else 1
            total += weight * (1 - label) * softplus(score - target)
            if label > 0 and untreated:
                total += label * sum(softplus(other - score) for other in untreated) / len(untreated)
    return total / max(number, 1)


def sampled_softmax(target: float, row: Row, weights: Row, labels: Row) -> float:
    """One query. Weights multiply the mass of a candidate; labels promote it."""
    mass = [
        score + log(weight * (1 - label))
        for score, weight, label in zip(row, weights, labels, strict=True)
        if weight * (1 - label) > 0
    ]
    rest = logsumexp(mass)
    total = logsumexp([rest, target]) - target
    for score, label in zip(row, labels, strict=True):
        if label > 0:
            total += label * (logsumexp([rest, score + log(label)]) - score)
    return total / (1 + sum(labels))


def joint_softmax(target: float, row: Row, weights: Row, labels: Row) -> float:
    """One query. All in one denominator, against the distribution (1, labels) / (1 + their sum)."""
    masses = [score + log(weight) for score, weight in zip(row, weights, strict=True) if weight > 0]
    total = logsumexp([target, *masses])
    wanted = target
    for score, weight, label in zip(row, weights, labels, strict=True):
        if weight * label > 0:
            wanted += weight * label * (score + log(weight))
    return total - wanted / (1 + sum(w * label for w, label in zip(weights, labels, strict=True)))
