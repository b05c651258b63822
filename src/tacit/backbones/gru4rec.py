"""GRU4Rec: a recurrent network over what somebody did before (Hidasi et al., ICLR 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import dropout
from torch.nn.utils.rnn import PackedSequence

from tacit.backbones.packing import Packed, linear
from tacit.backbones.sequential import SequenceBackbone, check_dropout, check_sequence_options
from tacit.kernels.initial import Scale, initial_table
from tacit.kernels.rows import Rows
from tacit.protocols import Vectors
from tacit.scoring import TableItems
from tacit.types import Encoded, History, Positions, TrainingData


@dataclass(frozen=True)
class GRU4RecConfig:
    """Options of `GRU4Rec`. `scale`: see `kernels.initial.initial_table`."""

    use: Literal["gru4rec"] = "gru4rec"
    dim: int = 64  # length of an item's vector, and of the vector of a history
    length: int = 50  # events of a history that are read, the newest
    hidden: int = 128  # width of the recurrent state
    layers: int = 1  # recurrent layers, one on the other
    dropout: float = 0.5  # share of the values of item vectors that a training step leaves out
    bias: bool = True  # in the gates
    tied: bool = True  # one table of items for reading and for scoring; else one each, the second with biases
    queries: Positions = "all"  # positions of a sequence that are trained
    scale: Scale = 0.05  # standard deviation of initial embeddings, or "xavier"
    reads: ClassVar[Literal["sequences"]] = "sequences"

    def __post_init__(self) -> None:
        check_sequence_options(self, "hidden", "layers")
        check_dropout("dropout", self.dropout)

    def build(self, data: TrainingData, generator: torch.Generator) -> GRU4Rec:
        """The backbone, initialised from the generator."""
        return GRU4Rec(data.n_users, data.n_items, self, generator)


class GRU4Rec(SequenceBackbone):
    """h_t = GRU(E[x_t], h_{t-1}); the vector of a history is W h + b at its last event.

    r = sigma(W_ir x + W_hr h), z = sigma(W_iz x + W_hz h), n = tanh(W_in x + r * (W_hn h)),
    h' = (1 - z) * n + z * h. The authors train in parallel sessions cut into steps; here every sequence is
    whole. With `tied` the score of an item is the inner product with its E, without biases.
    """

    def __init__(
        self, n_users: int, n_items: int, options: GRU4RecConfig, generator: torch.Generator
    ) -> None:
        super().__init__(n_users, n_items, options, generator)
        self.dropout = options.dropout
        with torch.random.fork_rng(devices=[]):
            self.recurrent = nn.GRU(
                self.dim, options.hidden, options.layers, bias=options.bias, batch_first=True
            )
        with torch.no_grad():
            for weights in self.recurrent.parameters():
                if weights.dim() == 1:
                    weights.zero_()
                    continue
                for gate in weights.chunk(3):
                    gate.copy_(initial_table(len(gate), gate.shape[1], "xavier", generator))
        self.merge = linear(options.hidden, self.dim, "xavier", generator)
        self.outputs, self.biases = None, None
        if not options.tied:
            self.outputs = nn.Parameter(initial_table(n_items, self.dim, options.scale, generator))
            self.biases = nn.Parameter(torch.zeros(n_items, 1))

    def encode(self, history: History) -> Encoded:
        """A query for each position that the history asks for."""
        packed = Packed.of(history)
        base = Rows(self.items, packed.items)
        inputs = dropout(base.take(), self.dropout, self.training)
        order, counts = packed.by_place()
        states, _ = self.recurrent(PackedSequence(inputs.index_select(0, order), counts))
        queries: Float[Tensor, "Q d"] = self.merge(states.data[order.argsort()[packed.queries]])
        items = TableItems(self.items if self.outputs is None else self.outputs, self.biases)
        return Encoded(queries[:, None], items, base=(base, items))

    @torch.no_grad()
    def vectors(self) -> Vectors:
        """Item vectors; a person's vector is that of a history."""
        table = self.items if self.outputs is None else self.outputs
        bias = None if self.biases is None else self.biases.detach()[:, 0].clone()
        return Vectors(torch.zeros(0, self.dim), table.detach().clone(), bias)
