"""ComiRec: several interests of one history, by self-attention or by routing (Cen et al., KDD 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import nn

from tacit.backbones.capsules import Axis, route
from tacit.backbones.packing import histories
from tacit.backbones.sequential import SequenceBackbone, check_attached, check_sequence_options
from tacit.errors import OptionError
from tacit.kernels.initial import Scale, initial_table
from tacit.scoring import TableItems
from tacit.types import Encoded, History, Routing, TrainingData


@dataclass(frozen=True)
class ComiRecSAConfig:
    """Options of `ComiRecSA`. `scale`: see `kernels.initial.initial_table`."""

    use: Literal["comirec-sa"] = "comirec-sa"
    dim: int = 64  # length of an item's vector, and of an interest's
    length: int = 20  # events of a history that are read, the newest
    interests: int = 4  # vectors of one history
    hidden: int | None = None  # width of the attention's layer; nothing: 4 times dim
    positions: bool = True  # whether the attention knows the place of an event
    scale: Scale = 0.1  # standard deviation of initial embeddings, or "xavier"
    reads: ClassVar[Literal["sequences"]] = "sequences"
    queries: Literal["last", "newest"] = "last"  # trained: every position in turn, or the newest alone

    def __post_init__(self) -> None:
        check_sequence_options(self, "interests")
        if self.hidden is not None and self.hidden < 1:
            raise OptionError(f"backbone.hidden must be at least 1, not {self.hidden}")

    def build(self, data: TrainingData, generator: torch.Generator) -> ComiRecSA:
        """The backbone, initialised from the generator."""
        return ComiRecSA(data.n_users, data.n_items, self, generator)


class ComiRecSA(SequenceBackbone):
    """A = softmax over positions of (tanh((H + P) W1) W2), V = A^T H; hard readout.

    The attention sees places, what it mixes are the vectors without them. No biases, as in REMI's code.
    """

    def __init__(
        self, n_users: int, n_items: int, options: ComiRecSAConfig, generator: torch.Generator
    ) -> None:
        super().__init__(n_users, n_items, options, generator)
        self.interests = options.interests
        hidden = options.hidden or 4 * self.dim
        self.widen = nn.Parameter(initial_table(self.dim, hidden, "xavier", generator))
        self.choose = nn.Parameter(initial_table(hidden, self.interests, "xavier", generator))
        self.positions = None
        if options.positions:
            self.positions = nn.Parameter(initial_table(self.length, self.dim, options.scale, generator))

    def encode(self, history: History) -> Encoded:
        """The interests (Q, K, d) of the history up to each position asked for."""
        read = histories(self.items, history)
        placed = read.events
        if self.positions is not None:
            placed = placed + self.positions[read.packed.places]
        logits = read.packed.padded((placed @ self.widen).tanh() @ self.choose).transpose(1, 2)
        weights = logits.masked_fill(~read.mask[:, None], -torch.inf).softmax(2)
        items = TableItems(self.items)
        return Encoded(
            weights @ read.vectors, items, routing=Routing(weights, read.mask), base=(read.rows, items)
        )


@dataclass(frozen=True)
class ComiRecDRConfig:
    """Options of `ComiRecDR`. `scale`: see `kernels.initial.initial_table`."""

    use: Literal["comirec-dr"] = "comirec-dr"
    dim: int = 64  # length of an item's vector, and of an interest's
    length: int = 20  # events of a history that are read, the newest
    interests: int = 4  # vectors of one history
    iterations: int = 3  # of the routing
    axis: Axis = "interests"  # what the coefficients of the routing are shared out over
    attached: bool = False  # whether gradients reach the coefficients, as a regulariser of routing needs
    scale: Scale = 0.1  # standard deviation of initial embeddings, or "xavier"
    reads: ClassVar[Literal["sequences"]] = "sequences"
    queries: Literal["last", "newest"] = "last"  # trained: every position in turn, or the newest alone

    def __post_init__(self) -> None:
        check_sequence_options(self, "interests", "iterations")
        check_attached(self.attached, self.iterations)

    def build(self, data: TrainingData, generator: torch.Generator) -> ComiRecDR:
        """The backbone, initialised from the generator."""
        return ComiRecDR(data.n_users, data.n_items, self, generator)


class ComiRecDR(SequenceBackbone):
    """Votes u_lk = W_lk h_l, one matrix a place and interest, shared out by routing from b = 0; hard readout.

    W starts with deviation 1, as in the authors' code: it alone tells the interests apart.
    """

    def __init__(
        self, n_users: int, n_items: int, options: ComiRecDRConfig, generator: torch.Generator
    ) -> None:
        super().__init__(n_users, n_items, options, generator)
        self.interests, self.iterations = options.interests, options.iterations
        self.axis, self.attached = options.axis, options.attached
        votes = initial_table(self.length * self.dim, self.interests * self.dim, 1.0, generator)
        self.votes = nn.Parameter(votes.view(self.length, self.dim, -1))

    def encode(self, history: History) -> Encoded:
        """The interests (Q, K, d) of the history up to each position asked for."""
        read = histories(self.items, history)
        queries, length, dim = read.vectors.shape
        votes = torch.bmm(read.vectors.transpose(0, 1), self.votes[:length]).transpose(0, 1)
        votes = votes.reshape(queries, length, self.interests, dim)
        start = votes.new_zeros(1, length, self.interests)
        interests, weights = route(
            *(votes, start, read.mask, self.iterations),
            axis=self.axis,
            attached=self.attached,
            slots=self.length,
        )
        items = TableItems(self.items)
        return Encoded(interests, items, routing=Routing(weights, read.mask), base=(read.rows, items))
