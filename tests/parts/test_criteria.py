from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.tiny import Tiny, random_data, scored_of, seeded, tiny
from longhand import dli as longhand
from tacit.errors import OptionError
from tacit.parts.criteria import Margin, Neighbour, OwnLoss, belief, named
from tacit.parts.objectives import BCE, BPR
from tacit.types import Scored


def asked(users: list[int], items: list[list[int]], logits: torch.Tensor | None = None) -> Scored:
    """A step in which these users meet these candidates."""
    scores = torch.zeros(len(users), 1 + len(items[0])) if logits is None else logits
    return replace(scored_of(scores), users=torch.tensor(users), others=torch.tensor(items))


def cosines(data: Tiny) -> np.ndarray:
    """Cosines of item columns, the diagonal left out."""
    dense = np.zeros((data.n_users, data.n_items))
    for user in range(data.n_users):
        dense[user, data.positives.row(user)] = 1
    lengths = np.maximum(np.sqrt(dense.sum(0)), 1)
    found = dense.T @ dense / lengths[:, None] / lengths
    np.fill_diagonal(found, 0)
    return dense @ found


def test_neighbours_are_counted_by_hand():
    data = tiny([(0, 0), (0, 1), (1, 0), (1, 2), (2, 1), (2, 2)], 3, 4)
    found = Neighbour().bind(data)(asked([0, 1, 2], [[2, 3], [1, 3], [0, 3]]), BCE())
    torch.testing.assert_close(found, torch.tensor([[1.0, 0], [1.0, 0], [1.0, 0]]))


@settings(max_examples=20)
@given(seed=st.integers(0, 1000))
def test_neighbours_sum_the_cosines_of_the_users_items(seed):
    data = random_data(seed)
    users = list(range(data.n_users))
    items = [list(range(data.n_items))] * data.n_users
    found = Neighbour().bind(data)(asked(users, items), BCE())
    np.testing.assert_allclose(found, cosines(data), atol=1e-5)


def test_few_neighbours_are_the_nearest():
    data = tiny([(0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (2, 2), (3, 2), (3, 0)], 4, 3)
    whole, one = (Neighbour(k).bind(data)(asked([3], [[1]]), BCE()).item() for k in (2, 1))
    assert whole == pytest.approx(2 / (3 * 3) ** 0.5 + 1 / (3 * 2) ** 0.5)
    assert one == pytest.approx(2 / 3)


def test_one_set_of_candidates_for_the_batch_reads_alike():
    data = random_data(3)
    bound = Neighbour().bind(data)
    shared = replace(asked([0, 1, 2], [[4, 5]] * 3), others=torch.tensor([4, 5]))
    assert torch.equal(bound(shared, BCE()), bound(asked([0, 1, 2], [[4, 5]] * 3), BCE()))


def test_the_model_does_not_enter_the_neighbours():
    data = random_data(3)
    logits = torch.randn(2, 3, generator=seeded())
    bound = Neighbour().bind(data)
    items = [[1, 2], [3, 4]]
    assert torch.equal(bound(asked([0, 1], items, logits), BCE()), bound(asked([0, 1], items), BPR()))


@pytest.mark.parametrize("objective", [BCE(), BPR()], ids=repr)
def test_belief_is_the_probability_of_the_candidate_or_of_it_over_the_target(objective):
    logits = torch.tensor([[0.3, 1.0, -2.0]], dtype=torch.float64)
    expected = [longhand.belief(objective == BCE(), 0.3, score) for score in (1.0, -2.0)]
    assert belief(scored_of(logits), objective)[0].tolist() == pytest.approx(expected)


def test_own_loss_is_the_margin_where_candidates_have_no_loss_of_their_own():
    scored = scored_of(torch.randn(3, 4, generator=seeded()))
    assert torch.equal(OwnLoss()(scored, BPR()), Margin()(scored, BPR()))


def test_criteria_have_names():
    assert named("neighbour") == Neighbour()
    assert named(Neighbour(7)) == Neighbour(7)


def test_an_unknown_criterion_is_refused_with_the_nearest():
    with pytest.raises(OptionError, match='criterion cannot be "neighbor"; did you mean "neighbour"'):
        named("neighbor")


def test_unbound_the_neighbours_say_what_to_do():
    with pytest.raises(OptionError, match=r"call bind\(data\) first"):
        Neighbour()(asked([0], [[1]]), BCE())


def test_neighbours_need_at_least_one():
    with pytest.raises(OptionError, match="nearest must be at least 1, not 0"):
        Neighbour(0)
