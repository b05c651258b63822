from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from helpers.tiny import Tiny, batch_from, batch_of, random_data, seeded, tiny
from tacit.errors import OptionError
from tacit.parts.samplers import Explicit, InBatch, Mixed, Nothing, Popularity, Shown, Uniform

DATA = random_data(0, n_users=6, n_items=16, pairs=24)


def log_count_of_all(sampler, data: Tiny, user: int) -> np.ndarray:
    """Expected count of each item among one user's draws, known items 0."""
    users, items = torch.tensor([user]), torch.arange(data.n_items)[None]
    counts = sampler.log_count(users, items).exp()[0].double().numpy()
    counts[data.known.row(user)] = 0
    return counts


@pytest.mark.parametrize(
    "sampler", [Uniform(3), Popularity(3, 0.75), Popularity(3, 0.0), Popularity(3, 2.0)], ids=repr
)
@pytest.mark.parametrize("user", [0, 3])
def test_draws_of_a_user_follow_log_q(sampler, user):
    bound = sampler.bind(DATA)
    queries = 8_000
    batch = batch_of([user] * queries, [int(DATA.positives.row(user)[0])] * queries)
    candidates = bound(batch, seeded(5))
    counts = torch.bincount(candidates.others.ravel(), minlength=DATA.n_items).numpy()
    expected = log_count_of_all(bound, DATA, user)
    possible = expected > 0
    assert counts[~possible].sum() == 0
    assert expected.sum() == pytest.approx(3, abs=1e-5)
    wanted = expected[possible] / expected.sum() * counts.sum()
    assert chisquare(counts[possible], wanted).pvalue > 0.001


@pytest.mark.parametrize("sampler", [Uniform(3), Popularity(3)], ids=repr)
def test_log_q_of_candidates_is_that_of_their_items(sampler):
    bound = sampler.bind(DATA)
    batch = batch_from(DATA)
    candidates = bound(batch, seeded())
    assert torch.equal(candidates.log_q, bound.log_count(batch.users, candidates.others))


@pytest.mark.parametrize("sampler", [Uniform(7, shared=True), Popularity(7, 0.75, shared=True)], ids=repr)
def test_shared_draws_follow_log_q(sampler):
    bound, batch = sampler.bind(DATA), batch_from(DATA, 2)
    counts, log_q = np.zeros(DATA.n_items), np.full(DATA.n_items, np.nan)
    draws, generator = 1500, seeded(6)
    for _ in range(draws):
        candidates = bound(batch, generator)
        np.add.at(counts, candidates.others.numpy(), 1)
        log_q[candidates.others.numpy()] = candidates.log_q.numpy()
    expected = np.exp(log_q) * draws
    assert expected.sum() == pytest.approx(7 * draws, rel=1e-4)
    assert chisquare(counts, expected / expected.sum() * counts.sum()).pvalue > 0.001


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
@pytest.mark.parametrize(
    "sampler",
    [
        Uniform(4),
        Uniform(9, shared=True),
        Popularity(4),
        Popularity(9, shared=True),
        InBatch(),
        Shown(3),
        Mixed((Uniform(2), Popularity(2), Shown(1))),
    ],
    ids=repr,
)
def test_valid_candidates_are_never_known_nor_the_target(sampler, seed):
    data = random_data(seed)
    batch = batch_from(data, 25)
    candidates = sampler.bind(data)(batch, seeded(seed))
    others = candidates.others.expand(len(batch), -1)
    valid = torch.ones(others.shape, dtype=torch.bool) if candidates.valid is None else candidates.valid
    for user, target, row, row_valid in zip(batch.users, batch.targets, others, valid, strict=True):
        chosen = set(row[row_valid].tolist())
        assert not chosen & {*data.known.row(int(user)).tolist(), int(target)}


@pytest.mark.parametrize(
    "sampler",
    [Uniform(3), Popularity(3), Shown(3), Mixed((Uniform(2), Popularity(1)))],
    ids=repr,
)
def test_candidates_of_a_user_who_knows_everything_are_masked(sampler):
    data = tiny([(0, 0), (0, 1), (0, 2), (1, 0)], 3, 3, shown_pairs=[(2, 1)])
    candidates = sampler.bind(data)(batch_from(data), seeded())
    assert not candidates.valid[:3].any()
    assert candidates.valid[3:].all()


def test_candidates_have_no_mask_where_everybody_has_something_unknown():
    data = tiny([(0, 0), (1, 1)], 2, 3)
    assert Uniform(4).bind(data)(batch_from(data), seeded()).valid is None


def test_shared_candidates_are_masked_only_where_they_must_be():
    data = tiny([(0, 0), (1, 1)], 2, 3)
    candidates = Uniform(50, shared=True).bind(data)(batch_from(data), seeded())
    assert torch.equal(candidates.valid[0], candidates.others != 0)
    assert torch.equal(candidates.valid[1], candidates.others != 1)


def test_in_batch_candidates_are_the_targets():
    batch = batch_from(DATA)
    candidates = InBatch().bind(DATA)(batch, seeded())
    assert torch.equal(candidates.others, batch.targets)


def test_in_batch_log_q_is_the_share_of_positives_times_the_batch_on_both_sides():
    batch = batch_from(DATA)
    candidates = InBatch().bind(DATA)(batch, seeded())
    share = DATA.item_counts[batch.targets.numpy()] / DATA.item_counts.sum()
    np.testing.assert_allclose(candidates.log_q.exp(), share * len(batch), rtol=1e-5)
    assert torch.equal(candidates.target_log_q, candidates.log_q)


def test_shown_candidates_come_from_the_users_impressions():
    data = tiny([(0, 0), (1, 0)], 2, 5, shown_pairs=[(0, 2), (0, 4)])
    candidates = Shown(6, fall_back=False).bind(data)(batch_from(data), seeded())
    assert set(candidates.others[0].tolist()) == {2, 4}
    assert candidates.valid.tolist() == [[True] * 6, [False] * 6]


def test_shown_falls_back_to_items_that_are_not_known():
    data = tiny([(0, 0), (1, 0)], 2, 5, shown_pairs=[(0, 2), (0, 4)])
    candidates = Shown(20).bind(data)(batch_from(data), seeded())
    assert candidates.valid is None
    assert set(candidates.others[1].tolist()) == {1, 2, 3, 4}


def test_explicit_noes_are_observed():
    data = tiny([(0, 0), (1, 0)], 2, 5, no_pairs=[(0, 3)])
    candidates = Explicit(2).bind(data)(batch_from(data), seeded())
    assert candidates.others[0].tolist() == [3, 3]
    assert candidates.observed.tolist() == candidates.valid.tolist() == [[True, True], [False, False]]


def test_a_mixture_corrects_by_the_sum_of_expected_counts():
    uniform, popular = Uniform(2).bind(DATA), Popularity(3).bind(DATA)
    batch = batch_from(DATA)
    candidates = Mixed((Uniform(2), Popularity(3))).bind(DATA)(batch, seeded())
    both = sum(part.log_count(batch.users, candidates.others).exp() for part in (uniform, popular))
    torch.testing.assert_close(candidates.log_q.exp(), both)


def test_draws_of_a_mixture_follow_its_log_q():
    bound = Mixed((Uniform(2), Popularity(3, 1.5))).bind(DATA)
    queries, user = 6_000, 2
    batch = batch_of([user] * queries, [int(DATA.positives.row(user)[0])] * queries)
    candidates = bound(batch, seeded(9))
    items = candidates.others.ravel().numpy()
    counts = np.bincount(items, minlength=DATA.n_items)
    expected = np.zeros(DATA.n_items)
    expected[items] = candidates.log_q.double().exp().ravel().numpy()
    possible = expected > 0
    assert expected.sum() == pytest.approx(5, abs=1e-4)
    wanted = expected[possible] / expected.sum() * counts.sum()
    assert chisquare(counts[possible], wanted).pvalue > 0.001


def test_a_mixture_keeps_the_marks_of_its_parts():
    data = tiny([(0, 0), (1, 0)], 2, 5, no_pairs=[(0, 3)])
    candidates = Mixed((Uniform(2), Explicit(1))).bind(data)(batch_from(data), seeded())
    assert candidates.valid.tolist() == [[True, True, True], [True, True, False]]
    assert candidates.observed.tolist() == [[False, False, True], [False, False, False]]


def test_nothing_proposes_nothing():
    candidates = Nothing().bind(DATA)(batch_from(DATA, 3), seeded())
    assert candidates.others.shape == candidates.log_q.shape == (3, 0)


@pytest.mark.parametrize("kind", [Uniform, Popularity, Shown, Explicit])
def test_counts_below_one_are_refused(kind):
    with pytest.raises(OptionError, match="negatives must be at least 1, not 0"):
        kind(0)


@pytest.mark.parametrize(
    ("sampler", "mend"),
    [(Shown(), "or sample uniformly"), (Explicit(), r"give ratings with data\.threshold")],
    ids=repr,
)
def test_samplers_refuse_data_that_has_nothing_for_them(sampler, mend):
    with pytest.raises(OptionError, match=mend):
        sampler.bind(tiny([(0, 0)], 1, 2))


def test_a_mixture_needs_two():
    with pytest.raises(OptionError, match="at least two"):
        Mixed((Uniform(),))


def test_a_mixture_refuses_shared_candidates():
    with pytest.raises(OptionError, match="shared = false"):
        Mixed((Uniform(), Uniform(shared=True)))


def test_what_is_not_valid_holds_the_rows_target():
    data = Tiny(np.array([0, 1]), np.array([2, 4]), 2, 5, no_pairs=[(0, 3)])
    candidates = Explicit(2).bind(data)(batch_of([0, 1], [2, 4]), seeded())
    assert candidates.others.tolist() == [[3, 3], [4, 4]]
    assert candidates.valid.tolist() == [[True, True], [False, False]]
