"""Short training runs on tiny data."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from helpers.tiny import Tiny, seeded
from tacit.data.loaders import Loader, PairLoader
from tacit.data.windows import SequenceLoader
from tacit.schemes.scheme import Scheme
from tacit.training.fit import Position, fit
from tacit.training.optimizers import build
from tacit.training.step import Step


class Run:
    """A step, its loader and its optimiser, made anew from one seed."""

    def __init__(
        self,
        data: Tiny,
        backbone: Any,
        scheme: Scheme,
        *,
        optimizer: str = "row-adagrad",
        rate: float = 0.3,
        batch_size: int = 32,
        seed: int = 0,
    ) -> None:
        self.seed = seed
        self.step = Step(backbone.build(data, seeded(seed)), scheme.bind(data))
        self.loader = loader_of(data, backbone, batch_size, seed)
        self.optimizer = build(optimizer, rate, self.step.groups())
        self.position = Position()

    def fit(self, epochs: int, **options: Any) -> str:
        """Train from the current position."""
        return fit(
            self.step,
            self.loader,
            self.optimizer,
            epochs=epochs,
            seed=self.seed,
            position=self.position,
            **options,
        )

    def parameters(self) -> dict[str, torch.Tensor]:
        """A copy of every parameter."""
        return {name: value.detach().clone() for name, value in self.step.named_parameters()}


def loader_of(data: Tiny, backbone: Any, batch_size: int = 32, seed: int = 0) -> Loader:
    """Batches of pairs, or of sequences where the configured backbone reads them."""
    if getattr(backbone, "reads", "pairs") == "pairs":
        return PairLoader.of(data, np.arange(len(data.users)), batch_size, seed)
    return SequenceLoader.of(data, backbone.length, backbone.queries, batch_size, seed)


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Whether all bits agree."""
    return all(torch.equal(a[name], b[name]) for name in a) and a.keys() == b.keys()
