"""SASRec: self-attention over what somebody did before (Kang and McAuley, ICDM 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import dropout, gelu, relu, scaled_dot_product_attention

from tacit.backbones.packing import Packed, linear
from tacit.backbones.sequential import SequenceBackbone, check_dropout, check_sequence_options
from tacit.errors import OptionError
from tacit.kernels.initial import Scale, initial_table
from tacit.kernels.rows import Rows
from tacit.scoring import TableItems
from tacit.types import Encoded, History, Positions, TrainingData


@dataclass(frozen=True)
class SASRecConfig:
    """Options of `SASRec`. `scale`: see `kernels.initial.initial_table`."""

    use: Literal["sasrec"] = "sasrec"
    dim: int = 64  # length of an item's vector, and of the vector of a history
    length: int = 50  # events of a history that are read, the newest
    blocks: int = 2  # of attention and feed-forward
    heads: int = 2  # of attention; they share dim
    inner: int | None = None  # width of the feed-forward layer; nothing: 4 times dim
    dropout: float = 0.2  # share of values of the embeddings, and of what a part of a block adds, left out
    attention_dropout: float = 0.0  # the same of attention's weights; above 0 no fused kernel takes them
    norm: Literal["pre", "post"] = "pre"  # normalise what enters a part of a block, or what comes out of it
    activation: Literal["gelu", "relu"] = "gelu"  # of the feed-forward layer
    queries: Positions = "all"  # positions of a sequence that are trained
    scale: Scale = 0.02  # standard deviation of initial embeddings and weights, or "xavier"
    reads: ClassVar[Literal["sequences"]] = "sequences"

    def __post_init__(self) -> None:
        check_sequence_options(self, "blocks", "heads")
        if self.inner is not None and self.inner < 1:
            raise OptionError(f"backbone.inner must be at least 1, not {self.inner}")
        if self.dim % self.heads:
            raise OptionError(f"backbone.heads = {self.heads} must divide backbone.dim = {self.dim}")
        check_dropout("dropout", self.dropout)
        check_dropout("attention_dropout", self.attention_dropout)

    def build(self, data: TrainingData, generator: torch.Generator) -> SASRec:
        """The backbone, initialised from the generator."""
        return SASRec(data.n_users, data.n_items, self, generator)


class Block(nn.Module):
    """Causal attention, then a feed-forward layer at each position; a residual around either."""

    def __init__(self, options: SASRecConfig, generator: torch.Generator) -> None:
        super().__init__()
        dim, inner = options.dim, options.inner or 4 * options.dim
        self.heads, self.pre = options.heads, options.norm == "pre"
        self.dropout, self.attention_dropout = options.dropout, options.attention_dropout
        self.activation = gelu if options.activation == "gelu" else relu
        self.attended, self.fed = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.project = linear(dim, 3 * dim, options.scale, generator)
        self.merge = linear(dim, dim, options.scale, generator)
        self.widen = linear(dim, inner, options.scale, generator)
        self.narrow = linear(inner, dim, options.scale, generator)

    def forward(self, hidden: Float[Tensor, "T d"], packed: Packed) -> Float[Tensor, "T d"]:
        """The hidden states of all T events after this block."""
        if self.pre:
            hidden = hidden + self._attention(self.attended(hidden), packed)
            return hidden + self._feed(self.fed(hidden))
        hidden = self.attended(hidden + self._attention(hidden, packed))
        hidden = self.fed(hidden + self._feed(hidden))
        return hidden

    def _attention(self, hidden: Tensor, packed: Packed) -> Tensor:
        """softmax(Q K^T / sqrt(d / heads)) V over the events up to each one; padding comes after, unseen."""
        whole = packed.padded(self.project(hidden))
        batch, length, _ = whole.shape
        queries, keys, values = whole.view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        share = self.attention_dropout if self.training else 0.0
        mixed = scaled_dot_product_attention(queries, keys, values, dropout_p=share, is_causal=True)
        return self._thinned(self.merge(packed.flat(mixed.transpose(1, 2).flatten(2))))

    def _feed(self, hidden: Tensor) -> Tensor:
        return self._thinned(self.narrow(self.activation(self.widen(hidden))))

    def _thinned(self, hidden: Tensor) -> Tensor:
        return dropout(hidden, self.dropout, self.training)


class SASRec(SequenceBackbone):
    """h = LN(blocks(E[x] + P)), or blocks(LN(E[x] + P)) with `norm = "post"`; an item scores h . E[item].

    Not as in the original (Kang and McAuley, ICDM 2018): there queries alone are normalised before attention,
    embeddings are multiplied by sqrt(d), and the loss is BCE of one negative. Positions count from the first
    event of the window. Right padding is never computed but in the attention, where it stands after
    everything that counts.
    """

    def __init__(self, n_users: int, n_items: int, options: SASRecConfig, generator: torch.Generator) -> None:
        super().__init__(n_users, n_items, options, generator)
        self.dropout = options.dropout
        self.positions = nn.Parameter(initial_table(self.length, self.dim, options.scale, generator))
        self.blocks = nn.ModuleList([Block(options, generator) for _ in range(options.blocks)])
        self.last = nn.LayerNorm(self.dim) if options.norm == "pre" else nn.Identity()
        self.first = nn.Identity() if options.norm == "pre" else nn.LayerNorm(self.dim)

    def encode(self, history: History) -> Encoded:
        """A query for each position that the history asks for."""
        packed = Packed.of(history)
        base = Rows(self.items, packed.items)
        hidden = base.take() + self.positions[packed.places]
        hidden = dropout(self.first(hidden), self.dropout, self.training)
        for block in self.blocks:
            hidden = block(hidden, packed)
        queries = self.last(hidden[packed.queries])
        items = TableItems(self.items)
        return Encoded(queries[:, None], items, base=(base, items))
