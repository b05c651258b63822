from __future__ import annotations

import pytest
import torch

from helpers.tiny import seeded
from tacit.kernels.initial import initial_table


def test_a_number_is_the_standard_deviation():
    assert initial_table(4000, 16, 0.2, seeded()).std().item() == pytest.approx(0.2, rel=0.02)


def test_xavier_fills_its_interval():
    table, bound = initial_table(1000, 50, "xavier", seeded()), (6 / 1050) ** 0.5
    assert table.abs().max().item() <= bound
    assert table.abs().max().item() == pytest.approx(bound, rel=0.01)
    assert abs(table.mean().item()) < 0.01 * bound


@pytest.mark.parametrize("scale", [0.1, "xavier"])
def test_values_come_from_the_generator_alone(scale):
    assert torch.equal(*(initial_table(5, 3, scale, seeded(7)) for _ in range(2)))
