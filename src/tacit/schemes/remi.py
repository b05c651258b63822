"""REMI: interest-aware hard negatives and routing regularisation for several interests of one history.

Source: Xie et al., "Rethinking Multi-Interest Learning for Candidate Matching in Recommender Systems",
RecSys 2023 (arXiv 2302.14532); numbers of equations are those of docs/methods/remi.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from tacit.errors import OptionError, SchemeError
from tacit.parts.choices import check_choices
from tacit.parts.objectives import SampledSoftmax, any_positive
from tacit.parts.samplers import InBatch, Nothing, Popularity, Uniform
from tacit.protocols import Objective, Sampler
from tacit.schemes.scheme import Scheme, from_options
from tacit.types import (
    Batch,
    Candidates,
    Clock,
    Encoded,
    Losses,
    Need,
    Scored,
    Similarity,
    Slot,
    TrainingData,
)

NOTED = 8  # steps from one note to the next


@dataclass(frozen=True)
class InterestAware:
    """Interest-aware hard negatives (2)-(4): candidates weighed by how much the interest confuses them.

    A refiner. It adds log w_i to the log weights, w_i = M exp(hardness s_i) / q_i over the sum of
    exp(hardness s_j) / q_j, M the weight of all candidates of the row before: their sum stays M, and a
    softmax over the target's score and s_i + log w_i is the softmax against M negatives drawn from
    q_hardness(i) ~ exp(hardness s_i). q is the sampler's; the target is not corrected. Hardness 0 changes
    nothing under uniform draws; the larger, the more the hardest candidate stands for all. Candidates with a
    soft label above 0, which another refiner calls positive, keep their weight and are none of the M.

    With `detach` gradients do not reach the weights. In the authors' code they do: easy candidates are then
    pulled towards the interest. Two numbers are noted in every eighth step, means over rows:
    `effective_negatives`, 1 / sum (w_i / M)^2, and `spread_of_scores`, the standard deviation of the
    candidates' scores, which is what hardness works on.
    """

    hardness: float = 1.0  # beta: of scores in the weights; 0 is none
    detach: bool = False  # whether gradients stop at the weights
    slot: ClassVar[Slot] = "refiner"
    needs: ClassVar[frozenset[Need]] = frozenset({"candidates", "softmax"})

    def __post_init__(self) -> None:
        if not 0 <= self.hardness < torch.inf:
            raise OptionError(f"hardness must be at least 0, not {self.hardness}")

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, scored: Scored, objective: Objective, clock: Clock) -> Scored:
        held = scored.log_weights[:, 1:]
        if held.shape[1] == 0:
            return scored
        scores = objective.logits(scored)[:, 1:]
        kept = held > -torch.inf
        promoted = any_positive(scored.labels[:, 1:])
        if promoted:
            kept = kept & (scored.labels[:, 1:] == 0)
        alive = kept.any(1, keepdim=True)
        sharpened = (held - scored.log_q[:, 1:]).add(scores, alpha=self.hardness)
        whole = not promoted and bool(alive.all()) and bool(scores.detach().sum().isfinite())
        if not whole:
            sharpened = torch.where(alive, torch.where(kept, sharpened, -torch.inf), 0.0)
        shares = sharpened.log_softmax(1)
        if self.detach:
            shares = shares.detach()
        negatives = held if whole else torch.where(alive, torch.where(kept, held, -torch.inf), 0.0)
        others = shares + negatives.logsumexp(1, keepdim=True)
        if not whole:
            others = torch.where(kept, others, held)
        log_weights = torch.cat([scored.log_weights[:, :1], others], 1)
        notes = scored.notes
        if clock.step % min(NOTED, clock.steps_per_epoch) == 0:
            notes = notes | _notes(scores.detach(), shares.detach()[alive[:, 0]])
        return replace(scored, log_weights=log_weights, notes=notes)


def _notes(scores: Float[Tensor, "Q M"], shares: Float[Tensor, "alive M"]) -> dict[str, Tensor]:
    notes = {"spread_of_scores": scores.std(1, correction=0).mean()}
    if len(shares):
        notes["effective_negatives"] = (2 * shares).exp().sum(1).reciprocal().mean()
    return notes


@dataclass(frozen=True)
class InterestAwareSoftmax:
    """(2) over the whole catalogue: every item but the target is a negative, weighed as in `InterestAware`.

    log Ng = log(N - 1) + LSE((hardness + 1) s) - LSE(hardness s), both streamed; hardness 0 is the softmax of
    the catalogue. An objective, without candidates; (Q,). The two sums are rounded apart, so the loss is off
    by some 2 (hardness + 1) |s| in the last place of float32. Raises `OptionError` for a hardness below 0, a
    temperature that is no positive number, and a similarity that there is not.
    """

    hardness: float = 1.0  # beta: of scores in the weights; 0 is none
    detach: bool = False  # whether gradients stop at the weights
    temperature: float = 1.0
    similarity: Similarity = "dot"
    _n_items: int | None = field(default=None, repr=False, compare=False)
    slot: ClassVar[Slot] = "objective"
    needs: ClassVar[frozenset[Need]] = frozenset({"vectors"})
    catalogue: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_choices(self)
        if not 0 <= self.hardness < torch.inf:
            raise OptionError(f"hardness must be at least 0, not {self.hardness}")
        if not 0 < self.temperature < math.inf:
            raise OptionError(f"temperature must be a positive number, not {self.temperature}")

    def bind(self, data: TrainingData) -> Self:
        return replace(self, _n_items=data.n_items)

    @property
    def scales(self) -> tuple[float, float]:
        """What scores are multiplied by in the two sums."""
        return self.hardness, self.hardness + 1

    def __call__(self, scored: Scored) -> Losses:
        assert self._n_items is not None
        weights, products = scored.log_rests
        if self.detach:
            moving = products / (self.hardness + 1)
            total = moving + (products - moving - weights).detach()
        else:
            total = products - weights
        if self._n_items == 1:
            return Losses(0 * scored.scores[:, 0])
        return Losses(softplus(total + math.log(self._n_items - 1) - scored.scores[:, 0]))

    def logits(self, scored: Scored) -> Float[Tensor, "Q C"]:
        return scored.scores


@dataclass(frozen=True)
class RoutingVariance:
    """Routing regularisation (6), (7): strength times the batch's mean of sum_k C_kk^2.

    C_kk = |A_k - mean A_k|^2, A_k the weights with which the events of a history feed interest k, over its
    events alone; their mean is 1 / l where they sum to 1. Interests not in use have none, and cost nothing.
    Uniform routing costs nothing, also where all interests are then alike: this keeps an interest from
    hanging on one event alone.

    `scaling = "authors"` (8): over `slots` places, padding counted, C_kk divided by the length d of vectors,
    and the sum over the batch instead of the mean. Theirs of strength 100 at batches of 128 and d = 64 is
    strength 100 * 128 / 64^2 = 3.125 here, but for the padding.
    """

    strength: float = 3.125  # lambda
    scaling: Literal["canonical", "authors"] = "canonical"  # the batch's mean over real events, or (8)
    slots: int | None = None  # authors: places of a history, padding counted: the backbone's length
    name: str = "routing"  # what its term of the loss is called
    slot: ClassVar[Slot] = "regulariser"
    needs: ClassVar[frozenset[Need]] = frozenset({"routing"})

    def __post_init__(self) -> None:
        check_choices(self)
        if not 0 <= self.strength < torch.inf:
            raise OptionError(f"strength of the routing's variance must be at least 0, not {self.strength}")
        if (self.slots is not None) != (self.scaling == "authors"):
            raise OptionError(
                'slots counts the places of a history, padding too, which scaling = "authors" divides by: '
                "give the backbone's length there, and leave it out otherwise"
            )
        if self.slots is not None and self.slots < 1:
            raise OptionError(f"slots must be at least 1, not {self.slots}")

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, encoded: Encoded, batch: Batch, candidates: Candidates) -> Float[Tensor, ""]:
        if encoded.routing is None:
            raise SchemeError(
                "RoutingVariance needs routing weights, and this backbone has several interests without any: "
                "give them as Encoded.routing, or drop the part (scheme.routing = 0)"
            )
        weights, mask = encoded.routing.weights, encoded.routing.mask
        places = mask.sum(1, keepdim=True)
        if self.slots is not None:
            if self.slots < weights.shape[2]:
                raise OptionError(
                    f"slots = {self.slots}, and a history of this batch has {weights.shape[2]} places: "
                    "give the backbone's length"
                )
            places = torch.full_like(places, self.slots)
        variance = weights.square().sum(2) - weights.sum(2).square() / places
        if self.slots is not None:
            return self.strength * (variance / encoded.items.table().shape[1]).square().sum()
        return self.strength * variance.square().sum(1).mean()


@dataclass(frozen=True)
class REMIScheme:
    """REMI (RecSys 2023): sampled softmax with interest-aware negatives and routing regularisation."""

    use: Literal["remi"] = "remi"
    hardness: float = 1.0  # beta of the negatives' weights; the authors use 10, 1 and .1
    detach: bool = False  # whether gradients stop at these weights
    routing: float = 3.125  # strength of the routing's variance; 0 for a backbone of one interest
    scaling: Literal["canonical", "authors"] = "canonical"  # of the routing's variance
    slots: int | None = None  # authors: places of a history, padding counted
    negatives: int = 1280  # candidates of the batch, where they are drawn
    draw: Literal["uniform", "popularity", "in-batch", "catalogue"] = "uniform"  # where they come from
    temperature: float = 1.0  # scores are divided by it
    similarity: Similarity = "dot"  # of an interest's and an item's vector

    def __post_init__(self) -> None:
        check_choices(self)
        if self.draw in ("in-batch", "catalogue") and self.negatives != REMIScheme.negatives:
            raise OptionError(
                f'draw = "{self.draw}" takes what there is: leave negatives out, or draw otherwise'
            )
        if not self.routing and (self.scaling != "canonical" or self.slots is not None):
            raise OptionError(
                "scaling and slots are of the routing's regularisation, and routing = 0 leaves it out: leave "
                "them out too, or set its strength"
            )
        self.build()

    def build(self) -> Scheme:
        """The scheme of these options."""
        regularisers = (RoutingVariance(self.routing, self.scaling, self.slots),) if self.routing else ()
        if self.draw == "catalogue":
            objective = InterestAwareSoftmax(self.hardness, self.detach, self.temperature, self.similarity)
            return Scheme(Nothing(), objective, regularisers=regularisers)
        return Scheme(
            self._sampler(),
            SampledSoftmax(self.temperature, self.similarity, correction=False),
            refiners=(InterestAware(self.hardness, self.detach),),
            regularisers=regularisers,
        )

    def _sampler(self) -> Sampler:
        if self.draw == "in-batch":
            return InBatch()
        if self.draw == "popularity":
            return Popularity(self.negatives, shared=True)
        return Uniform(self.negatives, shared=True)


def remi(**options: Any) -> Scheme:
    """Scheme of `REMIScheme(**options)`."""
    return from_options(REMIScheme, options)
