"""DeSoRec: a softmax over the catalogue against soft labels, decoupled into target confidence and the rest.

Source: Zhang et al., "Learning Recommender Systems with Soft Target: A Decoupled Perspective", DASFAA 2024
(arXiv 2410.06536), and its code; numbers of equations are those of docs/methods/desorec.md. How the labels
are made: `tacit.parts.propagation`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, Self

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from tacit.data.softlabels import SoftLabels
from tacit.errors import OptionError
from tacit.parts.choices import check_choices
from tacit.parts.propagation import Propagation
from tacit.schemes.scheme import Scheme, from_options
from tacit.types import Batch, Candidates, Losses, Need, Scored, Similarity, Slot, TrainingData


@dataclass(frozen=True)
class SoftCandidates:
    """The soft-labelled items of each example as its candidates, with their labels; no chance.

    Without `labels` and `file`, of an artifact that holds some, `fit` makes them before it trains, as `made`
    says.
    """

    labels: SoftLabels | None = field(default=None, repr=False)
    file: str | None = None
    made: Propagation = field(default_factory=Propagation)
    gives_labels: ClassVar[bool] = True
    slot: ClassVar[Slot] = "sampler"
    needs: ClassVar[frozenset[Need]] = frozenset()

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, batch: Batch, generator: torch.Generator) -> Candidates:
        if self.labels is None:
            raise OptionError("there are no soft labels yet: train by tacit.fit, or give some as labels")
        items, shares, counts = self.labels.of(batch.rows.numpy(), batch.targets.numpy())
        others, labels = torch.from_numpy(items), torch.from_numpy(shares)
        valid = torch.arange(others.shape[1]) < torch.from_numpy(counts)[:, None]
        return Candidates(batch.targets, others, torch.zeros(others.shape), valid=valid, labels=labels)


@dataclass(frozen=True)
class Decoupled:
    """(4): balance * L1 + (1 - balance) * L2 over the whole catalogue.

    With R the log-sum-exp of all scores but the target's, m = s_t - R and q_t the target's label,
    q' = trust * q_t + 1 - trust:

    L1 = q' softplus(-m) + (1 - q') softplus(m), how sure of the target to be (3);
    L2 = sum over the labelled others of q^_j log q^_j - q^_j s_j, plus R: what else there was to like, q^ the
    labels of the others over their sum; 0 where there are none.

    No (Q, N) matrix: the labelled items come as candidates, R is a number a query. (trust, balance) = (0, 1)
    is the softmax of the catalogue. Returns (Q,). Raises `OptionError` for a share outside [0, 1], a
    temperature that is no positive number, and a similarity that there is not.
    """

    trust: float = 0.3  # lambda 1: of the label's confidence in the target, against certainty
    balance: float = 0.7  # lambda 2: weight of the target's term against the others'
    temperature: float = 1.0
    similarity: Similarity = "dot"
    slot: ClassVar[Slot] = "objective"
    needs: ClassVar[frozenset[Need]] = frozenset({"vectors", "soft_labels"})
    catalogue: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_choices(self)
        for name in ("trust", "balance"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"{name} must lie between 0 and 1, not {getattr(self, name)}")
        if not 0 < self.temperature < math.inf:
            raise OptionError(f"temperature must be a positive number, not {self.temperature}")

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, scored: Scored) -> Losses:
        assert scored.log_rest is not None
        rest, labels = scored.log_rest, scored.labels[:, 1:]
        mass = labels.sum(1)
        margin = scored.scores[:, 0] - rest
        confident = 1 - self.trust * mass
        target = confident * softplus(-margin) + (1 - confident) * softplus(margin)
        supported = mass > 0
        shares = labels / torch.where(supported, mass, 1.0)[:, None]
        there = shares > 0
        cells = torch.where(
            there, shares * (torch.where(there, shares, 1.0).log() - scored.scores[:, 1:]), 0.0
        )
        others = torch.where(supported, cells.sum(1) + rest, 0.0)
        return Losses(self.balance * target + (1 - self.balance) * others)

    def logits(self, scored: Scored) -> Float[Tensor, "Q C"]:
        return scored.scores


@dataclass(frozen=True)
class DeSoRecScheme:
    """DeSoRec (DASFAA 2024): softmax of the catalogue on soft labels, decoupled."""

    use: Literal["desorec"] = "desorec"
    trust: float = 0.3  # lambda 1: of the label's confidence in the target, against certainty
    balance: float = 0.7  # lambda 2: weight of the target's term against the others'
    labels: str | None = None  # folder of soft labels; nothing: fit trains by softmax first and makes them
    clusters: int = 16  # of examples; those of different clusters are never neighbours
    distance: float | None = None  # temperature of distances; nothing: `scale` times the usual to the nearest
    scale: float = 1.0  # of that temperature
    alpha: float = 0.5  # how much comes from neighbours in each step
    steps: int = 20  # of the propagation
    graph: Literal["nearest", "dense"] = "nearest"  # neighbours: the nearest, or the whole cluster
    neighbours: int = 64  # nearest: of each example
    keep: int = 100  # nearest: items of a row that are kept
    temperature: float = 1.0  # scores are divided by it
    similarity: Similarity = "dot"  # of a user's and an item's vector

    def __post_init__(self) -> None:
        check_choices(self)
        self.build()

    def build(self) -> Scheme:
        """The scheme of these options."""
        made = Propagation(**{option.name: getattr(self, option.name) for option in fields(Propagation)})
        objective = Decoupled(self.trust, self.balance, self.temperature, self.similarity)
        return Scheme(SoftCandidates(file=self.labels, made=made), objective)


def desorec(**options: Any) -> Scheme:
    """Scheme of `DeSoRecScheme(**options)`."""
    return from_options(DeSoRecScheme, options)
