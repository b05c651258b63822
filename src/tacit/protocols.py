"""The protocols of parts, backbones and recommenders, and what these take and give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Int32, Int64
from torch import Tensor

from tacit.sparse import CSR, Sequences
from tacit.types import (
    Batch,
    Candidates,
    Clock,
    Closure,
    Encoded,
    History,
    Losses,
    Need,
    Positions,
    Scored,
    Similarity,
    Slot,
    Terms,
    TrainingData,
)

# ------------------------------------------------------------------------------------ parts


@runtime_checkable
class Part(Protocol):
    """Anything that fills a slot. Options come by the constructor, data by `bind`."""

    slot: ClassVar[Slot]

    @property
    def needs(self) -> frozenset[Need]:
        """What must be there; of the class, or of the options chosen."""
        ...

    def bind(self, data: TrainingData) -> Self:
        """The part made ready for this data; itself where it needs none."""
        ...


@runtime_checkable
class Sampler(Part, Protocol):
    """Proposes candidates without seeing scores; with `gives_labels = True` they have soft labels."""

    def __call__(self, batch: Batch, generator: torch.Generator) -> Candidates: ...


@runtime_checkable
class Transform(Part, Protocol):
    """Changes vectors between encoding and scoring; training only."""

    def __call__(self, encoded: Encoded, batch: Batch, candidates: Candidates) -> Encoded: ...


@runtime_checkable
class Objective(Part, Protocol):
    """From scored candidates to a loss per example.

    One that also has `one_target = True` says that it does not read the labels of candidates; one with
    `reads_candidates = False`, that it looks at the target alone; one with `mean_softmax = True`, that its
    loss is softplus(log_rest - s+): the kernel then forms the gradient early.
    One of the catalogue with `scales` gets `Scored.log_rests` of them, and no `log_rest`.
    """

    catalogue: ClassVar[bool]  # wants Scored.log_rest

    @property
    def temperature(self) -> float: ...
    @property
    def similarity(self) -> Similarity: ...
    def __call__(self, scored: Scored) -> Losses: ...
    def logits(self, scored: Scored) -> Float[Tensor, "Q C"]:
        """Scores as a criterion must see them: log q is never subtracted."""
        ...


@runtime_checkable
class CandidateObjective(Objective, Protocol):
    """An objective with a loss of its own for each candidate."""

    def under(self, scores: Tensor, label: Literal[0, 1]) -> Tensor:
        """Loss of each score if its label were `label`; same shape."""
        ...


@runtime_checkable
class Refiner(Part, Protocol):
    """Changes labels or weights of candidates after seeing their scores; a miner drops columns.

    One that takes unlabelled items for positives names "unlabelled" among its needs: it then stands before
    every miner, and the audit of beliefs asks it. One that also has `begins`, a number of epochs, leaves
    all as it is before: early stopping then counts from there. So may an update rule.
    """

    def __call__(self, scored: Scored, objective: Objective, clock: Clock) -> Scored: ...


@runtime_checkable
class Regulariser(Part, Protocol):
    """An extra scalar term, not about single candidates."""

    @property
    def name(self) -> str: ...
    def __call__(self, encoded: Encoded, batch: Batch, candidates: Candidates) -> Float[Tensor, ""]: ...


@runtime_checkable
class UpdateRule(Part, Protocol):
    """Turns closures into one step of the user's own optimiser, and returns the terms it saw."""

    needs_meta: ClassVar[bool]

    def __call__(
        self,
        loss: Closure,
        meta_loss: Closure | None,
        clock: Clock,
        parameters: Sequence[torch.nn.Parameter],
        optimizer: torch.optim.Optimizer,
    ) -> Terms: ...


# --------------------------------------------------------------------------------- backbones


@dataclass(frozen=True, eq=False)
class Vectors:
    """All user and item vectors, ready for inner products; item biases are added to them."""

    users: Float[Tensor, "U d"]
    items: Float[Tensor, "N d"]
    item_bias: Float[Tensor, "N"] | None = None


@runtime_checkable
class SequenceEncoder(Protocol):
    """What a backbone adds that reads sequences: vectors for any history, of people known or not.

    `length`: events of a history that it reads, the newest. `queries`: whether all positions of a window are
    training queries (only for what sees no later events), every one in a window of its own ("last"), or that
    of the newest event alone. All else is as in `Backbone`, but that there are no user vectors: those of
    `vectors` have no rows.
    """

    length: int
    queries: Positions

    def encode(self, history: History) -> Encoded:
        """One query for each position asked for."""
        ...


@runtime_checkable
class Backbone(Protocol):
    """An `nn.Module` from a batch to vectors; knows no loss.

    One that also has `fold_in(history: CSR)`, (Q, d), says itself what vectors people known by their history
    only get; for the others, ridge regression on the item vectors does. With `start_from(users, items)` and
    `copy_rows(earlier)` it may start from given factors and from an earlier run. `rates` gives parameters, by
    name, a learning rate relative to the optimiser's.
    """

    n_users: int
    n_items: int
    dim: int
    interests: int
    reads: ClassVar[Literal["pairs", "sequences"]]

    def __call__(self, batch: Batch) -> Encoded: ...
    def vectors(self) -> Vectors:
        """All vectors as they are served, float32; copies, without gradient."""
        ...

    def parameters(self, recurse: bool = True) -> Iterator[torch.nn.Parameter]: ...
    def named_parameters(self) -> Iterator[tuple[str, torch.nn.Parameter]]: ...
    def train(self, mode: bool = True) -> Any: ...
    def eval(self) -> Any: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any]) -> Any: ...


@runtime_checkable
class PairScorer(Protocol):
    """A backbone that is no inner product: scores pairs, has no vectors, no index.

    All else is as in `Backbone`, but for `vectors` and `dim`: called with a batch it gives the tables' rows
    that regularisers read.
    """

    def score(self, users: Int[Tensor, "Q"], items: Int[Tensor, "Q C"]) -> Float[Tensor, "Q C"]:
        """Score of each pair; higher is better."""
        ...


# ------------------------------------------------------------------------------- recommending


@dataclass(frozen=True, eq=False)
class Queries:
    """Whom to recommend for: known users by row, and the history of each (columns: item rows).

    `users` (Q,) int64, -1 for people never seen; `history` has Q rows or is None; `events` is the same
    history in its order, repeats kept, where the recommender reads sequences.
    """

    users: Int64[np.ndarray, "Q"]
    history: CSR | None = None
    events: Sequences | None = None

    def __len__(self) -> int:
        return len(self.users)

    def select(self, rows: Int[np.ndarray, "chosen"]) -> Queries:
        """The chosen queries, in that order."""
        history = None if self.history is None else self.history.select(rows)
        return Queries(self.users[rows], history, None if self.events is None else self.events.select(rows))


@dataclass(frozen=True, eq=False)
class TopK:
    """Best items per query, best first; ties by lower row; -1 and -inf where there are fewer than k."""

    items: Int32[np.ndarray, "Q k"]
    scores: Float32[np.ndarray, "Q k"]


@runtime_checkable
class Recommender(Protocol):
    """What evaluation, export and service share: scores of the whole catalogue, and the best k."""

    @property
    def n_items(self) -> int: ...

    def score(self, queries: Queries) -> Float32[np.ndarray, "Q N"]:
        """Scores of every item for each query; higher is better. A fresh or reused buffer."""
        ...

    def recommend(self, queries: Queries, k: int, *, exclude: CSR | None = None) -> TopK:
        """The k best items of each query outside `exclude` (one row a query)."""
        ...
