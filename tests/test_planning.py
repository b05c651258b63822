"""What `tacit.fit` resolves before the first step."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tacit
from helpers.logs import random_log
from tacit.defaults import RATES, beneath, fitting_batch, suggested
from tacit.errors import OptionError
from tacit.gathering import DataOptions
from tacit.parts.miners import HardestK
from tacit.parts.samplers import Uniform
from tacit.plan import Plan
from tacit.planning import made


def planned(
    optimizer: tacit.OptimizerOptions,
    backbone: str = "mf",
    scheme: Any = "softmax",
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


@pytest.mark.parametrize(
    ("function", "name"),
    [(tacit.dli, "dli"), (tacit.bpr, "bpr"), (tacit.t_ce, "t-ce"), (tacit.idl_ig, "idl-ig")],
)
def test_a_scheme_of_a_function_is_the_one_of_its_name(function: Any, name: str) -> None:
    first, second = (planned(tacit.OptimizerOptions(), scheme=scheme) for scheme in (function(), name))
    assert (first.config, first.scheme) == (second.config, second.scheme)


def test_the_table_fills_in_what_a_function_was_not_told() -> None:
    plan = planned(tacit.OptimizerOptions(), scheme=tacit.bce(negatives=2))
    assert plan.config["scheme"]["negatives"] == 2
    assert plan.config["scheme"]["l2"] == suggested("mf", "bce").scheme["l2"]


def test_the_table_fills_in_a_scheme_with_more_parts() -> None:
    plan = planned(tacit.OptimizerOptions(), scheme=tacit.bce().with_(HardestK(2)))
    assert plan.scheme.refiners == (HardestK(2),)
    assert plan.scheme.sampler == Uniform(suggested("mf", "bce").scheme["negatives"])


def test_a_scheme_that_was_changed_by_hand_stays_as_it_is() -> None:
    changed = replace(tacit.bce(), sampler=Uniform(3))
    plan = planned(tacit.OptimizerOptions(), scheme=changed)
    assert plan.scheme == changed
    assert plan.rate == suggested("mf", "bce").rate


def test_an_option_that_a_scheme_has_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(OptionError, match=r'dli has no option "los"; did you mean "loss"\?'):
        tacit.dli(los="reverse")


def test_impressions_that_nobody_draws_from_are_said(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"user": [0, 0, 1], "item": [1, 2, 3]}), tmp_path / "shown.parquet")
    options = DataOptions(impressions=str(tmp_path / "shown.parquet"))
    for scheme, told in (("bce", 1), (tacit.idl(draw="impressions"), 0)):
        caplog.clear()
        arguments = (random_log(), None, None, "mf", scheme, options, tacit.TrainingOptions())
        with caplog.at_level(logging.INFO, "tacit"):
            made(*arguments, tacit.OptimizerOptions(), 0, None)
        said = [record for record in caplog.records if "the impressions are not used" in record.getMessage()]
        assert len(said) == told


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
    assert beneath(table, {"draw": "in-batch"}) == {"l2": 0.1, "l2_spread": True, "draw": "in-batch"}
    assert beneath(table, {"draw": "mixed"}) == {
        "negatives": 512,
        "l2": 0.1,
        "l2_spread": True,
        "draw": "mixed",
    }
    assert beneath(table, {"l2": 0.5}) == {"negatives": 512, "shared": True, "l2": 0.5}


def test_a_rival_takes_training_options_only() -> None:
    kin, own = suggested("mf", "sampled-softmax"), suggested("mf", "ccl")
    assert (own.rate, own.batch_size, own.epochs) == (kin.rate, kin.batch_size, kin.epochs)
    assert (own.scheme, own.backbone) == ({}, {})


def test_ones_own_backbone_that_reads_sequences_gets_batches_of_windows() -> None:
    batches = [suggested("own.Backbone", "softmax", sequences=reads).batch_size for reads in (True, False)]
    assert batches == [128, 4096]
