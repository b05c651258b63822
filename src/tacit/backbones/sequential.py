"""What every backbone of histories is: a table of items, and an encoder from a history to vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, Protocol, runtime_checkable

import torch
from torch import nn

from tacit.errors import OptionError
from tacit.kernels.initial import Scale, check_scale, initial_table
from tacit.parts.choices import check_choices
from tacit.protocols import Vectors
from tacit.types import Batch, Encoded, History, Positions


@runtime_checkable
class SequenceOptions(Protocol):
    """Options that every backbone of histories has."""

    @property
    def dim(self) -> int: ...
    @property
    def length(self) -> int: ...
    @property
    def queries(self) -> Positions: ...
    @property
    def scale(self) -> Scale: ...


def check_sequence_options(options: SequenceOptions, *counts: str) -> None:
    """Raise `OptionError` for a word that is no choice, and for a `dim`, `length` or other count below 1."""
    check_choices(options)
    check_scale(options.scale)
    for name in ("dim", "length", *counts):
        if getattr(options, name) < 1:
            raise OptionError(f"backbone.{name} must be at least 1, not {getattr(options, name)}")


def check_attached(attached: bool, iterations: int) -> None:
    """Raise `OptionError` where no gradient would reach the coefficients of the routing all the same."""
    if attached and iterations < 2:
        raise OptionError(
            "backbone.attached = true sends gradients through the last move of the routing, and with "
            "backbone.iterations = 1 there is none: raise iterations, or set attached = false"
        )


def check_dropout(name: str, share: float) -> None:
    """Raise `OptionError` for a share outside [0, 1)."""
    if not 0 <= share < 1:
        raise OptionError(f"backbone.{name} is a share in [0, 1), not {share}")


class SequenceBackbone(nn.Module, ABC):
    """A backbone of histories: `items` (N, d) float32, what it reads, how it is served and taken over.

    `length` newest events of a history are read, `queries` says which positions are trained, and `encode`
    gives the vectors of a history.
    """

    reads: ClassVar[Literal["sequences"]] = "sequences"
    interests = 1

    def __init__(
        self, n_users: int, n_items: int, options: SequenceOptions, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.n_users, self.n_items, self.dim = n_users, n_items, options.dim
        self.length, self.queries = options.length, options.queries
        self.items = nn.Parameter(initial_table(n_items, self.dim, options.scale, generator))

    @abstractmethod
    def encode(self, history: History) -> Encoded:
        """Queries (Q, K, d) for each position that the history asks for, and the items."""

    def forward(self, batch: Batch) -> Encoded:
        """Queries for each position that the batch's history asks for."""
        assert batch.history is not None
        return self.encode(batch.history)

    @torch.no_grad()
    def vectors(self) -> Vectors:
        """Item vectors; a person's are those of a history."""
        return Vectors(torch.zeros(0, self.dim), self.items.detach().clone())

    @torch.no_grad()
    def copy_rows(self, earlier: nn.Module) -> None:
        """Take over every tensor of an earlier run's backbone, of item tables the rows that it had."""
        own = self.state_dict()
        for name, values in earlier.state_dict().items():
            own[name][: len(values)] = values
