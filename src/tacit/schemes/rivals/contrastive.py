"""Losses of cosines against many candidates: SimpleX's cosine contrastive loss, BSL, label smoothing.

Sources: Mao et al., "SimpleX", CIKM 2021; Wu et al., "BSL: Understanding and Improving Softmax Loss for
Recommendation", ICDE 2024; Szegedy et al., CVPR 2016 for label smoothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tacit.errors import OptionError
from tacit.parts.samplers import Uniform
from tacit.schemes.scheme import Scheme
from tacit.types import Losses, Need, Objective, Scored, Similarity, Slot, TrainingData


def _valid(scored: Scored) -> Bool[Tensor, "Q M"]:
    return scored.log_weights[:, 1:] > -torch.inf


@dataclass(frozen=True)
class CosineContrastive:
    """CCL: 1 - cos+ + weight * mean over candidates of max(0, cos - margin)."""

    margin: float = 0.4  # cosine below which a candidate costs nothing
    weight: float = 300.0  # of the candidates' mean
    slot: ClassVar[Slot] = "objective"
    needs: ClassVar[frozenset[Need]] = frozenset()
    catalogue: ClassVar[bool] = False
    one_target: ClassVar[bool] = True
    temperature: ClassVar[float] = 1.0
    similarity: ClassVar[Similarity] = "cosine"

    def __post_init__(self) -> None:
        if not -1 <= self.margin <= 1 or not self.weight >= 0:
            raise OptionError(
                f"margin is a cosine and weight at least 0, not {self.margin:g} and {self.weight:g}"
            )

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, scored: Scored) -> Losses:
        valid = _valid(scored)
        over = torch.where(valid, (scored.scores[:, 1:] - self.margin).clamp(min=0), 0.0)
        weights = scored.log_weights[:, 1:].exp()
        mean = (weights * over).sum(1) / valid.sum(1).clamp(min=1)
        return Losses(1 - scored.scores[:, 0] + self.weight * mean)

    def logits(self, scored: Scored) -> Float[Tensor, "Q C"]:
        return scored.scores


@dataclass(frozen=True)
class BilateralSoftmax:
    """BSL: -s+ + ratio * logsumexp of the candidates' scores; the target is not in the sum."""

    temperature: float = 0.1  # scores are divided by it
    ratio: float = 1.0  # temperature of positives over that of negatives
    similarity: Similarity = "cosine"  # of a user's and an item's vector
    slot: ClassVar[Slot] = "objective"
    needs: ClassVar[frozenset[Need]] = frozenset()
    catalogue: ClassVar[bool] = False
    one_target: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not (self.temperature > 0 and self.ratio > 0):
            raise OptionError(
                f"temperature and ratio must be positive, not {self.temperature} and {self.ratio}"
            )

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, scored: Scored) -> Losses:
        others = scored.scores[:, 1:] + scored.log_weights[:, 1:]
        rest = self.ratio * others.logsumexp(1)
        if not bool(rest.detach().isfinite().all()):
            some = _valid(scored).any(1)
            rest = torch.where(some, self.ratio * torch.where(some[:, None], others, 0.0).logsumexp(1), 0.0)
        return Losses(rest - scored.scores[:, 0])

    def logits(self, scored: Scored) -> Float[Tensor, "Q C"]:
        return scored.scores


@dataclass(frozen=True)
class SmoothedSoftmax:
    """(1 - smoothing) CE of the target + smoothing * mean CE over it and the sampled candidates."""

    temperature: float = 0.1  # scores are divided by it
    smoothing: float = 0.1  # share of the loss that is spread over all candidates
    similarity: Similarity = "cosine"  # of a user's and an item's vector
    slot: ClassVar[Slot] = "objective"
    needs: ClassVar[frozenset[Need]] = frozenset()
    catalogue: ClassVar[bool] = False
    one_target: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not (self.temperature > 0 and 0 <= self.smoothing <= 1):
            raise OptionError(
                "temperature must be positive and smoothing in [0, 1], "
                f"not {self.temperature} and {self.smoothing}"
            )

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, scored: Scored) -> Losses:
        kept = scored.log_weights > -torch.inf
        mean = torch.where(kept, scored.scores, 0.0).sum(1) / kept.sum(1)
        whole = (scored.scores + scored.log_weights).logsumexp(1)
        return Losses(whole - (1 - self.smoothing) * scored.scores[:, 0] - self.smoothing * mean)

    def logits(self, scored: Scored) -> Float[Tensor, "Q C"]:
        return scored.scores


@dataclass(frozen=True)
class CCLScheme:
    """MF under SimpleX's loss (CIKM 2021)."""

    use: Literal["ccl"] = "ccl"
    negatives: int = 1024  # candidates of the batch
    margin: float = 0.4  # cosine below which a candidate costs nothing
    weight: float = 300.0  # of the candidates' mean

    def build(self) -> Scheme:
        """The scheme of these options."""
        return _shared(self.negatives, CosineContrastive(self.margin, self.weight))


@dataclass(frozen=True)
class BSLScheme:
    """Bilateral softmax loss (ICDE 2024)."""

    use: Literal["bsl"] = "bsl"
    negatives: int = 1024  # candidates of the batch
    temperature: float = 0.1  # scores are divided by it
    ratio: float = 1.0  # temperature of positives over that of negatives

    def build(self) -> Scheme:
        """The scheme of these options."""
        return _shared(self.negatives, BilateralSoftmax(self.temperature, self.ratio))


@dataclass(frozen=True)
class SmoothedScheme:
    """Sampled softmax with smoothed labels."""

    use: Literal["label-smoothing"] = "label-smoothing"
    negatives: int = 1024  # candidates of the batch
    temperature: float = 0.1  # scores are divided by it
    smoothing: float = 0.1  # share of the loss that is spread over all candidates

    def build(self) -> Scheme:
        """The scheme of these options."""
        return _shared(self.negatives, SmoothedSoftmax(self.temperature, self.smoothing))


def _shared(negatives: int, objective: Objective) -> Scheme:
    return Scheme(Uniform(negatives, shared=True), objective)


def ccl(**options: Any) -> Scheme:
    """Scheme of `CCLScheme(**options)`."""
    return CCLScheme(**options).build()


def bsl(**options: Any) -> Scheme:
    """Scheme of `BSLScheme(**options)`."""
    return BSLScheme(**options).build()


def label_smoothing(**options: Any) -> Scheme:
    """Scheme of `SmoothedScheme(**options)`."""
    return SmoothedScheme(**options).build()
