from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.tiny import random_data
from tacit.data.loaders import PairLoader

DATA = random_data(0, pairs=53)
ROWS = np.arange(53)


def loader(batch_size: int = 10, seed: int = 0, rows: np.ndarray = ROWS, data=DATA) -> PairLoader:
    return PairLoader.of(data, rows, batch_size, seed)


def rows_of(batches) -> list[int]:
    return torch.cat([batch.rows for batch in batches]).tolist()


@pytest.mark.parametrize("batch_size", [1, 10, 53, 100])
def test_an_epoch_holds_each_example_once(batch_size):
    assert sorted(rows_of(loader(batch_size).epoch(0))) == ROWS.tolist()


@pytest.mark.parametrize(("batch_size", "steps"), [(1, 53), (10, 6), (53, 1), (100, 1)])
def test_steps_count_the_short_last_batch(batch_size, steps):
    made = loader(batch_size)
    assert made.steps == len(list(made.epoch(0))) == steps


def test_batches_say_what_the_log_says():
    for batch in loader().epoch(3):
        for row, user, target in zip(batch.rows, batch.users, batch.targets, strict=True):
            assert (user, target) == (DATA.users[row], DATA.items[row])


def test_the_order_depends_on_seed_and_epoch_only():
    made = loader()
    again = rows_of(made.epoch(1))
    list(made.epoch(0))
    torch.manual_seed(9)
    assert rows_of(made.epoch(1)) == again == rows_of(loader().epoch(1))


def test_seeds_and_epochs_give_different_orders():
    orders = {tuple(rows_of(loader(seed=seed).epoch(epoch))) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


@pytest.mark.parametrize("first", [0, 1, 4, 5, 6])
def test_an_epoch_resumed_yields_the_rest_of_it(first):
    whole = [batch.rows.tolist() for batch in loader().epoch(2)]
    assert [batch.rows.tolist() for batch in loader().epoch(2, first)] == whole[first:]


def test_labels_and_weights_are_one_where_the_log_has_none():
    for batch in loader().epoch(0):
        assert batch.labels.tolist() == batch.weights.tolist() == [1.0] * len(batch)


def test_labels_and_weights_come_with_their_examples():
    chance = np.random.default_rng(0)
    labels, weights = (chance.random(53).astype(np.float32) for _ in range(2))
    from dataclasses import replace

    data = replace(DATA, labels=labels, weights=weights)
    for batch in loader(data=data).epoch(0):
        assert torch.equal(batch.labels, torch.from_numpy(labels)[batch.rows])
        assert torch.equal(batch.weights, torch.from_numpy(weights)[batch.rows])


def test_a_part_of_the_log_keeps_its_row_numbers():
    rows = np.array([3, 50, 7])
    (batch,) = loader(rows=rows).epoch(0)
    assert sorted(batch.rows.tolist()) == [3, 7, 50]
    assert batch.users.tolist() == DATA.users[batch.rows.numpy()].tolist()


def test_shuffling_leaves_the_global_generator():
    state = torch.random.get_rng_state()
    list(loader().epoch(0))
    assert torch.equal(torch.random.get_rng_state(), state)


def over_users(seed: int = 0) -> PairLoader:
    return PairLoader.of(DATA, ROWS, 10, seed, over_users=True)


def test_drawn_over_users_each_user_is_as_likely():
    drawn = np.concatenate([DATA.users[rows_of(over_users().epoch(epoch))] for epoch in range(400)])
    counts = np.bincount(drawn, minlength=15)[np.bincount(DATA.users, minlength=15) > 0]
    assert counts.min() > 0.9 * counts.mean()
    assert counts.max() < 1.1 * counts.mean()


def test_drawn_over_users_each_of_their_examples_comes():
    drawn = {row for epoch in range(100) for row in rows_of(over_users().epoch(epoch))}
    assert drawn == set(ROWS.tolist())


def test_an_epoch_over_users_is_as_long():
    assert len(rows_of(over_users().epoch(0))) == 53


def test_an_epoch_over_users_resumed_yields_the_rest_of_it():
    whole = [batch.rows.tolist() for batch in over_users().epoch(2)]
    assert [batch.rows.tolist() for batch in over_users().epoch(2, 3)] == whole[3:]
