"""DirectAU: alignment of positives and uniformity of users and of items on the sphere; no negatives.

Source: Wang et al., "Towards Representation Alignment and Uniformity in Collaborative Filtering", KDD 2022.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from tacit.errors import OptionError
from tacit.kernels.catalogue import log_rest
from tacit.kernels.rows import Rows
from tacit.parts.samplers import Nothing
from tacit.schemes.scheme import Scheme, from_options
from tacit.scoring import read_out
from tacit.types import Batch, Candidates, Encoded, Losses, Need, Scored, Similarity, Slot, TrainingData


def uniformity(x: Float[Tensor, "n d"], scale: float = 2.0) -> Float[Tensor, ""]:
    """log mean over pairs a < b of exp(-scale |x_a - x_b|^2), rows of length 1; 0 of fewer than two.

    Wang and Isola, ICML 2020. Above a thousand rows in tiles: no (n, n) matrix is kept.
    """
    n = len(x)
    if n < 2:
        return x.sum() * 0
    rest = log_rest(2 * scale * x, x, None, torch.arange(n))
    return rest.logsumexp(0) - 2 * scale - math.log(n * (n - 1))


@dataclass(frozen=True)
class Alignment:
    """Objective |x_u - x_i|^2 = 2 - 2 cos of each positive pair, (Q,); candidates are not looked at."""

    slot: ClassVar[Slot] = "objective"
    reads_candidates: ClassVar[bool] = False
    needs: ClassVar[frozenset[Need]] = frozenset()
    catalogue: ClassVar[bool] = False
    temperature: ClassVar[float] = 1.0
    similarity: ClassVar[Similarity] = "cosine"

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, scored: Scored) -> Losses:
        return Losses(2 - 2 * scored.scores[:, 0])

    def logits(self, scored: Scored) -> Float[Tensor, "Q C"]:
        return scored.scores


@dataclass(frozen=True)
class Uniformity:
    """Regulariser strength * (uniformity of the batch's users + of its items) / 2, repeats kept.

    Of several interests the one counts that the objective scores, by its similarity. Raises `OptionError` for
    a strength that is negative, a scale that is not positive, and for what is no number.
    """

    strength: float = 1.0  # of the uniformity of users and items
    scale: float = 2.0  # of squared distances
    name: str = "uniformity"  # what its term of the loss is called
    similarity: Similarity = "dot"  # by which the objective chooses among interests
    slot: ClassVar[Slot] = "regulariser"
    needs: ClassVar[frozenset[Need]] = frozenset({"vectors"})

    def __post_init__(self) -> None:
        if not (0 <= self.strength < math.inf and 0 < self.scale < math.inf):
            raise OptionError(
                f"strength must be a number of at least 0 and scale one above it, not {self.strength} and "
                f"{self.scale}"
            )

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, encoded: Encoded, batch: Batch, candidates: Candidates) -> Float[Tensor, ""]:
        targets = candidates.read[0]
        chosen = read_out(encoded, targets, self.similarity).queries
        queries = chosen.take() if isinstance(chosen, Rows) else chosen[:, 0]
        items = encoded.items.rows(targets)
        both = uniformity(normalize(queries, dim=1), self.scale) + uniformity(
            normalize(items, dim=1), self.scale
        )
        return self.strength * both / 2


@dataclass(frozen=True)
class DirectAUScheme:
    """DirectAU (KDD 2022): alignment and uniformity, positives only."""

    use: Literal["directau"] = "directau"
    strength: float = 1.0  # of uniformity; the authors use .5 to 5

    def build(self) -> Scheme:
        """The scheme of these options. Raises `OptionError` for one out of range."""
        return Scheme(Nothing(), Alignment(), regularisers=(Uniformity(self.strength, similarity="cosine"),))


def directau(**options: Any) -> Scheme:
    """Scheme of `DirectAUScheme(**options)`. Raises `OptionError` for an option out of range."""
    return from_options(DirectAUScheme, options)
