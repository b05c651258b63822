"""MIND: interests by routing from behaviour to interests (Li et al., CIKM 2019)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import nn
from torch.nn.functional import relu

from tacit.backbones.capsules import route
from tacit.backbones.packing import histories, linear
from tacit.backbones.sequential import SequenceBackbone, check_attached, check_sequence_options
from tacit.errors import OptionError
from tacit.kernels.initial import Scale, initial_table
from tacit.scoring import TableItems
from tacit.types import Encoded, History, Routing, TrainingData


@dataclass(frozen=True)
class MINDConfig:
    """Options of `MIND`. `scale`: see `kernels.initial.initial_table`."""

    use: Literal["mind"] = "mind"
    dim: int = 64  # length of an item's vector, and of an interest's
    length: int = 20  # events of a history that are read, the newest
    interests: int = 4  # vectors of one history at most
    adaptive: bool = True  # short histories have fewer: the whole part of log2 of their length; 10 has 3
    iterations: int = 3  # of the routing
    attached: bool = False  # whether gradients reach the coefficients, as a regulariser of routing needs
    readout: Literal["hard", "attention", "power"] = "attention"  # the target's interest in training
    power: float = 1.0  # how sharply attention prefers the interest that scores the target highest
    relu: bool = False  # a layer with ReLU after the routing
    scale: Scale = 0.1  # standard deviation of initial embeddings, or "xavier"
    reads: ClassVar[Literal["sequences"]] = "sequences"
    queries: Literal["last", "newest"] = "last"  # trained: every position in turn, or the newest alone

    def __post_init__(self) -> None:
        check_sequence_options(self, "interests", "iterations")
        check_attached(self.attached, self.iterations)
        if not 0 <= self.power < math.inf:
            raise OptionError(
                f"backbone.power must be a number of at least 0, but is {self.power}; for the best interest "
                'alone set backbone.readout = "hard"'
            )
        if self.readout == "power" and self.power != int(self.power):
            raise OptionError(
                f"backbone.power = {self.power} has no meaning for scores below 0: use a whole number, or "
                'backbone.readout = "attention"'
            )

    def build(self, data: TrainingData, generator: torch.Generator) -> MIND:
        """The backbone, initialised from the generator."""
        return MIND(data.n_users, data.n_items, self, generator)


class MIND(SequenceBackbone):
    """Votes u_l = S h_l, shared by all interests, routed from b ~ N(0, 1); label-aware attention.

    b is drawn afresh in training and a fixed table else, so that answers repeat. Of a history of n events
    max(1, min(K, floor(log2 n))) interests are in use. Training reads out softmax_k(p v_k . e) ("attention"),
    softmax_k((v_k . e)^p) ("power", the paper's form), or the best interest ("hard").
    """

    def __init__(self, n_users: int, n_items: int, options: MINDConfig, generator: torch.Generator) -> None:
        super().__init__(n_users, n_items, options, generator)
        self.interests, self.adaptive = options.interests, options.adaptive
        self.iterations, self.attached = options.iterations, options.attached
        self.readout, self.power = options.readout, options.power
        self.bilinear = nn.Parameter(initial_table(self.dim, self.dim, "xavier", generator))
        self.register_buffer("start", torch.randn(self.length, self.interests, generator=generator))
        self.layer = linear(self.dim, self.dim, "xavier", generator) if options.relu else None

    def encode(self, history: History) -> Encoded:
        """The interests of the history up to each position asked for."""
        read = histories(self.items, history)
        queries, length = read.mask.shape
        start: torch.Tensor = self.get_buffer("start")[None, :length]
        if self.training:
            start = torch.randn(queries, length, self.interests)
        votes = read.packed.padded(read.events @ self.bilinear.T)
        interests, weights = route(votes, start, read.mask, self.iterations, attached=self.attached)
        if self.layer is not None:
            interests = relu(self.layer(interests))
        active = None
        if self.adaptive:
            used = torch.frexp(read.mask.sum(1).float()).exponent - 1  # the whole part of log2
            active = torch.arange(self.interests) < used.clamp(1, self.interests)[:, None]
            weights = weights * active[:, :, None]
        items = TableItems(self.items)
        return Encoded(
            interests,
            items,
            routing=Routing(weights, read.mask),
            active=active,
            readout=self.readout,
            power=self.power,
            base=(read.rows, items),
        )
