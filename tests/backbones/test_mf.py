from __future__ import annotations

import pytest
import torch

from helpers.tiny import batch_from, random_data, seeded
from tacit.backbones.lightgcn import LightGCNConfig
from tacit.backbones.mf import GMFConfig, MFConfig
from tacit.backbones.neumf import NeuMFConfig
from tacit.errors import OptionError
from tacit.parts.objectives import BPR
from tacit.parts.samplers import Uniform
from tacit.schemes.plain import bpr
from tacit.scoring import score
from tacit.training.step import Step

DATA = random_data(1)
BATCH = batch_from(DATA, 12)


def randomised(config):
    backbone = config.build(DATA, seeded())
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=seeded(3)))
    return backbone


def scores_of(backbone) -> torch.Tensor:
    candidates = Uniform(3).bind(DATA)(BATCH, seeded())
    return score(backbone(BATCH), candidates, BATCH, BPR())


def test_mf_scores_by_inner_product():
    backbone = randomised(MFConfig(dim=4))
    scored = scores_of(backbone)
    for query, user in enumerate(BATCH.users.tolist()):
        for column, item in enumerate(scored.items[query].tolist()):
            expected = backbone.user_table[user] @ backbone.item_table[item]
            torch.testing.assert_close(scored.scores[query, column], expected)


def test_mf_adds_the_biases_of_both_sides():
    backbone = randomised(MFConfig(dim=4, biases=True))
    scored = scores_of(backbone)
    for query, user in enumerate(BATCH.users.tolist()):
        for column, item in enumerate(scored.items[query].tolist()):
            expected = backbone.user_table[user] @ backbone.item_table[item]
            expected = expected + backbone.user_bias[user, 0] + backbone.item_bias[item, 0]
            torch.testing.assert_close(scored.scores[query, column], expected)


def test_gmf_weighs_each_axis():
    backbone = randomised(GMFConfig(dim=4))
    scored = scores_of(backbone)
    for query, user in enumerate(BATCH.users.tolist()):
        for column, item in enumerate(scored.items[query].tolist()):
            product = backbone.user_table[user] * backbone.item_table[item]
            torch.testing.assert_close(scored.scores[query, column], backbone.axes @ product)


def test_gmf_starts_as_mf():
    found = [scores_of(config.build(DATA, seeded())).scores for config in (MFConfig(dim=4), GMFConfig(dim=4))]
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("scale", [0.01, 0.5])
def test_scale_is_the_spread_of_the_start(scale):
    backbone = MFConfig(dim=200, scale=scale).build(DATA, seeded())
    assert backbone.item_table.std().item() == pytest.approx(scale, rel=0.05)


def test_a_start_from_factors_keeps_their_products_and_balances_scales():
    backbone = MFConfig(dim=4).build(DATA, seeded())
    users = 10 * torch.randn(DATA.n_users, 4, generator=seeded(5))
    items = 0.1 * torch.randn(DATA.n_items, 4, generator=seeded(6))
    backbone.start_from(users, items)
    torch.testing.assert_close(backbone.user_table @ backbone.item_table.T, users @ items.T)
    spread = [float(t.detach().square().mean()) for t in (backbone.user_table, backbone.item_table)]
    assert spread[0] == pytest.approx(spread[1], rel=1e-4)


@pytest.mark.parametrize("config", [MFConfig(dim=4, biases=True), GMFConfig(dim=4)], ids=repr)
def test_copied_rows_come_first_and_new_ones_keep_their_start(config):
    early, late = random_data(1, 5, 8, 10), random_data(1, 9, 11, 10)
    old, new = config.build(early, seeded(1)), config.build(late, seeded(2))
    before = new.item_table.detach().clone()
    new.copy_rows(old)
    assert torch.equal(new.item_table[:8], old.item_table)
    assert torch.equal(new.item_table[8:], before[8:])


@pytest.mark.parametrize("kind", [MFConfig, GMFConfig])
def test_a_dimension_below_one_is_refused(kind):
    with pytest.raises(OptionError, match=r"backbone\.dim must be at least 1, not 0"):
        kind(dim=0)


@pytest.mark.parametrize("kind", [MFConfig, GMFConfig, LightGCNConfig, NeuMFConfig])
@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan")])
def test_a_scale_that_is_not_positive_is_refused(kind, scale):
    with pytest.raises(OptionError, match=r"backbone\.scale is a positive number"):
        kind(scale=scale)


def test_biases_may_learn_at_a_rate_of_their_own():
    backbone = MFConfig(dim=4, biases=True, bias_rate=0.1).build(random_data(0), seeded())
    plain, slow = Step(backbone, bpr().bind(random_data(0))).groups()
    assert {id(value) for value in plain["params"]} == {id(backbone.user_table), id(backbone.item_table)}
    assert {id(value) for value in slow["params"]} == {id(backbone.user_bias), id(backbone.item_bias)}
    assert slow["factor"] == 0.1
