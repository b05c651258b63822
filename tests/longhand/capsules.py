"""Routing of capsules, number by number."""

from __future__ import annotations

import math
from typing import Any


def route(
    votes: Any, start: list[list[float]], lengths: list[int], iterations: int, axis: str
) -> tuple[Any, Any]:
    """Capsules and coefficients, number by number; votes[q][l][k][d], start[l][k]."""
    capsules, coefficients = [], []
    for rows, length in zip(votes, lengths, strict=True):
        places, interests, dim = len(rows), len(rows[0]), len(rows[0][0])
        b = [list(row) for row in start]
        for iteration in range(iterations):
            c = [[0.0] * interests for _ in range(places)]
            for at in range(length):
                for k in range(interests):
                    if axis == "interests":
                        rivals = b[at]
                    else:
                        upto = places if axis == "padded-positions" else length
                        rivals = [b[other][k] for other in range(upto)]
                    c[at][k] = math.exp(b[at][k]) / sum(math.exp(rival) for rival in rivals)
            v = []
            for k in range(interests):
                z = [sum(c[at][k] * rows[at][k][e] for at in range(places)) for e in range(dim)]
                n = sum(x * x for x in z)
                v.append([x * n / (1 + n) / math.sqrt(n + 1e-9) for x in z])
            if iteration < iterations - 1:
                for at in range(places):
                    for k in range(interests):
                        b[at][k] += sum(x * y for x, y in zip(rows[at][k], v[k], strict=True))
        capsules.append(v)
        coefficients.append([[c[at][k] for at in range(places)] for k in range(interests)])
    return capsules, coefficients
