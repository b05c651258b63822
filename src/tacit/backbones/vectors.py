"""What a pair backbone gives to retrieval."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Vectors:
    """All user and item vectors, ready for inner products; item biases are added to them."""

    users: Float[Tensor, "U d"]
    items: Float[Tensor, "N d"]
    item_bias: Float[Tensor, "N"] | None = None
