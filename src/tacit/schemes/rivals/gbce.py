"""gBCE: binary cross-entropy whose target weighs less, because few of the other items are drawn.

Source: Petrov and Macdonald, "gSASRec: Reducing Overconfidence in Sequential Recommendation Trained with
Negative Sampling", RecSys 2023, eq. 9 and 12.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tacit.errors import OptionError
from tacit.parts.choices import check_choices
from tacit.parts.objectives import BCE
from tacit.parts.regularisers import EmbeddingNorm
from tacit.parts.samplers import Uniform
from tacit.schemes.scheme import Scheme, from_options
from tacit.types import Losses, Need, Scored, Similarity, Slot, TrainingData


@dataclass(frozen=True)
class CalibratedBCE:
    """BCE, a positive's loss times beta = 1 - calibration * (1 - a), a = M / (N - 1) the share drawn; (Q,).

    At `calibration` 0 it is BCE; at 1 a score's sigmoid is the probability of a yes, however few candidates
    are drawn. Labels and weights of candidates mean what they mean to BCE, and an explicit no weighs what it
    does there. Raises `OptionError` for a calibration outside [0, 1], a temperature that is no positive
    number, and a similarity that there is not.
    """

    calibration: float = 0.75  # t
    temperature: float = 1.0
    similarity: Similarity = "dot"
    _n_items: int | None = field(default=None, repr=False, compare=False)
    slot: ClassVar[Slot] = "objective"
    needs: ClassVar[frozenset[Need]] = frozenset({"candidates"})
    catalogue: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_choices(self)
        if not 0 <= self.calibration <= 1:
            raise OptionError(f"calibration must lie between 0 and 1, not {self.calibration}")
        if not 0 < self.temperature < math.inf:
            raise OptionError(f"temperature must be a positive number, not {self.temperature}")

    def bind(self, data: TrainingData) -> Self:
        return replace(self, _n_items=data.n_items)

    def weight(self, candidates: Int[Tensor, "Q"]) -> Float[Tensor, "Q"]:
        """beta, of a target beside so many candidates."""
        if self._n_items is None:
            raise OptionError("this objective has seen no data yet: call bind(data) first")
        drawn = (candidates / max(self._n_items - 1, 1)).clamp(max=1)
        return 1 - self.calibration * (1 - drawn)

    def __call__(self, scored: Scored) -> Losses:
        there = (scored.log_weights > -torch.inf) | ~scored.observed
        beta = self.weight(there[:, 1:].sum(1)).to(scored.scores)
        weight = torch.where(scored.labels[:, 0] > 0, beta, 1.0)
        target = scored.log_weights[:, :1] + weight.log()[:, None]
        log_weights = torch.cat([target, scored.log_weights[:, 1:]], 1)
        return BCE(self.temperature, self.similarity)(replace(scored, log_weights=log_weights))

    def logits(self, scored: Scored) -> Float[Tensor, "Q C"]:
        return scored.scores

    def under(self, scores: Tensor, label: Literal[0, 1]) -> Tensor:
        return BCE().under(scores, label)


@dataclass(frozen=True)
class GBCEScheme:
    """gBCE (RecSys 2023): cross-entropy calibrated for the candidates that are not drawn."""

    use: Literal["gbce"] = "gbce"
    calibration: float = 0.75  # t: 0 is bce, 1 calibrates in full
    negatives: int = 256  # candidates for each pair, or for the batch where shared
    shared: bool = False  # one set of candidates for the whole batch
    temperature: float = 1.0  # scores are divided by it
    similarity: Similarity = "dot"  # of a user's and an item's vector
    l2: float = 0.0  # strength of the squared norm of the batch's embeddings

    def __post_init__(self) -> None:
        check_choices(self)
        self.build()

    def build(self) -> Scheme:
        """The scheme of these options."""
        objective = CalibratedBCE(self.calibration, self.temperature, self.similarity)
        regularisers = (EmbeddingNorm(self.l2),) if self.l2 else ()
        return Scheme(Uniform(self.negatives, self.shared), objective, regularisers=regularisers)


def gbce(**options: Any) -> Scheme:
    """Scheme of `GBCEScheme(**options)`."""
    return from_options(GBCEScheme, options)
