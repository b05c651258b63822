"""Data small enough to reason about on paper, and builders of step values."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from tacit.kernels.sampling import empty_known
from tacit.sparse import CSR
from tacit.types import Batch, Scored


@dataclass(frozen=True, eq=False)
class Tiny:
    """A log of positive pairs that keeps the promises of TrainingData and of the loader's Log."""

    users: np.ndarray
    items: np.ndarray
    n_users: int
    n_items: int
    no_pairs: list[tuple[int, int]] = field(default_factory=list)
    shown_pairs: list[tuple[int, int]] = field(default_factory=list)
    labels: np.ndarray | None = None
    weights: np.ndarray | None = None

    def _matrix(self, pairs: list[tuple[int, int]]) -> CSR:
        if not pairs:
            return empty_known(self.n_users, self.n_items)
        rows, columns = np.array(pairs, np.int64).T
        return CSR.from_pairs(rows, columns, self.n_users, self.n_items)

    @property
    def yes(self) -> np.ndarray:
        return np.arange(len(self.users)) if self.labels is None else np.flatnonzero(self.labels > 0)

    def histories(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows with a yes by user, as they stand in the log, and where each user's begin."""
        order = self.yes[self.users[self.yes].argsort(kind="stable")]
        counts = np.bincount(self.users[self.yes], minlength=self.n_users)
        return order.astype(np.int64), np.concatenate([[0], counts.cumsum()]).astype(np.int64)

    @cached_property
    def positives(self) -> CSR:
        return CSR.from_pairs(
            self.users[self.yes].astype(np.int64),
            self.items[self.yes].astype(np.int64),
            self.n_users,
            self.n_items,
        )

    @cached_property
    def known(self) -> CSR:
        pairs = list(zip(self.users.tolist(), self.items.tolist(), strict=True)) + self.no_pairs
        return self._matrix(pairs)

    @cached_property
    def noes(self) -> CSR:
        return self._matrix(self.no_pairs)

    @cached_property
    def impressions(self) -> CSR:
        return self._matrix(self.shown_pairs)

    @cached_property
    def item_counts(self) -> np.ndarray:
        return np.bincount(self.items[self.yes], minlength=self.n_items).astype(np.int64)


def tiny(pairs: list[tuple[int, int]], n_users: int, n_items: int, **more: object) -> Tiny:
    """Data of these pairs."""
    users, items = np.array(pairs, np.int32).reshape(-1, 2).T.copy()
    return Tiny(users, items, n_users, n_items, **more)  # type: ignore[arg-type]


def checkerboard(n_users: int = 24, n_items: int = 12) -> Tiny:
    """Even users like even items, odd users odd ones; of those each user misses exactly one."""
    pairs = [
        (user, item)
        for user in range(n_users)
        for item in range(n_items)
        if (user + item) % 2 == 0 and item != missing(user, n_items)
    ]
    return tiny(pairs, n_users, n_items)


def missing(user: int, n_items: int = 12) -> int:
    """The one item of a user's colour that the checkerboard leaves out: the right recommendation."""
    return (user // 2 * 2 + user % 2) % n_items


def random_data(seed: int, n_users: int = 15, n_items: int = 20, pairs: int = 60) -> Tiny:
    """Random pairs, with some noes and impressions beside them."""
    chance = np.random.default_rng(seed)
    cells = chance.permutation(n_users * n_items)[: pairs + 30]
    users, items = (cells // n_items).tolist(), (cells % n_items).tolist()
    every = list(zip(users, items, strict=True))
    return tiny(
        every[:pairs],
        n_users,
        n_items,
        no_pairs=every[pairs : pairs + 15],
        shown_pairs=every[pairs + 15 :],
    )


def batch_of(users: list[int], targets: list[int], labels: list[float] | None = None) -> Batch:
    """A batch of these examples, weights one."""
    n = len(users)
    return Batch(
        rows=torch.arange(n),
        users=torch.tensor(users, dtype=torch.int64),
        targets=torch.tensor(targets, dtype=torch.int64),
        labels=torch.ones(n) if labels is None else torch.tensor(labels),
        weights=torch.ones(n),
    )


def batch_from(data: Tiny, count: int | None = None) -> Batch:
    """The first examples of the log as a batch."""
    return batch_of(data.users[:count].tolist(), data.items[:count].tolist())


def scored_of(
    scores: torch.Tensor,
    *,
    labels: torch.Tensor | None = None,
    log_weights: torch.Tensor | None = None,
    log_q: torch.Tensor | None = None,
    observed: torch.Tensor | None = None,
    log_rest: torch.Tensor | None = None,
) -> Scored:
    """Scores (Q, C) with target in column 0; labels and so on as an ordinary step would have them."""
    queries, columns = scores.shape
    if labels is None:
        labels = torch.zeros_like(scores, requires_grad=False)
        labels[:, 0] = 1.0
    if observed is None:
        observed = torch.zeros(queries, columns, dtype=torch.bool)
        observed[:, 0] = True
    return Scored(
        users=torch.arange(queries),
        rows=torch.arange(queries),
        targets=torch.arange(queries),
        others=queries + torch.arange(queries * (columns - 1)).view(queries, columns - 1),
        scores=scores,
        labels=labels,
        log_weights=torch.zeros(queries, columns, dtype=scores.dtype) if log_weights is None else log_weights,
        log_q=torch.zeros(queries, columns, dtype=scores.dtype) if log_q is None else log_q,
        observed=observed,
        log_rest=log_rest,
    )


def seeded(seed: int = 0) -> torch.Generator:
    """A generator with this seed."""
    return torch.Generator().manual_seed(seed)
