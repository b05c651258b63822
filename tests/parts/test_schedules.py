from __future__ import annotations

import pytest

from tacit.parts.schedules import Constant, Cosine, Exponential, Linear
from tacit.types import Clock


def at(epoch: float) -> Clock:
    return Clock(epoch=int(epoch), epochs=100, step=round(epoch * 10), steps_per_epoch=10)


def test_constant_stays():
    assert [Constant(0.3)(at(epoch)) for epoch in (0, 50, 99)] == [0.3] * 3


@pytest.mark.parametrize(("epoch", "value"), [(0, 1.0), (2, 1.0), (3, 2.0), (4.5, 3.5), (6, 5.0), (50, 5.0)])
def test_linear_waits_climbs_and_stays(epoch, value):
    assert Linear(1.0, 5.0, epochs=4, warmup=2)(at(epoch)) == pytest.approx(value)


@pytest.mark.parametrize(
    ("epoch", "value"), [(0, 1.0), (2, 1.0), (3, 0.8535534), (4, 0.5), (6, 0.0), (9, 0.0)]
)
def test_cosine_waits_falls_and_stays(epoch, value):
    assert Cosine(1.0, 0.0, epochs=4, warmup=2)(at(epoch)) == pytest.approx(value)


@pytest.mark.parametrize("kind", [Linear, Cosine])
def test_a_ramp_of_no_length_is_a_step(kind):
    schedule = kind(0.0, 1.0, epochs=0, warmup=3)
    assert [schedule(at(epoch)) for epoch in (0, 2.9, 3, 4)] == [0, 0, 1, 1]


@pytest.mark.parametrize("schedule", [Linear(0.2, 0.9, 5), Cosine(0.9, 0.1, 5)])
def test_values_stay_between_start_and_end(schedule):
    low, high = sorted((schedule.start, schedule.end))
    assert all(low <= schedule(at(epoch / 10)) <= high for epoch in range(100))


def test_exponential_falls_by_its_factor_each_epoch():
    rates = [Exponential(0.5, 0.1)(Clock(epoch, 9, epoch * 7 + 3, 7)) for epoch in range(3)]
    assert rates == pytest.approx([0.5, 0.05, 0.005])
