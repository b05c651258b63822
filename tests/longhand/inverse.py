"""IDL and IG as loops over plain floats, after the formulas as they are printed; logits are x = X theta."""

from __future__ import annotations

from math import exp

from longhand.losses import Row, softplus


def sigmoid(value: float) -> float:
    return 1 / (1 + exp(-value)) if value >= 0 else exp(value) / (1 + exp(value))


def annotation(x: float, prior: float = 0.5, sharpness: float = 2.0) -> float:
    """(1), (2) and (10): each loss weighted by the ratios of both; sharpness 2 is a ratio of ratios."""
    yes, no = softplus(-x), softplus(x)
    a, b = (no / yes) ** (sharpness / 2), (yes / no) ** (sharpness / 2)
    return prior * a / (prior * a + (1 - prior) * b)


def dual(x: float, prior: float = 0.5, sharpness: float = 2.0) -> float:
    """(3)."""
    weight = annotation(x, prior, sharpness)
    return weight * softplus(-x) + (1 - weight) * softplus(x)


def dual_slope(x: float, prior: float = 0.5, sharpness: float = 2.0) -> float:
    """(8): the weights are constants."""
    return sigmoid(x) - annotation(x, prior, sharpness)


def bce(x: float, label: float) -> float:
    return label * softplus(-x) + (1 - label) * softplus(x)


def batch_loss(xs: Row, labels: Row, unlabelled: list[bool], prior: float, sharpness: float) -> float:
    """(4)."""
    total = 0.0
    for x, label, vague in zip(xs, labels, unlabelled, strict=True):
        total += dual(x, prior, sharpness) if vague else bce(x, label)
    return total / len(xs)


def batch_slopes(xs: Row, labels: Row, unlabelled: list[bool], prior: float, sharpness: float) -> Row:
    """Derivative of (4) by each logit."""
    slopes = []
    for x, label, vague in zip(xs, labels, unlabelled, strict=True):
        slopes.append((dual_slope(x, prior, sharpness) if vague else sigmoid(x) - label) / len(xs))
    return slopes


def logit(row: Row, theta: Row) -> float:
    return sum(feature * weight for feature, weight in zip(row, theta, strict=True))


def unlabelled_gradient(rows: list[Row], theta: Row, prior: float, sharpness: float) -> Row:
    """(11): gradient of (5)."""
    result = [0.0] * len(theta)
    for row in rows:
        slope = dual_slope(logit(row, theta), prior, sharpness) / len(rows)
        result = [value + slope * feature for value, feature in zip(result, row, strict=True)]
    return result


def mean_bce(rows: list[Row], labels: Row, theta: Row) -> float:
    """(13)."""
    return sum(bce(logit(row, theta), y) for row, y in zip(rows, labels, strict=True)) / len(rows)


def bce_gradient(rows: list[Row], labels: Row, theta: Row) -> Row:
    result = [0.0] * len(theta)
    for row, label in zip(rows, labels, strict=True):
        slope = (sigmoid(logit(row, theta)) - label) / len(rows)
        result = [value + slope * feature for value, feature in zip(result, row, strict=True)]
    return result


def moved(theta: Row, along: Row, step: float) -> Row:
    return [weight + step * value for weight, value in zip(theta, along, strict=True)]


def decision(forward: float, here: float, inverse: float, dead_zone: float = 0.0) -> int:
    """(14)."""
    if forward < inverse and forward < here - dead_zone:
        return 1
    return -1 if inverse < here - dead_zone else 0


def signs(values: Row) -> Row:
    return [float((value > 0) - (value < 0)) for value in values]
