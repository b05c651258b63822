"""Criteria: how likely each unlabelled candidate is a false negative; larger is likelier, no gradient.

Cells that are no unlabelled candidates may hold anything; NaN and -inf are never selected.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from tacit.errors import OptionError
from tacit.kernels.neighbours import nearest_items, shared_cosines
from tacit.parts.choices import check_choice
from tacit.types import CandidateObjective, Objective, Scored, TrainingData

Name = Literal["neighbour", "loss", "margin"]


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
    kinds: dict[str, type[Criterion]] = {"neighbour": Neighbour, "loss": OwnLoss, "margin": Margin}
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
    """softplus(s_j - s+), the loss of the pair: all that a softmax, free up to a row's constant, allows."""

    own: ClassVar[bool] = True

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, scored: Scored, objective: Objective) -> Float[Tensor, "Q M"]:
        logits = objective.logits(scored).detach()
        return softplus(logits[:, 1:] - logits[:, :1])


@dataclass(frozen=True)
class Neighbour:
    """Sum over the user's items of their cosine with the candidate: an outside view, fixed before training.

    Cosine of item columns of the training matrix, of an item's `nearest` items only: memory N x nearest.
    """

    nearest: int = 200
    _near: tuple[np.ndarray, np.ndarray] | None = field(default=None, repr=False, compare=False)
    _data: TrainingData | None = field(default=None, repr=False, compare=False)
    own: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.nearest < 1:
            raise OptionError(f"nearest must be at least 1, not {self.nearest}")

    def bind(self, data: TrainingData) -> Self:
        k = max(min(self.nearest, data.n_items - 1), 1)
        near, weights = nearest_items(data.positives, np.ones(data.n_users, np.float32), k, 0.0)
        order = near.argsort(1, kind="stable")
        ascending = np.take_along_axis(near, order, 1), np.take_along_axis(weights, order, 1)
        return replace(self, _near=ascending, _data=data)

    def __call__(self, scored: Scored, objective: Objective) -> Float[Tensor, "Q M"]:
        if self._near is None or self._data is None:
            raise OptionError("this criterion has seen no data yet: call bind(data) first")
        others = scored.others.expand(len(scored.users), -1)
        sums = shared_cosines(self._data.positives, *self._near, scored.users.numpy(), others.numpy())
        return torch.from_numpy(sums)
