"""DeSoRec's loss and label propagation, number by number, with dense labels."""

from __future__ import annotations

import math


def rest(scores: list[float], target: int) -> float:
    others = [s for j, s in enumerate(scores) if j != target]
    top = max(others)
    return top + math.log(sum(math.exp(s - top) for s in others))


def softplus(value: float) -> float:
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))


def loss(scores: list[float], target: int, label: list[float], trust: float, balance: float) -> float:
    free, sure = rest(scores, target), trust * label[target] + 1 - trust
    margin = scores[target] - free
    first = sure * softplus(-margin) + (1 - sure) * softplus(margin)
    mass, second = 1 - label[target], 0.0
    if any(q > 0 for j, q in enumerate(label) if j != target):
        second = free
        for j, q in enumerate(label):
            if j != target and q > 0:
                second += q / mass * (math.log(q / mass) - scores[j])
    return balance * first + (1 - balance) * second


def affinity(vectors: list[list[float]], temperature: float) -> list[list[float]]:
    if len(vectors) == 1:
        return [[1.0]]
    rows = []
    for i, u in enumerate(vectors):
        raw = [0.0 if i == k else math.exp(-math.dist(u, v) / temperature) for k, v in enumerate(vectors)]
        rows.append([value / sum(raw) for value in raw])
    return rows


def largest(row: dict[int, float], own: int, keep: int) -> dict[int, float]:
    """The own item and the `keep` - 1 largest others, which take over what the rest held."""
    others = sorted((item for item in row if item != own), key=lambda item: -row[item])
    kept = [own, *others[: keep - 1]]
    held = sum(row[item] for item in kept)
    return {item: row[item] * sum(row.values()) / held for item in kept}


def propagate(
    vectors: list[list[float]],
    targets: list[int],
    temperature: float,
    alpha: float,
    steps: int,
    keep: int | None = None,
) -> list[dict[int, float]]:
    weights = affinity(vectors, temperature)
    hard = [{target: 1.0} for target in targets]
    soft = hard
    for _ in range(steps):
        rows = []
        for i, own in enumerate(hard):
            row = {item: (1 - alpha) * value for item, value in own.items()}
            for k, weight in enumerate(weights[i]):
                for item, value in soft[k].items():
                    row[item] = row.get(item, 0.0) + alpha * weight * value
            rows.append(row if keep is None else largest(row, targets[i], keep))
        soft = rows
    return soft
