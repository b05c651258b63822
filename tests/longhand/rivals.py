"""Losses of the rivals as loops over candidates and pairs, with plain floats. Weight 0: not there."""

from __future__ import annotations

from math import exp, log, sqrt

from longhand.losses import Row, logsumexp


def cosine_contrastive(target: float, row: Row, weights: Row, margin: float, weight: float) -> float:
    """`weights` of the candidates multiply what each costs; dropped ones leave the mean."""
    total, count = 0.0, 0
    for score, own in zip(row, weights, strict=True):
        if own > 0:
            total, count = total + own * max(score - margin, 0.0), count + 1
    return 1 - target + (weight * total / count if count else 0.0)


def bilateral(target: float, row: Row, weights: Row, ratio: float) -> float:
    masses = _masses(row, weights)
    return (ratio * logsumexp(masses) if masses else 0.0) - target


def smoothed(target: float, row: Row, weights: Row, smoothing: float) -> float:
    """(1 - smoothing) CE of the target and smoothing times the mean CE over it and what is there."""
    normaliser = logsumexp([target, *_masses(row, weights)])
    present = [target, *(score for score, own in zip(row, weights, strict=True) if own > 0)]
    mean = sum(normaliser - score for score in present) / len(present)
    return (1 - smoothing) * (normaliser - target) + smoothing * mean


def uniformity(rows: list[Row], scale: float) -> float:
    units = [_unit(row) for row in rows]
    pairs = [(a, b) for a in range(len(rows)) for b in range(a)]
    if not pairs:
        return 0.0
    return log(sum(exp(-scale * _apart(units[a], units[b])) for a, b in pairs) / len(pairs))


def directau(users: list[Row], items: list[Row], strength: float, scale: float = 2.0) -> float:
    """Of pairs (users[k], items[k])."""
    near = [_apart(_unit(user), _unit(item)) for user, item in zip(users, items, strict=True)]
    spread = (uniformity(users, scale) + uniformity(items, scale)) / 2
    return sum(near) / len(near) + strength * spread


def _masses(row: Row, weights: Row) -> Row:
    return [score + log(own) for score, own in zip(row, weights, strict=True) if own > 0]


def _unit(row: Row) -> Row:
    length = sqrt(sum(value * value for value in row))
    return [value / length for value in row]


def _apart(a: Row, b: Row) -> float:
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
