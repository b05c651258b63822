"""GRU4Rec, number by number."""

from __future__ import annotations

import math


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def inner(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def cell(inputs: list[float], state: list[float], to_inputs: list, to_state: list, biases: list) -> dict:
    """One step: gates r, z, n stacked by rows of both matrices; the new state h, and the gates."""
    width = len(state)
    from_inputs = [inner(row, inputs) + b for row, b in zip(to_inputs, biases[0], strict=True)]
    from_state = [inner(row, state) + b for row, b in zip(to_state, biases[1], strict=True)]
    found: dict[str, list[float]] = {"r": [], "z": [], "n": [], "h": []}
    for unit in range(width):
        r = sigmoid(from_inputs[unit] + from_state[unit])
        z = sigmoid(from_inputs[width + unit] + from_state[width + unit])
        n = math.tanh(from_inputs[2 * width + unit] + r * from_state[2 * width + unit])
        h = (1 - z) * n + z * state[unit]
        for name, value in {"r": r, "z": z, "n": n, "h": h}.items():
            found[name].append(value)
    return found


def gru4rec(state: dict, items: list[int], *, layers: int, hidden: int) -> list[list[float]]:
    """The vector at every position of one sequence, from the lists of a state_dict."""
    rows = [state["items"][item] for item in items]
    for layer in range(layers):
        weights = [state[f"recurrent.weight_{side}_l{layer}"] for side in ("ih", "hh")]
        none = [0.0] * (3 * hidden)
        biases = [state.get(f"recurrent.bias_{side}_l{layer}", none) for side in ("ih", "hh")]
        current, found = [0.0] * hidden, []
        for row in rows:
            current = cell(row, current, *weights, biases)["h"]
            found.append(current)
        rows = found
    merged = zip(state["merge.weight"], state["merge.bias"], strict=True)
    pairs = list(merged)
    return [[inner(weight, row) + bias for weight, bias in pairs] for row in rows]
