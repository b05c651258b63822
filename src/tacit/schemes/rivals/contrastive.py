"""Losses of cosines against many candidates: SimpleX's cosine contrastive loss, and BSL.

Sources: Mao et al., "SimpleX", CIKM 2021; Wu et al., "BSL: Understanding and Improving Softmax Loss for
Recommendation", ICDE 2024.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tacit.errors import OptionError
from tacit.parts.samplers import Uniform
from tacit.protocols import Objective
from tacit.schemes.scheme import Scheme, from_options
from tacit.types import Losses, Need, Scored, Similarity, Slot, TrainingData


def valid_others(scored: Scored) -> Bool[Tensor, "Q M"]:
    """Which candidates beside the target are not dropped."""
    return scored.log_weights[:, 1:] > -torch.inf


def log_sum(scores: Float[Tensor, "Q C"], log_weights: Float[Tensor, "Q C"]) -> Float[Tensor, "Q"]:
    """Log-sum-exp of weighted scores; what is dropped is masked where its score may be +inf."""
    whole = (scores + log_weights).logsumexp(1)
    if not bool(whole.detach().isnan().any()):
        return whole
    return (scores.masked_fill(log_weights == -torch.inf, -torch.inf) + log_weights).logsumexp(1)


@dataclass(frozen=True)
class CosineContrastive:
    """CCL: 1 - cos+ + weight * mean over candidates of max(0, cos - margin); (Q,). Mao et al., CIKM 2021.

    The mean is over the row's valid candidates; a row without any costs 1 - cos+. Raises `OptionError` for a
    margin that is no cosine, or a weight that is negative or no number.
    """

    margin: float = 0.4  # cosine below which a candidate costs nothing
    weight: float = 300.0  # of the candidates' mean; its authors' for 90,000 items, small logs want less
    slot: ClassVar[Slot] = "objective"
    needs: ClassVar[frozenset[Need]] = frozenset()
    catalogue: ClassVar[bool] = False
    one_target: ClassVar[bool] = True
    temperature: ClassVar[float] = 1.0
    similarity: ClassVar[Similarity] = "cosine"

    def __post_init__(self) -> None:
        if not (-1 <= self.margin <= 1 and 0 <= self.weight < math.inf):
            raise OptionError(
                "margin is a cosine and weight a number of at least 0, "
                f"not {self.margin:g} and {self.weight:g}"
            )

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, scored: Scored) -> Losses:
        valid = valid_others(scored)
        over = torch.where(valid, (scored.scores[:, 1:] - self.margin).clamp(min=0), 0.0)
        weights = scored.log_weights[:, 1:].exp()
        mean = (weights * over).sum(1) / valid.sum(1).clamp(min=1)
        return Losses(1 - scored.scores[:, 0] + self.weight * mean)

    def logits(self, scored: Scored) -> Float[Tensor, "Q C"]:
        return scored.scores


@dataclass(frozen=True)
class BilateralSoftmax:
    """BSL: -s+ + ratio * logsumexp of the candidates' scores; (Q,). The target is not in the sum.

    Both terms are over one temperature, as in the authors' code (Wu et al., ICDE 2024). A row without
    candidates costs -s+. Raises `OptionError` where temperature or ratio is not a positive number.
    """

    temperature: float = 0.1  # scores are divided by it
    ratio: float = 1.0  # temperature of positives over that of negatives
    similarity: Similarity = "cosine"  # of a user's and an item's vector
    slot: ClassVar[Slot] = "objective"
    needs: ClassVar[frozenset[Need]] = frozenset()
    catalogue: ClassVar[bool] = False
    one_target: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not (0 < self.temperature < math.inf and 0 < self.ratio < math.inf):
            raise OptionError(
                f"temperature and ratio must be positive numbers, not {self.temperature} and {self.ratio}"
            )

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, scored: Scored) -> Losses:
        others, log_weights = scored.scores[:, 1:], scored.log_weights[:, 1:]
        rest = log_sum(others, log_weights)
        if not bool(rest.detach().isfinite().all()):
            some = valid_others(scored).any(1)[:, None]
            rest = log_sum(others.where(some, 0.0), log_weights.where(some, 0.0)).where(some[:, 0], 0.0)
        return Losses(self.ratio * rest - scored.scores[:, 0])

    def logits(self, scored: Scored) -> Float[Tensor, "Q C"]:
        return scored.scores


@dataclass(frozen=True)
class CCLScheme:
    """Cosine contrastive loss, that of SimpleX (CIKM 2021)."""

    use: Literal["ccl"] = "ccl"
    negatives: int = 1024  # candidates of the batch
    margin: float = 0.4  # cosine below which a candidate costs nothing
    weight: float = 300.0  # of the candidates' mean; its authors' for 90,000 items, small logs want less

    def build(self) -> Scheme:
        """The scheme of these options. Raises `OptionError` for one out of range."""
        return _shared(self.negatives, CosineContrastive(self.margin, self.weight))


@dataclass(frozen=True)
class BSLScheme:
    """Bilateral softmax loss (ICDE 2024)."""

    use: Literal["bsl"] = "bsl"
    negatives: int = 1024  # candidates of the batch
    temperature: float = 0.1  # scores are divided by it
    ratio: float = 1.0  # temperature of positives over that of negatives

    def build(self) -> Scheme:
        """The scheme of these options. Raises `OptionError` for one out of range."""
        return _shared(self.negatives, BilateralSoftmax(self.temperature, self.ratio))


def _shared(negatives: int, objective: Objective) -> Scheme:
    return Scheme(Uniform(negatives, shared=True), objective)


def ccl(**options: Any) -> Scheme:
    """Scheme of `CCLScheme(**options)`."""
    return from_options(CCLScheme, options)


def bsl(**options: Any) -> Scheme:
    """Scheme of `BSLScheme(**options)`."""
    return from_options(BSLScheme, options)
