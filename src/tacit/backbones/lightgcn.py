"""LightGCN: embeddings smoothed over the user-item graph (He et al., SIGIR 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from tacit.data.graph import bipartite
from tacit.errors import OptionError
from tacit.kernels.initial import Scale, check_scale, initial_table
from tacit.kernels.propagate import layer_mean
from tacit.kernels.rows import Rows
from tacit.protocols import Vectors
from tacit.scoring import TableItems
from tacit.sparse import CSR
from tacit.types import Batch, Encoded, TrainingData


@dataclass(frozen=True)
class LightGCNConfig:
    """Options of `LightGCN`. `scale`: see `kernels.initial.initial_table`."""

    use: Literal["lightgcn"] = "lightgcn"
    dim: int = 64  # length of a user's and an item's vector
    layers: int = 3  # steps along the graph of users and items
    scale: Scale = 0.1  # standard deviation of the initial embeddings, or "xavier"

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise OptionError(f"backbone.dim must be at least 1, not {self.dim}")
        check_scale(self.scale)
        if self.layers < 1:
            raise OptionError(f"backbone.layers must be at least 1, not {self.layers}: without layers use mf")

    def build(self, data: TrainingData, generator: torch.Generator) -> LightGCN:
        """The backbone on the graph of the data's positives, initialised from the generator."""
        return LightGCN(data.positives, self.dim, self.layers, self.scale, generator)


class LightGCN(nn.Module):
    """Z = mean over k = 0..K of A^k E; scores are z_u . z_i; L2 reads E.

    One table holds users, then items. One propagation a step is the cost: use large batches.
    """

    reads: ClassVar[Literal["pairs"]] = "pairs"
    interests = 1

    def __init__(
        self, positives: CSR, dim: int, layers: int, scale: Scale, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.n_users, self.n_items, self.dim, self.layers = positives.n_rows, positives.n_columns, dim, layers
        self.graph = bipartite(positives)
        self.item_degrees = np.bincount(positives.indices, minlength=self.n_items)
        self.table = nn.Parameter(initial_table(self.n_users + self.n_items, dim, scale, generator))

    def forward(self, batch: Batch) -> Encoded:
        """Queries and items are rows of the propagated table."""
        smooth = layer_mean(self.graph, self.table, self.layers)
        base = (Rows(self.table, batch.users), TableItems(self.table, offset=self.n_users))
        return Encoded(Rows(smooth, batch.users), TableItems(smooth, offset=self.n_users), base=base)

    @torch.no_grad()
    def vectors(self) -> Vectors:
        """The propagated tables."""
        smooth = layer_mean(self.graph, self.table, self.layers)
        return Vectors(smooth[: self.n_users].clone(), smooth[self.n_users :].clone())

    @torch.no_grad()
    def start_from(self, users: torch.Tensor, items: torch.Tensor) -> None:
        """Set the table before propagation to given factors, their scales balanced first."""
        ratio = (items.norm() / len(items) ** 0.5) / (users.norm() / len(users) ** 0.5).clamp(min=1e-12)
        balance = ratio.clamp(min=1e-12).sqrt()
        self.table.copy_(torch.cat([users * balance, items / balance]))

    @torch.no_grad()
    def copy_rows(self, earlier: LightGCN) -> None:
        """Take over the embeddings of an earlier graph's users and items; the others keep their start."""
        self.table[: earlier.n_users] = earlier.table[: earlier.n_users]
        self.table[self.n_users : self.n_users + earlier.n_items] = earlier.table[earlier.n_users :]

    @torch.no_grad()
    def fold_in(self, history: CSR) -> Float[Tensor, "Q d"]:
        """Vectors of people known by their history only: propagation into a new node.

        The new node is linked to its items with the weights it would have in the graph and receives the mean
        of what reaches it in layers 1..K; it has no embedding of its own, and the graph stays as it is.
        """
        inputs = torch.zeros_like(self.table)
        layer = self.table.detach()
        for _ in range(self.layers):
            inputs += layer
            layer = 2 * layer_mean(self.graph, layer, 1) - layer
        degrees = np.maximum(history.degrees(), 1)
        rows = np.repeat(np.arange(history.n_rows), history.degrees())
        weights = 1.0 / np.sqrt(degrees[rows] * (self.item_degrees[history.indices] + 1.0))
        neighbours = inputs[torch.from_numpy(history.indices.astype(np.int64)) + self.n_users]
        result = torch.zeros(history.n_rows, self.dim)
        result.index_add_(0, torch.from_numpy(rows), neighbours * torch.from_numpy(weights).float()[:, None])
        return result / (self.layers + 1)
