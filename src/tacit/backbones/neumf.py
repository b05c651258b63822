"""NeuMF: a weighted product of two embeddings beside a perceptron on two others (He et al., WWW 2017)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import dropout, linear

from tacit.errors import OptionError
from tacit.kernels.rows import Rows, take_rows
from tacit.scoring import TableItems
from tacit.types import Batch, Encoded, TrainingData


@dataclass(frozen=True)
class NeuMFConfig:
    """Options of `NeuMF`. It scores pairs and has no vectors: no index, no fold-in, no similar items."""

    use: Literal["neumf"] = "neumf"
    dim: int = 64  # length of the embeddings that are multiplied
    perceptron_dim: int | None = None  # length of those that the perceptron reads; nothing: dim
    hidden: tuple[int, ...] = (128, 64)  # widths of the layers of the perceptron
    dropout: float = 0.1  # share of each layer's inputs that training sets to zero
    scale: float = 0.01  # standard deviation of the initial embeddings

    def __post_init__(self) -> None:
        for name in ("dim", "perceptron_dim"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise OptionError(f"backbone.{name} must be at least 1, not {value}")
        if min(self.hidden, default=0) < 1:
            raise OptionError(
                f"backbone.hidden holds the widths of at least one layer, not {list(self.hidden)}: "
                "without a perceptron use gmf"
            )
        if not 0 < self.scale < math.inf:
            raise OptionError(f"backbone.scale is a positive number, not {self.scale}")
        if not 0 <= self.dropout < 1:
            raise OptionError(f"backbone.dropout is a share in [0, 1), not {self.dropout}")

    def build(self, data: TrainingData, generator: torch.Generator) -> NeuMF:
        """The backbone for the data's users and items, initialised from the generator."""
        inputs = self.dim if self.perceptron_dim is None else self.perceptron_dim
        return NeuMF(
            *(data.n_users, data.n_items, self.dim, inputs, self.hidden, self.dropout, self.scale, generator)
        )


class NeuMF(nn.Module):
    """Scores are h . [p_u * q_i ; MLP([p'_u ; q'_i])] + b: eq. (12) of the paper, before its sigmoid.

    The perceptron's layers are ReLU(W x + b). Dropout on p'_u is drawn once for all candidates of a query.
    """

    reads: ClassVar[Literal["pairs"]] = "pairs"
    interests = 1

    def __init__(
        self,
        n_users: int,
        n_items: int,
        dim: int,
        inputs: int,
        hidden: tuple[int, ...],
        dropout: float,
        scale: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.n_users, self.n_items, self.dim, self.dropout = n_users, n_items, dim, dropout
        tables = [
            nn.Parameter(torch.randn(rows, columns, generator=generator) * scale)
            for columns in (dim, inputs)
            for rows in (n_users, n_items)
        ]
        self.user_table, self.item_table, self.user_inputs, self.item_inputs = tables
        widths = (2 * inputs, *hidden)
        weights = [torch.empty(out, into) for into, out in zip(widths[:-1], hidden, strict=True)]
        for weight in weights:
            nn.init.xavier_uniform_(weight, generator=generator)
        head = torch.empty(1, dim + hidden[-1])
        nn.init.kaiming_uniform_(head, a=1, generator=generator)
        self.weights = nn.ParameterList(weights)
        self.biases = nn.ParameterList([torch.zeros(width) for width in hidden])
        self.head, self.intercept = nn.Parameter(head[0]), nn.Parameter(torch.zeros(1))

    def forward(self, batch: Batch) -> Encoded:
        """The tables that are multiplied; nothing is looked up before somebody asks."""
        return Encoded(Rows(self.user_table, batch.users), TableItems(self.item_table))

    def score(self, users: Int[Tensor, "Q"], items: Int[Tensor, "Q C"]) -> Float[Tensor, "Q C"]:
        """Score of each user with each of its items."""
        products = take_rows(self.user_table, users)[:, None] * take_rows(self.item_table, items)
        first, inputs = self.weights[0], self.user_inputs.shape[1]
        of_user = linear(self._dropped(take_rows(self.user_inputs, users)), first[:, :inputs], self.biases[0])
        of_items = linear(self._dropped(take_rows(self.item_inputs, items)), first[:, inputs:])
        layer = (of_user[:, None] + of_items).relu()
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            layer = linear(self._dropped(layer), weight, bias).relu()
        return products @ self.head[: self.dim] + layer @ self.head[self.dim :] + self.intercept

    def _dropped(self, values: Tensor) -> Tensor:
        return dropout(values, self.dropout, self.training)

    @torch.no_grad()
    def copy_rows(self, earlier: NeuMF) -> None:
        """Take over the parameters of a NeuMF of fewer or as many rows; further rows keep their start."""
        for own, other in zip(self.parameters(), earlier.parameters(), strict=True):
            own[: len(other)] = other
