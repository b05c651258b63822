"""Regularisers: scalar terms that are not about single candidates."""

from __future__ import annotations

from dataclasses import dataclass
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
    it reads the tables before propagation.
    """

    strength: float = 1e-4  # of the squared norm of the batch's embeddings
    name: str = "l2"  # what its term of the loss is called
    slot: ClassVar[Slot] = "regulariser"
    needs: ClassVar[frozenset[Need]] = frozenset({"vectors"})

    def __post_init__(self) -> None:
        if self.strength < 0:
            raise OptionError(f"l2 must not be negative, but is {self.strength}")

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, encoded: Encoded, batch: Batch, candidates: Candidates) -> Float[Tensor, ""]:
        return half_squared_norm(encoded, candidates) * (self.strength / len(batch))
