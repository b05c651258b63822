"""Matrix factorisation, and GMF as matrix factorisation with a learned weight per axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import nn

from tacit.errors import OptionError
from tacit.kernels.initial import Scale, check_scale, initial_table
from tacit.kernels.rows import Rows, take_rows
from tacit.protocols import Vectors
from tacit.scoring import TableItems
from tacit.types import Batch, Encoded, TrainingData


@dataclass(frozen=True)
class MFConfig:
    """Options of `MF`. `scale`: see `kernels.initial.initial_table`."""

    use: Literal["mf"] = "mf"
    dim: int = 64  # length of a user's and an item's vector
    scale: Scale = 0.1  # standard deviation of the initial embeddings, or "xavier"
    biases: bool = False  # a number for each user and item beside the vectors
    bias_rate: float = 1.0  # their learning rate, relative to that of the vectors

    def __post_init__(self) -> None:
        _check(self.dim, self.scale, self.bias_rate)

    def build(self, data: TrainingData, generator: torch.Generator) -> MF:
        """The backbone for the data's users and items, initialised from the generator."""
        return MF(
            data.n_users, data.n_items, self.dim, self.scale, self.biases, False, generator, self.bias_rate
        )


@dataclass(frozen=True)
class GMFConfig:
    """Options of GMF (He et al., WWW 2017, eq. 9 with an identity activation and no bias)."""

    use: Literal["gmf"] = "gmf"
    dim: int = 64  # length of a user's and an item's vector
    scale: Scale = 0.1  # standard deviation of the initial embeddings, or "xavier"
    biases: bool = False  # a number for each user and item beside the vectors
    bias_rate: float = 1.0  # their learning rate, relative to that of the vectors

    def __post_init__(self) -> None:
        _check(self.dim, self.scale, self.bias_rate)

    def build(self, data: TrainingData, generator: torch.Generator) -> MF:
        """The backbone for the data's users and items, initialised from the generator."""
        return MF(
            data.n_users, data.n_items, self.dim, self.scale, self.biases, True, generator, self.bias_rate
        )


def _check(dim: int, scale: Scale, bias_rate: float) -> None:
    if dim < 1:
        raise OptionError(f"backbone.dim must be at least 1, not {dim}")
    check_scale(scale)
    if not bias_rate > 0:
        raise OptionError(f"backbone.bias_rate must be positive, not {bias_rate}")


class MF(nn.Module):
    """Scores are p_u . q_i (+ b_u + b_i); with `axes`, h . (p_u * q_i).

    The axis weights multiply the users' side, in training and at export, which a cosine can tell apart.
    """

    reads: ClassVar[Literal["pairs"]] = "pairs"
    interests = 1

    def __init__(
        self,
        n_users: int,
        n_items: int,
        dim: int,
        scale: Scale,
        biases: bool,
        axes: bool,
        generator: torch.Generator,
        bias_rate: float = 1.0,
    ) -> None:
        super().__init__()
        self.n_users, self.n_items, self.dim = n_users, n_items, dim
        self.user_table = nn.Parameter(initial_table(n_users, dim, scale, generator))
        self.item_table = nn.Parameter(initial_table(n_items, dim, scale, generator))
        self.user_bias = nn.Parameter(torch.zeros(n_users, 1)) if biases else None
        self.item_bias = nn.Parameter(torch.zeros(n_items, 1)) if biases else None
        self.axes = nn.Parameter(torch.ones(dim)) if axes else None
        slow = biases and bias_rate != 1
        self.rates = {"user_bias": bias_rate, "item_bias": bias_rate} if slow else {}

    def forward(self, batch: Batch) -> Encoded:
        """Queries are rows of the user table."""
        rows = Rows(self.user_table, batch.users)
        items = TableItems(self.item_table, self.item_bias)
        bias = None if self.user_bias is None else take_rows(self.user_bias, batch.users)[:, 0]
        if self.axes is None:
            return Encoded(rows, items, query_bias=bias)
        queries = (rows.take() * self.axes)[:, None]
        return Encoded(queries, items, query_bias=bias, base=(rows, items))

    @torch.no_grad()
    def vectors(self) -> Vectors:
        """Tables as they are served; user biases do not change a ranking and are left out."""
        users = self.user_table if self.axes is None else self.user_table * self.axes
        bias = None if self.item_bias is None else self.item_bias[:, 0].clone()
        return Vectors(users.detach().clone(), self.item_table.detach().clone(), bias)

    @torch.no_grad()
    def start_from(self, users: torch.Tensor, items: torch.Tensor) -> None:
        """Set the tables to given factors (U, dim) and (N, dim), their scales balanced first."""
        ratio = (items.norm() / len(items) ** 0.5) / (users.norm() / len(users) ** 0.5).clamp(min=1e-12)
        balance = ratio.clamp(min=1e-12).sqrt()
        self.user_table.copy_(users * balance)
        self.item_table.copy_(items / balance)

    @torch.no_grad()
    def copy_rows(self, earlier: MF) -> None:
        """Take over the parameters of a smaller or equal MF; further rows keep their initial values."""
        for name, parameter in earlier.named_parameters():
            getattr(self, name)[: len(parameter)] = parameter
