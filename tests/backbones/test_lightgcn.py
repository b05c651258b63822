from __future__ import annotations

import pytest
import torch

from helpers.tiny import batch_from, random_data, seeded
from longhand import graph as longhand
from tacit.backbones.lightgcn import LightGCNConfig
from tacit.errors import OptionError
from tacit.parts.objectives import BPR
from tacit.parts.samplers import Uniform
from tacit.scoring import score
from tacit.sparse import CSR

DATA = random_data(2)
BATCH = batch_from(DATA, 12)


def build(layers: int = 2, data=DATA):
    return LightGCNConfig(dim=4, layers=layers, scale=1.0).build(data, seeded())


@pytest.mark.parametrize("layers", [1, 3])
def test_scores_and_gradients_equal_the_dense_graph(layers):
    backbone = build(layers)
    candidates = Uniform(3).bind(DATA)(BATCH, seeded())
    scored = score(backbone(BATCH), candidates, BATCH, BPR())
    twin = backbone.table.detach().double().requires_grad_()
    smooth = longhand.layer_mean(longhand.adjacency(DATA.positives), twin, layers)
    expected = torch.einsum("qd,qcd->qc", smooth[BATCH.users], smooth[scored.items + DATA.n_users])
    scored.scores.tanh().sum().backward()
    expected.tanh().sum().backward()
    torch.testing.assert_close(scored.scores, expected.float(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(backbone.table.grad, twin.grad.float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_fold_in_equals_longhand(layers):
    backbone = build(layers)
    histories = [[3, 5, 7], [], [0]]
    rows = torch.tensor([0, 0, 0, 2]).numpy()
    history = CSR.from_pairs(rows, torch.tensor([3, 5, 7, 0]).numpy(), 3, DATA.n_items)
    found = backbone.fold_in(history)
    for row, items in enumerate(histories):
        expected = longhand.fold_in(DATA.positives, backbone.table.detach().double(), layers, items)
        torch.testing.assert_close(found[row], expected.float(), rtol=1e-4, atol=1e-5)


def test_fold_in_leaves_the_backbone_as_it_is():
    backbone = build()
    before = backbone.table.detach().clone()
    backbone.fold_in(DATA.positives)
    assert torch.equal(backbone.table, before)


def test_a_start_from_factors_balances_scales_and_keeps_products():
    backbone = build()
    users = 10 * torch.randn(DATA.n_users, 4, generator=seeded(5))
    items = 0.1 * torch.randn(DATA.n_items, 4, generator=seeded(6))
    backbone.start_from(users, items)
    found = backbone.table[: DATA.n_users] @ backbone.table[DATA.n_users :].T
    torch.testing.assert_close(found, users @ items.T)


def test_copied_rows_find_their_places_in_a_larger_graph():
    early, late = random_data(1, 5, 8, 10), random_data(1, 9, 11, 10)
    old, new = build(data=early), build(data=late)
    before = new.table.detach().clone()
    new.copy_rows(old)
    assert torch.equal(new.table[:5], old.table[:5])
    assert torch.equal(new.table[9:17], old.table[5:])
    assert torch.equal(new.table[5:9], before[5:9])
    assert torch.equal(new.table[17:], before[17:])


@pytest.mark.parametrize("name", ["dim", "layers"])
def test_bad_sizes_are_refused(name):
    with pytest.raises(OptionError, match=rf"backbone\.{name} must be at least 1, not 0"):
        LightGCNConfig(**{name: 0})
