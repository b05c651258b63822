"""One score of NeuMF, neuron by neuron, from its parameters as lists."""

from __future__ import annotations

from typing import Any


def score(parameters: dict[str, Any], user: int, item: int) -> float:
    products = [
        p * q for p, q in zip(parameters["user_table"][user], parameters["item_table"][item], strict=True)
    ]
    layer = [*parameters["user_inputs"][user], *parameters["item_inputs"][item]]
    depth = 0
    while f"weights.{depth}" in parameters:
        above = []
        for weights, bias in zip(parameters[f"weights.{depth}"], parameters[f"biases.{depth}"], strict=True):
            total = bias + sum(weight * value for weight, value in zip(weights, layer, strict=True))
            above.append(max(total, 0.0))
        layer, depth = above, depth + 1
    head = parameters["head"]
    joined = [*products, *layer]
    return parameters["intercept"][0] + sum(
        weight * value for weight, value in zip(head, joined, strict=True)
    )
