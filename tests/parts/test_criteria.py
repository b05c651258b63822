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
from tacit.kernels.graphfilter import NOISE
from tacit.parts.criteria import Filtered, Margin, Neighbour, OwnLoss, Stable, belief, named
from tacit.parts.objectives import BCE, BPR
from tacit.protocols import Queries
from tacit.references.graphfilter import GraphFilter
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


@settings(max_examples=20)
@given(seed=st.integers(0, 1000))
def test_the_filter_scores_what_the_reference_scores(seed):
    data = random_data(seed)
    users, items = list(range(data.n_users)), list(range(data.n_items))
    found = Filtered(rank=5).bind(data)(asked(users, [items] * data.n_users), BCE())
    expected = GraphFilter(rank=5).fit(data).score(Queries(np.arange(data.n_users)))
    unobserved = np.ones_like(expected, dtype=bool)
    for user in users:
        unobserved[user, data.positives.row(user)] = False
    expected = np.where(expected > NOISE, expected, 0)
    np.testing.assert_allclose(found[unobserved], expected[unobserved], atol=2e-5)


def test_what_the_filter_cannot_reach_is_exactly_zero():
    data = tiny([(0, 0), (0, 1), (1, 0), (2, 3)], 3, 4)
    assert Filtered().bind(data)(asked([0, 2, 2], [[3], [0], [2]]), BCE()).tolist() == [[0], [0], [0]]


def test_the_filter_keeps_the_largest_weights_of_an_item():
    data = random_data(0)
    users, items = list(range(data.n_users)), [list(range(data.n_items))] * data.n_users
    few, many = (Filtered(k).bind(data)(asked(users, items), BCE()) for k in (2, 19))
    assert (few <= many + 1e-6).all()
    assert (few < many - 1e-3).any()


@pytest.mark.parametrize("criterion", [Neighbour(), Filtered()], ids=repr)
def test_one_set_of_candidates_for_the_batch_reads_alike(criterion):
    data = random_data(3)
    bound = criterion.bind(data)
    shared = replace(asked([0, 1, 2], [[4, 5]] * 3), others=torch.tensor([4, 5]))
    torch.testing.assert_close(bound(shared, BCE()), bound(asked([0, 1, 2], [[4, 5]] * 3), BCE()))


@pytest.mark.parametrize("criterion", [Neighbour(), Filtered()], ids=repr)
def test_the_model_does_not_enter_an_outside_view(criterion):
    data = random_data(3)
    logits = torch.randn(2, 3, generator=seeded())
    bound = criterion.bind(data)
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


def remembering(snapshots: list[list[float]], items: list[int], **options) -> torch.Tensor:
    """What one user's memory says after these beliefs in the items, one list a step."""
    bound = Stable(snapshots=options.pop("needed", 5), **options).bind(random_data(0, n_items=40))
    for beliefs in snapshots:
        logits = torch.tensor([[0.0, *torch.tensor(beliefs, dtype=torch.float64).logit().tolist()]])
        found = bound(asked([3], [items], logits.double()), BCE())
    return found[0]


D6 = [[0.70, 0.95, 0.20], [0.72, 0.40, 0.25], [0.71, 0.90, 0.22], [0.73, 0.55, 0.21], [0.74, 0.85, 0.23]]


def test_d6_the_steady_one_comes_before_the_higher_one():
    found = remembering(D6, [4, 7, 9])
    assert found.tolist() == pytest.approx([0.705858, 0.514130, 0.204795], abs=1e-6)
    assert found.tolist() == pytest.approx(
        [longhand.stable([step[j] for step in D6], 1) for j in range(3)], abs=1e-6
    )


def test_caution_zero_is_the_mean():
    assert remembering(D6, [4, 7, 9], caution=0.0).tolist() == pytest.approx([0.72, 0.73, 0.222], abs=1e-6)


def test_d6_caution_takes_off_the_population_standard_deviation():
    plain, cautious = (remembering(D6, [4, 7, 9], caution=caution) for caution in (0.0, 1.0))
    assert (plain - cautious).tolist() == pytest.approx([0.014142, 0.215870, 0.017205], abs=1e-6)


def test_only_the_last_snapshots_count():
    assert torch.equal(remembering([[0.1] * 3, [0.9] * 3, *D6], [4, 7, 9]), remembering(D6, [4, 7, 9]))


def test_a_pair_seen_too_rarely_is_not_judged():
    assert remembering(D6[:4], [4, 7, 9]).tolist() == [-torch.inf] * 3


def test_under_bpr_a_snapshot_is_the_probability_over_the_target():
    bound = Stable(2, caution=0.0).bind(random_data(0, n_items=40))
    for target in (0.5, -0.5):
        found = bound(asked([1], [[6]], torch.tensor([[target, 1.0]])), BPR())
    assert found.item() == pytest.approx(
        (longhand.belief(False, 0.5, 1) + longhand.belief(False, -0.5, 1)) / 2
    )


def test_an_item_that_takes_anothers_place_starts_anew():
    bound = Stable(2, size=8).bind(random_data(0, n_items=40))
    for item in (3, 3, 11, 3):
        found = bound(asked([0], [[item]]), BCE())
    assert found.item() == -torch.inf
    assert bound(asked([0], [[3]]), BCE()).item() == pytest.approx(0.5)


def test_users_do_not_share_their_memory():
    bound = Stable(2).bind(random_data(0, n_items=40))
    bound(asked([0, 1], [[5], [6]]), BCE())
    assert bound(asked([0, 1], [[6], [6]]), BCE()).isfinite().tolist() == [[False], [True]]


def test_one_step_is_one_snapshot_however_often_the_pair_is_drawn():
    bound = Stable(2).bind(random_data(0, n_items=40))
    assert not bound(asked([0, 0], [[5, 5], [5, 5]]), BCE()).isfinite().any()
    assert bound(asked([0, 0], [[5, 6], [5, 5]]), BCE()).isfinite().tolist() == [[True, False], [True, True]]


def test_what_is_no_candidate_is_not_remembered():
    bound = Stable(2).bind(random_data(0, n_items=40))
    scored = asked([0], [[5, 6]])
    weights = torch.tensor([[0.0, -torch.inf, 0.0]])
    for _ in range(2):
        found = bound(replace(scored, log_weights=weights), BCE())
    assert found.isfinite().tolist() == [[False, True]]


def test_a_nan_is_forgotten_after_its_snapshots():
    values = [[0.5], [torch.nan], [0.4], [0.4]]
    assert remembering(values[:3], [4], needed=2).isnan().all()
    assert remembering(values, [4], needed=2).item() == pytest.approx(0.4, abs=1e-6)


@pytest.mark.parametrize("options", [{"snapshots": 1}, {"size": 0}], ids=str)
def test_a_memory_needs_snapshots_and_places(options):
    with pytest.raises(OptionError, match="snapshots must be at least 2 and size at least 1"):
        Stable(**options)


def test_criteria_have_names():
    assert named("neighbour") == Neighbour()
    assert named("graph-filter") == Filtered()
    assert named(Neighbour(7)) == Neighbour(7)


def test_an_unknown_criterion_is_refused_with_the_nearest():
    with pytest.raises(OptionError, match='criterion cannot be "neighbor"; did you mean "neighbour"'):
        named("neighbor")


@pytest.mark.parametrize("criterion", [Neighbour(), Filtered(), Stable()], ids=str)
def test_unbound_they_say_what_to_do(criterion):
    with pytest.raises(OptionError, match=r"call bind\(data\) first"):
        criterion(asked([0], [[1]]), BCE())


def test_neighbours_need_at_least_one():
    with pytest.raises(OptionError, match="nearest must be at least 1, not 0"):
        Neighbour(0)


@pytest.mark.parametrize("options", [{"nearest": 0}, {"rank": 0}], ids=str)
def test_the_filter_needs_at_least_one_of_each(options):
    with pytest.raises(OptionError, match="nearest and rank must be at least 1"):
        Filtered(**options)
