from __future__ import annotations

import pytest
import torch

from helpers.tiny import batch_from, random_data, seeded
from tacit.backbones.lightgcn import LightGCNConfig
from tacit.backbones.mf import GMFConfig, MFConfig
from tacit.errors import OptionError
from tacit.parts.objectives import BPR
from tacit.parts.regularisers import EmbeddingNorm
from tacit.parts.samplers import Uniform
from tacit.scoring import score

DATA = random_data(4)
BATCH = batch_from(DATA, 9)


def longhand(users: torch.Tensor, items: torch.Tensor, candidates, strength: float) -> torch.Tensor:
    """strength / (2 Q) times the squared norms of the rows read, one at a time."""
    total = 0.0
    for query, user in enumerate(BATCH.users.tolist()):
        total = total + users[user].square().sum() + items[int(BATCH.targets[query])].square().sum()
        for item in candidates.others[query].tolist():
            total = total + items[item].square().sum()
    return strength * total / 2 / len(BATCH)


@pytest.mark.parametrize(
    "config", [MFConfig(dim=4), GMFConfig(dim=4), MFConfig(dim=4, biases=True), LightGCNConfig(dim=4)]
)
@pytest.mark.parametrize("scored_first", [False, True])
def test_l2_reads_the_base_tables_and_counts_occurrences(config, scored_first):
    backbone = config.build(DATA, seeded())
    candidates = Uniform(3).bind(DATA)(BATCH, seeded())
    encoded = backbone(BATCH)
    if scored_first:
        score(encoded, candidates, BATCH, BPR())
    found = EmbeddingNorm(0.3)(encoded, BATCH, candidates)
    if isinstance(config, LightGCNConfig):
        tables = [backbone.table]
        users, items = backbone.table[: DATA.n_users], backbone.table[DATA.n_users :]
    else:
        tables = users, items = [backbone.user_table, backbone.item_table]
    expected = longhand(users, items, candidates, 0.3)
    torch.testing.assert_close(found, expected)
    twins = torch.autograd.grad(expected, tables)
    for a, b in zip(torch.autograd.grad(found, tables), twins, strict=True):
        torch.testing.assert_close(a.to_dense(), b)


def test_negative_strengths_are_refused():
    with pytest.raises(OptionError, match="l2 must not be negative"):
        EmbeddingNorm(-1.0)


def test_spread_divides_by_the_pairs_of_a_user():
    backbone = MFConfig(dim=4).build(DATA, seeded())
    candidates = Uniform(3).bind(DATA)(BATCH, seeded())
    encoded = backbone(BATCH)
    degrees = DATA.positives.degrees()
    mean = degrees[degrees > 0].mean()
    found = EmbeddingNorm(0.3, spread=True).bind(DATA)(encoded, BATCH, candidates)
    torch.testing.assert_close(found, EmbeddingNorm(0.3 / mean)(encoded, BATCH, candidates))
