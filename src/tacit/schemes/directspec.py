"""DirectSpec and DirectSpec+: balance the spectrum of a batch of embeddings, so that they do not collapse.

Source: Peng, Sugiyama, Liu and Mine, "Balancing Embedding Spectrum for Recommendation", arXiv 2406.12032.
Equations (1)-(11) are numbered as in docs/methods/directspec.md. Inference reads the plain tables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from tacit.data.graph import Cooccurrence
from tacit.errors import OptionError
from tacit.kernels.balance import Heat, softmax_means
from tacit.kernels.neighbours import transposed
from tacit.parts.choices import check_choices
from tacit.parts.objectives import PositiveOnly
from tacit.parts.regularisers import EmbeddingNorm
from tacit.parts.samplers import Nothing
from tacit.schemes.scheme import Scheme, from_options
from tacit.scoring import LocalItems
from tacit.types import Batch, Candidates, Encoded, Need, Slot, TrainingData

BATCH = 256  # at which the authors chose their temperatures
SHORTEST = 1e-2  # length below which a row is not stretched to one between iterations


def all_pass(x: Float[Tensor, "n d"], alpha: float, counts: Tensor | None = None) -> Float[Tensor, "n d"]:
    """(1): x - alpha (x x^T) x, one step down |x x^T|^2 / 4; sigma becomes sigma (1 - alpha sigma^2) (2).

    Rows as they come, of any length; `alpha` is not divided by anything. `counts` (n,): a row that stands for
    several counts as often.
    """
    weighted = x if counts is None else x * counts[:, None]
    return x - alpha * (x @ (x.T @ weighted))


def self_paced(
    x: Float[Tensor, "n d"],
    alpha: float,
    heat: Heat,
    counts: Tensor | None = None,
    *,
    detach: bool = False,
) -> Float[Tensor, "n d"]:
    """(5), (6): x - alpha W x, W the softmax of inner products: similar rows are pushed apart most.

    Rows of length one. `counts` (n,): a row that stands for several counts as often. `detach`: no gradient
    through W.
    """
    log_counts = None if counts is None else counts.log()
    return x - alpha * softmax_means(x, heat, log_counts=log_counts, detach=detach)


@dataclass(frozen=True)
class DirectSpec:
    """A transform that balances users against users and items against items of the batch.

    Equation (1), or (4) to (7). Queries (Q, 1, d) and local items (R, d) keep their shapes; candidates that
    are not balanced are normalised. `temperature` multiplies the cosine; by default 3 + ln(n / 256) of n
    balanced rows, so that a row's weight on itself stays as n grows. `gap` lowers it for pairs with a common
    neighbour, (10) and (11).

    Between `iterations` the softmax form makes rows as long as one again, which (5) asks for (a row under a
    hundredth is multiplied by a hundred, so that gradients stay bounded); the linear form does not.

    Raises `OptionError` for a value out of range, and where the linear form is given a temperature.
    """

    form: Literal["linear", "softmax"] = "softmax"  # DirectSpec, (1), or DirectSpec+, (6)
    alpha: float = 0.8  # strength; divided by the number of rows in the linear form
    temperature: float | None = None  # multiplies the cosine; nothing: 3 + ln(rows / 256), at least 0
    gap: float = 0.0  # how much lower it is for pairs with a common neighbour
    iterations: int = 1  # times that the rows are balanced
    detach: bool = False  # no gradient through the weights
    repeats: Literal["keep", "once"] = "keep"  # rows that stand twice in the batch
    over: Literal["targets", "all"] = "targets"  # which items are balanced; others are normalised only
    shrink: float = 0.0  # (7): rows are multiplied by this times their own norm; 0: off
    _related: tuple[Any, Any] | None = field(default=None, repr=False, compare=False)  # Cooccurrence
    slot: ClassVar[Slot] = "transform"
    needs: ClassVar[frozenset[Need]] = frozenset({"vectors"})

    def __post_init__(self) -> None:
        check_choices(self)
        if not 0 <= self.alpha < math.inf:
            raise OptionError(f"alpha must be a number of at least 0, not {self.alpha}")
        if not (0 <= self.gap < math.inf and 0 <= self.shrink < math.inf):
            raise OptionError(
                f"gap and shrink must be numbers of at least 0, but are {self.gap} and {self.shrink}"
            )
        if self.temperature is not None and not self.gap <= self.temperature < math.inf:
            raise OptionError(
                f"temperature must be at least 0 and at least gap ({self.gap:g}), not {self.temperature:g}"
            )
        if not (isinstance(self.iterations, int) and self.iterations >= 1):
            raise OptionError(f"iterations must be a whole number of at least 1, not {self.iterations}")
        if self.form == "linear" and (self.gap or self.detach or self.temperature is not None):
            raise OptionError(
                "the linear form has no temperature: leave temperature, gap and detach out, or use "
                "form = softmax"
            )

    def bind(self, data: TrainingData) -> Self:
        if not self.gap:
            return self
        sides = Cooccurrence(data.positives), Cooccurrence(transposed(data.positives))
        return replace(self, _related=sides)

    def __call__(self, encoded: Encoded, batch: Batch, candidates: Candidates) -> Encoded:
        assert isinstance(encoded.queries, Tensor)
        assert isinstance(encoded.items, LocalItems)
        assert candidates.slots is not None
        users, place, first = _distinct_queries(encoded.queries[:, 0], batch)
        queries = self._balanced(encoded.queries[first, 0], users, place, side=0)[place]
        slots, others = candidates.slots
        rows = slots if self.over == "targets" else torch.cat([slots, _drawn(others, candidates.valid)])
        chosen, where = torch.unique(rows, return_inverse=True)
        ids = torch.empty(len(encoded.items.vectors), dtype=torch.int64)
        ids[slots], ids[others] = candidates.targets, candidates.others
        balanced = self._balanced(encoded.items.vectors[chosen], ids[chosen], where, side=1)
        vectors = self._scaled(normalize(encoded.items.vectors, dim=1)).index_copy(0, chosen, balanced)
        return replace(encoded, queries=queries[:, None], items=LocalItems(vectors, encoded.items.biases))

    def _balanced(
        self, vectors: Float[Tensor, "n d"], ids: Int[Tensor, "n"], place: Int[Tensor, "rows"], side: int
    ) -> Float[Tensor, "n d"]:
        rows = len(vectors) if self.repeats == "once" else len(place)
        counts = None
        if rows > len(vectors):
            counts = torch.bincount(place, minlength=len(vectors)).to(vectors)
        x = normalize(vectors, dim=1)
        if self.form == "linear":
            for _ in range(self.iterations):
                x = all_pass(x, self.alpha / rows, counts)
            return self._scaled(x)
        heat = self._heat(rows, ids, side)
        for iteration in range(self.iterations):
            if iteration:
                x = normalize(x, dim=1, eps=SHORTEST)
            x = self_paced(x, self.alpha, heat, counts, detach=self.detach)
        return self._scaled(x)

    def _heat(self, rows: int, ids: Tensor, side: int) -> Heat:
        plain = self.temperature
        if plain is None:
            plain = max(3.0 + math.log(rows / BATCH), 0.0)
        if not self.gap:
            return Heat(plain)
        if self._related is None:
            raise OptionError("gap needs to know who shares a neighbour: call bind(data) first")
        return Heat(plain, max(plain - self.gap, 0.0), self._related[side].among(ids))

    def _scaled(self, h: Tensor) -> Tensor:
        """(7): multiplied by its own norm, as the authors' code does."""
        return self.shrink * torch.linalg.vector_norm(h, dim=1, keepdim=True) * h if self.shrink else h


def _distinct_queries(
    queries: Float[Tensor, "Q d"], batch: Batch
) -> tuple[Int[Tensor, "n"], Int[Tensor, "Q"], Int[Tensor, "n"]]:
    """Users that are balanced, the place of each query among them, and a query of each.

    A query made from a sequence stands alone, and so does one that differs from another of its user (an
    interest that the target chose, dropout).
    """
    every = torch.arange(len(batch))
    if batch.history is not None:
        return batch.users, every, every
    users, place = torch.unique(batch.users, return_inverse=True)
    first = torch.zeros(len(users), dtype=torch.int64).scatter_(0, place, every)
    apart = (queries != queries[first[place]]).any(1).nonzero()[:, 0]
    place[apart] = len(users) + torch.arange(len(apart))
    return torch.cat([users, batch.users[apart]]), place, torch.cat([first, apart])


def _drawn(others: Int[Tensor, "*candidates"], valid: Bool[Tensor, "Q M"] | None) -> Int[Tensor, "cells"]:
    """Local rows of the candidates, less padding; one that all share goes where it is valid for nobody."""
    if valid is None:
        return others.reshape(-1)
    return others[valid.any(0) if others.dim() == 1 else valid]


@dataclass(frozen=True)
class DirectSpecScheme:
    """Linear DirectSpec (arXiv 2406.12032v1): an all-pass filter, positives only.

    Equation (1). `build` raises `OptionError` for an option out of range.
    """

    use: Literal["directspec"] = "directspec"
    alpha: float = 0.8  # strength; divided by the number of rows
    iterations: int = 1  # times that the rows are balanced
    repeats: Literal["keep", "once"] = "keep"  # rows that stand twice in the batch
    shrink: float = 0.0  # rows are multiplied by this times their own norm; 0: off
    l2: float = 0.0  # strength of the squared norm of the batch's embeddings

    def build(self) -> Scheme:
        """The scheme of these options."""
        options = {name: getattr(self, name) for name in ("alpha", "iterations", "repeats", "shrink")}
        return _scheme(DirectSpec("linear", **options), self.l2)


@dataclass(frozen=True)
class DirectSpecPlusScheme:
    """DirectSpec+ (arXiv 2406.12032): self-paced balancing by a softmax, positives only.

    Equations (4) to (11). `build` raises `OptionError` for an option out of range.
    """

    use: Literal["directspec-plus"] = "directspec-plus"
    alpha: float = 0.8  # strength
    temperature: float | None = None  # multiplies the cosine; nothing: 3 + ln(rows / 256), at least 0
    gap: float = 0.0  # how much lower it is for pairs with a common neighbour
    iterations: int = 1  # times that the rows are balanced
    detach: bool = False  # no gradient through the weights
    repeats: Literal["keep", "once"] = "keep"  # rows that stand twice in the batch
    shrink: float = 0.0  # rows are multiplied by this times their own norm; 0: off
    l2: float = 0.0  # strength of the squared norm of the batch's embeddings

    def build(self) -> Scheme:
        """The scheme of these options."""
        options = {name: value for name, value in vars(self).items() if name not in ("use", "l2")}
        return _scheme(DirectSpec("softmax", **options), self.l2)


def _scheme(transform: DirectSpec, l2: float) -> Scheme:
    regularisers = (EmbeddingNorm(l2),) if l2 else ()
    return Scheme(Nothing(), PositiveOnly(), transforms=(transform,), regularisers=regularisers)


def directspec(**options: Any) -> Scheme:
    """Scheme of `DirectSpecScheme(**options)`."""
    return from_options(DirectSpecScheme, options)


def directspec_plus(**options: Any) -> Scheme:
    """Scheme of `DirectSpecPlusScheme(**options)`."""
    return from_options(DirectSpecPlusScheme, options)
