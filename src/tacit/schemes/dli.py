"""DLI, distilling latent interactions: probable false negatives are dropped or turned positive.

Source: Cai et al., "All You See Is the Tip of the Iceberg", ICONIP 2023. Only its abstract is public: the
frame is the paper's, the forms are a reconstruction; docs/methods/dli.md says which is which and numbers the
equations. The losses (4)-(12) are those of the objectives, which read what this refiner writes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tacit.errors import OptionError
from tacit.parts.choices import check_choices
from tacit.parts.criteria import Criterion, Name, Stable, belief, named
from tacit.parts.latent import BEST, Latent
from tacit.parts.objectives import BCE, BPR, SampledSoftmax
from tacit.parts.pool import SIZE, Pool
from tacit.parts.regularisers import EmbeddingNorm
from tacit.parts.samplers import Uniform
from tacit.parts.schedules import Linear
from tacit.parts.selection import count_of, first_of_all, first_of_rows, kept_back, notes_of
from tacit.protocols import CandidateObjective, Objective, Sampler
from tacit.schemes.scheme import Scheme, from_options
from tacit.types import Clock, Need, Scored, Slot, TrainingData

STRENGTHS = {"full": (1.0, 1.0), "partial": (1.0, 0.5), "strict": (1.0, 0.0)}
NOTED = 8  # steps from one whose choice is noted in the log to the next, one an epoch at least


@dataclass(frozen=True)
class DLI:
    """Probable false negatives are dropped, or count as positives; applied before anything mines.

    A refiner. It writes the strengths rho (3) of what it selects into log weights, log(1 - rho), or labels.
    Raises `OptionError` for shares outside [0, 1], negative times, and a gate on a criterion from outside.
    """

    loss: Literal["truncate", "reverse"] = "truncate"  # the selected are dropped, or turned positive
    criterion: Name | Criterion = "neighbour"  # who says which candidates are probable false negatives
    strengths: tuple[float, float] = (1.0, 0.5)  # of the confident and of the other selected candidates
    confident: float = 0.5  # share of the selected that counts as confident
    rate: float | None = None  # share selected; nothing: .1 from outside, else .05 truncate, .02 reverse
    warmup: float | None = None  # epochs without selection; nothing: 0 from outside, else 5
    growth: float | None = None  # epochs of the ramp after it; nothing: 5 from outside, else 10
    power: float = 1.0  # exponent of the ramp
    gate: float | None = None  # least own probability of what is selected; nothing: .5 truncate, .7 reverse
    scope: Literal["batch", "row"] = "batch"  # whether the rate is a share of the batch or of each row
    min_keep: int | None = None  # candidates of a row that stay untouched; nothing: what the loss needs
    _bound: Criterion | None = field(default=None, repr=False, compare=False)
    _head: Bool[Tensor, "N"] | None = field(default=None, repr=False, compare=False)
    __pydantic_config__: ClassVar[dict[str, bool]] = {"arbitrary_types_allowed": True}
    slot: ClassVar[Slot] = "refiner"

    def __post_init__(self) -> None:
        check_choices(self)
        own = named(self.criterion).own
        shares = {"rate": (self.rate or 0.0,), "confident": (self.confident,), "strengths": self.strengths}
        for name, values in (shares | {"gate": (self.gate or 0.0,)}).items():
            for value in values:
                if not 0 <= value <= 1:
                    raise OptionError(f"{name} must lie between 0 and 1, not {value}")
        for name, number in {"warmup": self.warmup, "growth": self.growth, "min_keep": self.min_keep}.items():
            if number is not None and not number >= 0:
                raise OptionError(f"{name} must not be negative, but is {number}")
        if not self.power > 0:
            raise OptionError(f"power must be positive, not {self.power}")
        if self.gate is not None and not own:
            raise OptionError(
                f"gate = {self.gate} bounds the model's own probability, and this criterion is from outside: "
                'leave gate out, or use criterion = "loss", "margin" or "stable"'
            )

    @property
    def needs(self) -> frozenset[Need]:
        """Unlabelled candidates, such as no miner chose where the model judges itself; a pool for memory."""
        criterion = named(self.criterion)
        needs: set[Need] = {"unlabelled"}
        if self.loss == "reverse":
            needs.add("labels")
        if criterion.own:
            needs.add("unmined")
        if isinstance(criterion, Stable):
            needs.add("pool")
        return frozenset(needs)

    @property
    def pool_size(self) -> int | None:
        """Items of each user that the criterion remembers; None where it has no memory."""
        criterion = named(self.criterion)
        return criterion.size if isinstance(criterion, Stable) else None

    def bind(self, data: TrainingData) -> Self:
        counts = torch.bincount(torch.from_numpy(data.positives.indices).long(), minlength=data.n_items)
        head = torch.zeros(data.n_items, dtype=torch.bool)
        head[counts.argsort(descending=True, stable=True)[: math.ceil(data.n_items / 10)]] = True
        return replace(self, _bound=named(self.criterion).bind(data), _head=head)

    def share(self, clock: Clock) -> float:
        """(1): share of the unlabelled candidates that may be selected at this time."""
        rate, warmup, growth = self.course
        ramp: float = Linear(0.0, 1.0, growth, warmup)(clock) ** self.power
        return rate * ramp

    @property
    def course(self) -> tuple[float, float, float]:
        """Rate, warm-up and growth; where nothing is said, what suits loss and criterion."""
        usual = (0.1, 0.0, 5.0)
        if named(self.criterion).own:
            usual = (0.05 if self.loss == "truncate" else 0.02, 5.0, 10.0)
        said = (self.rate, self.warmup, self.growth)
        rate, warmup, growth = (u if s is None else s for s, u in zip(said, usual, strict=True))
        return rate, warmup, growth

    @property
    def begins(self) -> float:
        """Epochs before the first selection."""
        return self.course[1]

    def __call__(self, scored: Scored, objective: Objective, clock: Clock) -> Scored:
        if scored.others.shape[-1] == 0:
            return scored
        share = self.share(clock)
        if share == 0:
            return replace(scored, notes=scored.notes | {"selected": torch.zeros(())})
        alive = ~scored.observed.numpy() & (scored.log_weights.numpy() > -np.inf)
        valid = torch.from_numpy(alive[:, 1:])
        with torch.no_grad():
            cells, strengths = self._selected(scored, objective, valid, share)
            notes = scored.notes
            if clock.step % min(NOTED, clock.steps_per_epoch) == 0:
                own = belief(scored, objective)
                notes = notes | notes_of(cells, strengths, valid, own, scored.others, self._head)
        if len(cells) == 0:
            return replace(scored, notes=notes)
        at = cells + cells // scored.others.shape[-1] + 1
        if self.loss == "reverse":
            labels = scored.labels.clone(memory_format=torch.contiguous_format)
            labels.view(-1)[at] = torch.maximum(labels.view(-1)[at], strengths)
            return replace(scored, labels=labels, notes=notes)
        log_weights = scored.log_weights.clone(memory_format=torch.contiguous_format)
        log_weights.view(-1).index_add_(0, at, torch.log1p(-strengths))
        return replace(scored, log_weights=log_weights, notes=notes)

    def _selected(
        self, scored: Scored, objective: Objective, valid: Bool[Tensor, "Q M"], share: float
    ) -> tuple[Int[Tensor, "n"], Float[Tensor, "n"]]:
        """(2) and (3): the flat places of the selected cells, and their strengths."""
        witness = self._bound or named(self.criterion)
        criterion = witness(scored, objective)
        eligible = valid & (criterion > (-torch.inf if witness.own else 0))
        if self.scope == "batch":
            cells = first_of_all(criterion, math.floor(share * count_of(valid) + 1e-9), eligible)
        else:
            cells = first_of_rows(criterion, share, valid, eligible)
        if witness.own:
            cells = cells[self._passes(scored, objective).flatten()[cells]]
        keep = self._needed(objective) if self.min_keep is None else self.min_keep
        if keep:
            cells = kept_back(cells, criterion, valid, keep)
        order = criterion.flatten()[cells].sort(descending=True, stable=True).indices
        high = math.ceil(self.confident * len(cells) - 1e-9)
        strengths = scored.scores.new_empty(len(cells))
        strengths[order[:high]], strengths[order[high:]] = self.strengths
        return cells, strengths

    def _passes(self, scored: Scored, objective: Objective) -> Bool[Tensor, "Q M"]:
        """The gate: rank alone always finds some; this lets the module select nothing."""
        gate = self.gate if self.gate is not None else (0.5 if self.loss == "truncate" else 0.7)
        return belief(scored, objective) >= gate

    def _needed(self, objective: Objective) -> int:
        """What a row must keep: BPR promotes against it, a softmax without it is 0 or not differentiable."""
        if isinstance(objective, CandidateObjective):
            return 0
        return int(self.loss == "reverse" or not isinstance(objective, BPR))


@dataclass(frozen=True)
class DLIScheme:
    """Distilling latent interactions (ICONIP 2023), a reconstruction: docs/methods/dli.md."""

    use: Literal["dli"] = "dli"
    objective: Literal["bce", "bpr", "sampled-softmax"] = "bce"  # the loss that is made robust
    loss: Literal["truncate", "reverse"] = "truncate"  # the selected are dropped, or turned positive
    mode: Literal["full", "partial", "strict"] = (
        "partial"  # strengths (1, 1), (1, .5) or (1, 0) by confidence
    )
    criterion: Name = "neighbour"  # who says which candidates are probable false negatives
    rate: float | None = None  # share selected; nothing: .1 from outside, else .05 truncate, .02 reverse
    warmup: float | None = None  # epochs without selection; nothing: 0 from outside, else 5
    growth: float | None = None  # epochs of the ramp after it; nothing: 5 from outside, else 10
    confident: float = 0.5  # share of the selected that counts as confident
    gate: float | None = None  # least own probability of what is selected; nothing: .5 truncate, .7 reverse
    scope: Literal["batch", "row"] = "batch"  # whether the rate is a share of the batch or of each row
    pool: int = SIZE  # items from which a user's candidates are drawn, where the criterion is stable
    latent: float = 0.0  # share of targets replaced by one of the user's best unseen items by a graph filter
    best: int = BEST  # how many of these there are
    negatives: int = 4  # candidates for each pair, or for the batch where shared
    shared: bool = False  # one set of candidates for the whole batch
    temperature: float = 1.0  # scores are divided by it
    similarity: Literal["dot", "cosine"] = "dot"  # of a user's and an item's vector
    normalise: Literal["fixed", "kept"] = "fixed"  # divide by all candidates, or by the weight that is left
    correction: bool = False  # sampled-softmax: subtract log q
    joint: bool = False  # sampled-softmax, reverse: one denominator for the target and all promoted
    l2: float = 1e-4  # strength of the squared norm of the batch's embeddings

    def __post_init__(self) -> None:
        check_choices(self)
        if not 0 <= self.latent <= 1:
            raise OptionError(f"latent is a share of the examples between 0 and 1, not {self.latent}")
        if self.normalise == "kept" and (self.loss == "reverse" or self.objective == "sampled-softmax"):
            raise OptionError(
                'normalise = "kept" divides by the weight that truncation leaves: use it with '
                'loss = "truncate" under bce or bpr, or leave it out'
            )
        if self.pool != SIZE and self.criterion != "stable":
            raise OptionError('pool is of criterion = "stable": choose that, or leave pool out')
        if self.best != BEST and not self.latent:
            raise OptionError("best is of latent targets: set latent to their share, or leave best out")
        if self.shared and self.criterion == "stable":
            raise OptionError(
                'criterion = "stable" draws from a pool for each user: leave shared out, or judge otherwise'
            )
        if self.mode == "full" and self.confident != DLI.confident:
            raise OptionError(
                'confident parts the selected by strength, and mode = "full" knows one: leave confident out, '
                'or use mode = "partial" or "strict"'
            )
        keeps = self.objective == "sampled-softmax" or (self.objective == "bpr" and self.loss == "reverse")
        if keeps and self.negatives < 2:
            raise OptionError(
                f"of every row one candidate stays untouched here, and negatives = {self.negatives} leaves "
                "none to select: set it above 1"
            )
        if self.correction and self.objective != "sampled-softmax":
            raise OptionError(
                'correction is of the sampled softmax: use objective = "sampled-softmax", or leave it out'
            )
        if self.joint and (self.loss == "truncate" or self.objective != "sampled-softmax"):
            raise OptionError(
                'joint is a form of the reversed sampled softmax: use it with loss = "reverse" and '
                'objective = "sampled-softmax", or leave it out'
            )
        self.build()

    def build(self) -> Scheme:
        """The scheme of these options."""
        refiner = DLI(
            self.loss,
            Stable(size=self.pool) if self.criterion == "stable" else self.criterion,
            STRENGTHS[self.mode],
            self.confident,
            self.rate,
            self.warmup,
            self.growth,
            gate=self.gate,
            scope=self.scope,
        )
        regularisers = (EmbeddingNorm(self.l2),) if self.l2 else ()
        return Scheme(self._sampler(), self._objective(), refiners=(refiner,), regularisers=regularisers)

    def _sampler(self) -> Sampler:
        sampler: Sampler = Uniform(self.negatives, self.shared)
        if self.criterion == "stable":
            sampler = Pool(self.negatives, self.pool)
        return Latent(sampler, self.latent, self.best) if self.latent else sampler

    def _objective(self) -> BCE | BPR | SampledSoftmax:
        if self.objective == "bce":
            return BCE(self.temperature, self.similarity, self.normalise)
        if self.objective == "bpr":
            return BPR(self.temperature, self.similarity, self.normalise)
        return SampledSoftmax(self.temperature, self.similarity, self.correction, self.joint)


def dli(**options: Any) -> Scheme:
    """Scheme of `DLIScheme(**options)`."""
    return from_options(DLIScheme, options)
