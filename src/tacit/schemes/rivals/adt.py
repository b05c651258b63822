"""ADT, adaptive denoising training: distrusts positives of large loss, by truncation or by weights.

Source: Wang et al., "Denoising Implicit Feedback for Recommendation", WSDM 2021, and its authors' code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NoReturn, Self

import torch

from tacit.errors import OptionError
from tacit.parts.objectives import BCE
from tacit.parts.regularisers import EmbeddingNorm
from tacit.parts.samplers import Uniform
from tacit.parts.schedules import Linear
from tacit.protocols import CandidateObjective, Objective
from tacit.schemes.scheme import Scheme, from_options
from tacit.types import Clock, Need, Scored, Slot, TrainingData


@dataclass(frozen=True)
class TruncatedLoss:
    """T-CE: drops positives of largest loss; the rate, a share of all cells, rises over `growth` epochs.

    As in the authors' code: of n valid cells floor((1 - rate) n) stay, and only positives can go. Raises
    `OptionError` where that rate would leave no positive in the end.
    """

    rate: float = 0.1  # share of all cells of a batch that goes at the end
    growth: float = 10.0  # epochs until then
    slot: ClassVar[Slot] = "refiner"
    needs: ClassVar[frozenset[Need]] = frozenset({"candidate_loss", "settled"})

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise OptionError(f"rate is a share in [0, 1), not {self.rate}")
        if not self.growth >= 0:
            raise OptionError(f"growth is a number of epochs, at least 0, not {self.growth}")

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, scored: Scored, objective: Objective, clock: Clock) -> Scored:
        assert isinstance(objective, CandidateObjective)
        cells = int((scored.log_weights > -torch.inf).sum())
        if self.rate * cells >= len(scored.scores):
            _refuse(self.rate, cells // len(scored.scores) - 1)
        rate = self.rate * Linear(0.0, 1.0, self.growth)(clock)
        positive = (scored.labels[:, 0] == 1).nonzero()[:, 0]
        count = min(cells - math.floor((1 - rate) * cells + 1e-9), len(positive))
        if count == 0:
            return scored
        loss = objective.under(objective.logits(scored).detach()[positive, 0], 1)
        loss = loss.where(~loss.isnan(), -torch.inf)  # stays, so that training stops there
        worst = positive[loss.sort(descending=True, stable=True).indices[:count]]
        log_weights = scored.log_weights.clone()
        log_weights[worst, 0] = -torch.inf
        return replace(scored, log_weights=log_weights)


@dataclass(frozen=True)
class ReweightedLoss:
    """R-CE: weights p^a of positives and (1 - p)^a of the others, p the detached probability.

    Raises `OptionError` for an a that is negative or no number.
    """

    power: float = 0.25  # of the detached probability; 0: plain BCE
    slot: ClassVar[Slot] = "refiner"
    needs: ClassVar[frozenset[Need]] = frozenset({"candidate_loss", "settled"})

    def __post_init__(self) -> None:
        if not 0 <= self.power < math.inf:
            raise OptionError(f"power is a number, at least 0, not {self.power}")

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, scored: Scored, objective: Objective, clock: Clock) -> Scored:
        logits = objective.logits(scored).detach()
        right = torch.where(scored.labels > 0.5, logits, -logits)
        weights = self.power * torch.nn.functional.logsigmoid(right)
        return replace(scored, log_weights=scored.log_weights + weights)


@dataclass(frozen=True)
class TCEScheme:
    """Truncated cross-entropy (ADT, WSDM 2021)."""

    use: Literal["t-ce"] = "t-ce"
    rate: float = 0.1  # share of all cells of a batch that goes at the end
    growth: float = 10.0  # epochs until then
    negatives: int = 1  # candidates for each pair
    l2: float = 0.0  # strength of the squared norm of the batch's embeddings

    def __post_init__(self) -> None:
        if self.rate * (1 + self.negatives) >= 1:
            _refuse(self.rate, self.negatives)
        self.build()

    def build(self) -> Scheme:
        """The scheme of these options."""
        return _scheme(TruncatedLoss(self.rate, self.growth), self.negatives, self.l2, "kept")


@dataclass(frozen=True)
class RCEScheme:
    """Reweighted cross-entropy (ADT, WSDM 2021)."""

    use: Literal["r-ce"] = "r-ce"
    power: float = 0.25  # of the detached probability; 0: plain BCE
    negatives: int = 1  # candidates for each pair
    l2: float = 0.0  # strength of the squared norm of the batch's embeddings

    def __post_init__(self) -> None:
        self.build()

    def build(self) -> Scheme:
        """The scheme of these options."""
        return _scheme(ReweightedLoss(self.power), self.negatives, self.l2, "fixed")


def _refuse(rate: float, negatives: int) -> NoReturn:
    raise OptionError(
        f"rate {rate:g} is a share of all cells, of which one in {1 + negatives} is a positive: none would "
        f"be left; set it below {1 / (1 + negatives):.2g}"
    )


def _scheme(
    refiner: TruncatedLoss | ReweightedLoss, negatives: int, l2: float, normalise: Literal["fixed", "kept"]
) -> Scheme:
    regularisers = (EmbeddingNorm(l2),) if l2 else ()
    objective = BCE(normalise=normalise)
    return Scheme(Uniform(negatives), objective, refiners=(refiner,), regularisers=regularisers)


def t_ce(**options: Any) -> Scheme:
    """Scheme of `TCEScheme(**options)`."""
    return from_options(TCEScheme, options)


def r_ce(**options: Any) -> Scheme:
    """Scheme of `RCEScheme(**options)`."""
    return from_options(RCEScheme, options)
