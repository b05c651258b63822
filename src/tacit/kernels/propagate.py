"""Propagation over a symmetric graph as one differentiable operator with its own backward.

`layer_mean(graph, table, layers)` equals `sum(A^k @ table for k in 0..layers) / (layers + 1)`. Because A is
symmetric the gradient is the same operator applied to the incoming gradient: no transpose, no stored layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int32, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable

from tacit.kernels._compiled import propagate as compiled

CHUNKS = 256


@dataclass(frozen=True, eq=False)
class Graph:
    """A symmetric weighted adjacency in CSR form over `len(indptr) - 1` nodes."""

    indptr: Int64[np.ndarray, "nodes_plus_one"]
    columns: Int32[np.ndarray, "edges"]
    weights: Float32[np.ndarray, "edges"]
    cuts: Int64[np.ndarray, "chunks_plus_one"]

    @staticmethod
    def of(
        indptr: Int64[np.ndarray, "nodes_plus_one"],
        columns: Int32[np.ndarray, "edges"],
        weights: Float32[np.ndarray, "edges"],
    ) -> Graph:
        """The graph with its rows cut into chunks of equal work."""
        cuts: np.ndarray[Any, Any] = np.empty(CHUNKS + 1, np.int64)
        compiled.balance(indptr, CHUNKS, cuts)
        return Graph(indptr, columns, weights, cuts)


def _horner(graph: Graph, table: Tensor, layers: int) -> Tensor:
    """(1 + A (1 + A (1 + ...))) table / (layers + 1): `layers` products, two buffers."""
    if layers == 0:
        return table.clone()
    table = table.contiguous()
    weights = graph.weights if table.dtype == torch.float32 else graph.weights.astype(np.float64)
    buffers = torch.empty_like(table), torch.empty_like(table) if layers > 1 else table
    current = table
    for layer in range(layers):
        target = buffers[(layers - 1 - layer) % 2]
        compiled.add_product(
            graph.indptr,
            graph.columns,
            weights,
            graph.cuts,
            current.numpy(),
            table.numpy(),
            1 / (layers + 1) if layer == layers - 1 else 1.0,
            target.numpy(),
        )
        current = target
    return current


class _LayerMean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, graph: Graph, layers: int) -> Tensor:
        ctx.graph, ctx.layers = graph, layers
        return _horner(graph, table.detach(), layers)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        if gradient.is_sparse:
            gradient = gradient.to_dense()
        return _horner(ctx.graph, gradient, ctx.layers), None, None


def layer_mean(graph: Graph, table: Float[Tensor, "n d"], layers: int) -> Float[Tensor, "n d"]:
    """Mean of the embeddings after 0..layers propagations (LightGCN, He et al., SIGIR 2020, eq. 4 and 6)."""
    return _LayerMean.apply(table, graph, layers)  # type: ignore[no-any-return, no-untyped-call]
