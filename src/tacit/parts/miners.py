"""Miners: refiners that keep some candidates after seeing their scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch

from tacit.errors import OptionError
from tacit.protocols import Objective
from tacit.types import Clock, Need, Scored, Slot, TrainingData


@dataclass(frozen=True)
class HardestK:
    """Keep each query's `count` highest-scored candidates (dynamic negative sampling, SIGIR 2013).

    Dropped candidates do not rank; a query with fewer valid ones keeps what there is.
    """

    count: int = 1  # candidates kept for each pair, the highest-scored ones
    slot: ClassVar[Slot] = "refiner"
    needs: ClassVar[frozenset[Need]] = frozenset({"candidates"})

    def __post_init__(self) -> None:
        if self.count < 1:
            raise OptionError(f"the miner must keep at least 1 candidate, not {self.count}")

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, scored: Scored, objective: Objective, clock: Clock) -> Scored:
        if scored.scores.shape[1] - 1 <= self.count:
            return scored
        logits = objective.logits(scored).detach()[:, 1:]
        logits = logits.masked_fill(scored.log_weights[:, 1:] == -torch.inf, -torch.inf)
        chosen = logits.topk(self.count, dim=1).indices + 1
        columns = torch.cat([torch.zeros_like(chosen[:, :1]), chosen], 1)
        picked = {
            name: getattr(scored, name).gather(1, columns)
            for name in ("scores", "labels", "log_weights", "log_q", "observed")
        }
        return replace(scored, others=scored.items.gather(1, chosen), **picked)
