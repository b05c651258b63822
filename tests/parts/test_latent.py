from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.tiny import batch_from, batch_of, checkerboard, missing, random_data, seeded, tiny
from tacit.errors import OptionError
from tacit.parts.latent import Latent
from tacit.parts.samplers import InBatch, Uniform
from tacit.protocols import Queries
from tacit.references.graphfilter import GraphFilter

DATA = random_data(0)


def test_without_a_share_it_is_the_sampler_within():
    batch = batch_from(DATA)
    plain = Uniform(3).bind(DATA)(batch, seeded())
    found = Latent(Uniform(3), share=0.0).bind(DATA)(batch, seeded())
    assert torch.equal(found.targets, plain.targets)
    assert torch.equal(found.others, plain.others)
    assert found.valid.all()


def test_the_share_of_the_targets_gives_way():
    data = checkerboard()
    batch = batch_of([0] * 20_000, [2] * 20_000)
    found = Latent(Uniform(1), share=0.3).bind(data)(batch, seeded()).targets
    assert (found != 2).double().mean().item() == pytest.approx(0.3, abs=0.015)


def test_they_give_way_to_the_best_unobserved_item_of_the_filter():
    data = checkerboard()
    users = list(range(data.n_users))
    batch = batch_of(users, [int(data.positives.row(user)[0]) for user in users])
    found = Latent(Uniform(1), share=1.0, best=1, rank=4).bind(data)(batch, seeded()).targets
    assert found.tolist() == [missing(user) for user in users]


def test_draws_spread_over_the_best():
    user = 3
    row = int(DATA.positives.row(user)[0])
    found = Latent(Uniform(1), share=1.0, best=4, rank=5).bind(DATA)
    counts = found(batch_of([user] * 4000, [row] * 4000), seeded()).targets.bincount()
    best = (
        GraphFilter(rank=5)
        .fit(DATA)
        .recommend(Queries(np.array([user])), 4, exclude=DATA.known.select(np.array([user])))
    )
    assert set(counts.nonzero()[:, 0].tolist()) == set(best.items[0].tolist())
    assert counts[counts > 0].double().div(1000).sub(1).abs().max() < 0.15


def test_no_candidate_is_the_new_target():
    batch = batch_from(DATA)
    for sampler in (Uniform(6), Uniform(30, shared=True)):
        found = Latent(sampler, share=1.0).bind(DATA)(batch, seeded())
        clash = found.others.expand(len(batch), -1) == found.targets[:, None]
        assert clash.any()
        assert not (clash & found.valid).any()


def test_explicit_noes_keep_their_targets():
    batch = batch_of([0, 0], [1, 2], labels=[0.0, 0.0])
    found = Latent(Uniform(2), share=1.0).bind(DATA)(batch, seeded())
    assert found.targets.tolist() == [1, 2]


def test_who_is_unknown_to_the_filter_keeps_the_target():
    data = tiny([(0, 0), (0, 1), (1, 0), (2, 3)], 3, 4)
    found = Latent(Uniform(2), share=1.0).bind(data)(batch_of([1, 2], [0, 3]), seeded())
    assert found.targets.tolist() == [1, 3], "items 1 and 0 have a user in common, item 3 has none with any"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 1.1}, "latent is a share of the examples between 0 and 1, not 1.1"),
        ({"best": 0}, "best and rank must be at least 1"),
        ({"rank": 0}, "best and rank must be at least 1"),
    ],
    ids=str,
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        Latent(Uniform(), **options)


def test_targets_of_the_log_and_their_replacement_do_not_go_together():
    with pytest.raises(OptionError, match="use another sampler with it"):
        Latent(InBatch())
