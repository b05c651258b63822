"""Numbers too small to matter are flushed while training, and only then."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tacit.kernels.denormals import flushed, flushing_denormals


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def products(count: int) -> torch.Tensor:
    return torch.full((count,), 1e-30) * torch.full((count,), 1e-10)


def test_they_are_zero_inside_the_block() -> None:
    with flushing_denormals():
        inside = products(1)
    assert inside.item() == 0.0


def test_every_thread_flushes_them() -> None:
    products(1_000_000)  # begins torch's threads
    with flushing_denormals():
        inside = products(1_000_000)
    assert inside.count_nonzero() == 0


def test_they_count_again_after_it() -> None:
    with flushing_denormals():
        products(1_000_000)  # begins torch's threads
    assert products(1_000_000).count_nonzero() == 1_000_000


def test_they_count_again_after_an_error() -> None:
    with pytest.raises(ValueError, match="inside"), flushing_denormals():
        raise ValueError("inside")
    assert not flushed()


def test_a_caller_who_flushes_them_goes_on_to() -> None:
    torch.set_flush_denormal(True)
    try:
        with flushing_denormals():
            pass
        assert flushed()
    finally:
        torch.set_flush_denormal(False)
