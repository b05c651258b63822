"""REMI's two terms, number by number."""

from __future__ import annotations

import math


def weights(scores: list[float], hardness: float, shares: list[float] | None = None) -> list[float]:
    """w_i, their mean 1; `shares` are the probabilities of the draw, None for uniform draws."""
    q = shares or [1.0] * len(scores)
    raw = [math.exp(hardness * score) / p for score, p in zip(scores, q, strict=True)]
    return [len(scores) * value / sum(raw) for value in raw]


def negatives(scores: list[float], hardness: float, shares: list[float] | None = None) -> float:
    """Ng, the weighted sum of exponentials."""
    return sum(w * math.exp(s) for w, s in zip(weights(scores, hardness, shares), scores, strict=True))


def loss(target: float, scores: list[float], hardness: float, shares: list[float] | None = None) -> float:
    total = negatives(scores, hardness, shares)
    return -math.log(math.exp(target) / (math.exp(target) + total))


def variance(row: list[float], places: int) -> float:
    """C_kk of one interest over so many places; those beyond the row hold 0."""
    mean = sum(row) / places
    return sum((value - mean) ** 2 for value in row) + (places - len(row)) * mean**2
