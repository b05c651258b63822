from __future__ import annotations

import math

import pytest
import torch

from tacit.evaluation.interests import diagnosis
from tacit.scoring import LocalItems
from tacit.types import Encoded, Routing


def encoded(queries, weights=None, mask=None, active=None):
    queries = torch.tensor(queries, dtype=torch.float64)
    routing = None
    if weights is not None:
        weights = torch.tensor(weights, dtype=torch.float64)
        whole = torch.ones(len(weights), weights.shape[2], dtype=torch.bool)
        routing = Routing(weights, whole if mask is None else torch.tensor(mask))
    items = LocalItems(torch.tensor([[1, 0], [0, 1]], dtype=torch.float64))
    return Encoded(queries, items, routing, None if active is None else torch.tensor(active))


APART = [[[1.0, 0.0], [0.0, 1.0]]]


def test_an_interest_of_one_event_and_one_of_four():
    found = diagnosis(encoded(APART, [[[1, 0, 0, 0], [0.25] * 4]]), torch.tensor([0]))
    assert found["events"] == pytest.approx((1 + 4) / 2)
    assert found["strongest"] == pytest.approx((1 + 0.25) / 2)


def test_routing_need_not_sum_to_one():
    found = diagnosis(encoded(APART, [[[0.2, 0.2], [0.6, 0.6]]]), torch.tensor([0]))
    assert found["events"] == pytest.approx(2)


def test_histories_of_one_event_do_not_count():
    mask = [[True, False], [True, True]]
    weights = [[[1.0, 0.0], [1.0, 0.0]], [[0.5, 0.5], [0.5, 0.5]]]
    alike = [[[1.0, 0.0], [1.0, 0.0]]]
    found = diagnosis(encoded(alike + APART, weights, mask), torch.tensor([0, 1]))
    assert (found["histories"], found["served"]) == (1, [0.0, 1.0])
    assert (found["strongest"], found["cosine"]) == (pytest.approx(0.5), pytest.approx(0))


def test_where_all_histories_have_one_event_nothing_is_said():
    found = diagnosis(encoded(APART, [[[1.0, 0.0], [1.0, 0.0]]], [[True, False]]), torch.tensor([0]))
    assert (found["histories"], found["served"]) == (0, [0.0, 0.0])
    assert all(math.isnan(found[name]) for name in ("events", "strongest", "cosine", "used"))


def test_interests_that_are_alike_have_cosine_one():
    assert diagnosis(encoded(APART), torch.tensor([0]))["cosine"] == pytest.approx(0)
    assert diagnosis(encoded([[[1.0, 1.0], [2.0, 2.0]]]), torch.tensor([0]))["cosine"] == pytest.approx(1)


def test_interests_not_in_use_do_not_count():
    found = diagnosis(encoded(APART, [[[0.5, 0.5], [1.0, 0.0]]], active=[[True, False]]), torch.tensor([1]))
    assert found["served"] == [1.0, 0.0]
    assert math.isnan(found["cosine"])
    assert found["strongest"] == pytest.approx(0.5)


def test_whom_each_interest_serves():
    found = diagnosis(encoded(APART * 4), torch.tensor([0, 0, 0, 1]))
    assert found["served"] == [0.75, 0.25]
    assert found["used"] == pytest.approx(math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))))


def test_without_routing_there_are_no_figures_of_it():
    found = diagnosis(encoded(APART), torch.tensor([0]))
    assert math.isnan(found["events"])
    assert math.isnan(found["strongest"])


def test_under_cosines_length_does_not_tell_which_interest_serves():
    long_and_right = encoded([[[10.0, 10.0], [1.0, 0.0]]])
    assert diagnosis(long_and_right, torch.tensor([0]))["served"] == [1, 0]
    assert diagnosis(long_and_right, torch.tensor([0]), "cosine")["served"] == [0, 1]
