"""Regularisers: scalar terms that are not about single candidates."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from jaxtyping import Float
from torch import Tensor

from tacit.errors import OptionError
from tacit.scoring import half_squared_norm
from tacit.types import Batch, Candidates, Encoded, Need, Slot, TrainingData


@dataclass(frozen=True)
class EmbeddingNorm:
    """L2 on the batch's rows of the base tables: strength / (2 Q) * sum over occurrences of |row|^2.

    Each occurrence of a row counts. This is the field's usual convention (LightGCN, SIGIR 2020, its code);
    it reads the tables before propagation. A row that occurs often is so held back often. With `spread` the
    strength is divided by the mean number of training pairs of a user, so that a row is held back about as
    much in all, whether people have four pairs or a hundred.
    """

    strength: float = 1e-4  # of the squared norm of the batch's embeddings
    spread: bool = False  # divide it by the mean number of training pairs of a user
    name: str = "l2"  # what its term of the loss is called
    _pairs: float = field(default=1.0, repr=False, compare=False)  # of a user, on average
    slot: ClassVar[Slot] = "regulariser"
    needs: ClassVar[frozenset[Need]] = frozenset({"vectors"})

    def __post_init__(self) -> None:
        if self.strength < 0:
            raise OptionError(f"l2 must not be negative, but is {self.strength}")

    def bind(self, data: TrainingData) -> Self:
        if not self.spread:
            return self
        degrees = data.positives.degrees()
        return replace(self, _pairs=float(degrees.sum() / max((degrees > 0).sum(), 1)) or 1.0)

    def __call__(self, encoded: Encoded, batch: Batch, candidates: Candidates) -> Float[Tensor, ""]:
        return half_squared_norm(encoded, candidates) * (self.strength / self._pairs / len(batch))
