from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from helpers.tiny import random_data, seeded
from tacit.kernels.sampling import (
    AliasTable,
    derived_key,
    draw_from_rows,
    draw_uniform,
    empty_known,
    key_of,
    row_mass,
    unknown_to,
)
from tacit.sparse import CSR

NOBODY = torch.zeros(20_000, dtype=torch.int64)


def test_derived_keys_differ_by_each_counter():
    keys = {derived_key(seed, epoch, step) for seed in range(5) for epoch in range(5) for step in range(5)}
    assert len(keys) == 125


def test_derived_keys_depend_on_the_order_of_counters():
    assert derived_key(1, 2, 3) != derived_key(1, 3, 2)


def test_derived_keys_are_the_same_on_every_machine():
    assert derived_key(0, 1) == 0x6E789E6AA1B965F4 >> 1


@pytest.mark.parametrize("seed", [0, 1, 2**63, -1])
def test_derived_keys_have_63_bits(seed):
    assert 0 <= derived_key(seed, 5) < 2**63


def test_key_of_advances_its_generator_alone():
    generator = seeded(3)
    state = torch.random.get_rng_state()
    assert key_of(generator) != key_of(generator)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_uniform_draws_are_uniform():
    drawn, _ = draw_uniform(17, NOBODY, empty_known(1, 13), 5)
    assert chisquare(torch.bincount(drawn.ravel(), minlength=13).numpy()).pvalue > 0.001


def test_uniform_draws_are_uniform_over_what_is_not_known():
    known = CSR.from_pairs(np.zeros(4, np.int64), np.array([0, 3, 4, 12]), 1, 13)
    counts = torch.bincount(draw_uniform(18, NOBODY, known, 5)[0].ravel(), minlength=13).numpy()
    assert counts[known.row(0)].sum() == 0
    assert chisquare(np.delete(counts, known.row(0))).pvalue > 0.001


def test_alias_draws_follow_the_weights():
    weights = np.array([5.0, 1.0, 0.25, 3.0, 0.0, 10.0])
    drawn, _ = AliasTable(weights).draw(19, NOBODY, empty_known(1, 6), 5)
    counts = torch.bincount(drawn.ravel(), minlength=6).numpy()
    assert counts[4] == 0
    kept = weights > 0
    expected = weights[kept] / weights.sum() * counts.sum()
    assert chisquare(counts[kept], expected).pvalue > 0.001


@settings(max_examples=50, deadline=None)
@given(weights=st.lists(st.floats(0.001, 1000), min_size=1, max_size=40))
def test_the_alias_table_holds_the_whole_mass(weights):
    table = AliasTable(np.array(weights))
    n = len(weights)
    mass = np.asarray(table.threshold, np.float64).copy()
    np.add.at(mass, table.alias, 1 - table.threshold)
    np.testing.assert_allclose(mass / n, np.array(weights) / np.sum(weights), atol=1e-9)


def test_neighbouring_cells_are_independent():
    drawn, _ = draw_uniform(20, NOBODY, empty_known(1, 4), 2)
    pairs = torch.bincount(drawn[:, 0] * 4 + drawn[:, 1], minlength=16).numpy()
    assert chisquare(pairs).pvalue > 0.001


def test_different_keys_give_different_draws():
    known = empty_known(1, 1000)
    assert not torch.equal(draw_uniform(1, NOBODY, known, 1)[0], draw_uniform(2, NOBODY, known, 1)[0])


def test_the_same_key_gives_the_same_draws():
    known = empty_known(1, 1000)
    assert torch.equal(draw_uniform(1, NOBODY, known, 1)[0], draw_uniform(1, NOBODY, known, 1)[0])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), key=st.integers(0, 2**63 - 1), columns=st.integers(1, 6))
def test_known_items_are_never_drawn(seed, key, columns):
    data = random_data(seed)
    users = torch.arange(data.n_users).repeat(4)
    for drawn, _ in (
        draw_uniform(key, users, data.known, columns),
        AliasTable(np.arange(1.0, 21)).draw(key, users, data.known, columns),
    ):
        for user, row in zip(users.tolist(), drawn.tolist(), strict=True):
            assert not set(row) & set(data.known.row(user).tolist())
            assert all(0 <= item < data.n_items for item in row)


def draws_of(known: CSR, users: list[int], columns: int) -> list:
    users = torch.tensor(users)
    table = AliasTable(np.ones(known.n_columns))
    return [draw_uniform(5, users, known, columns), table.draw(5, users, known, columns)]


def test_draws_have_no_mask_where_something_else_was_found():
    known = CSR.from_pairs(np.zeros(2, np.int64), np.array([0, 2]), 1, 4)
    assert [valid for _, valid in draws_of(known, [0] * 50, 3)] == [None, None]


def test_draws_of_a_user_who_knows_everything_are_not_valid():
    known = CSR.from_pairs(np.repeat(np.array([0, 1]), [4, 1]), np.array([0, 1, 2, 3, 0]), 2, 4)
    for drawn, valid in draws_of(known, [0, 1], 3):
        assert valid.tolist() == [[False] * 3, [True] * 3]
        assert int(drawn.min()) >= 0


def test_a_draw_is_valid_exactly_where_it_is_not_known():
    items = np.arange(199)
    known = CSR.from_pairs(np.zeros(199, np.int64), items, 1, 200)
    for drawn, valid in draws_of(known, [0] * 60, 4):
        assert 0 < int(valid.sum()) < valid.numel()
        assert torch.equal(valid, drawn == 199)


def test_draws_from_rows_are_uniform_over_the_row():
    pool = CSR.from_pairs(np.zeros(5, np.int64), np.array([2, 3, 5, 7, 11]), 1, 12)
    drawn, found = draw_from_rows(21, NOBODY, pool, 3)
    assert found.all()
    assert chisquare(torch.bincount(drawn.ravel(), minlength=12).numpy()[pool.row(0)]).pvalue > 0.001


def test_draws_from_an_empty_row_are_not_found():
    pool = CSR.from_pairs(np.array([1]), np.array([4]), 2, 6)
    drawn, found = draw_from_rows(1, torch.tensor([0, 1]), pool, 2)
    assert found.tolist() == [[False, False], [True, True]]
    assert drawn[1].tolist() == [4, 4]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), shared=st.lists(st.integers(0, 19), max_size=30))
def test_shared_candidates_are_masked_where_known_or_target(seed, shared):
    data = random_data(seed)
    users, targets = torch.arange(data.n_users), torch.arange(data.n_users) + 3
    valid = unknown_to(users, targets, torch.tensor(shared, dtype=torch.int64), data.known)
    for query in range(data.n_users):
        known = data.known.row(query).tolist()
        assert valid[query].tolist() == [item not in known and item != query + 3 for item in shared]


def test_row_mass_sums_the_weights_of_each_row():
    data = random_data(5)
    weights = np.random.default_rng(0).random(data.n_items)
    longhand = [sum(weights[item] for item in data.known.row(user)) for user in range(data.n_users)]
    np.testing.assert_allclose(row_mass(data.known, weights), longhand, atol=1e-12)
