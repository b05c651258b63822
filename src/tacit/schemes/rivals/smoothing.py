"""Label smoothing: a softmax that leaves a share of its certainty to all items alike.

Source: Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016, section 7.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from tacit.errors import OptionError
from tacit.parts.choices import check_choices
from tacit.parts.samplers import Uniform
from tacit.schemes.rivals.contrastive import log_sum, valid_others
from tacit.schemes.scheme import Scheme, from_options
from tacit.types import Losses, Need, Scored, Similarity, Slot, TrainingData


@dataclass(frozen=True)
class SmoothedSoftmax:
    """(1 - smoothing) CE of the target + smoothing * mean CE over it and the sampled candidates; (Q,).

    CE is -log of the softmax over target and candidates (Szegedy et al., section 7, with their uniform share
    over what is sampled). Raises `OptionError` for a temperature that is no positive number, a share outside
    [0, 1], or a similarity that there is not.
    """

    temperature: float = 0.1  # scores are divided by it
    smoothing: float = 0.1  # share of the loss that is spread over all candidates
    similarity: Similarity = "cosine"  # of a user's and an item's vector
    slot: ClassVar[Slot] = "objective"
    needs: ClassVar[frozenset[Need]] = frozenset()
    catalogue: ClassVar[bool] = False
    one_target: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_choices(self)
        _check_smoothing(self.temperature, self.smoothing)

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, scored: Scored) -> Losses:
        kept = scored.log_weights > -torch.inf
        mean = torch.where(kept, scored.scores, 0.0).sum(1) / kept.sum(1)
        whole = log_sum(scored.scores, scored.log_weights)
        return Losses(whole - (1 - self.smoothing) * scored.scores[:, 0] - self.smoothing * mean)

    def logits(self, scored: Scored) -> Float[Tensor, "Q C"]:
        return scored.scores


@dataclass(frozen=True)
class SmoothedCatalogueSoftmax:
    """(1 - smoothing) CE of the target + smoothing * mean CE over the catalogue, whose softmax it is; (Q,).

    CE_j = R - s_j with R the log-sum-exp of all scores. The mean of the s_j is estimated without bias from
    the valid candidates: N - 1 times their mean, and the target's own, over N. They must be uniform draws
    that keep what a user knows, `Uniform(shared=True, known=True)`. Raises `OptionError` as the other does.
    """

    temperature: float = 1.0  # scores are divided by it
    smoothing: float = 0.1  # share of the loss that is spread over all items
    similarity: Similarity = "dot"  # of a user's and an item's vector
    slot: ClassVar[Slot] = "objective"
    needs: ClassVar[frozenset[Need]] = frozenset({"vectors", "candidates"})
    catalogue: ClassVar[bool] = True
    one_target: ClassVar[bool] = True
    _n_items: int | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_choices(self)
        _check_smoothing(self.temperature, self.smoothing)

    def bind(self, data: TrainingData) -> Self:
        return replace(self, _n_items=data.n_items)

    def __call__(self, scored: Scored) -> Losses:
        if self._n_items is None:
            raise OptionError("this objective has seen no data yet: call bind(data) first")
        assert scored.log_rest is not None
        target, others = scored.scores[:, 0], scored.scores[:, 1:]
        kept = valid_others(scored)
        drawn = torch.where(kept, others, 0.0).sum(1) / kept.sum(1).clamp_min(1)
        mean = (target + (self._n_items - 1) * drawn) / self._n_items
        softmax = softplus(scored.log_rest - target)
        return Losses(softmax + self.smoothing * (target - mean))

    def logits(self, scored: Scored) -> Float[Tensor, "Q C"]:
        return scored.scores


@dataclass(frozen=True)
class SmoothedScheme:
    """Softmax, over drawn candidates or the whole catalogue, with smoothed labels."""

    use: Literal["label-smoothing"] = "label-smoothing"
    negatives: int = 1024  # candidates of the batch
    temperature: float = 0.1  # scores are divided by it
    smoothing: float = 0.1  # share of the loss that is spread over all candidates
    similarity: Similarity = "cosine"  # of a user's and an item's vector
    over: Literal["candidates", "catalogue"] = "candidates"  # the softmax; candidates then give a mean alone

    def __post_init__(self) -> None:
        check_choices(self)
        self.build()

    def build(self) -> Scheme:
        """The scheme of these options. Raises `OptionError` for one out of range."""
        whole = self.over == "catalogue"
        of = SmoothedCatalogueSoftmax if whole else SmoothedSoftmax
        drawn = Uniform(self.negatives, shared=True, known=whole)
        return Scheme(drawn, of(self.temperature, self.smoothing, self.similarity))


def _check_smoothing(temperature: float, smoothing: float) -> None:
    if not (0 < temperature < math.inf and 0 <= smoothing <= 1):
        raise OptionError(
            "temperature must be a positive number and smoothing in [0, 1], "
            f"not {temperature} and {smoothing}"
        )


def label_smoothing(**options: Any) -> Scheme:
    """Scheme of `SmoothedScheme(**options)`."""
    return from_options(SmoothedScheme, options)
