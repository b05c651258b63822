"""DirectSpec and DirectSpec+ as loops over occurrences of rows, with plain floats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log, log1p, sqrt

Rows = list[list[float]]
Heat = Callable[[int, int], float]


def unit(row: list[float], shortest: float = 1e-12) -> list[float]:
    length = max(sqrt(dot(row, row)), shortest)
    return [value / length for value in row]


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def moved(rows: Rows, weights: Rows, step: float) -> Rows:
    return [
        [
            value - step * sum(weight * other[axis] for weight, other in zip(own, rows, strict=True))
            for axis, value in enumerate(row)
        ]
        for row, own in zip(rows, weights, strict=True)
    ]


def scaled(rows: Rows, shrink: float) -> Rows:
    return [[shrink * sqrt(dot(row, row)) * value for value in row] for row in rows] if shrink else rows


def loss(users: Rows, items: Rows) -> float:
    values = [-dot(user, item) for user, item in zip(users, items, strict=True)]
    return sum(max(value, 0.0) + log1p(exp(-abs(value))) for value in values) / len(values)


@dataclass
class Balance:
    """The transform of one side; `held` are weights to use again, one matrix an iteration."""

    linear: bool
    alpha: float
    temperature: float | None
    gap: float
    iterations: int
    once: bool
    shrink: float
    related: Callable[[int, int], bool]
    held: list[Rows] | None = None

    def __call__(self, table: Rows, ids: list[int]) -> Rows:
        """Balanced rows of the whole table; those that `ids` do not name are made unit and scaled."""
        standing = list(dict.fromkeys(ids)) if self.once else ids
        rows, self.weights = [unit(table[place]) for place in standing], []
        for iteration in range(self.iterations):
            if iteration and not self.linear:
                rows = [unit(row, 0.01) for row in rows]
            weights = self.held[iteration] if self.held else self._weights(rows, standing)
            self.weights.append(weights)
            rows = moved(rows, weights, self.alpha / len(rows) if self.linear else self.alpha)
        found = [unit(row) for row in table]
        for place, row in zip(standing, rows, strict=True):
            found[place] = row
        return scaled(found, self.shrink)

    def _weights(self, rows: Rows, ids: list[int]) -> Rows:
        if self.linear:
            return [[dot(row, other) for other in rows] for row in rows]
        plain = self.temperature
        if plain is None:
            plain = max(3 + log(len(rows) / 256), 0.0)
        weights = []
        for i, row in zip(ids, rows, strict=True):
            own = [
                exp(
                    (max(plain - self.gap, 0.0) if self.gap and self.related(i, j) else plain)
                    * dot(row, other)
                )
                for j, other in zip(ids, rows, strict=True)
            ]
            weights.append([weight / sum(own) for weight in own])
        return weights
