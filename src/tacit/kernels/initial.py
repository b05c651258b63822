"""Initial values of embedding tables."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float32

Scale = float | Literal["xavier"]


def initial_table(
    rows: int, dim: int, scale: Scale, generator: torch.Generator
) -> Float32[torch.Tensor, "n d"]:
    """Normal values of standard deviation `scale`; "xavier": uniform in +-sqrt(6 / (rows + dim)).

    Source of the second: Glorot and Bengio, AISTATS 2010, eq. 16.
    """
    if scale == "xavier":
        bound = (6 / (rows + dim)) ** 0.5
        return torch.rand(rows, dim, generator=generator).mul_(2 * bound).sub_(bound)
    return torch.randn(rows, dim, generator=generator) * scale
