"""The values that travel between the slots of a training step.

Shapes use: Q queries, K interests, d dimensions, N items, M other candidates per query,
S sequences, L their length. Ids are rows (dense integers from 0); external ids stay in the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor

from tacit.sparse import CSR

if TYPE_CHECKING:
    from tacit.kernels.rows import Rows

Slot = Literal["sampler", "transform", "refiner", "objective", "regulariser", "update"]
Need = Literal[
    "routing",
    "candidate_loss",
    "local_items",
    "meta_batch",
    "pairs",
    "vectors",
    "candidates",  # sampled, beside the target
    "unlabelled",  # sampled ones that nobody has labelled
    "labels",  # an objective that reads the labels of candidates
    "unmined",  # candidates that no miner has chosen
    "pool",  # candidates that come again: the sampler `Pool`
    "softmax",  # one softmax of the target over sampled candidates, and all that counts them settled
    "soft_labels",  # of candidates, by the sampler
    "settled",  # labels and candidates that nothing changes any more
]
Similarity = Literal["dot", "cosine"]
Positions = Literal["all", "last", "newest"]  # of a sequence: all but the first, one a window, the last one


# ---------------------------------------------------------------------------------------- data


@runtime_checkable
class TrainingData(Protocol):
    """What parts and backbones may know of the data: `bind` and `build` receive it.

    `positives` covers train and meta, never validation or test.
    """

    @property
    def n_users(self) -> int: ...
    @property
    def n_items(self) -> int: ...
    @property
    def positives(self) -> CSR: ...
    @property
    def known(self) -> CSR:
        """Positives and explicit noes: pairs on which the log speaks; no sampler calls them unlabelled."""
        ...

    @property
    def noes(self) -> CSR: ...
    @property
    def impressions(self) -> CSR:
        """Shown without action, less what is known otherwise."""
        ...

    @property
    def item_counts(self) -> Int64[np.ndarray, "N"]:
        """Number of positive rows of each item, repeats counted."""
        ...


# ------------------------------------------------------------------------------ values of a step


@dataclass(frozen=True, eq=False)
class History:
    """Right-padded sequences; lengths tell what is padding, no item id is reserved."""

    items: Int[Tensor, "S L"]
    lengths: Int[Tensor, "S"]
    query: Int[Tensor, "Q"]  # flat position in S * L at which each query is read


@dataclass(frozen=True, eq=False)
class Batch:
    """What the log says of Q training examples, and nothing else."""

    rows: Int[Tensor, "Q"]  # index of the training example: key of per-example tables
    users: Int[Tensor, "Q"]
    targets: Int[Tensor, "Q"]
    labels: Float[Tensor, "Q"]  # 1; 0 where the log holds an explicit no
    weights: Float[Tensor, "Q"]  # multiplied into the loss of the example
    history: History | None = None

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True, eq=False)
class Routing:
    """How history positions feed the interests."""

    weights: Float[Tensor, "Q K L"]  # zeros for an interest that is not in use
    mask: Bool[Tensor, "Q L"]


@runtime_checkable
class Items(Protocol):
    """Item vectors as look-ups, so that a dense, sparse-gradient or sharded table reads alike."""

    def rows(self, ids: Int[Tensor, "*ids"]) -> Float[Tensor, "*ids d"]:
        """Vectors of the given items."""
        ...

    def table(self) -> Float[Tensor, "N d"]:
        """All vectors; only catalogue objectives, transforms' diagnostics and export ask."""
        ...

    def bias(self, ids: Int[Tensor, "*ids"] | None) -> Float[Tensor, "*shape"] | None:
        """Biases of the given items (all where None), added after the similarity; None: no biases."""
        ...


@dataclass(frozen=True, eq=False)
class Encoded:
    """A backbone's answer: query vectors and the items they are compared with."""

    queries: Float[Tensor, "Q K d"] | Rows  # Rows: the query is a row of a table, K = 1
    items: Items
    routing: Routing | None = None
    active: Bool[Tensor, "Q K"] | None = None  # interests in use
    readout: Literal["hard", "attention", "power"] = "hard"
    power: float = 1.0
    base: tuple[Rows | Tensor, Items] | None = None  # tables before propagation: what L2 on batch rows reads
    query_bias: Float[Tensor, "Q"] | None = None


@dataclass(frozen=True, eq=False)
class Candidates:
    """The items that stand beside each target in this step.

    `others` is shared by the batch (M,) or per query (Q, M), always global item rows.
    `log_q` has its shape: log of the expected count of each among the draws (zeros: no correction wanted).
    """

    targets: Int[Tensor, "Q"]
    others: Int[Tensor, "M"] | Int[Tensor, "Q M"]
    log_q: Float[Tensor, "M"] | Float[Tensor, "Q M"]
    valid: Bool[Tensor, "Q M"] | None = None  # False: accidental hit or known positive; None = all valid
    target_log_q: Float[Tensor, "Q"] | None = None
    observed: Bool[Tensor, "Q M"] | None = None  # True: an explicit no
    labels: Float[Tensor, "Q M"] | None = None  # soft labels that came with the candidates
    slots: tuple[Int[Tensor, "Q"], Int[Tensor, "..."]] | None = None  # positions among local rows

    @property
    def shared(self) -> bool:
        """Whether one set of candidates serves the whole batch."""
        return self.others.dim() == 1

    @cached_property
    def read(self) -> tuple[Tensor, Tensor]:
        """Positions of targets and others to look up: `slots` where there are any, else global rows."""
        return self.slots or (self.targets, self.others)

    @cached_property
    def joined(self) -> Tensor:
        """What is looked up at once: (Q + M,) where shared, else (Q, 1 + M); the same tensor each time."""
        targets, others = self.read
        return torch.cat([targets, others] if self.shared else [targets[:, None], others], others.dim() - 1)


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of target (column 0) and other candidates, and what each counts for.

    Invalid candidates arrive with log weight -inf and `observed` True.
    """

    users: Int[Tensor, "Q"]
    rows: Int[Tensor, "Q"]
    targets: Int[Tensor, "Q"]
    others: Int[Tensor, "M"] | Int[Tensor, "Q M"]  # shared by the batch, or per query
    scores: Float[Tensor, "Q C"]  # similarity / temperature; C = 1 + M
    labels: Float[Tensor, "Q C"]  # in [0, 1]
    log_weights: Float[Tensor, "Q C"]  # 0 = as it is, -inf = dropped
    log_q: Float[Tensor, "Q C"]
    observed: Bool[Tensor, "Q C"]  # the log speaks: refiners leave these alone
    log_rest: Float[Tensor, "Q"] | None = None  # log-sum-exp over the catalogue without the target
    log_rests: tuple[
        Float[Tensor, "Q"], ...
    ] = ()  # the same of the scores times each of the objective's scales
    notes: dict[str, Tensor] = field(default_factory=dict)  # numbers for the log, no part of a loss

    @cached_property
    def items(self) -> Int[Tensor, "Q C"]:
        """Global ids of all columns: what a criterion from outside the model reads."""
        return torch.cat([self.targets[:, None], self.others.expand(len(self.targets), -1)], 1)


@dataclass(frozen=True)
class Clock:
    """Time of training. Schedules and warm-ups are pure functions of it, so resuming is exact."""

    epoch: int
    epochs: int
    step: int  # optimiser steps so far, over all epochs
    steps_per_epoch: int


@dataclass(frozen=True, eq=False)
class Losses:
    """Per-example losses, never reduced. `unlabelled` is None where a loss cannot be split.

    `unlabelled_share`: of the cells that the mean is over, the share of the unlabelled ones. A part of the
    loss divided by its share is the mean over its own cells. None: each part is such a mean already.
    `notes` are numbers for the log.
    """

    labelled: Float[Tensor, "Q"]
    unlabelled: Float[Tensor, "Q"] | None = None
    unlabelled_share: Float[Tensor, ""] | None = None
    notes: dict[str, Tensor] = field(default_factory=dict)

    def items(self) -> Iterator[tuple[str, Tensor]]:
        """(name, tensor) of the parts that are there."""
        yield "labelled", self.labelled
        if self.unlabelled is not None:
            yield "unlabelled", self.unlabelled


@dataclass(frozen=True, eq=False)
class Terms:
    """Named terms of one step: `rows` hold weight * loss / Q, so that their sum is the mean.

    `unlabelled_share` as in `Losses`; `notes` are numbers for the log, no part of the total.
    """

    rows: dict[str, Tensor]
    scalars: dict[str, Tensor]
    unlabelled_share: Float[Tensor, ""] | None = None
    notes: dict[str, Tensor] = field(default_factory=dict)

    def total(self) -> Float[Tensor, ""]:
        """Sum of everything: what is minimised."""
        parts = [rows.sum() for rows in self.rows.values()] + list(self.scalars.values())
        return torch.stack(parts).sum() if len(parts) > 1 else parts[0]

    def values(self) -> dict[str, float]:
        """Each term and note as a number, for logs and for the check that all are finite."""
        numbers = {name: float(rows.detach().sum()) for name, rows in self.rows.items()}
        return numbers | {n: float(value.detach()) for n, value in (self.scalars | self.notes).items()}


Closure = Callable[[], Terms]
