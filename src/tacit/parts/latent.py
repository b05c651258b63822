"""Latent positives as targets: what an independent witness is sure of stands in for what the log says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from tacit.errors import OptionError
from tacit.kernels.graphfilter import NOISE, RANK, WEIGHT, ItemFilter
from tacit.kernels.topk import recommend_in_blocks
from tacit.parts.samplers import InBatch
from tacit.protocols import Queries, Sampler
from tacit.types import Batch, Candidates, Need, Slot, TrainingData

BEST = 20  # items of a user, from which targets are drawn


@dataclass(frozen=True)
class Latent:
    """Candidates of another sampler; the targets of a `share` of the positive examples give way.

    Each does to a draw from the user's `best` unobserved items by the graph filter GF-CF (CIKM 2021), which
    needs no training and is fitted once, by `bind`: about a millisecond a user. Users whom it knows nothing
    for keep their targets, and so do explicit noes.
    """

    sampler: Sampler
    share: float = 0.3
    best: int = BEST
    rank: int = RANK
    weight: float = WEIGHT
    _best: Int[Tensor, "U best"] | None = field(default=None, repr=False, compare=False)
    _number: Int[Tensor, "U"] | None = field(default=None, repr=False, compare=False)
    slot: ClassVar[Slot] = "sampler"
    needs: ClassVar[frozenset[Need]] = frozenset()

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise OptionError(f"latent is a share of the examples between 0 and 1, not {self.share}")
        if self.best < 1 or self.rank < 1:
            raise OptionError(f"best and rank must be at least 1, not {self.best} and {self.rank}")
        if isinstance(self.sampler, InBatch):
            raise OptionError(
                "InBatch draws the log's targets, and Latent replaces them: use another sampler with it"
            )

    def bind(self, data: TrainingData) -> Self:
        made = ItemFilter.of(data.positives, self.rank, self.weight)
        everyone = Queries(np.arange(data.n_users))
        found = recommend_in_blocks(
            lambda queries: made.score(data.positives.select(queries.users)),
            data.n_items,
            everyone,
            min(self.best, data.n_items),
            data.known,
        )
        items = torch.from_numpy(found.items).long().masked_fill_(torch.from_numpy(found.scores <= NOISE), -1)
        number = (items >= 0).sum(1)
        return replace(self, sampler=self.sampler.bind(data), _best=items, _number=number)

    def __call__(self, batch: Batch, generator: torch.Generator) -> Candidates:
        if self._best is None or self._number is None:
            raise OptionError("this sampler has seen no data yet: call bind(data) first")
        drawn = self.sampler(batch, generator)
        chance = torch.rand(2, len(batch), generator=generator, dtype=torch.float64)
        number = self._number[batch.users]
        turned = (chance[0] < self.share) & (number > 0) & (batch.labels > 0)
        place = (chance[1] * number).long()
        targets = torch.where(turned, self._best[batch.users, place], batch.targets)
        valid = drawn.others != targets[:, None]
        if drawn.valid is not None:
            valid &= drawn.valid
        others = drawn.others if drawn.shared else torch.where(valid, drawn.others, targets[:, None])
        return replace(drawn, targets=targets, others=others, valid=valid)
