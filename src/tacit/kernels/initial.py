"""Initial values of embedding tables."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float32

from tacit.errors import OptionError

Scale = float | Literal["xavier"]


def check_scale(scale: Scale) -> None:
    """Raise `OptionError` where it is neither "xavier" nor a positive number: tables of zeros never learn."""
    if scale != "xavier" and not (isinstance(scale, int | float) and 0 < scale < math.inf):
        raise OptionError(f'backbone.scale is a positive number or "xavier", not {scale}')


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
