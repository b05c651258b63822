from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from helpers.tiny import batch_of
from longhand import scoring as longhand
from tacit.kernels.rows import Rows
from tacit.parts.objectives import BCE, BPR, CatalogueSoftmax
from tacit.scoring import (
    LocalItems,
    TableItems,
    half_squared_norm,
    local_rows,
    read_out,
    score,
    score_pairs,
)
from tacit.types import Candidates, Encoded, Items

USERS, TARGETS = [1, 0, 1, 3], [2, 5, 0, 5]
OWN = [[1, 3, 3], [0, 1, 2], [4, 5, 2], [2, 2, 3]]
SHARED = [4, 1, 1, 0]
BATCH = batch_of(USERS, TARGETS)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def candidates_of(others: list[int] | list[list[int]], **more: Tensor) -> Candidates:
    ids = torch.tensor(others)
    return Candidates(BATCH.targets, ids, torch.zeros(ids.shape), **more)


def columns_of(others: list[int] | list[list[int]]) -> list[list[int]]:
    rows = others if isinstance(others[0], list) else [others] * len(TARGETS)
    return [[target, *row] for target, row in zip(TARGETS, rows, strict=True)]


def tables() -> tuple[Tensor, Tensor]:
    return random(4, 3).requires_grad_(), random(6, 3, seed=1).requires_grad_()


def encodings(users: Tensor, items: Tensor, biases: Tensor | None, query_bias: Tensor | None):
    rows = Rows(users, BATCH.users)
    both = {"query_bias": query_bias}
    yield Encoded(rows, TableItems(items, biases), **both)
    yield Encoded(users[BATCH.users][:, None], TableItems(items, biases), **both)
    yield Encoded(
        users[BATCH.users][:, None], LocalItems(items, None if biases is None else biases[:, 0]), **both
    )
    shifted = torch.cat([torch.zeros(2, 3, dtype=torch.float64), items])
    if biases is None:
        yield Encoded(Rows(users, BATCH.users), TableItems(shifted, offset=2), **both)


@pytest.mark.parametrize("others", [OWN, SHARED], ids=["own", "shared"])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("temperature", [1.0, 0.2])
def test_scores_equal_longhand_for_every_way_of_holding_vectors(others, biased, similarity, temperature):
    users, items = tables()
    biases = random(6, 1, seed=2) if biased else None
    query_bias = random(4, seed=3) if biased else None
    expected = longhand.scores(
        users[BATCH.users],
        items,
        columns_of(others),
        cosine=similarity == "cosine",
        temperature=temperature,
        item_bias=None if biases is None else biases[:, 0],
        query_bias=query_bias,
    )
    gradients = torch.autograd.grad(expected.tanh().sum(), (users, items))
    objective = BPR(temperature, similarity)
    for encoded in encodings(users, items, biases, query_bias):
        found = score(encoded, candidates_of(others), BATCH, objective).scores
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
        for a, b in zip(torch.autograd.grad(found.tanh().sum(), (users, items)), gradients, strict=True):
            torch.testing.assert_close(a.to_dense(), b, rtol=0, atol=1e-9)


def test_shared_candidates_score_as_the_same_candidates_per_query():
    users, items = tables()
    encoded = Encoded(Rows(users, BATCH.users), TableItems(items))
    shared = score(encoded, candidates_of(SHARED), BATCH, BPR())
    own = score(encoded, candidates_of([SHARED] * 4), BATCH, BPR())
    torch.testing.assert_close(shared.scores, own.scores, rtol=0, atol=1e-12)
    for name in ("items", "labels", "log_weights", "log_q", "observed"):
        assert torch.equal(getattr(shared, name), getattr(own, name)), name


def test_cosine_is_the_dot_of_normalised_vectors():
    users, items = tables()
    cosine = score(
        Encoded(Rows(users, BATCH.users), TableItems(items)), candidates_of(OWN), BATCH, BPR(1.0, "cosine")
    )
    unit = Encoded(Rows(normalize(users, dim=1), BATCH.users), TableItems(normalize(items, dim=1)))
    torch.testing.assert_close(cosine.scores, score(unit, candidates_of(OWN), BATCH, BPR()).scores)


@pytest.mark.parametrize("others", [OWN, SHARED], ids=["own", "shared"])
@pytest.mark.parametrize("objective", [BPR(0.5), BPR(1.0, "cosine"), CatalogueSoftmax(0.3)], ids=repr)
def test_local_rows_leave_scores_as_they_are(others, objective):
    users, items = tables()
    biases = random(6, 1, seed=2)
    encoded, candidates = Encoded(Rows(users, BATCH.users), TableItems(items, biases)), candidates_of(others)
    local, renumbered = local_rows(encoded, candidates)
    if objective.catalogue:
        objective = replace(objective, similarity="dot")
        expected = score(encoded, candidates, BATCH, BPR(objective.temperature))
        found = score(local, renumbered, BATCH, BPR(objective.temperature))
    else:
        expected, found = (
            score(encoded, candidates, BATCH, objective),
            score(local, renumbered, BATCH, objective),
        )
    torch.testing.assert_close(found.scores, expected.scores, rtol=0, atol=1e-12)
    assert torch.equal(found.items, expected.items)


def test_local_rows_gather_each_item_once():
    users, items = tables()
    local, _ = local_rows(Encoded(Rows(users, BATCH.users), TableItems(items)), candidates_of(OWN))
    assert torch.equal(local.items.table(), items[[0, 1, 2, 3, 4, 5]])
    few = local_rows(Encoded(Rows(users, BATCH.users), TableItems(items)), candidates_of([5, 2, 2]))[0]
    assert torch.equal(few.items.table(), items[[0, 2, 5]])


@pytest.mark.parametrize("readout", ["hard", "attention"])
@pytest.mark.parametrize("power", [1.0, 2.5])
@pytest.mark.parametrize("masked", [False, True])
def test_read_out_equals_longhand(readout, power, masked):
    interests, items = random(4, 3, 5), random(6, 5, seed=1)
    active = torch.tensor([[True, False, True], [True] * 3, [False, True, True], [False, False, True]])
    encoded = Encoded(
        interests, LocalItems(items), active=active if masked else None, readout=readout, power=power
    )
    found = read_out(encoded, BATCH.targets)
    for query, target in enumerate(TARGETS):
        on = active[query].tolist() if masked else [True] * 3
        expected = longhand.read_out(interests[query], items[target], on, readout, power)
        torch.testing.assert_close(found.queries[query, 0], expected, rtol=0, atol=1e-10)


def test_hard_read_out_passes_gradients_to_the_chosen_interest_alone():
    interests = random(4, 3, 5).requires_grad_()
    read_out(Encoded(interests, LocalItems(random(6, 5, seed=1))), BATCH.targets).queries.sum().backward()
    assert (interests.grad.abs().sum(2) > 0).sum(1).tolist() == [1, 1, 1, 1]


def test_a_target_that_a_sampler_put_in_is_scored_by_its_own_interest():
    interests = torch.eye(2, dtype=torch.float64).expand(4, 2, 2)
    items = TableItems(torch.eye(6, 2, dtype=torch.float64))
    put = torch.tensor([1, 1, 1, 1])
    candidates = Candidates(put, torch.full((4, 1), 5), torch.zeros(4, 1))
    found = score(Encoded(interests, items), candidates, replace(BATCH, targets=1 - put), BPR())
    assert found.scores[:, 0].tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("queries", ["rows", "one"])
def test_one_vector_per_user_needs_no_read_out(queries):
    users, items = tables()
    rows = Rows(users, BATCH.users)
    encoded = Encoded(rows if queries == "rows" else rows.take()[:, None], TableItems(items))
    assert read_out(encoded, BATCH.targets) is encoded


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("biased", [False, True])
def test_log_rest_normalises_over_the_whole_catalogue(similarity, biased):
    users, items = tables()
    biases = random(6, 1, seed=2) if biased else None
    query_bias = random(4, seed=3) if biased else None
    encoded = Encoded(Rows(users, BATCH.users), TableItems(items, biases), query_bias=query_bias)
    scored = score(encoded, candidates_of(OWN), BATCH, CatalogueSoftmax(0.4, similarity))
    every = longhand.scores(
        users[BATCH.users],
        items,
        [list(range(6))] * 4,
        cosine=similarity == "cosine",
        temperature=0.4,
        item_bias=None if biases is None else biases[:, 0],
        query_bias=query_bias,
    )
    total = torch.logaddexp(scored.log_rest, scored.scores[:, 0])
    torch.testing.assert_close(total, every.logsumexp(1), rtol=0, atol=1e-10)


def scored_with(**more: Tensor):
    users, items = tables()
    encoded = Encoded(Rows(users, BATCH.users), TableItems(items))
    return score(encoded, candidates_of(OWN, **more), BATCH, BCE())


def test_the_target_is_observed_and_the_others_are_not():
    assert scored_with().observed.tolist() == [[True, False, False, False]] * 4


def test_the_target_bears_the_batchs_label_and_the_others_none():
    users, items = tables()
    batch = replace(BATCH, labels=torch.tensor([1.0, 0.0, 1.0, 1.0]))
    scored = score(Encoded(Rows(users, BATCH.users), TableItems(items)), candidates_of(OWN), batch, BCE())
    assert scored.labels.tolist() == [[label, 0, 0, 0] for label in (1, 0, 1, 1)]


def test_invalid_candidates_arrive_dropped_and_observed():
    valid = torch.tensor([[True, False, True]] * 4)
    scored = scored_with(valid=valid)
    assert torch.equal(scored.log_weights[:, 1:] == -torch.inf, ~valid)
    assert torch.equal(scored.observed[:, 1:], ~valid)
    assert scored.log_weights[:, 0].tolist() == [0.0] * 4


def test_explicit_noes_arrive_observed_and_kept():
    observed = torch.tensor([[False, False, True]] * 4)
    scored = scored_with(observed=observed)
    assert torch.equal(scored.observed[:, 1:], observed)
    assert (scored.log_weights == 0).all()


def test_soft_labels_of_candidates_arrive():
    labels = torch.full((4, 3), 0.25)
    assert torch.equal(scored_with(labels=labels).labels[:, 1:].float(), labels)


@pytest.mark.parametrize("own_side", [False, True])
def test_log_q_arrives_on_both_sides(own_side):
    log_q = torch.tensor([-1.0, -2, -3])
    target = torch.tensor([-4.0, -5, -6, -7]) if own_side else None
    users, items = tables()
    encoded = Encoded(Rows(users, BATCH.users), TableItems(items))
    candidates = Candidates(BATCH.targets, torch.tensor([0, 1, 2]), log_q, target_log_q=target)
    found = score(encoded, candidates, BATCH, BPR()).log_q
    assert found[:, 1:].tolist() == [[-1, -2, -3]] * 4
    assert found[:, 0].tolist() == ([-4, -5, -6, -7] if own_side else [0, 0, 0, 0])


def test_scored_items_are_global_ids():
    assert scored_with().items.tolist() == columns_of(OWN)


class Sum:
    """Scores a pair by the sum of its ids."""

    def score(self, users: Tensor, items: Tensor) -> Tensor:
        return (users[:, None] + items).double()


@pytest.mark.parametrize("others", [OWN, SHARED], ids=["own", "shared"])
def test_a_pair_scorer_is_asked_for_every_column(others):
    scored = score_pairs(Sum(), candidates_of(others), BATCH, BPR(2.0))
    expected = [[(u + i) / 2 for i in row] for u, row in zip(USERS, columns_of(others), strict=True)]
    assert scored.scores.tolist() == expected


@pytest.mark.parametrize("kind", [TableItems, LocalItems])
def test_both_tables_are_items(kind):
    assert isinstance(kind(random(2, 3)), Items)


def test_table_items_with_an_offset_show_their_part_only():
    table = random(5, 2)
    items = TableItems(table, offset=2)
    assert torch.equal(items.table(), table[2:])
    assert torch.equal(items.rows(torch.tensor([0, 2])), table[[2, 4]])


def test_table_items_keep_their_last_look_up():
    items, ids = TableItems(random(5, 2)), torch.tensor([1, 3])
    assert items.rows(ids) is items.rows(ids)
    assert torch.equal(items.rows(torch.tensor([4])), items.vectors[[4]])


def norm_longhand(users: Tensor, items: Tensor, others: list[int] | list[list[int]]) -> Tensor:
    """Half the squared norms; a shared candidate counts once, one of a query each time."""
    rows = [items[target] for target in TARGETS]
    flat = others if isinstance(others[0], int) else [item for row in others for item in row]
    rows += [items[item] for item in flat]
    rows += [users[user] for user in USERS]
    return sum((row * row).sum() for row in rows) / 2


@pytest.mark.parametrize("others", [OWN, SHARED], ids=["own", "shared"])
@pytest.mark.parametrize("scored_first", [False, True])
def test_half_squared_norm_counts_occurrences(others, scored_first):
    users, items = tables()
    encoded, candidates = Encoded(Rows(users, BATCH.users), TableItems(items)), candidates_of(others)
    if scored_first:
        score(encoded, candidates, BATCH, BPR(1.0, "cosine"))
    found, expected = half_squared_norm(encoded, candidates), norm_longhand(users, items, others)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    gradients = torch.autograd.grad(expected, (users, items))
    for a, b in zip(torch.autograd.grad(found, (users, items)), gradients, strict=True):
        torch.testing.assert_close(a.to_dense(), b, rtol=0, atol=1e-10)


@pytest.mark.parametrize("others", [OWN, SHARED], ids=["own", "shared"])
@pytest.mark.parametrize("transformed", [False, True])
def test_half_squared_norm_reads_the_base_tables(others, transformed):
    users, items = tables()
    base = (Rows(users, BATCH.users), TableItems(items))
    encoded = Encoded(Rows(users * 7, BATCH.users), TableItems(items * 7), base=base)
    candidates = candidates_of(others)
    if transformed:
        encoded, candidates = local_rows(encoded, candidates)
    expected = norm_longhand(users, items, others)
    torch.testing.assert_close(half_squared_norm(encoded, candidates), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("others", [OWN, SHARED], ids=["own", "shared"])
@pytest.mark.parametrize("rowwise", [True, False])
def test_half_squared_norm_does_not_see_what_a_transform_did(others, rowwise):
    users, items = tables()
    candidates = candidates_of(others)
    rows = Rows(users, BATCH.users)
    encoded = Encoded(rows if rowwise else rows.take()[:, None], TableItems(items))
    local, renumbered = local_rows(encoded, candidates)
    changed = replace(local, queries=7 * local.queries, items=LocalItems(7 * local.items.table()))
    expected = norm_longhand(users, items, others)
    torch.testing.assert_close(half_squared_norm(changed, renumbered), expected, rtol=0, atol=1e-10)
