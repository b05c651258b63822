from __future__ import annotations

import pytest
import torch

from helpers.tiny import scored_of
from longhand import mining as longhand
from tacit.errors import OptionError
from tacit.parts.miners import HardestK
from tacit.parts.objectives import BPR
from tacit.types import Clock

CLOCK = Clock(0, 1, 0, 1)


def example(dropped: list[list[bool]]):
    scores = torch.randn(4, 7, generator=torch.Generator().manual_seed(0))
    weights = torch.zeros(4, 7)
    weights[:, 1:][torch.tensor(dropped)] = -torch.inf
    return scored_of(scores, log_weights=weights, log_q=torch.arange(28.0).view(4, 7))


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("dropping", [False, True])
def test_keeps_the_highest_scored(count, dropping):
    dropped = [[dropping and (row + column) % 2 == 0 for column in range(6)] for row in range(4)]
    scored = example(dropped)
    mined = HardestK(count)(scored, BPR(), CLOCK)
    expected = longhand.hardest(scored.scores[:, 1:].tolist(), dropped, count)
    for row in range(4):
        kept = mined.log_weights[row, 1:] > -torch.inf
        ids = {int(scored.others[row, column]) for column in expected[row]}
        assert set(mined.others[row][kept].tolist()) == ids


def test_all_fields_follow_the_chosen_columns():
    scored = example([[False] * 6] * 4)
    mined = HardestK(2)(scored, BPR(), CLOCK)
    for row in range(4):
        for column, item in enumerate(mined.others[row].tolist()):
            source = scored.others[row].tolist().index(item) + 1
            for name in ("scores", "log_q", "labels", "observed", "log_weights"):
                assert getattr(mined, name)[row, column + 1] == getattr(scored, name)[row, source]


def test_the_target_stays_in_front():
    scored = example([[False] * 6] * 4)
    mined = HardestK(1)(scored, BPR(), CLOCK)
    assert torch.equal(mined.scores[:, 0], scored.scores[:, 0])
    assert torch.equal(mined.items[:, 0], scored.items[:, 0])


def test_fewer_candidates_than_asked_for_stay_as_they_are():
    scored = example([[False] * 6] * 4)
    assert HardestK(6)(scored, BPR(), CLOCK) is scored


def test_kept_scores_keep_their_gradient():
    scores = torch.tensor([[0.0, 1.0, 5.0, 2.0]], requires_grad=True)
    HardestK(1)(scored_of(scores), BPR(), CLOCK).scores.sum().backward()
    assert scores.grad.tolist() == [[1, 0, 1, 0]]


def test_shared_candidates_become_each_querys_own():
    from dataclasses import replace

    scored = replace(scored_of(torch.tensor([[0.0, 3, 1], [0.0, 1, 3]])), others=torch.tensor([8, 9]))
    mined = HardestK(1)(scored, BPR(), CLOCK)
    assert mined.others.tolist() == [[8], [9]]


def test_keeping_none_is_refused():
    with pytest.raises(OptionError, match="at least 1 candidate, not 0"):
        HardestK(0)
