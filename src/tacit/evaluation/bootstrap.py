"""Resampling of people: the one source of every interval and of every paired test."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32

RESAMPLES, BLOCK = 1000, 50


def draws(
    people: int, generator: np.random.Generator, resamples: int = RESAMPLES
) -> Iterator[Float32[np.ndarray, "block people"]]:
    """How often each person was drawn in `resamples` samples with replacement, in blocks.

    Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 6.
    """
    for _ in range(-(-resamples // BLOCK)):
        chosen = generator.integers(0, people, (BLOCK, people), dtype=np.int32)
        yield np.stack([np.bincount(sample, minlength=people) for sample in chosen]).astype(np.float32)
