from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from longhand import catalogue as longhand
from tacit.kernels import catalogue
from tacit.kernels.catalogue import log_rest


def inputs(queries: int = 7, items: int = 11, dim: int = 4, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    made = [
        torch.randn(*shape, generator=generator, dtype=torch.float64)
        for shape in ((queries, dim), (items, dim), (items,))
    ]
    return [t.requires_grad_() for t in made], torch.randint(0, items, (queries,), generator=generator)


def gradients(loss, tensors):
    return torch.autograd.grad(loss.tanh().sum(), tensors)


@pytest.mark.parametrize("tile", [1, 3, 7, 100])
@pytest.mark.parametrize("block", [1, 5, 11, 100])
def test_blocked_equals_longhand_for_any_tile(monkeypatch, tile, block):
    monkeypatch.setattr(catalogue, "TILE", tile)
    monkeypatch.setattr(catalogue, "BLOCK", block)
    tensors, targets = inputs()
    ours, twin = log_rest(*tensors, targets, dense=False), longhand.log_rest(*tensors, targets)
    torch.testing.assert_close(ours, twin, rtol=0, atol=1e-12)
    for a, b in zip(gradients(ours, tensors), gradients(twin, tensors), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dense", [True, False])
def test_without_biases(dense):
    (queries, table, _), targets = inputs()
    ours = log_rest(queries, table, None, targets, dense=dense)
    twin = longhand.log_rest(queries, table, None, targets)
    torch.testing.assert_close(ours, twin, rtol=0, atol=1e-12)
    for a, b in zip(gradients(ours, (queries, table)), gradients(twin, (queries, table)), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_blocked_passes_the_gradient_check(monkeypatch):
    monkeypatch.setattr(catalogue, "TILE", 2)
    monkeypatch.setattr(catalogue, "BLOCK", 3)
    tensors, targets = inputs(3, 5, 2)
    assert torch.autograd.gradcheck(lambda *t: log_rest(*t, targets, dense=False), tensors)


def test_with_the_target_it_is_cross_entropy():
    (queries, table, bias), targets = inputs()
    rest = log_rest(queries, table, bias, targets, dense=False)
    own = (queries * table[targets]).sum(1) + bias[targets]
    expected = cross_entropy(queries @ table.T + bias, targets, reduction="none")
    torch.testing.assert_close(torch.nn.functional.softplus(rest - own), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dense", [True, False])
def test_one_item_leaves_no_rest_and_no_gradient(dense):
    (queries, table, bias), targets = inputs(3, 1)
    rest = log_rest(queries, table, bias, targets, dense=dense)
    assert rest.tolist() == [-torch.inf] * 3
    for gradient in torch.autograd.grad(torch.nn.functional.softplus(rest).sum(), (queries, table, bias)):
        assert gradient.abs().sum() == 0


@pytest.mark.parametrize("dense", [True, False])
def test_large_scores_neither_overflow_nor_lose_the_largest(dense):
    queries = torch.tensor([[1.0]])
    table = torch.tensor([[1000.0], [-1000.0], [5000.0]])
    assert log_rest(queries, table, None, torch.tensor([2]), dense=dense).item() == 1000.0


def test_large_inputs_go_without_the_matrix(monkeypatch):
    monkeypatch.setattr(catalogue, "DENSE_LIMIT", 10)
    tensors, targets = inputs()
    assert "LogRest" in type(log_rest(*tensors, targets).grad_fn).__name__


def test_blocked_runs_give_the_same_bits(monkeypatch):
    monkeypatch.setattr(catalogue, "BLOCK", 4)
    runs = []
    for _ in range(2):
        tensors, targets = inputs()
        runs.append(gradients(log_rest(*tensors, targets, dense=False), tensors))
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))


def softmax_loss(tensors, targets, weights, *, anticipated):
    queries, table, bias = tensors
    own = (queries * table[targets]).sum(1) + bias[targets]
    rest = log_rest(*tensors, targets, dense=False, own=own if anticipated else None)
    return (weights * torch.nn.functional.softplus(rest - own)).sum()


@pytest.mark.parametrize("entries", [1, 22, 50, 10_000])
@pytest.mark.parametrize("even", [True, False], ids=["mean", "weighted"])
def test_a_gradient_formed_early_is_the_gradient(monkeypatch, entries, even):
    """Scaled where the loss is a mean, and computed anew where the examples weigh differently."""
    monkeypatch.setattr(catalogue, "ENTRIES", entries)
    monkeypatch.setattr(catalogue, "NARROWEST", 1)
    tensors, targets = inputs()
    weights = torch.full((7,), 0.3, dtype=torch.float64) if even else torch.linspace(0, 1, 7).double()
    losses = [softmax_loss(tensors, targets, weights, anticipated=early) for early in (True, False)]
    torch.testing.assert_close(losses[0], losses[1], rtol=0, atol=1e-12)
    for a, b in zip(*(torch.autograd.grad(loss, tensors) for loss in losses), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_a_gradient_formed_early_needs_no_biases():
    (queries, table, _), targets = inputs()
    found = []
    for own in ((queries * table[targets]).sum(1), None):
        rest = log_rest(queries, table, None, targets, dense=False, own=own)
        score = (queries * table[targets]).sum(1)
        found.append(torch.autograd.grad(torch.nn.functional.softplus(rest - score).mean(), (queries, table)))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_targets_that_are_certain_give_no_gradient():
    queries, table = torch.full((2, 1), 60.0).requires_grad_(), torch.tensor([[60.0], [-60.0], [-60.0]])
    targets = torch.tensor([0, 0])
    own = (queries * table[targets]).sum(1)
    rest = log_rest(queries, table, None, targets, dense=False, own=own)
    torch.nn.functional.softplus(rest - own).mean().backward()
    assert queries.grad.tolist() == [[0.0], [0.0]]


def test_without_gradients_only_the_value_is_made():
    (queries, table, bias), targets = inputs()
    with torch.no_grad():
        own = (queries * table[targets]).sum(1)
        early = log_rest(queries, table, bias, targets, dense=False, own=own)
        late = log_rest(queries, table, bias, targets, dense=False)
    torch.testing.assert_close(early, late)
