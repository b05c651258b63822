"""What `tacit.fit` resolves before the first step."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import tacit
from helpers.logs import random_log
from tacit.defaults import RATES, beneath, fitting_batch, suggested
from tacit.gathering import DataOptions
from tacit.plan import Plan
from tacit.planning import made


def planned(
    optimizer: tacit.OptimizerOptions,
    backbone: str = "mf",
    scheme: str = "softmax",
    training: tacit.TrainingOptions | None = None,
) -> Plan:
    return made(
        *(
            random_log(),
            None,
            None,
            backbone,
            scheme,
            DataOptions(),
            training or tacit.TrainingOptions(),
            optimizer,
            0,
            None,
        )
    )


@pytest.mark.parametrize(
    ("options", "rate"),
    [
        ({}, suggested("mf", "softmax").rate),
        ({"use": "row-adagrad"}, suggested("mf", "softmax").rate),
        ({"use": "adam"}, RATES["adam"]),
        ({"use": "adam", "rate": 0.5}, 0.5),
    ],
)
def test_the_rate_of_the_table_is_that_of_its_optimiser(options: Any, rate: float) -> None:
    assert planned(tacit.OptimizerOptions(**options)).rate == rate


def test_a_rate_that_is_not_of_the_table_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tacit"):
        planned(tacit.OptimizerOptions("adam"))
    assert "rate 0.005: the table of defaults has one for row-adagrad only" in caplog.text


@pytest.mark.parametrize(("most", "chosen"), [(1, "lazy-adam"), (10**6, "adam")])
def test_adam_becomes_lazy_where_tables_are_large(
    monkeypatch: pytest.MonkeyPatch, most: int, chosen: str
) -> None:
    monkeypatch.setattr("tacit.planning.DENSE_ROWS", most)
    plan = planned(tacit.OptimizerOptions(), "lightgcn", "bpr")
    assert (plan.optimizer, plan.rate) == (chosen, suggested("lightgcn", "bpr").rate)


@pytest.mark.parametrize(
    ("size", "pairs", "fitting"),
    [
        (32768, 810_128, 32768),
        (32768, 166_025, 8192),
        (2048, 29_769, 1024),
        (2048, 32_768, 2048),
        (4096, 10, 512),
        (256, 10, 256),
    ],
)
def test_the_batch_of_the_table_shrinks_with_the_log(size: int, pairs: int, fitting: int) -> None:
    assert fitting_batch(size, pairs) == fitting


def test_a_batch_that_is_asked_for_is_kept() -> None:
    plan = planned(tacit.OptimizerOptions(), training=tacit.TrainingOptions(batch_size=4096))
    assert plan.batch_size == 4096


def test_a_decay_of_the_table_is_that_of_its_optimiser() -> None:
    table = suggested("lightgcn", "bpr")
    assert planned(tacit.OptimizerOptions(), "lightgcn", "bpr").decay == table.decay != 1
    assert planned(tacit.OptimizerOptions("sgd"), "lightgcn", "bpr").decay == 1


def test_options_of_the_table_go_with_the_option_that_explains_them() -> None:
    table = {"negatives": 512, "shared": True, "l2": 0.1, "l2_spread": True}
    assert beneath(table, {"draw": "in-batch"}) == {
        "negatives": 512,
        "l2": 0.1,
        "l2_spread": True,
        "draw": "in-batch",
    }
    assert beneath(table, {"l2": 0.5}) == {"negatives": 512, "shared": True, "l2": 0.5}


def test_a_rival_takes_training_options_only() -> None:
    kin, own = suggested("mf", "sampled-softmax"), suggested("mf", "ccl")
    assert (own.rate, own.batch_size, own.epochs) == (kin.rate, kin.batch_size, kin.epochs)
    assert (own.scheme, own.backbone) == ({}, {})
