"""Objectives: from scored candidates to a loss per example, never reduced.

What soft labels and weights *mean* is the objective's: `methods` of the papers write confidences rho into
`log_weights` = log(1 - rho) (truncate) or `labels` = rho (reverse), and each objective below gives them its
own reading. Weights enter in logs; -inf drops a candidate and yields finite gradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import cross_entropy, softplus

from tacit.errors import OptionError
from tacit.parts.choices import check_choices
from tacit.types import Losses, Need, Scored, Similarity, Slot, TrainingData


def _check(objective: BCE | BPR | SampledSoftmax | CatalogueSoftmax | PositiveOnly) -> None:
    check_choices(objective)
    if not objective.temperature > 0:
        raise OptionError(f"temperature must be positive, not {objective.temperature}")


def _kept(scored: Scored) -> Bool[Tensor, "Q C"]:
    return scored.log_weights > -torch.inf


def _counted(scored: Scored) -> Bool[Tensor, "Q C"]:
    """Targets, and cells that are candidates at all: padding and hits arrive observed with weight zero."""
    counted = _kept(scored) | ~scored.observed
    counted[:, 0] = True
    return counted


@dataclass(frozen=True)
class BCE:
    """Binary cross-entropy of each candidate against its (soft) label.

    L = (1 / Z) sum over cells of w * (softplus(s) - label * s), Z = number of candidates with the targets
    (`normalise="fixed"`) or the sum of the weights w ("kept"). Rows with label 0 are explicit noes.
    """

    temperature: float = 1.0
    similarity: Similarity = "dot"
    normalise: Literal["fixed", "kept"] = "fixed"
    slot: ClassVar[Slot] = "objective"
    needs: ClassVar[frozenset[Need]] = frozenset()
    catalogue: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check(self)

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, scored: Scored) -> Losses:
        kept = _kept(scored)
        scores = torch.where(kept, scored.scores, 0.0)
        weights = scored.log_weights.exp()
        cells = weights * (softplus(scores) - scored.labels * scores)
        counts = _counted(scored) if self.normalise == "fixed" else weights
        counted = counts.sum().clamp(min=1).to(scores.dtype)
        cells = cells * (len(scores) / counted)
        return Losses(
            torch.where(scored.observed, cells, 0.0).sum(1),
            torch.where(scored.observed, 0.0, cells).sum(1),
            counts.where(~scored.observed, 0).sum().detach() / counted,
        )

    def logits(self, scored: Scored) -> Float[Tensor, "Q C"]:
        return scored.scores

    def under(self, scores: Tensor, label: Literal[0, 1]) -> Tensor:
        return softplus(-scores if label else scores)


@dataclass(frozen=True)
class BPR:
    """Bayesian personalised ranking: softplus(s_j - s+), -log of the sigmoid of the difference.

    L = (1 / N) sum_j (1 - rho_j) softplus(s_j - s+) and, for candidates with a soft label rho_j,
    + rho_j mean_k softplus(s_k - s_j) over the row's candidates k without one. Source: Rendle et al., UAI
    2009; the soft label's reading is Tacit's.
    """

    temperature: float = 1.0
    similarity: Similarity = "dot"
    normalise: Literal["fixed", "kept"] = "fixed"
    slot: ClassVar[Slot] = "objective"
    needs: ClassVar[frozenset[Need]] = frozenset()
    catalogue: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check(self)

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, scored: Scored) -> Losses:
        kept = _kept(scored)[:, 1:]
        target = scored.scores[:, :1]
        others = torch.where(kept, scored.scores[:, 1:], 0.0)
        share, weights = scored.labels[:, 1:], scored.log_weights[:, 1:].exp()
        pairs = weights * (1 - share) * softplus(others - torch.where(kept, target, 0.0))
        count = _counted(scored)[:, 1:].sum() if self.normalise == "fixed" else (weights * (1 - share)).sum()
        loss = pairs.sum(1)
        if any_positive(share):
            loss = loss + self._promotion(others, share * weights, kept)
        return Losses(loss * (len(loss) / count.clamp(min=1).to(loss.dtype)))

    @staticmethod
    def _promotion(others: Tensor, share: Tensor, kept: Tensor) -> Float[Tensor, "Q"]:
        """Of each row the sum over promoted cells; memory is their number times M."""
        rows, columns = (share > 0).nonzero(as_tuple=True)
        untreated = (kept & (share == 0))[rows]
        pairs = softplus(others.index_select(0, rows) - others[rows, columns][:, None])
        means = torch.where(untreated, pairs, 0.0).sum(1) / untreated.sum(1).clamp(min=1)
        return torch.zeros_like(others[:, 0]).index_add(0, rows, share[rows, columns] * means)

    def logits(self, scored: Scored) -> Float[Tensor, "Q C"]:
        return scored.scores


@dataclass(frozen=True)
class SampledSoftmax:
    """Cross-entropy of the target over the sampled candidates.

    Logits are scores less `log_q` (where `correction`: an unbiased estimate of the catalogue softmax, Bengio
    and Senecal 2008) plus log weights. A candidate with soft label rho is promoted beside the target: it
    competes, as the target does, with the mass (1 - rho) e^s kept of all others. With `joint` all share one
    denominator instead, and the target distribution is (1, rho) / (1 + sum rho): an item is pushed down once
    its probability exceeds its share. Rows without any candidate beside the target cost nothing and are left
    out of the batch's mean.
    """

    temperature: float = 1.0
    similarity: Similarity = "dot"
    correction: bool = True
    joint: bool = False
    slot: ClassVar[Slot] = "objective"
    needs: ClassVar[frozenset[Need]] = frozenset()
    catalogue: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check(self)

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, scored: Scored) -> Losses:
        logits = scored.scores - scored.log_q if self.correction else scored.scores
        share = scored.labels[:, 1:]
        if not any_positive(share):
            weighted = logits + scored.log_weights
            if bool(weighted.detach().sum().isnan()):  # +inf dropped, or a NaN
                weighted = _weighted(logits, scored.log_weights)
            first = torch.zeros(len(weighted), dtype=torch.int64)
            return _over_rows_that_count(cross_entropy(weighted, first, reduction="none"), scored)
        if self.joint:
            return _over_rows_that_count(_soft_cross_entropy(logits, scored), scored)
        target, others = logits[:, 0], logits[:, 1:]
        mass = scored.log_weights[:, 1:] + torch.log1p(-share)
        rest = _weighted(others, mass).logsumexp(1)
        promoted = share > 0
        log_share = torch.where(promoted, share, 1.0).log()
        own = torch.logaddexp(rest[:, None], others + log_share) - others
        loss = torch.logaddexp(rest, target) - target
        weights = torch.where(promoted, share * scored.log_weights[:, 1:].exp(), 0.0)
        loss = (loss + torch.where(promoted, weights * own, 0.0).sum(1)) / (1 + weights.sum(1))
        return _over_rows_that_count(loss, scored)

    def logits(self, scored: Scored) -> Float[Tensor, "Q C"]:
        return scored.scores


@dataclass(frozen=True)
class CatalogueSoftmax:
    """Cross-entropy of the target over the whole catalogue: softplus(log_rest - s+)."""

    temperature: float = 1.0
    similarity: Similarity = "dot"
    slot: ClassVar[Slot] = "objective"
    needs: ClassVar[frozenset[Need]] = frozenset({"vectors"})
    catalogue: ClassVar[bool] = True
    mean_softmax: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check(self)

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, scored: Scored) -> Losses:
        assert scored.log_rest is not None
        return Losses(softplus(scored.log_rest - scored.scores[:, 0]))

    def logits(self, scored: Scored) -> Float[Tensor, "Q C"]:
        return scored.scores


@dataclass(frozen=True)
class PositiveOnly:
    """Logistic loss of the target alone, softplus(-s+); something else must keep vectors from collapsing."""

    temperature: float = 1.0
    similarity: Similarity = "dot"
    slot: ClassVar[Slot] = "objective"
    reads_candidates: ClassVar[bool] = False
    needs: ClassVar[frozenset[Need]] = frozenset()
    catalogue: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check(self)

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, scored: Scored) -> Losses:
        return Losses(softplus(-scored.scores[:, 0]))

    def logits(self, scored: Scored) -> Float[Tensor, "Q C"]:
        return scored.scores


def _weighted(logits: Tensor, log_weights: Tensor) -> Tensor:
    """logits + log weights, -inf and without gradient where dropped, also where the logit is +inf."""
    return logits.masked_fill(log_weights == -torch.inf, -torch.inf) + log_weights


def _soft_cross_entropy(logits: Tensor, scored: Scored) -> Float[Tensor, "Q"]:
    """Cross-entropy against the normalised labels of what is not dropped; the target's label counts as 1."""
    weighted = _weighted(logits, scored.log_weights)
    labels = torch.cat([torch.ones_like(logits[:, :1]), scored.labels[:, 1:]], 1) * scored.log_weights.exp()
    wanted = torch.where(labels > 0, weighted, 0.0) * labels
    return weighted.logsumexp(1) - wanted.sum(1) / labels.sum(1)


def _over_rows_that_count(loss: Tensor, scored: Scored) -> Losses:
    """Rows scaled so that their mean is the one over rows that have a candidate beside the target.

    One that has none costs exactly 0, so only rows that do are looked at, and none where nothing is dropped.
    Where any is left out the note `left_out` tells the share.
    """
    empty = (loss.detach() == 0).nonzero()[:, 0]
    if len(empty) == 0 or scored.log_weights.stride(0) == 0:
        return Losses(loss)
    candidates = (scored.log_weights[empty, 1:] > -torch.inf) | ~scored.observed[empty, 1:]
    left_out = int((~candidates.any(1)).sum())
    if not left_out:
        return Losses(loss)
    share = torch.tensor(left_out / len(loss))
    return Losses(loss * (len(loss) / max(len(loss) - left_out, 1)), notes={"left_out": share})


def any_positive(share: Float[Tensor, "Q M"]) -> bool:
    """Whether any soft label is above 0; of a view that repeats one row, that row is read."""
    return bool(((share[:1] if share.stride(0) == 0 else share) > 0).any())
