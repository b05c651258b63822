"""Candidates that come again: a fixed pool of unlabelled items for each user."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import torch

from tacit.errors import OptionError
from tacit.kernels.sampling import draw_from_pools, key_of
from tacit.types import Batch, Candidates, Need, Slot, TrainingData

SIZE = 256


@dataclass(frozen=True)
class Pool:
    """`count` draws from `size` items that belong to the user, less those known (SRNS, NeurIPS 2020).

    Which items is a hash of (seed, user, slot): no table of U x size is made. A user's slot holds an item
    whose row modulo `size` is that slot. No log q: a fixed pool does not cover the catalogue.
    """

    count: int = 1
    size: int = SIZE
    seed: int = 0
    _data: TrainingData | None = field(default=None, repr=False, compare=False)
    slot: ClassVar[Slot] = "sampler"
    needs: ClassVar[frozenset[Need]] = frozenset()

    def __post_init__(self) -> None:
        for name, value in {"negatives": self.count, "pool": self.size}.items():
            if value < 1:
                raise OptionError(f"{name} must be at least 1, not {value}")
        if self.seed < 0:
            raise OptionError(f"the seed of pools must not be negative, but is {self.seed}")

    def bind(self, data: TrainingData) -> Self:
        return replace(self, _data=data)

    def __call__(self, batch: Batch, generator: torch.Generator) -> Candidates:
        data = self._data
        if data is None:
            raise OptionError("this sampler has seen no data yet: call bind(data) first")
        size = min(self.size, data.n_items)
        key = key_of(generator)
        others, valid = draw_from_pools(key, self.seed, batch.users, data.known, size, self.count)
        if valid is not None:
            others = torch.where(valid, others, batch.targets[:, None])
        return Candidates(batch.targets, others, torch.zeros(others.shape), valid=valid)
