"""SASRec, number by number: lists in, lists out, no cleverness."""

from __future__ import annotations

import math


def gelu(value: float) -> float:
    return value * 0.5 * (1 + math.erf(value / math.sqrt(2)))


def layer_norm(values: list[float], gain: list[float], shift: list[float], eps: float) -> list[float]:
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / len(values)
    scale = 1 / math.sqrt(variance + eps)
    return [(v - mean) * scale * g + s for v, g, s in zip(values, gain, shift, strict=True)]


def inner(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def linear(values: list[float], weight: list[list[float]], bias: list[float]) -> list[float]:
    return [b + inner(row, values) for row, b in zip(weight, bias, strict=True)]


def attend(queries: list, keys: list, values: list) -> list[list[float]]:
    """One head; position i sees positions 0..i."""
    found = []
    for i, query in enumerate(queries):
        logits = [inner(query, keys[j]) / math.sqrt(len(query)) for j in range(i + 1)]
        top = max(logits)
        weights = [math.exp(logit - top) for logit in logits]
        total = sum(weights)
        found.append(
            [sum(w / total * values[j][c] for j, w in enumerate(weights)) for c in range(len(values[0]))]
        )
    return found


def sasrec(state: dict, items: list[int], *, heads: int, pre: bool, relu: bool, eps: float) -> list:
    """The hidden state at every position of one sequence, from the lists of a state_dict."""

    def normed(name: str, hidden: list[list[float]]) -> list[list[float]]:
        return [layer_norm(h, state[f"{name}.weight"], state[f"{name}.bias"], eps) for h in hidden]

    def through(name: str, hidden: list[list[float]]) -> list[list[float]]:
        return [linear(h, state[f"{name}.weight"], state[f"{name}.bias"]) for h in hidden]

    def added(a: list[list[float]], b: list[list[float]]) -> list[list[float]]:
        return [[x + y for x, y in zip(u, v, strict=True)] for u, v in zip(a, b, strict=True)]

    hidden = added([state["items"][item] for item in items], state["positions"][: len(items)])
    if not pre:
        hidden = normed("first", hidden)
    dim, depth = len(hidden[0]), 0
    width = dim // heads
    while f"blocks.{depth}.merge.weight" in state:
        name = f"blocks.{depth}"
        entered = normed(f"{name}.attended", hidden) if pre else hidden
        projected = through(f"{name}.project", entered)
        mixed: list[list[float]] = [[] for _ in items]
        for head in range(heads):
            parts = [
                [row[part * dim + head * width : part * dim + (head + 1) * width] for row in projected]
                for part in range(3)
            ]
            for row, found in zip(mixed, attend(*parts), strict=True):
                row.extend(found)
        hidden = added(hidden, through(f"{name}.merge", mixed))
        if not pre:
            hidden = normed(f"{name}.attended", hidden)
        entered = normed(f"{name}.fed", hidden) if pre else hidden
        widened = [
            [max(v, 0.0) if relu else gelu(v) for v in row] for row in through(f"{name}.widen", entered)
        ]
        hidden = added(hidden, through(f"{name}.narrow", widened))
        if not pre:
            hidden = normed(f"{name}.fed", hidden)
        depth += 1
    return normed("last", hidden) if pre else hidden
