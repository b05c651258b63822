"""Dynamic routing: how the events of a history are shared out among interests (Sabour et al., 2017)."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad

Axis = Literal["interests", "positions", "padded-positions"]


def squash(values: Float[Tensor, "*shape d"]) -> Float[Tensor, "*shape d"]:
    """n / (1 + n) times the direction, n the squared length: lengths from 0 to below 1."""
    norm = values.square().sum(-1, keepdim=True)
    return values * (norm / (1 + norm) / (norm + 1e-9).sqrt())


def route(
    votes: Float[Tensor, "Q L K d"] | Float[Tensor, "Q L d"],
    start: Float[Tensor, "#Q L K"],
    mask: Bool[Tensor, "Q L"],
    iterations: int,
    *,
    axis: Axis = "interests",
    attached: bool = False,
    slots: int = 0,
) -> tuple[Float[Tensor, "Q K d"], Float[Tensor, "Q K L"]]:
    """Capsules v_k = squash(sum_l c_lk u_lk) and the last coefficients c, 0 at padding.

    c = softmax(b) over the `axis`; b starts as given and grows by u_lk . v_k after every iteration but the
    last. Votes of three axes are shared by all interests. "interests" is ComiRec's and MIND's; over
    "positions" padding is left out before the softmax, over "padded-positions" after it (REMI's code), so
    that it takes its part: that of `slots` places in all, those beyond the votes with b = 0. The votes that
    move b carry no gradient, so neither does c, unless `attached`: then the last of these moves does.
    """
    own = votes.dim() == 4
    combine, agree = ("qlk,qlkd->qkd", "qlkd,qkd->qlk") if own else ("qlk,qld->qkd", "qld,qkd->qlk")
    logits = start.expand(len(votes), -1, -1)
    for iteration in range(iterations):
        last = iteration == iterations - 1
        moving = votes if last or (attached and iteration == iterations - 2) else votes.detach()
        weights = _shares(logits, mask, axis, slots)
        capsules = squash(torch.einsum(combine, weights, moving))
        if not last:
            logits = logits + torch.einsum(agree, moving, capsules)
    return capsules, weights.transpose(1, 2)


def _shares(logits: Tensor, mask: Tensor, axis: Axis, slots: int) -> Tensor:
    there = mask[..., None]
    if axis == "positions":
        return logits.masked_fill(~there, -torch.inf).softmax(1)
    if axis == "interests":
        return logits.softmax(2) * there
    beyond = max(slots - logits.shape[1], 0)
    return pad(logits, (0, 0, 0, beyond)).softmax(1)[:, : logits.shape[1]] * there
