"""From a log to batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32, Int, Int32, Int64

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


@runtime_checkable
class Loader(Protocol):
    """Batches of an epoch, by (seed, epoch) only."""

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        ...

    def epoch(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of one epoch, from batch `first` on."""
        ...

    def batch(self, epoch: int, place: int) -> Batch:
        """One batch of an epoch, without making the others."""
        ...


@dataclass(frozen=True, eq=False)
class Owners:
    """Which examples each user has: `examples` sorted by user, those of the g-th user from `starts[g]` on."""

    examples: Int64[torch.Tensor, "n"]
    starts: Int64[torch.Tensor, "g"]
    counts: Int64[torch.Tensor, "g"]

    @staticmethod
    def of(users: Int[torch.Tensor, "n"]) -> Owners:
        """Of the users of all examples; users without any are left out."""
        order = users.argsort(stable=True)
        counts = torch.unique_consecutive(users[order], return_counts=True)[1]
        return Owners(order, counts.cumsum(0) - counts, counts)

    def draw(self, number: int, generator: torch.Generator) -> Int64[torch.Tensor, "number"]:
        """Examples with replacement: a user uniformly, then one of its examples uniformly."""
        user = torch.randint(len(self.counts), (number,), generator=generator)
        share = torch.rand(number, generator=generator, dtype=torch.float64)
        return self.examples[self.starts[user] + (share * self.counts[user]).long()]


@dataclass(frozen=True, eq=False)
class PairLoader:
    """Batches of (user, item) examples, those of an epoch by (seed, epoch) only; the last may be short.

    `examples` are row numbers of the log, the keys of per-example tables. An epoch holds each example once in
    random order; with `owners`, as many draws with replacement: a user uniformly, then one of its examples.
    """

    examples: torch.Tensor
    users: torch.Tensor
    targets: torch.Tensor
    labels: torch.Tensor | None  # None: all one
    weights: torch.Tensor | None
    batch_size: int
    seed: int
    owners: Owners | None = None
    _orders: dict[int, torch.Tensor] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def of(log: Log, rows: np.ndarray, batch_size: int, seed: int, *, over_users: bool = False) -> PairLoader:
        """Batches over the given rows of a log."""
        index = torch.from_numpy(rows.astype(np.int64))
        users = torch.from_numpy(log.users[rows].astype(np.int64))
        targets = torch.from_numpy(log.items[rows].astype(np.int64))
        labels = None if log.labels is None else torch.from_numpy(log.labels[rows])
        weights = None if log.weights is None else torch.from_numpy(log.weights[rows])
        owners = Owners.of(users) if over_users else None
        return PairLoader(index, users, targets, labels, weights, batch_size, seed, owners)

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
        order = self._order(epoch)[first * self.batch_size :]
        shuffled: list[Any] = [
            None if column is None else column.index_select(0, order).split(self.batch_size)  # type: ignore[no-untyped-call]
            for column in self._columns
        ]
        for step in range(self.steps - first):
            yield self._batch(*(column and column[step] for column in shuffled))

    def batch(self, epoch: int, place: int) -> Batch:
        """One batch of an epoch, without making the others."""
        if epoch not in self._orders:
            self._orders.clear()
            self._orders[epoch] = self._order(epoch)
        rows = self._orders[epoch][place * self.batch_size : (place + 1) * self.batch_size]
        return self._batch(*(None if column is None else column[rows] for column in self._columns))

    @property
    def _columns(self) -> tuple[torch.Tensor | None, ...]:
        return self.examples, self.users, self.targets, self.labels, self.weights

    def _order(self, epoch: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(derived_key(self.seed, SHUFFLE, epoch))
        if self.owners is None:
            return torch.randperm(self.n_examples, generator=generator)
        return self.owners.draw(self.n_examples, generator)

    def _batch(self, rows: Any, users: Any, targets: Any, labels: Any, weights: Any) -> Batch:
        ones = torch.ones(len(users))
        return Batch(
            rows=rows,
            users=users,
            targets=targets,
            labels=ones if labels is None else labels,
            weights=ones if weights is None else weights,
        )
