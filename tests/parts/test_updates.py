from __future__ import annotations

import pytest
import torch

from tacit.errors import OptionError
from tacit.parts.updates import Descent, displaced
from tacit.types import Clock, Terms


def parameters() -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(5, 3, generator=generator)) for _ in range(2)]


def sparse_direction() -> torch.Tensor:
    return torch.sparse_coo_tensor(torch.tensor([[3, 1, 3]]), torch.randn(3, 3), (5, 3))


@pytest.mark.parametrize("sparse", [False, True])
def test_displaced_restores_every_bit(sparse):
    own = parameters()
    before = [p.detach().clone() for p in own]
    directions = [sparse_direction() if sparse else torch.randn(5, 3), None]
    with displaced(own, directions, 0.1):
        assert not torch.equal(own[0], before[0])
    assert all(torch.equal(p, b) for p, b in zip(own, before, strict=True))


def test_displaced_restores_after_an_error():
    own = parameters()
    before = own[0].detach().clone()
    with pytest.raises(KeyError), displaced(own, [torch.ones(5, 3), None], 1e8):
        raise KeyError
    assert torch.equal(own[0], before)


def test_displaced_moves_by_step_times_direction():
    own = parameters()
    before, direction = own[0].detach().clone(), sparse_direction()
    with displaced(own, [direction, None], -0.5):
        torch.testing.assert_close(own[0].detach(), before - 0.5 * direction.to_dense())


def test_displaced_leaves_what_has_no_direction():
    own = parameters()
    before = own[1].detach().clone()
    with displaced(own, [torch.ones(5, 3), None], 1.0):
        assert torch.equal(own[1], before)


def test_displaced_keeps_gradients_flowing():
    own = parameters()
    with displaced(own, [torch.ones(5, 3), None], 1.0):
        own[0].square().sum().backward()
        assert torch.equal(own[0].grad, 2 * own[0].detach())


def test_descent_takes_the_optimisers_step_on_the_sum_of_terms():
    (parameter, _) = parameters()
    before = parameter.detach().clone()
    optimizer = torch.optim.SGD([parameter], lr=0.1)

    def loss() -> Terms:
        return Terms({"a": 1 * parameter[0]}, {"b": 2 * parameter[1].sum()})

    terms = Descent()(loss, None, Clock(0, 1, 0, 1), [parameter], optimizer)
    expected = before.clone()
    expected[0] -= 0.1
    expected[1] -= 0.2
    torch.testing.assert_close(parameter.detach(), expected)
    assert terms.values() == pytest.approx({"a": before[0].sum().item(), "b": 2 * before[1].sum().item()})


def test_descent_forgets_earlier_gradients():
    (parameter, _) = parameters()
    parameter.grad = torch.full((5, 3), 1e6)
    before = parameter.detach().clone()
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    Descent()(lambda: Terms({}, {"a": parameter.sum()}), None, Clock(0, 1, 0, 1), [parameter], optimizer)
    torch.testing.assert_close(parameter.detach(), before - 0.1)


@pytest.mark.parametrize("sparse", [False, True])
def test_descent_clips_the_joint_norm_of_all_gradients(sparse):
    own = parameters()
    before = [p.detach().clone() for p in own]
    tables = [torch.nn.functional.embedding(torch.tensor([1, 3]), p, sparse=sparse) for p in own]
    optimizer = torch.optim.SGD(own, lr=1.0)
    loss = Terms({}, {"a": 3 * tables[0].sum() + 4 * tables[1].sum()})
    Descent(clip=0.5)(lambda: loss, None, Clock(0, 1, 0, 1), own, optimizer)
    moved = [(b - p.detach()).ravel() for p, b in zip(own, before, strict=True)]
    assert torch.cat(moved).norm().item() == pytest.approx(0.5, rel=1e-5)
    assert (moved[0].norm() / moved[1].norm()).item() == pytest.approx(0.75, rel=1e-5)


@pytest.mark.parametrize("clip", [0.0, -1.0, float("nan")])
def test_a_clip_must_be_positive(clip):
    with pytest.raises(OptionError, match=r"clip .* must be above 0"):
        Descent(clip=clip)
