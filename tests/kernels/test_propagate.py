from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.tiny import random_data, tiny
from longhand import graph as longhand
from tacit.data.graph import bipartite
from tacit.kernels import propagate
from tacit.kernels.propagate import layer_mean


def table_for(data, dim: int = 3, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.randn(data.n_users + data.n_items, dim, generator=generator, dtype=dtype)


def test_worked_example():
    data = tiny([(0, 0), (1, 0), (1, 1)], 2, 2)
    table = torch.tensor([[1.0, 0], [0, 1], [1, 1], [1, -1]])
    expected = [[0.735702, 0.353553], [0.520220, 0.514298], [0.936887, 0.632149], [0.617851, -0.146447]]
    torch.testing.assert_close(
        layer_mean(bipartite(data.positives), table, 2), torch.tensor(expected), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("layers", [0, 1, 2, 3, 5])
def test_equals_dense_powers_in_value_and_gradient(layers):
    data = random_data(1)
    graph, matrix = bipartite(data.positives), longhand.adjacency(data.positives)
    ours, twin = (table_for(data).requires_grad_() for _ in range(2))
    found, expected = layer_mean(graph, ours, layers), longhand.layer_mean(matrix, twin, layers)
    found.tanh().sum().backward()
    expected.tanh().sum().backward()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(ours.grad, twin.grad, rtol=0, atol=1e-6)


def test_passes_the_gradient_check():
    data = tiny([(0, 0), (1, 0), (1, 1)], 2, 2)
    graph = bipartite(data.positives)
    assert torch.autograd.gradcheck(lambda t: layer_mean(graph, t, 3), (table_for(data).requires_grad_(),))


def test_takes_a_sparse_gradient():
    from tacit.kernels.rows import take_rows

    data = random_data(2)
    graph = bipartite(data.positives)
    picked = torch.tensor([1, 1, 4])
    gradients = []
    for look_up in (take_rows, lambda table, ids: table[ids]):
        table = table_for(data, dtype=torch.float32).requires_grad_()
        look_up(layer_mean(graph, table, 2), picked).sum().backward()
        gradients.append(table.grad)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("layers", [0, 1, 4])
def test_isolated_nodes_keep_their_share_of_themselves(layers):
    data = tiny([(0, 0)], 2, 2)
    table = table_for(data, dtype=torch.float32)
    smooth = layer_mean(bipartite(data.positives), table, layers)
    torch.testing.assert_close(smooth[[1, 3]], table[[1, 3]] / (layers + 1))


def test_weights_are_symmetric_and_normalised():
    data = random_data(3)
    graph = bipartite(data.positives)
    n = data.n_users + data.n_items
    dense = np.zeros((n, n))
    for row in range(n):
        here = slice(graph.indptr[row], graph.indptr[row + 1])
        dense[row, graph.columns[here]] = graph.weights[here]
    np.testing.assert_array_equal(dense, dense.T)
    np.testing.assert_allclose(dense, longhand.adjacency(data.positives).numpy(), atol=1e-7)


@settings(max_examples=30, deadline=None)
@given(degrees=st.lists(st.integers(0, 50), min_size=1, max_size=60))
def test_chunks_cover_every_row_once(degrees):
    indptr = np.concatenate([[0], np.cumsum(degrees)]).astype(np.int64)
    edges = int(indptr[-1])
    graph = propagate.Graph.of(indptr, np.zeros(edges, np.int32), np.ones(edges, np.float32))
    assert graph.cuts[0] == 0
    assert graph.cuts[-1] == len(degrees)
    assert (np.diff(graph.cuts) >= 0).all()


def test_does_not_change_its_input():
    data = random_data(1)
    table = table_for(data)
    before = table.clone()
    layer_mean(bipartite(data.positives), table, 3)
    assert torch.equal(table, before)
