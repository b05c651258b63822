"""DLI, distilling latent interactions: probable false negatives are dropped or turned positive.

Source: Cai et al., "All You See Is the Tip of the Iceberg", ICONIP 2023. Only its abstract is public: the frame
is the paper's, the forms are a reconstruction; docs/methods/dli.md says which is which and numbers the
equations. The losses (4)-(12) are those of the objectives, which read what this refiner writes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tacit.errors import OptionError
from tacit.parts.criteria import Criterion, Margin, Neighbour, OwnLoss
from tacit.parts.objectives import BCE, BPR, SampledSoftmax
from tacit.parts.regularisers import EmbeddingNorm
from tacit.parts.samplers import Uniform
from tacit.parts.schedules import Linear
from tacit.schemes.scheme import Scheme
from tacit.types import CandidateObjective, Clock, Need, Objective, Scored, Slot, TrainingData

CRITERIA = {"loss": OwnLoss(), "margin": Margin(), "neighbour": Neighbour()}
STRENGTHS = {"full": (1.0, 1.0), "partial": (1.0, 0.5), "strict": (1.0, 0.0)}


@dataclass(frozen=True)
class DLI:
    """A refiner: writes strengths (3) of selected candidates into log weights (truncate) or labels (reverse)."""

    loss: Literal["truncate", "reverse"] = "truncate"
    criterion: Criterion = field(default_factory=Neighbour)
    strengths: tuple[float, float] = (1.0, 0.5)  # of the confident and the other selected candidates
    confident: float = 0.5  # share of the selected that is
    rate: float = 0.1  # of the valid candidates, at the end of the ramp
    warmup: float = 0.0  # epochs without selection
    growth: float = 5.0  # epochs of the ramp after it
    power: float = 1.0
    gate: float | None = None  # least probability by the model's own score; None: .5 truncate, .7 reverse
    scope: Literal["batch", "row"] = "batch"
    min_keep: int | None = None  # valid candidates of a row that stay; None: what the objective needs
    slot: ClassVar[Slot] = "refiner"
    needs: ClassVar[frozenset[Need]] = frozenset()

    def __post_init__(self) -> None:
        shares = {"rate": self.rate, "confident": self.confident, "gate": self.gate or 0.0}
        shares |= {"strengths": min(self.strengths), "strengths ": max(self.strengths)}
        for name, value in shares.items():
            if not 0 <= value <= 1:
                raise OptionError(f"{name.strip()} must lie in [0, 1], not {value}")

    def bind(self, data: TrainingData) -> Self:
        return replace(self, criterion=self.criterion.bind(data))

    def __call__(self, scored: Scored, objective: Objective, clock: Clock) -> Scored:
        share = self.rate * Linear(0.0, 1.0, self.growth, self.warmup)(clock) ** self.power
        if share == 0 or scored.others.shape[-1] == 0:
            return scored
        valid = ~scored.observed[:, 1:] & (scored.log_weights[:, 1:] > -torch.inf)
        with torch.no_grad():
            strength = self._strengths(scored, objective, valid, share)
        if strength is None:
            return scored
        if self.loss == "reverse":
            labels = torch.cat([scored.labels[:, :1], torch.maximum(scored.labels[:, 1:], strength)], 1)
            return replace(scored, labels=labels)
        kept = torch.log1p(-strength)
        log_weights = torch.cat([scored.log_weights[:, :1], scored.log_weights[:, 1:] + kept], 1)
        return replace(scored, log_weights=log_weights)

    def _strengths(
        self, scored: Scored, objective: Objective, valid: Bool[Tensor, "Q M"], share: float
    ) -> Float[Tensor, "Q M"] | None:
        criterion = self.criterion(scored, objective)
        criterion = criterion.where(valid & ~criterion.isnan(), -torch.inf)
        selected = (
            _first(criterion, share, valid) if self.scope == "batch" else _of_rows(criterion, share, valid)
        )
        selected &= valid & self._passes(criterion, scored, objective)
        keep = self.min_keep if self.min_keep is not None else self._needed(objective)
        if keep:
            selected = _kept_back(selected, criterion, valid, keep)
        cells = selected.flatten().nonzero()[:, 0]
        if len(cells) == 0:
            return None
        order = criterion.flatten()[cells].sort(descending=True, stable=True).indices
        high = math.ceil(self.confident * len(cells) - 1e-9)
        strength = torch.zeros(criterion.numel(), dtype=scored.scores.dtype)
        strength[cells[order[:high]]], strength[cells[order[high:]]] = self.strengths
        return strength.view(criterion.shape)

    def _passes(self, criterion: Tensor, scored: Scored, objective: Objective) -> Bool[Tensor, "Q M"]:
        """3.3: rank alone always finds some; the gate lets the module select nothing."""
        if not self.criterion.own:
            return criterion > 0
        gate = self.gate if self.gate is not None else (0.5 if self.loss == "truncate" else 0.7)
        logits = objective.logits(scored).detach()
        if not isinstance(objective, CandidateObjective):
            logits = logits - logits[:, :1]
        return logits[:, 1:].sigmoid() >= gate

    def _needed(self, objective: Objective) -> int:
        if isinstance(objective, CandidateObjective):
            return 0
        return int(self.loss == "reverse" or not isinstance(objective, BPR))


def _first(criterion: Tensor, share: float, valid: Tensor) -> Bool[Tensor, "Q M"]:
    """(2): the first floor(share * N) cells, ties by the lower flat index, without sorting them all."""
    flat = criterion.flatten()
    count = math.floor(share * int(valid.sum()) + 1e-9)
    if count == 0:
        return torch.zeros_like(valid)
    bar = flat.kthvalue(len(flat) - count + 1).values
    above, level = flat > bar, flat == bar
    level &= level.cumsum(0) <= count - above.sum()
    return (above | level).view(criterion.shape)


def _of_rows(criterion: Tensor, share: float, valid: Tensor) -> Bool[Tensor, "Q M"]:
    counts = (share * valid.sum(1) + 1e-9).floor()
    return _ranks(criterion) < counts[:, None]


def _ranks(criterion: Tensor) -> Tensor:
    """Place of each cell in its row, highest first, ties by the lower index."""
    order = criterion.sort(dim=1, descending=True, stable=True).indices
    places = torch.arange(criterion.shape[1]).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places)


def _kept_back(selected: Tensor, criterion: Tensor, valid: Tensor, keep: int) -> Tensor:
    """Un-select a row's lowest-criterion cells until `keep` of its valid cells stay."""
    allowed = (valid.sum(1) - keep).clamp(min=0)
    return selected & (_ranks(criterion.where(selected, -torch.inf)) < allowed[:, None])


@dataclass(frozen=True)
class DLIScheme:
    """Distilling latent interactions (ICONIP 2023), reconstructed: see docs/methods/dli.md."""

    use: Literal["dli"] = "dli"
    objective: Literal["bce", "bpr", "sampled-softmax"] = "bce"
    loss: Literal["truncate", "reverse"] = "truncate"
    mode: Literal["full", "partial", "strict"] = "partial"
    criterion: Literal["neighbour", "loss", "margin"] = "neighbour"
    rate: float | None = None  # None: .1 by neighbours, else .05 truncate, .02 reverse
    warmup: float | None = None  # epochs; None: 0 by neighbours, else 5
    growth: float | None = None  # epochs; None: 5 by neighbours, else 10
    confident: float = 0.5
    gate: float | None = None
    scope: Literal["batch", "row"] = "batch"
    negatives: int = 4
    temperature: float = 1.0
    similarity: Literal["dot", "cosine"] = "dot"
    normalise: Literal["fixed", "kept"] = "fixed"
    l2: float = 1e-4

    def build(self) -> Scheme:
        """The scheme of these options."""
        outside = self.criterion == "neighbour"
        usual = 0.1 if outside else (0.05 if self.loss == "truncate" else 0.02)
        refiner = DLI(
            self.loss,
            CRITERIA[self.criterion],
            STRENGTHS[self.mode],
            self.confident,
            usual if self.rate is None else self.rate,
            (0.0 if outside else 5.0) if self.warmup is None else self.warmup,
            (5.0 if outside else 10.0) if self.growth is None else self.growth,
            gate=self.gate,
            scope=self.scope,
        )
        objective = {
            "bce": BCE(self.temperature, self.similarity, self.normalise),
            "bpr": BPR(self.temperature, self.similarity, self.normalise),
            "sampled-softmax": SampledSoftmax(self.temperature, self.similarity),
        }[self.objective]
        regularisers = (EmbeddingNorm(self.l2),) if self.l2 else ()
        return Scheme(Uniform(self.negatives), objective, refiners=(refiner,), regularisers=regularisers)


def dli(**options: Any) -> Scheme:
    """Scheme of `DLIScheme(**options)`."""
    return DLIScheme(**options).build()
