from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from helpers.tiny import batch_from, batch_of, random_data, seeded, tiny
from tacit.errors import OptionError
from tacit.parts.pool import Pool


def pool_of(user: int, pool: Pool, n_items: int, draws: int = 3000) -> torch.Tensor:
    """All items that a user who knows nothing but the last one is ever given."""
    data = tiny([(user, n_items - 1)], user + 1, n_items)
    others = pool.bind(data)(batch_of([user] * draws, [n_items - 1] * draws), seeded()).others
    return others.unique()


def test_draws_come_from_so_many_items():
    assert len(pool_of(0, Pool(4, size=16), 1000)) == 16


def test_a_pool_holds_one_item_of_each_remainder():
    assert sorted((pool_of(2, Pool(4, size=16), 1000) % 16).tolist()) == list(range(16))


def test_a_pool_larger_than_the_catalogue_is_the_catalogue():
    assert pool_of(0, Pool(4, size=50), 12).tolist() == list(range(11))


def test_pools_of_users_differ():
    assert not torch.equal(pool_of(0, Pool(4, size=16), 1000), pool_of(1, Pool(4, size=16), 1000))


def test_pools_of_seeds_differ():
    assert not torch.equal(pool_of(0, Pool(4, size=16), 1000), pool_of(0, Pool(4, size=16, seed=1), 1000))


def test_every_item_is_in_as_many_pools():
    data = tiny([(user, 0) for user in range(20_000)], 20_000, 60)
    users = list(range(20_000))
    found = torch.cat(
        [
            Pool(2, size=8).bind(data)(batch_of(users, [0] * 20_000), seeded(s)).others.ravel()
            for s in range(4)
        ]
    )
    counts = np.bincount(found.numpy(), minlength=60)
    slots = np.arange(60) % 8
    expected = 1 / np.bincount(slots)[slots]
    expected[0] = 0
    assert counts[0] == 0
    possible = expected > 0
    wanted = expected[possible] / expected.sum() * counts.sum()
    assert np.abs(counts[possible] / wanted - 1).max() < 0.1


def test_draws_from_a_pool_are_uniform():
    data = tiny([(0, 99)], 1, 100)
    others = Pool(3, size=10).bind(data)(batch_of([0] * 4000, [99] * 4000), seeded(1)).others
    counts = np.bincount(others.ravel().numpy(), minlength=100)
    assert chisquare(counts[counts > 0]).pvalue > 0.001


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 30))
def test_valid_candidates_are_never_known_nor_the_target(seed, size):
    data = random_data(seed)
    batch = batch_from(data, 25)
    candidates = Pool(4, size).bind(data)(batch, seeded(seed))
    valid = (
        torch.ones_like(candidates.others, dtype=torch.bool) if candidates.valid is None else candidates.valid
    )
    for user, target, row, kept in zip(batch.users, batch.targets, candidates.others, valid, strict=True):
        assert not set(row[kept].tolist()) & {*data.known.row(int(user)).tolist(), int(target)}
        assert (row[~kept] == target).all()


def test_a_user_who_knows_the_whole_pool_gets_nothing():
    data = tiny([(0, item) for item in range(6)] + [(1, 0)], 2, 6)
    candidates = Pool(2).bind(data)(batch_from(data), seeded())
    assert candidates.valid.tolist() == [[False] * 2] * 6 + [[True] * 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "negatives must be at least 1, not 0"),
        ({"size": 0}, "pool must be at least 1"),
        ({"seed": -1}, "seed of pools must not be negative"),
    ],
    ids=str,
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        Pool(**options)
