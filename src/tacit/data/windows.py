"""From ordered logs to batches of sequences; histories are ranges of one array."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int, Int32, Int64

from tacit.data.loaders import SHUFFLE, Owners
from tacit.kernels.sampling import derived_key
from tacit.sparse import Sequences
from tacit.types import Batch, History, Positions


@runtime_checkable
class OrderedLog(Protocol):
    """What a loader of sequences reads."""

    @property
    def users(self) -> Int32[np.ndarray, "n"]: ...
    @property
    def items(self) -> Int32[np.ndarray, "n"]: ...
    @property
    def weights(self) -> Float32[np.ndarray, "n"] | None: ...
    def histories(self) -> tuple[Int64[np.ndarray, "yeses"], Int64[np.ndarray, "users_plus_one"]]: ...


@dataclass(frozen=True, eq=False)
class Windows:
    """Training examples as ranges of events that are ordered by user and time.

    Window w reads the events `starts[w] .. stops[w] - 2` and is asked for its targets, the events
    `firsts[w] .. stops[w] - 1`, each from what stands before it in the window.
    """

    starts: Int64[np.ndarray, "w"]
    firsts: Int64[np.ndarray, "w"]
    stops: Int64[np.ndarray, "w"]

    @staticmethod
    def of(
        indptr: Int64[np.ndarray, "users_plus_one"],
        length: int,
        queries: Positions,
        stride: int | None = None,
    ) -> Windows:
        """Every event but a user's first is a target once; under "newest" the last one alone.

        "all": windows of up to `stride` targets, the newest full, each of which reads up to `length` events;
        with a stride below `length`, its own without one, they overlap. Else one window for each target,
        which reads the `length` events before it.
        """
        counts = np.diff(indptr)
        if queries != "all":
            begins = np.repeat(indptr[:-1], counts)
            targets = np.flatnonzero(np.arange(len(begins)) > begins)
            if queries == "newest":
                targets = targets[
                    np.append(begins[targets][1:] != begins[targets][:-1], True)[: len(targets)]
                ]
            return Windows(np.maximum(begins[targets], targets - length), targets, targets + 1)
        stride = length if stride is None else stride
        number = -(-np.maximum(counts - 1, 0) // stride)
        begins, ends = np.repeat(indptr[:-1], number), np.repeat(indptr[1:], number)
        place = np.arange(int(number.sum())) - np.repeat(np.cumsum(number) - number, number)
        stops = ends - place * stride
        firsts = np.maximum(stops - stride, begins + 1)
        return Windows(np.maximum(stops - 1 - length, begins), firsts, stops)

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True, eq=False)
class SequenceLoader:
    """Batches of sequences, those of an epoch by (seed, epoch) only; the last may be short.

    An epoch holds each window once in random order; with `owners`, as many draws with replacement: a user
    uniformly, then one of its windows. `rows` of a batch are row numbers of the log, of the targets. Numbers
    are kept in 32 bits where the log has fewer than 2^31 events.
    """

    items: Int[torch.Tensor, "n"]
    rows: Int[torch.Tensor, "n"]
    weights: torch.Tensor | None  # of each event; None: all one
    users: Int[torch.Tensor, "w"]
    starts: Int[torch.Tensor, "w"]
    firsts: Int[torch.Tensor, "w"]
    stops: Int[torch.Tensor, "w"]
    batch_size: int
    seed: int
    owners: Owners | None = None
    _orders: dict[int, torch.Tensor] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def of(
        log: OrderedLog,
        length: int,
        queries: Positions,
        batch_size: int,
        seed: int,
        *,
        over_users: bool = False,
        stride: int | None = None,
    ) -> SequenceLoader:
        """Batches over the windows of a log's positives."""
        order, indptr = log.histories()
        windows = Windows.of(indptr, length, queries, stride)
        kind = np.int32 if len(log.users) < 2**31 else np.int64
        starts, firsts, stops = (
            torch.from_numpy(bounds.astype(kind))
            for bounds in (windows.starts, windows.firsts, windows.stops)
        )
        users = torch.from_numpy(log.users[order[windows.starts]])
        return SequenceLoader(
            torch.from_numpy(log.items[order]),
            torch.from_numpy(order.astype(kind)),
            None if log.weights is None else torch.from_numpy(log.weights[order]),
            *(users, starts, firsts, stops),
            *(batch_size, seed),
            Owners.of(users) if over_users else None,
        )

    @property
    def n_examples(self) -> int:
        """Windows of an epoch."""
        return len(self.users)

    def parted(self, held: Bool[np.ndarray, "w"]) -> tuple[SequenceLoader, SequenceLoader]:
        """Loaders of the windows that are not held, and of those that are."""
        kept, other = (torch.from_numpy(np.flatnonzero(side)) for side in (~held, held))
        return self._of(kept, self.seed), self._of(other, self.seed + 1)

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return -(-self.n_examples // self.batch_size)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of one epoch, from batch `first` on."""
        order = self._order(epoch)
        for place in range(first, self.steps):
            yield self._batch(order[place * self.batch_size : (place + 1) * self.batch_size])

    def batch(self, epoch: int, place: int) -> Batch:
        """One batch of an epoch, without making the others."""
        if epoch not in self._orders:
            self._orders.clear()
            self._orders[epoch] = self._order(epoch)
        return self._batch(self._orders[epoch][place * self.batch_size : (place + 1) * self.batch_size])

    def _of(self, windows: torch.Tensor, seed: int) -> SequenceLoader:
        users = self.users[windows]
        return replace(
            self,
            users=users,
            starts=self.starts[windows],
            firsts=self.firsts[windows],
            stops=self.stops[windows],
            seed=seed,
            owners=None if self.owners is None else Owners.of(users),
            _orders={},
        )

    def _order(self, epoch: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(derived_key(self.seed, SHUFFLE, epoch))
        if self.owners is None:
            return torch.randperm(self.n_examples, generator=generator)
        return self.owners.draw(self.n_examples, generator)

    def _batch(self, windows: torch.Tensor) -> Batch:
        starts, firsts, stops = (bounds[windows].long() for bounds in (self.starts, self.firsts, self.stops))
        lengths = stops - 1 - starts
        width = int(lengths.max())
        places = starts[:, None] + torch.arange(width)
        asked = stops - firsts
        which = torch.repeat_interleave(torch.arange(len(windows)), asked)
        target = torch.arange(len(which)) + torch.repeat_interleave(firsts - (asked.cumsum(0) - asked), asked)
        history = History(
            items=self.items[places.clamp(max=len(self.items) - 1)].long(),
            lengths=lengths,
            query=which * width + target - 1 - starts[which],
        )
        ones = torch.ones(len(target))
        return Batch(
            rows=self.rows[target].long(),
            users=self.users[windows[which]].long(),
            targets=self.items[target].long(),
            labels=ones,
            weights=ones if self.weights is None else self.weights[target],
            history=history,
        )


def read_at_end(events: Sequences) -> History:
    """Sequences of at least one event each, right-padded, read at their last."""
    lengths = torch.from_numpy(events.lengths())
    width = int(lengths.max())
    rows, items = events.flat()
    starts = lengths.cumsum(0) - lengths
    padded = torch.zeros(len(events), width, dtype=torch.int64)
    row = torch.from_numpy(rows)
    padded[row, torch.arange(len(row)) - starts[row]] = torch.from_numpy(items.astype(np.int64))
    return History(padded, lengths, torch.arange(len(events)) * width + lengths - 1)
