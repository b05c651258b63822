"""ADT against its longhand, and where it must not go on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.tiny import scored_of
from longhand import adt as longhand
from tacit.errors import OptionError
from tacit.parts.objectives import BCE
from tacit.schemes.plain import bce
from tacit.schemes.rivals.adt import RCEScheme, ReweightedLoss, TCEScheme, TruncatedLoss
from tacit.types import Clock

LATE = Clock(1000, 10, 50, 100)
EARLY = Clock(0, 10, 0, 100)


@st.composite
def batches(draw):
    """Scores of up to five rows without ties, and labels of the targets."""
    rows, columns = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    count = rows * columns
    values = draw(st.lists(st.integers(-600, 600), min_size=count, max_size=count, unique=True))
    labels = draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=rows, max_size=rows))
    scores = [[values[row * columns + place] / 100 for place in range(columns)] for row in range(rows)]
    return scores, labels


def scored(scores: list[list[float]], labels: list[float]):
    at = torch.tensor(scores, dtype=torch.float64)
    said = torch.zeros_like(at)
    said[:, 0] = torch.tensor(labels)
    return scored_of(at.requires_grad_(), labels=said)


def mean(objective: BCE, cells) -> torch.Tensor:
    losses = objective(cells)
    return sum(part.sum() for _, part in losses.items()) / len(cells.scores)


@settings(max_examples=200, deadline=None)
@given(batches(), st.floats(0, 0.9))
def test_the_truncated_loss_equals_its_longhand(batch, rate):
    scores, labels = batch
    rate = rate / len(scores[0])
    found = mean(BCE(normalise="kept"), TruncatedLoss(rate, growth=0.0)(scored(*batch), BCE(), LATE))
    assert found.item() == pytest.approx(longhand.t_ce(scores, labels, rate), abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(batches(), st.floats(0, 3))
def test_the_reweighted_loss_equals_its_longhand(batch, power):
    found = mean(BCE(), ReweightedLoss(power)(scored(*batch), BCE(), LATE))
    assert found.item() == pytest.approx(longhand.r_ce(*batch, power), abs=1e-9)


def test_the_weights_of_the_reweighted_loss_carry_no_gradient():
    cells = scored([[1.0, -0.5], [0.3, 2.0]], [1.0, 0.0])
    weighted = ReweightedLoss(0.5)(cells, BCE(), LATE)
    (gradient,) = torch.autograd.grad(mean(BCE(), weighted), cells.scores)
    wanted = weighted.log_weights.exp() * (cells.scores.sigmoid() - cells.labels) / cells.scores.numel()
    torch.testing.assert_close(gradient, wanted.detach())


def test_the_rate_rises_over_its_epochs():
    cells = scored([[float(score), 0.0] for score in range(10)], [1.0] * 10)
    dropped = [
        int((TruncatedLoss(0.2, growth=10.0)(cells, BCE(), clock).log_weights == -torch.inf).sum())
        for clock in (EARLY, replace(EARLY, step=500), replace(EARLY, step=1000))
    ]
    assert dropped == [0, 2, 4]


def test_a_fixed_mean_counts_the_dropped_positives():
    cells = scored([[2.0, 0.5], [-1.0, 0.3], [0.1, 0.2]], [1.0] * 3)
    after = TruncatedLoss(0.2, growth=0.0)(cells, BCE(), LATE)
    fixed, kept = mean(BCE(), after), mean(BCE(normalise="kept"), after)
    assert (fixed * 6).item() == pytest.approx((kept * 4).item())


def test_a_positive_whose_score_is_nan_stays_so_that_training_stops():
    cells = scored([[float("nan"), 0.5], [1.0, 0.3], [0.1, 0.2]], [1.0] * 3)
    after = TruncatedLoss(0.2, growth=0.0)(cells, BCE(), LATE)
    assert after.log_weights[0, 0] == 0
    assert mean(BCE(normalise="kept"), after).isnan()


def test_a_rate_that_would_drop_every_positive_is_refused_at_the_first_step():
    part = bce(negatives=8).with_(TruncatedLoss(0.12)).refiners[0]
    with pytest.raises(OptionError, match=r"one in 9 is a positive: none would be left; set it below 0\.11"):
        part(scored_of(torch.zeros(4, 9)), BCE(), EARLY)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TruncatedLoss(1.0), r"rate is a share in \[0, 1\), not 1\.0"),
        (lambda: TruncatedLoss(growth=-1.0), "growth is a number of epochs, at least 0, not -1"),
        (lambda: TCEScheme(rate=0.2, negatives=4), r"set it below 0\.2"),
        (lambda: TCEScheme(growth=float("nan")), "growth is a number of epochs"),
        (lambda: RCEScheme(power=float("nan")), "power is a number, at least 0, not nan"),
        (lambda: ReweightedLoss(-0.1), r"power is a number, at least 0, not -0\.1"),
    ],
)
def test_options_without_meaning_are_refused(make, message):
    with pytest.raises(OptionError, match=message):
        make()
