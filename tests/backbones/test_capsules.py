"""Routing of ComiRec-DR and MIND: worked examples R7 and R8 of the specification, and a twin of loops."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.tiny import seeded
from longhand import capsules as longhand
from tacit.backbones.capsules import route, squash

VOTES = [[[1, 0], [0.5, 0.5]], [[0, 1], [1, -1]], [[5, 5], [5, 5]]]  # places, interests, dimensions
MASK = torch.tensor([[True, True, False]])


def of(values):
    return torch.tensor(values, dtype=torch.float64)


def close(found, expected):
    torch.testing.assert_close(found, of(expected), rtol=0, atol=1e-6)


def test_squash_of_the_worked_example():
    close(squash(of([3, 4])), [0.576923, 0.769231])


@pytest.mark.parametrize(
    ("axis", "weights", "capsules"),
    [
        (
            "interests",
            [[0.560706, 0.353679, 0], [0.439294, 0.646321, 0]],
            [[0.258225, 0.162882], [0.432715, -0.213205]],
        ),
        (
            "padded-positions",
            [[0.143983, 0.143983, 0], [0.188919, 0.278476, 0]],
            [[0.028151, 0.028151], [0.132223, -0.065243]],
        ),
        (
            "positions",
            [[0.5, 0.5, 0], [0.299655, 0.700345, 0]],
            [[0.235702, 0.235702], [0.425052, -0.275236]],
        ),
    ],
)
def test_routing_of_the_worked_example(axis, weights, capsules):
    found, coefficients = route(of([VOTES]), torch.zeros(1, 3, 2).double(), MASK, 3, axis=axis)
    close(coefficients[0], weights)
    close(found[0], capsules)


def test_shared_votes_of_the_worked_example():
    votes, start = of([[[1, -0.5], [0.5, 1], [0, 0]]]), of([[[0.3, -0.1], [-0.2, 0.4], [0, 0]]])
    found, coefficients = route(votes, start, MASK, 3)
    close(coefficients[0], [[0.66, 0.26531, 0], [0.34, 0.73469, 0]])
    close(found[0], [[0.386154, -0.031515], [0.351922, 0.280947]])


@given(st.integers(0, 10_000), st.sampled_from(["interests", "positions", "padded-positions"]), st.booleans())
def test_equals_its_longhand_twin(seed, axis, attached):
    generator = seeded(seed)
    queries, places, interests, dim = (int(torch.randint(1, 5, (1,), generator=generator)) for _ in range(4))
    votes = torch.randn(queries, places, interests, dim, generator=generator, dtype=torch.float64)
    start = torch.randn(places, interests, generator=generator, dtype=torch.float64)
    lengths = torch.randint(1, places + 1, (queries,), generator=generator)
    mask = torch.arange(places) < lengths[:, None]
    found = route(votes, start[None], mask, 3, axis=axis, attached=attached)
    expected = longhand.route(votes.tolist(), start.tolist(), lengths.tolist(), 3, axis)
    for ours, twin in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, of(twin), rtol=0, atol=1e-9)


@given(st.integers(0, 10_000), st.booleans())
def test_padding_takes_the_same_part_however_wide_the_batch(seed, attached):
    votes = torch.randn(2, 3, 2, 4, generator=seeded(seed), dtype=torch.float64)
    mask = torch.ones(2, 3, dtype=torch.bool)
    wide, whole = (torch.nn.functional.pad(x, (0, 0) * (x.dim() - 2) + (0, 4)) for x in (votes, mask))
    found, expected = (
        route(v, v.new_zeros(1, v.shape[1], 2), m, 3, axis="padded-positions", attached=attached, slots=7)
        for v, m in ((votes, mask), (wide, whole))
    )
    torch.testing.assert_close(found[0], expected[0], rtol=0, atol=1e-12)
    torch.testing.assert_close(found[1], expected[1][..., :3], rtol=0, atol=1e-12)


def test_shared_votes_are_votes_that_agree():
    votes = torch.randn(2, 3, 4, generator=seeded(), dtype=torch.float64)
    start = torch.randn(1, 3, 2, generator=seeded(1), dtype=torch.float64)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    shared, own = route(votes, start, mask, 3), route(votes[:, :, None].expand(2, 3, 2, 4), start, mask, 3)
    for a, b in zip(shared, own, strict=True):
        torch.testing.assert_close(a, b)


def coefficients_of_three_rounds(votes, attached):
    """(1, L, K) over interests, and which of the votes carry a gradient, said one by one."""
    still = votes.detach()
    first = torch.full(votes.shape[:3], 1 / votes.shape[2], dtype=votes.dtype)
    logits = (still * squash((first[..., None] * still).sum(1))[:, None]).sum(3)
    moving = votes if attached else still
    second = squash((logits.softmax(2)[..., None] * moving).sum(1))
    return (logits + (moving * second[:, None]).sum(3)).softmax(2)


@given(st.integers(0, 10_000), st.booleans())
def test_gradients_pass_through_the_last_move_alone_where_attached(seed, attached):
    votes = torch.randn(1, 4, 2, 3, generator=seeded(seed), dtype=torch.float64).requires_grad_()
    ours, weights = route(
        votes, votes.new_zeros(1, 4, 2), torch.ones(1, 4, dtype=torch.bool), 3, attached=attached
    )
    shares = coefficients_of_three_rounds(votes, attached)
    twin = squash((shares[..., None] * votes).sum(1))
    torch.testing.assert_close(weights, shares.transpose(1, 2))
    found, expected = (torch.autograd.grad(value.pow(3).sum(), votes)[0] for value in (ours, twin))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("attached", [False, True])
def test_gradients_reach_the_coefficients_where_asked(attached):
    votes = torch.randn(1, 3, 2, 4, generator=seeded()).requires_grad_()
    _, weights = route(votes, torch.zeros(1, 3, 2), torch.ones(1, 3, dtype=torch.bool), 3, attached=attached)
    assert weights.requires_grad == attached
