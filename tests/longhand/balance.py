"""DirectSpec and DirectSpec+ as loops over rows, with plain floats."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log1p, sqrt

Rows = list[list[float]]


def unit(row: list[float]) -> list[float]:
    length = sqrt(sum(value * value for value in row))
    return [value / length for value in row]


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def linear(rows: Rows, step: float) -> Rows:
    return [_less(row, rows, [dot(row, other) for other in rows], step) for row in rows]


def softmax(rows: Rows, alpha: float, temperature: Callable[[int, int], float]) -> Rows:
    balanced = []
    for i, row in enumerate(rows):
        weights = [exp(temperature(i, j) * dot(row, other)) for j, other in enumerate(rows)]
        total = sum(weights)
        balanced.append(_less(row, rows, [weight / total for weight in weights], alpha))
    return balanced


def scaled(rows: Rows, shrink: float) -> Rows:
    return [[shrink * sqrt(dot(row, row)) * value for value in row] for row in rows] if shrink else rows


def loss(users: Rows, items: Rows) -> float:
    values = [-dot(user, item) for user, item in zip(users, items, strict=True)]
    return sum(max(value, 0.0) + log1p(exp(-abs(value))) for value in values) / len(values)


def _less(row: list[float], rows: Rows, weights: list[float], step: float) -> list[float]:
    return [
        value - step * sum(weight * other[axis] for weight, other in zip(weights, rows, strict=True))
        for axis, value in enumerate(row)
    ]
