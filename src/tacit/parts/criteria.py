"""Criteria: how likely each unlabelled candidate is a false negative; larger is likelier, no gradient.

Cells that are no unlabelled candidates may hold anything; NaN and -inf are never selected.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import softplus

from tacit.errors import OptionError
from tacit.kernels.graphfilter import NOISE, RANK, WEIGHT, ItemFilter
from tacit.kernels.neighbours import NearItems, nearest_items, nearest_on_graph
from tacit.kernels.rows import gather_dot
from tacit.parts.choices import check_choice
from tacit.parts.pool import SIZE
from tacit.protocols import CandidateObjective, Objective
from tacit.types import Scored, TrainingData

Name = Literal["neighbour", "graph-filter", "loss", "margin", "stable"]


@runtime_checkable
class Criterion(Protocol):
    """A view on candidates. `own`: made from the model's scores, so that a gate on them makes sense."""

    @property
    def own(self) -> bool: ...
    def bind(self, data: TrainingData) -> Self: ...
    def __call__(self, scored: Scored, objective: Objective) -> Float[Tensor, "Q M"]: ...


def named(criterion: str | Criterion) -> Criterion:
    """The criterion of this name, with its defaults; one's own as it is. Raises `OptionError`."""
    if not isinstance(criterion, str):
        return criterion
    kinds: dict[str, type[Criterion]] = {
        "neighbour": Neighbour,
        "graph-filter": Filtered,
        "loss": OwnLoss,
        "margin": Margin,
        "stable": Stable,
    }
    check_choice("criterion", criterion, kinds)
    return kinds[criterion]()


def belief(scored: Scored, objective: Objective) -> Float[Tensor, "Q M"]:
    """The model's own probability of each candidate: sigmoid(s_j), else of j over the target, detached."""
    logits = objective.logits(scored).detach()
    if not isinstance(objective, CandidateObjective):
        logits = logits - logits[:, :1]
    return logits[:, 1:].sigmoid()


@dataclass(frozen=True)
class OwnLoss:
    """The candidate's loss under label 0 where the objective has one, else its margin over the target."""

    own: ClassVar[bool] = True

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, scored: Scored, objective: Objective) -> Float[Tensor, "Q M"]:
        if not isinstance(objective, CandidateObjective):
            return Margin()(scored, objective)
        return objective.under(objective.logits(scored).detach()[:, 1:], 0)


@dataclass(frozen=True)
class Margin:
    """softplus(s_j - s+), the loss of the pair: all that a softmax, free up to a row's constant, allows.

    A row whose target is an explicit no has no positive to beat: none of its candidates is selected.
    """

    own: ClassVar[bool] = True

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, scored: Scored, objective: Objective) -> Float[Tensor, "Q M"]:
        logits = objective.logits(scored).detach()
        found = softplus(logits[:, 1:] - logits[:, :1])
        return found.masked_fill(scored.labels[:, :1] <= 0, -torch.inf)


class Stable(nn.Module):
    """mean - caution * std of the model's last `snapshots` beliefs in a pair: high and steady ones first.

    SRNS (NeurIPS 2020) found that false negatives score high and vary little, true hard ones vary more; it
    *adds* the deviation, to pick the latter. A snapshot is one step in which the pair is a candidate; until
    there are enough of them a pair is never selected. For each user the memory, buffers that checkpoints
    save, has `size` places, an item's being its row modulo `size`: as many as the sampler `Pool` has items.
    """

    own: ClassVar[bool] = True
    history: Float[Tensor, "places snapshots"]
    holder: Int[Tensor, "places"]
    count: Int[Tensor, "places"]

    def __init__(self, snapshots: int = 5, caution: float = 1.0, size: int = SIZE) -> None:
        super().__init__()
        if snapshots < 2 or size < 1:
            raise OptionError(f"snapshots must be at least 2 and size at least 1, not {snapshots} and {size}")
        self.snapshots, self.caution, self.size = snapshots, caution, size

    def extra_repr(self) -> str:
        return f"snapshots={self.snapshots}, caution={self.caution}, size={self.size}"

    def bind(self, data: TrainingData) -> Self:
        bound = type(self)(self.snapshots, self.caution, min(self.size, data.n_items))
        places = data.n_users * bound.size
        bound.register_buffer("history", torch.zeros(places, self.snapshots))
        bound.register_buffer("holder", torch.full((places,), -1, dtype=torch.int32))
        bound.register_buffer("count", torch.zeros(places, dtype=torch.int32))
        return bound

    def forward(self, scored: Scored, objective: Objective) -> Float[Tensor, "Q M"]:
        """The criterion of each cell, this step's belief included; -inf where there are too few."""
        if not hasattr(self, "history"):
            raise OptionError("this criterion has seen no data yet: call bind(data) first")
        now = belief(scored, objective)
        items = scored.others.expand(now.shape)
        places = scored.users[:, None] * self.size + items % self.size
        self._remember(places, items, now, ~scored.observed[:, 1:] & (scored.log_weights[:, 1:] > -torch.inf))
        past = self.history[places].to(now.dtype)
        steady = past.mean(-1) - self.caution * past.std(-1, correction=0)
        known = (self.holder[places] == items) & (self.count[places] >= self.snapshots)
        return steady.where(known, -torch.inf)

    def _remember(self, places: Tensor, items: Tensor, now: Tensor, valid: Tensor) -> None:
        """One snapshot of each place that the step fills; of several cells of one place the first counts."""
        cells = valid.flatten().nonzero()[:, 0]
        ordered, order = places.flatten()[cells].sort(stable=True)
        first = torch.ones_like(ordered, dtype=torch.bool)
        first[1:] = ordered[1:] != ordered[:-1]
        at, cells = ordered[first], cells[order[first]]
        held = items.flatten()[cells].to(self.holder.dtype)
        count = torch.where(self.holder[at] == held, self.count[at], 0)
        self.holder[at], self.count[at] = held, count + 1
        self.history[at, (count % self.snapshots).long()] = now.flatten()[cells].to(self.history.dtype)


@dataclass(frozen=True)
class Neighbour:
    """Sum over the user's items of their cosine with the candidate: an outside view, fixed before training.

    Cosine of item columns of the training matrix, of an item's `nearest` items only: memory N x nearest.
    """

    nearest: int = 100
    _near: NearItems | None = field(default=None, repr=False, compare=False)
    _data: TrainingData | None = field(default=None, repr=False, compare=False)
    own: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.nearest < 1:
            raise OptionError(f"nearest must be at least 1, not {self.nearest}")

    def bind(self, data: TrainingData) -> Self:
        k = max(min(self.nearest, data.n_items - 1), 1)
        near = nearest_items(data.positives, np.ones(data.n_users, np.float32), k, 0.0)
        return replace(self, _near=NearItems.of(*near), _data=data)

    def __call__(self, scored: Scored, objective: Objective) -> Float[Tensor, "Q M"]:
        if self._near is None or self._data is None:
            raise OptionError("this criterion has seen no data yet: call bind(data) first")
        users, others = scored.users.numpy(), scored.others.numpy()
        return torch.from_numpy(self._near.sums(self._data.positives, users, others))


@dataclass(frozen=True)
class Filtered:
    """The candidate's score by a graph filter that needs no training: an outside view, fixed before training.

    GF-CF (CIKM 2021), the reference model `graphfilter`. Of its item-item part an item's `nearest` largest
    weights are kept; with the low-pass part memory is N x nearest + (U + N) x rank.
    """

    nearest: int = 100
    rank: int = RANK
    weight: float = WEIGHT
    _near: NearItems | None = field(default=None, repr=False, compare=False)
    _low: tuple[Tensor, Tensor] | None = field(default=None, repr=False, compare=False)
    _data: TrainingData | None = field(default=None, repr=False, compare=False)
    own: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.nearest < 1 or self.rank < 1:
            raise OptionError(f"nearest and rank must be at least 1, not {self.nearest} and {self.rank}")

    def bind(self, data: TrainingData) -> Self:
        made = ItemFilter.of(data.positives, self.rank, self.weight)
        near = nearest_on_graph(made.graph, max(min(self.nearest, data.n_items - 1), 1))
        low = torch.from_numpy(made.low(data.positives)), torch.from_numpy(made.outward)
        return replace(self, _near=NearItems.of(*near), _low=low, _data=data)

    def __call__(self, scored: Scored, objective: Objective) -> Float[Tensor, "Q M"]:
        if self._near is None or self._low is None or self._data is None:
            raise OptionError("this criterion has seen no data yet: call bind(data) first")
        users, others = scored.users.numpy(), scored.others.numpy()
        sums = self._near.sums(self._data.positives, users, others)
        with torch.no_grad():
            left, right = self._low
            if scored.others.dim() == 1:
                low = left[scored.users] @ right[scored.others].T
            else:
                low, _ = gather_dot(left, right, scored.users, scored.others)
        found = low.add_(torch.from_numpy(sums))
        return found.masked_fill_(found <= NOISE, 0.0)
