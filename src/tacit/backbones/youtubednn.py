"""YouTubeDNN: the mean of what somebody did, through a tower (Covington et al., RecSys 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from tacit.backbones.packing import Packed, linear
from tacit.backbones.sequential import SequenceBackbone, check_sequence_options
from tacit.errors import OptionError
from tacit.kernels.initial import Scale
from tacit.kernels.rows import Rows
from tacit.scoring import TableItems
from tacit.types import Encoded, History, Positions, TrainingData


@dataclass(frozen=True)
class YouTubeDNNConfig:
    """Options of `YouTubeDNN`. `scale`: see `kernels.initial.initial_table`."""

    use: Literal["youtubednn"] = "youtubednn"
    dim: int = 64  # length of an item's vector, and of the vector of a history
    length: int = 20  # events of a history that are read, the newest
    hidden: tuple[int, ...] = ()  # widths of the tower's layers with ReLU, before the last, linear one
    queries: Positions = "last"  # positions of a sequence that are trained
    scale: Scale = 0.1  # standard deviation of initial embeddings, or "xavier"
    reads: ClassVar[Literal["sequences"]] = "sequences"

    def __post_init__(self) -> None:
        check_sequence_options(self)
        if any(width < 1 for width in self.hidden):
            raise OptionError(f"backbone.hidden holds widths of at least 1, not {list(self.hidden)}")

    def build(self, data: TrainingData, generator: torch.Generator) -> YouTubeDNN:
        """The backbone, initialised from the generator."""
        return YouTubeDNN(data.n_users, data.n_items, self, generator)


class YouTubeDNN(SequenceBackbone):
    """v = f(mean of E[x] over the events up to the query), f a tower of ReLU layers that ends linear."""

    def __init__(
        self, n_users: int, n_items: int, options: YouTubeDNNConfig, generator: torch.Generator
    ) -> None:
        super().__init__(n_users, n_items, options, generator)
        widths = (self.dim, *options.hidden, self.dim)
        self.tower = nn.ModuleList([linear(a, b, "xavier", generator) for a, b in pairwise(widths)])

    def encode(self, history: History) -> Encoded:
        """A query for each position that the history asks for."""
        packed = Packed.of(history)
        base = Rows(self.items, packed.items)
        sums = packed.padded(base.take()).cumsum(1)
        hidden: Tensor = sums.flatten(0, 1)[history.query]
        hidden = hidden / (history.query % history.items.shape[1] + 1)[:, None]
        for place, layer in enumerate(self.tower):
            hidden = layer(hidden if place == 0 else relu(hidden))
        items = TableItems(self.items)
        return Encoded(hidden[:, None], items, base=(base, items))
