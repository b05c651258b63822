"""Whether several interests of one history are several, and hang on more than one event each."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from tacit.types import Encoded, Routing, Similarity


def diagnosis(encoded: Encoded, targets: Int[Tensor, "Q"], similarity: Similarity = "dot") -> dict[str, Any]:
    """Figures of the interests of Q histories; those not in use, and histories of one event, do not count.

    `histories`: how many count. `events`: mean over interests of 1 / sum a^2, a the routing over events
    scaled to sum 1: how many events an interest is made of; `strongest`: mean of the largest a. Both NaN
    without routing. `cosine`: mean over pairs of interests of one history. `served`: share of the targets
    that each interest scores highest; `used`: exp of their entropy, how many interests serve; NaN where no
    history counts.
    """
    queries, routing = encoded.queries, encoded.routing
    assert isinstance(queries, Tensor)
    active = torch.ones(queries.shape[:2], dtype=torch.bool) if encoded.active is None else encoded.active
    if routing is not None:
        several = routing.mask.sum(1) > 1
        routing = Routing(routing.weights[several], routing.mask[several])
        queries, active, targets = queries[several], active[several], targets[several]
    events, strongest = (math.nan, math.nan) if routing is None else _routing(routing, active)
    wanted = encoded.items.rows(targets)
    compared = (
        (normalize(queries, dim=2), normalize(wanted, dim=1)) if similarity == "cosine" else (queries, wanted)
    )
    scores = torch.einsum("qkd,qd->qk", *compared).masked_fill(~active, -torch.inf)
    served = torch.bincount(scores.argmax(1), minlength=queries.shape[1]).double() / max(len(queries), 1)
    some = served[served > 0]
    return {
        "histories": len(queries),
        "events": events,
        "strongest": strongest,
        "cosine": _cosine(queries, active),
        "served": served.tolist(),
        "used": float(torch.exp(-(some * some.log()).sum())) if len(queries) else math.nan,
    }


def _routing(routing: Routing, active: Bool[Tensor, "Q K"]) -> tuple[float, float]:
    counted = active & (routing.weights.sum(2) > 0)
    shares = routing.weights[counted]
    shares = shares / shares.sum(1, keepdim=True)
    if not len(shares):
        return math.nan, math.nan
    return float(shares.square().sum(1).reciprocal().mean()), float(shares.amax(1).mean())


def _cosine(queries: Float[Tensor, "Q K d"], active: Bool[Tensor, "Q K"]) -> float:
    unit = normalize(queries, dim=2)
    products = unit @ unit.transpose(1, 2)
    pairs = (active[:, :, None] & active[:, None]).triu(1)
    return float(products[pairs].mean()) if bool(pairs.any()) else math.nan
