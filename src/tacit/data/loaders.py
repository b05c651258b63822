"""From a log to batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32, Int32

from tacit.kernels.sampling import derived_key
from tacit.types import Batch

SHUFFLE = 1


@runtime_checkable
class Log(Protocol):
    """The columns that a loader reads."""

    @property
    def users(self) -> Int32[np.ndarray, "n"]: ...
    @property
    def items(self) -> Int32[np.ndarray, "n"]: ...
    @property
    def labels(self) -> Float32[np.ndarray, "n"] | None: ...
    @property
    def weights(self) -> Float32[np.ndarray, "n"] | None: ...


@dataclass(frozen=True, eq=False)
class PairLoader:
    """Shuffled batches of (user, item) examples; the order of an epoch depends on (seed, epoch) only.

    `examples` are row numbers of the log, the keys of per-example tables. The last batch may be short.
    """

    examples: torch.Tensor
    users: torch.Tensor
    targets: torch.Tensor
    labels: torch.Tensor | None  # None: all one
    weights: torch.Tensor | None
    batch_size: int
    seed: int

    @staticmethod
    def of(log: Log, rows: np.ndarray, batch_size: int, seed: int) -> PairLoader:
        """Batches over the given rows of a log."""
        index = torch.from_numpy(rows.astype(np.int64))
        users = torch.from_numpy(log.users[rows].astype(np.int64))
        targets = torch.from_numpy(log.items[rows].astype(np.int64))
        labels = None if log.labels is None else torch.from_numpy(log.labels[rows])
        weights = None if log.weights is None else torch.from_numpy(log.weights[rows])
        return PairLoader(index, users, targets, labels, weights, batch_size, seed)

    @property
    def n_examples(self) -> int:
        """Examples of an epoch."""
        return len(self.users)

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return -(-self.n_examples // self.batch_size)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of one epoch, from batch `first` on."""
        generator = torch.Generator().manual_seed(derived_key(self.seed, SHUFFLE, epoch))
        order = torch.randperm(self.n_examples, generator=generator)[first * self.batch_size :]
        shuffled: list[Any] = [
            None if column is None else column.index_select(0, order).split(self.batch_size)  # type: ignore[no-untyped-call]
            for column in (self.examples, self.users, self.targets, self.labels, self.weights)
        ]
        ones = torch.ones(min(self.batch_size, self.n_examples))
        for step in range(self.steps - first):
            rows, users, targets, labels, weights = (c and c[step] for c in shuffled)
            here = ones[: len(users)]
            yield Batch(
                rows=rows,
                users=users,
                targets=targets,
                labels=here if labels is None else labels,
                weights=here if weights is None else weights,
            )
