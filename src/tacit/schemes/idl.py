"""IDL, inverse dual loss: unlabelled candidates are labelled from their loss under both labels.

Source: Lin et al., "Inverse Learning with Extremely Sparse Feedback for Recommendation", WSDM 2024 (arXiv
2311.08302), and its authors' code. Equations are numbered as in docs/methods/idl-ig.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import torch
from jaxtyping import Float
from torch import Tensor

from tacit.errors import OptionError
from tacit.parts.choices import check_choices
from tacit.parts.objectives import BCE
from tacit.parts.regularisers import EmbeddingNorm
from tacit.parts.samplers import Shown, Uniform
from tacit.protocols import CandidateObjective, Objective
from tacit.schemes.scheme import Scheme, from_options
from tacit.types import Clock, Need, Scored, Similarity, Slot, TrainingData


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

    With the authors' prior of .5 and no warm-up, positive-only data are all labelled yes in the end, and with
    explicit noes half of the catalogue is. A label that another refiner raised above (10) stays. Notes for
    the log: mean p of the unlabelled candidates, and the share with p > 1/2. Raises `OptionError` for a prior
    outside (0, 1), a sharpness that is not positive, or a negative warm-up.
    """

    prior: float = 0.1  # of a yes among unlabelled pairs; the authors' is .5
    sharpness: float = 2.0  # power of the losses whose ratio is the label
    warmup: float = 1.0  # epochs in which unlabelled pairs are noes; the authors' is 0
    slot: ClassVar[Slot] = "refiner"
    needs: ClassVar[frozenset[Need]] = frozenset({"candidate_loss", "unlabelled"})

    def __post_init__(self) -> None:
        if not 0 < self.prior < 1:
            raise OptionError(f"prior is a share between 0 and 1, not {self.prior}")
        if not 0 < self.sharpness < float("inf"):
            raise OptionError(f"sharpness must be positive, not {self.sharpness}")
        if not self.warmup >= 0:
            raise OptionError(f"warmup is a number of epochs, at least 0, not {self.warmup}")

    def bind(self, data: TrainingData) -> Self:
        return self

    @property
    def begins(self) -> float:
        """Epochs of the warm-up."""
        return self.warmup

    def starts(self, clock: Clock) -> bool:
        """Whether the warm-up is over."""
        return clock.step >= self.warmup * clock.steps_per_epoch

    def __call__(self, scored: Scored, objective: Objective, clock: Clock) -> Scored:
        unlabelled = ~scored.observed & (scored.log_weights > -torch.inf)
        count = unlabelled.sum()
        if not count:
            return scored
        assert isinstance(objective, CandidateObjective)
        logits = objective.logits(scored).detach()
        notes = {
            "p": logits.sigmoid().where(unlabelled, 0).sum() / count,
            "p_over_half": ((logits > 0) & unlabelled).sum() / count,
        }
        scored = replace(scored, notes=scored.notes | notes)
        if not self.starts(clock):
            return scored
        losses = objective.under(logits, 1), objective.under(logits, 0)
        label = soft_label(*losses, self.prior, self.sharpness).maximum(scored.labels)
        return replace(scored, labels=torch.where(unlabelled, label, scored.labels))


@dataclass(frozen=True)
class IDLScheme:
    """Inverse dual loss (Lin et al., WSDM 2024): unlabelled candidates are labelled by the model itself."""

    use: Literal["idl"] = "idl"
    prior: float = 0.1  # of a yes among unlabelled pairs; the authors' is .5
    sharpness: float = 2.0  # power of the losses whose ratio is the label
    warmup: float = 1.0  # epochs in which unlabelled pairs are noes; the authors' is 0
    draw: Literal["uniform", "impressions"] = "uniform"  # where unlabelled candidates come from
    negatives: int = 4  # unlabelled candidates of each labelled pair
    temperature: float = 1.0  # scores are divided by it
    similarity: Similarity = "dot"  # of a user's and an item's vector
    l2: float = 1e-4  # strength of the squared norm of the batch's embeddings

    def __post_init__(self) -> None:
        check_choices(self)
        self.build()

    def build(self) -> Scheme:
        """The scheme of these options."""
        return Scheme(
            Uniform(self.negatives) if self.draw == "uniform" else Shown(self.negatives),
            BCE(self.temperature, self.similarity),
            refiners=(IDL(self.prior, self.sharpness, self.warmup),),
            regularisers=(EmbeddingNorm(self.l2),) if self.l2 else (),
        )


def idl(**options: Any) -> Scheme:
    """Scheme of `IDLScheme(**options)`."""
    return from_options(IDLScheme, options)
