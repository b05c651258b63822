"""The plain schemes, as presets: a sampler and an objective, nothing in between.

Each preset is a frozen dataclass of options with `build() -> Scheme`; the function of its name is the
short form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tacit.errors import OptionError
from tacit.parts.choices import check_choices
from tacit.parts.objectives import BCE, BPR, CatalogueSoftmax, SampledSoftmax
from tacit.parts.regularisers import EmbeddingNorm
from tacit.parts.samplers import Explicit, InBatch, Mixed, Nothing, Popularity, Shown, Uniform
from tacit.protocols import Objective, Sampler
from tacit.schemes.scheme import Scheme, from_options
from tacit.types import Similarity

Draw = Literal["uniform", "popularity", "in-batch", "impressions", "explicit", "mixed"]


def _sampler(draw: Draw, negatives: int, power: float, shared: bool | None) -> Sampler:
    if shared is None:
        shared = draw in ("uniform", "popularity")
    elif shared and draw not in ("uniform", "popularity"):
        raise OptionError(
            f'shared candidates are drawn "uniform" or by "popularity", not "{draw}": '
            "set scheme.shared = false, or leave draw out"
        )
    if draw == "uniform":
        return Uniform(negatives, shared)
    if draw == "popularity":
        return Popularity(negatives, power, shared)
    if draw == "in-batch":
        return InBatch()
    if draw == "impressions":
        return Shown(negatives)
    if draw == "explicit":
        return Explicit(negatives)
    half = max(negatives // 2, 1)
    return Mixed((Uniform(half), Popularity(max(negatives - half, 1), power)))


def _check_draw(preset: BPRScheme | BCEScheme | SampledSoftmaxScheme) -> None:
    """Words that are no choice, and options that another draw reads."""
    check_choices(preset)
    usual = type(preset)
    if preset.draw == "in-batch" and preset.negatives != usual.negatives:
        raise OptionError(
            'draw = "in-batch" takes the other targets of the batch: leave negatives out, or draw otherwise'
        )
    if preset.power != usual.power and preset.draw not in ("popularity", "mixed"):
        raise OptionError('power is of popularity: use draw = "popularity" or "mixed", or leave power out')


def _scheme(sampler: Sampler, objective: Objective, l2: float, spread: bool = False) -> Scheme:
    return Scheme(sampler, objective, regularisers=(EmbeddingNorm(l2, spread),) if l2 else ())


@dataclass(frozen=True)
class BPRScheme:
    """Bayesian personalised ranking (Rendle et al., UAI 2009)."""

    use: Literal["bpr"] = "bpr"
    negatives: int = 1  # candidates for each pair, or for the batch where shared
    draw: Draw = "uniform"  # where candidates come from
    power: float = 0.75  # of popularity, where draw is popularity or mixed
    shared: bool = False  # one set of candidates for the whole batch
    temperature: float = 1.0  # scores are divided by it
    similarity: Similarity = "dot"  # of a user's and an item's vector
    l2: float = 1e-4  # strength of the squared norm of the batch's embeddings
    l2_spread: bool = False  # divide l2 by the mean number of training pairs of a user

    def __post_init__(self) -> None:
        _check_draw(self)

    def build(self) -> Scheme:
        """The scheme of these options."""
        sampler = _sampler(self.draw, self.negatives, self.power, self.shared)
        return _scheme(sampler, BPR(self.temperature, self.similarity), self.l2, self.l2_spread)


@dataclass(frozen=True)
class BCEScheme:
    """Binary cross-entropy: unlabelled candidates as noes."""

    use: Literal["bce"] = "bce"
    negatives: int = 4  # candidates for each pair, or for the batch where shared
    draw: Draw = "uniform"  # where candidates come from
    power: float = 0.75  # of popularity, where draw is popularity or mixed
    shared: bool = False  # one set of candidates for the whole batch
    temperature: float = 1.0  # scores are divided by it
    similarity: Similarity = "dot"  # of a user's and an item's vector
    l2: float = 1e-4  # strength of the squared norm of the batch's embeddings
    l2_spread: bool = False  # divide l2 by the mean number of training pairs of a user

    def __post_init__(self) -> None:
        _check_draw(self)

    def build(self) -> Scheme:
        """The scheme of these options."""
        sampler = _sampler(self.draw, self.negatives, self.power, self.shared)
        return _scheme(sampler, BCE(self.temperature, self.similarity), self.l2, self.l2_spread)


@dataclass(frozen=True)
class SampledSoftmaxScheme:
    """Softmax of the target over sampled candidates (Bengio and Senecal 2008; SSM, Wu et al. 2022)."""

    use: Literal["sampled-softmax"] = "sampled-softmax"
    negatives: int = 1024  # candidates for each pair, or for the batch where shared
    draw: Draw = "uniform"  # where candidates come from
    power: float = 0.75  # of popularity, where draw is popularity or mixed
    shared: bool | None = None  # one set for the batch; nothing: where the draw allows it
    temperature: float = 0.1  # scores are divided by it
    similarity: Similarity = "cosine"  # of a user's and an item's vector
    correction: bool = False  # subtract log q, for an unbiased estimate of the catalogue softmax
    l2: float = 0.0  # strength of the squared norm of the batch's embeddings

    def __post_init__(self) -> None:
        _check_draw(self)

    def build(self) -> Scheme:
        """The scheme of these options."""
        sampler = _sampler(self.draw, self.negatives, self.power, self.shared)
        objective = SampledSoftmax(self.temperature, self.similarity, self.correction)
        return _scheme(sampler, objective, self.l2)


@dataclass(frozen=True)
class SoftmaxScheme:
    """Softmax of the target over the whole catalogue."""

    use: Literal["softmax"] = "softmax"
    temperature: float = 0.1  # scores are divided by it
    similarity: Similarity = "cosine"  # of a user's and an item's vector
    l2: float = 0.0  # strength of the squared norm of the batch's embeddings

    def __post_init__(self) -> None:
        check_choices(self)

    def build(self) -> Scheme:
        """The scheme of these options."""
        return _scheme(Nothing(), CatalogueSoftmax(self.temperature, self.similarity), self.l2)


def bpr(**options: Any) -> Scheme:
    """Scheme of `BPRScheme(**options)`."""
    return from_options(BPRScheme, options)


def bce(**options: Any) -> Scheme:
    """Scheme of `BCEScheme(**options)`."""
    return from_options(BCEScheme, options)


def sampled_softmax(**options: Any) -> Scheme:
    """Scheme of `SampledSoftmaxScheme(**options)`."""
    return from_options(SampledSoftmaxScheme, options)


def softmax(**options: Any) -> Scheme:
    """Scheme of `SoftmaxScheme(**options)`."""
    return from_options(SoftmaxScheme, options)
