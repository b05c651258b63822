"""What encoders of sequences share: the valid events of a batch, end to end, and layers from a generator."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from tacit.kernels.initial import Scale, initial_table
from tacit.kernels.rows import Rows
from tacit.types import History


@dataclass(frozen=True, eq=False)
class Packed:
    """T events of S sequences, one after the other; `shape` (S, L) is that of the padded batch."""

    items: Int[Tensor, "T"]
    places: Int[Tensor, "T"]  # of an event within its sequence, from 0
    cells: Int[Tensor, "T"]  # flat cell of an event in the padded batch
    queries: Int[Tensor, "Q"]  # among the T events
    shape: tuple[int, int]

    @staticmethod
    def of(history: History) -> Packed:
        """The valid events of a padded batch."""
        count, width = history.items.shape
        cells = (torch.arange(width) < history.lengths[:, None]).flatten().nonzero()[:, 0]
        ends = history.lengths.cumsum(0)
        offsets = ends - history.lengths
        sequence = history.query // width
        return Packed(
            items=history.items.flatten()[cells],
            places=cells % width,
            cells=cells,
            queries=offsets[sequence] + history.query % width,
            shape=(count, width),
        )

    def by_place(self) -> tuple[Int[Tensor, "T"], Int[Tensor, "longest"]]:
        """Events ordered by place, at each the longest sequences first, and how many stand at each."""
        sequence = self.cells // self.shape[1]
        lengths = sequence.bincount(minlength=self.shape[0])
        rank = lengths.argsort(descending=True, stable=True).argsort()
        order = (self.places * self.shape[0] + rank[sequence]).argsort()
        return order, self.places.bincount()

    def padded(self, values: Float[Tensor, "T c"]) -> Float[Tensor, "S L c"]:
        """The values in their cells, zeros elsewhere."""
        count, width = self.shape
        if len(self.cells) == count * width:
            return values.view(count, width, -1)
        empty = values.new_zeros(count * width, values.shape[1])
        return empty.index_copy(0, self.cells, values).view(count, width, -1)

    def flat(self, values: Float[Tensor, "S L c"]) -> Float[Tensor, "T c"]:
        """The values of the valid cells."""
        whole = values.flatten(0, 1)
        return whole if len(self.cells) == len(whole) else whole.index_select(0, self.cells)


@dataclass(frozen=True, eq=False)
class Read:
    """The event vectors of each query's own history, zeros at padding."""

    vectors: Float[Tensor, "Q L d"]
    mask: Bool[Tensor, "Q L"]
    packed: Packed
    rows: Rows  # the look-up of the T events
    events: Float[Tensor, "T d"]  # their vectors


def histories(table: Float[Tensor, "N d"], history: History) -> Read:
    """What stands at and before each position asked for, as vectors of a table."""
    padded = history.items.shape[1]
    lengths = history.query % padded + 1
    width = int(lengths.max())
    ends = torch.arange(len(lengths)) * width + lengths - 1
    packed = Packed.of(History(history.items[history.query // padded, :width], lengths, ends))
    rows = Rows(table, packed.items)
    events = rows.take()
    return Read(packed.padded(events), torch.arange(width) < lengths[:, None], packed, rows, events)


def linear(inputs: int, outputs: int, scale: Scale, generator: torch.Generator) -> nn.Linear:
    """A linear layer with weights from the generator and biases of zero."""
    with torch.random.fork_rng(devices=[]):
        layer = nn.Linear(inputs, outputs)
    with torch.no_grad():
        layer.weight.copy_(initial_table(outputs, inputs, scale, generator))
        layer.bias.zero_()
    return layer
