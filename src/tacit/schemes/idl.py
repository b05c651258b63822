"""IDL, inverse dual loss: unlabelled candidates are labelled from their loss under both labels.

Source: Lin et al., "Inverse Learning with Extremely Sparse Feedback for Recommendation", WSDM 2024 (arXiv
2311.08302), and its authors' code. Equations are numbered as in docs/methods/idl-ig.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

import torch
from jaxtyping import Float
from torch import Tensor

from tacit.errors import OptionError
from tacit.parts.objectives import BCE
from tacit.parts.regularisers import EmbeddingNorm
from tacit.parts.samplers import Shown, Uniform
from tacit.schemes.scheme import Scheme
from tacit.types import CandidateObjective, Clock, Need, Objective, Scored, Slot, TrainingData

POSITIVE_ONLY = 0.1  # prior of a positive among unlabelled pairs, where the log holds no explicit no


def soft_label(
    if_positive: Float[Tensor, "*cells"],
    if_negative: Float[Tensor, "*cells"],
    prior: float = 0.5,
    sharpness: float = 2.0,
) -> Float[Tensor, "*cells"]:
    """(10): w+ = prior l-^k / (prior l-^k + (1 - prior) l+^k), the label that the model finds cheaper.

    l+ and l- are the losses under label 1 and 0, non-negative. From their ratio, so nothing overflows.
    """
    ratio = torch.minimum(if_positive, if_negative) / torch.maximum(if_positive, if_negative)
    dear = ratio**sharpness
    likely = prior / (prior + (1 - prior) * dear)
    unlikely = prior * dear / (prior * dear + 1 - prior)
    return torch.where(if_negative >= if_positive, likely, unlikely)


@dataclass(frozen=True)
class IDL:
    """A refiner: writes (10), detached, into the labels of unlabelled candidates; BCE on them is (7).

    On positive-only data the published form labels everything positive in the end (docs/methods/idl-ig.md):
    there `prior` and `warmup` default to .1 and 1 epoch; with explicit noes to .5 and 0, the authors' setting.
    """

    prior: float | None = None
    sharpness: float = 2.0
    warmup: float | None = None  # epochs in which unlabelled candidates count as noes
    _noes: bool = field(default=False, repr=False, compare=False)
    slot: ClassVar[Slot] = "refiner"
    needs: ClassVar[frozenset[Need]] = frozenset({"candidate_loss"})

    def __post_init__(self) -> None:
        if self.prior is not None and not 0 < self.prior < 1:
            raise OptionError(f"prior is a share between 0 and 1, not {self.prior}")
        if not self.sharpness > 0:
            raise OptionError(f"sharpness must be positive, not {self.sharpness}")

    def bind(self, data: TrainingData) -> Self:
        return replace(self, _noes=len(data.noes.indices) > 0)

    def starts(self, clock: Clock) -> bool:
        """Whether the warm-up is over."""
        warmup = self.warmup if self.warmup is not None else float(not self._noes)
        return clock.step >= warmup * clock.steps_per_epoch

    def __call__(self, scored: Scored, objective: Objective, clock: Clock) -> Scored:
        if not self.starts(clock):
            return scored
        assert isinstance(objective, CandidateObjective)
        prior = self.prior if self.prior is not None else (0.5 if self._noes else POSITIVE_ONLY)
        logits = objective.logits(scored).detach()
        label = soft_label(objective.under(logits, 1), objective.under(logits, 0), prior, self.sharpness)
        unlabelled = ~scored.observed & (scored.log_weights > -torch.inf)
        return replace(scored, labels=torch.where(unlabelled, label, scored.labels))


@dataclass(frozen=True)
class IDLScheme:
    """Inverse dual loss (WSDM 2024)."""

    use: Literal["idl"] = "idl"
    prior: float | None = None  # None: .5 where the log holds explicit noes, else .1
    sharpness: float = 2.0
    warmup: float | None = None  # epochs; None: 0 where the log holds explicit noes, else 1
    draw: Literal["uniform", "impressions"] = "uniform"
    negatives: int = 4  # unlabelled candidates of each labelled pair
    temperature: float = 1.0
    similarity: Literal["dot", "cosine"] = "dot"
    l2: float = 1e-4

    def build(self) -> Scheme:
        """The scheme of these options."""
        sampler = Uniform(self.negatives) if self.draw == "uniform" else Shown(self.negatives)
        return Scheme(
            sampler,
            BCE(self.temperature, self.similarity),
            refiners=(IDL(self.prior, self.sharpness, self.warmup),),
            regularisers=(EmbeddingNorm(self.l2),) if self.l2 else (),
        )


def idl(**options: Any) -> Scheme:
    """Scheme of `IDLScheme(**options)`."""
    return IDLScheme(**options).build()
