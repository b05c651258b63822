"""ComiRec: several interests of one history, by self-attention or by routing (Cen et al., KDD 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from tacit.backbones.capsules import Axis, route
from tacit.backbones.packing import histories, keep_items
from tacit.errors import OptionError
from tacit.kernels.initial import Scale, check_scale, initial_table
from tacit.parts.choices import check_choices
from tacit.scoring import TableItems
from tacit.types import Batch, Encoded, History, Routing, TrainingData, Vectors


def _check(options: ComiRecSAConfig | ComiRecDRConfig) -> None:
    check_choices(options)
    check_scale(options.scale)
    for name in ("dim", "length", "interests"):
        if getattr(options, name) < 1:
            raise OptionError(f"backbone.{name} must be at least 1, not {getattr(options, name)}")


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
        _check(self)
        if self.hidden is not None and self.hidden < 1:
            raise OptionError(f"backbone.hidden must be at least 1, not {self.hidden}")

    def build(self, data: TrainingData, generator: torch.Generator) -> ComiRecSA:
        """The backbone, initialised from the generator."""
        return ComiRecSA(data.n_users, data.n_items, self, generator)


class _Interests(nn.Module):
    """What both forms share: the item table, how they are read, served and taken over."""

    reads: ClassVar[Literal["sequences"]] = "sequences"

    def __init__(
        self,
        n_users: int,
        n_items: int,
        options: ComiRecSAConfig | ComiRecDRConfig,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.n_users, self.n_items, self.dim = n_users, n_items, options.dim
        self.length, self.interests, self.queries = options.length, options.interests, options.queries
        self.items = nn.Parameter(initial_table(n_items, self.dim, options.scale, generator))

    def forward(self, batch: Batch) -> Encoded:
        """The interests of the history of each query."""
        assert batch.history is not None
        return self.encode(batch.history)

    def encode(self, history: History) -> Encoded:
        """The interests of the history up to each position asked for."""
        read = histories(self.items, history)
        interests, weights = self.attend(read.vectors, read.mask)
        items = TableItems(self.items)
        return Encoded(interests, items, routing=Routing(weights, read.mask), base=(read.rows, items))

    def attend(self, vectors: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Interests (Q, K, d) of event vectors (Q, L, d), and the routing weights (Q, K, L)."""
        raise NotImplementedError

    @torch.no_grad()
    def vectors(self) -> Vectors:
        """Item vectors; a person's are those of a history."""
        return Vectors(torch.zeros(0, self.dim), self.items.detach().clone())

    @torch.no_grad()
    def copy_rows(self, earlier: nn.Module) -> None:
        """Take over an earlier run: all weights, and the items that it knew."""
        keep_items(self, earlier)


class ComiRecSA(_Interests):
    """A = softmax over positions of (tanh((H + P) W1) W2), V = A^T H; hard readout.

    The attention sees places, what it mixes are the vectors without them. No biases, as in REMI's code.
    """

    def __init__(
        self, n_users: int, n_items: int, options: ComiRecSAConfig, generator: torch.Generator
    ) -> None:
        super().__init__(n_users, n_items, options, generator)
        hidden = options.hidden or 4 * self.dim
        self.widen = nn.Parameter(initial_table(self.dim, hidden, "xavier", generator))
        self.choose = nn.Parameter(initial_table(hidden, self.interests, "xavier", generator))
        self.positions = None
        if options.positions:
            self.positions = nn.Parameter(initial_table(self.length, self.dim, options.scale, generator))

    def attend(self, vectors: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Interests (Q, K, d) of event vectors (Q, L, d), and the routing weights (Q, K, L)."""
        placed = vectors if self.positions is None else vectors + self.positions[: vectors.shape[1]]
        logits = ((placed @ self.widen).tanh() @ self.choose).transpose(1, 2)
        weights = logits.masked_fill(~mask[:, None], -torch.inf).softmax(2)
        return weights @ vectors, weights


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
        _check(self)
        if self.iterations < 1:
            raise OptionError(f"backbone.iterations must be at least 1, not {self.iterations}")

    def build(self, data: TrainingData, generator: torch.Generator) -> ComiRecDR:
        """The backbone, initialised from the generator."""
        return ComiRecDR(data.n_users, data.n_items, self, generator)


class ComiRecDR(_Interests):
    """Votes u_lk = W_lk h_l, one matrix a place and interest, shared out by routing from b = 0; hard readout.

    W starts with deviation 1, as in the authors' code: it alone tells the interests apart.
    """

    def __init__(
        self, n_users: int, n_items: int, options: ComiRecDRConfig, generator: torch.Generator
    ) -> None:
        super().__init__(n_users, n_items, options, generator)
        self.iterations, self.axis, self.attached = options.iterations, options.axis, options.attached
        votes = initial_table(self.length * self.dim, self.interests * self.dim, 1.0, generator)
        self.votes = nn.Parameter(votes.view(self.length, self.dim, -1))

    def attend(self, vectors: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Interests (Q, K, d) of event vectors (Q, L, d), and the routing weights (Q, K, L)."""
        queries, length, dim = vectors.shape
        votes = torch.bmm(vectors.transpose(0, 1), self.votes[:length]).transpose(0, 1)
        votes = votes.reshape(queries, length, self.interests, dim)
        start = votes.new_zeros(1, length, self.interests)
        return route(votes, start, mask, self.iterations, axis=self.axis, attached=self.attached)
