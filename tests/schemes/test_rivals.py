"""Rivals against the worked numbers of their papers' formulas."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.tiny import scored_of
from tacit.errors import OptionError
from tacit.parts.miners import HardestK
from tacit.parts.objectives import BCE, BPR
from tacit.parts.samplers import Nothing, Uniform
from tacit.schemes.rivals.adt import ReweightedLoss, TruncatedLoss, r_ce, t_ce
from tacit.schemes.rivals.contrastive import (
    BilateralSoftmax,
    CosineContrastive,
    SmoothedSoftmax,
    bsl,
    ccl,
    label_smoothing,
)
from tacit.schemes.rivals.directau import Alignment, Uniformity, directau, uniformity
from tacit.schemes.rivals.dns import dns
from tacit.types import Clock

LATE = Clock(1000, 10, 50, 100)


def row(*scores: float):
    return scored_of(torch.tensor([scores], dtype=torch.float64))


def one_sided(scores: list[float], labels: list[float]):
    """One target a row and no candidate beside it."""
    values = torch.tensor(scores, dtype=torch.float64)[:, None]
    return scored_of(values, labels=torch.tensor(labels, dtype=torch.float64)[:, None])


@pytest.mark.parametrize(
    ("objective", "scored", "wanted"),
    [
        (CosineContrastive(0.5, 10.0), row(0.6, 0.2, 0.7, -0.1, 0.95), 2.025),
        (BilateralSoftmax(0.2, 1.1), row(3.0, 1.0, -0.5, 1.5), -0.739547),
        (SmoothedSoftmax(1.0, 0.1), row(2.0, 1.0, -1.0, 0.5), 0.632682),
        (Alignment(), row(0.99), 0.02),
    ],
    ids=["ccl", "bsl", "label smoothing", "alignment"],
)
def test_loss_of_the_worked_example(objective, scored, wanted):
    assert objective(scored).labelled.item() == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [([[3.0, 4.0], [4.0, 3.0], [0.0, 2.0]], -0.690904), ([[1.0, 0.0], [1.0, 1.0], [-1.0, 1.0]], -2.209467)],
)
def test_uniformity_of_the_worked_example(rows, wanted):
    x = torch.nn.functional.normalize(torch.tensor(rows, dtype=torch.float64), dim=1)
    assert uniformity(x).item() == pytest.approx(wanted, abs=1e-6)


def test_gradient_of_uniformity_agrees_with_finite_differences():
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda rows: uniformity(torch.nn.functional.normalize(rows, dim=1)), (x,))


def test_losses_of_the_worked_example_before_truncation():
    scored = one_sided([2.0, 0.5, -1.0, 0.3], [1.0, 1.0, 1.0, 0.0])
    losses = sum(part for _, part in BCE()(scored).items())
    assert losses.tolist() == pytest.approx([0.126928, 0.474077, 1.313262, 0.854355], abs=1e-6)
    assert (losses * scored.labels[:, 0]).argsort().tolist()[:3] == [3, 0, 1]


def test_truncated_loss_of_the_worked_example():
    scored = one_sided([2.0, 0.5, -1.0, 0.3], [1.0, 1.0, 1.0, 0.0])
    kept = TruncatedLoss(0.25, growth=0.0)(scored, BCE(), LATE)
    assert (kept.log_weights[:, 0] == -torch.inf).tolist() == [False, False, True, False]
    loss = BCE(normalise="kept")(kept)
    total = sum(part.sum() for _, part in loss.items())
    assert total.item() / len(kept.scores) == pytest.approx(0.485120, abs=1e-6)


def test_a_rate_of_a_fifth_truncates_two_fifths_of_the_positives_beside_as_many_candidates():
    scored = scored_of(torch.arange(20, dtype=torch.float64).view(10, 2))
    kept = TruncatedLoss(0.2, growth=0.0)(scored, BCE(), LATE)
    assert (kept.log_weights == -torch.inf).sum(0).tolist() == [4, 0]


def test_reweighted_loss_of_the_worked_example():
    scored = one_sided([2.0, -1.0, 0.5], [1.0, 1.0, 0.0])
    loss = BCE()(ReweightedLoss(0.25)(scored, BCE(), LATE))
    terms = sum(part for _, part in loss.items())
    assert terms.tolist() == pytest.approx([0.122964, 0.945727, 0.763544], abs=1e-6)


scores = st.lists(st.floats(-4, 4), min_size=2, max_size=6)


@given(scores)
def test_without_power_the_reweighted_loss_is_plain(values):
    scored = row(*values)
    assert torch.equal(ReweightedLoss(0.0)(scored, BCE(), LATE).log_weights, scored.log_weights)


@given(scores)
def test_without_a_rate_the_truncated_loss_is_plain(values):
    scored = row(*values)
    assert TruncatedLoss(0.0)(scored, BCE(), LATE) is scored


@given(scores, st.floats(-3, 3))
def test_a_constant_does_not_change_a_smoothed_softmax(values, constant):
    moved = [value + constant for value in values]
    losses = [SmoothedSoftmax(1.0, 0.2)(row(*scores)).labelled.item() for scores in (values, moved)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-9)


@given(st.lists(st.floats(-1, 0.4), min_size=1, max_size=6))
def test_candidates_below_the_margin_cost_nothing(others):
    assert CosineContrastive(0.4, 300.0)(row(0.8, *others)).labelled.item() == pytest.approx(0.2)


def test_presets_hold_their_parts():
    assert t_ce().refiners == (TruncatedLoss(),)
    assert t_ce().objective == BCE(normalise="kept")
    assert r_ce(power=0.1).refiners == (ReweightedLoss(0.1),)
    assert directau(strength=5.0).regularisers == (Uniformity(5.0),)
    assert directau().sampler == Nothing()
    assert ccl(margin=0.9).objective == CosineContrastive(0.9)
    assert bsl(ratio=1.2).objective == BilateralSoftmax(0.1, 1.2)
    assert label_smoothing().objective == SmoothedSoftmax()
    assert (dns(negatives=8).sampler, dns().objective, dns().refiners) == (Uniform(8), BPR(), (HardestK(1),))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TruncatedLoss(1.0), r"rate is a share in \[0, 1\), not 1.0"),
        (lambda: t_ce(rate=0.2, negatives=8), "none would be left; set it below 0.11"),
        (lambda: ReweightedLoss(-1.0), "power must not be negative"),
        (lambda: BilateralSoftmax(0.0), "temperature and ratio must be positive"),
        (lambda: SmoothedSoftmax(0.1, 2.0), r"smoothing in \[0, 1\]"),
        (lambda: Uniformity(-1.0), "strength must be at least 0"),
    ],
)
def test_refuses_options_without_meaning(make, message):
    with pytest.raises(OptionError, match=message):
        make()
