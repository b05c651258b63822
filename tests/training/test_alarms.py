"""Alarms: what an epoch notes is said aloud where it means that a scheme fails."""

from __future__ import annotations

import logging

import pytest

from helpers.tiny import tiny
from helpers.training import Run
from tacit.backbones.mf import MFConfig
from tacit.events import EpochEnd, FitEnd
from tacit.schemes.dli import dli
from tacit.schemes.idl import idl
from tacit.schemes.ig import InverseGradient
from tacit.training.alarms import Alarms
from tacit.types import Clock

YES_ONLY = tiny([(u, i) for u in range(30) for i in range(20) if (u + i) % 5 == 0], 30, 20)


def said(caplog: pytest.LogCaptureFixture, *epochs: dict[str, float]) -> list[str]:
    alarms = Alarms()
    with caplog.at_level(logging.WARNING, "tacit"):
        for number, terms in enumerate(epochs):
            assert alarms(EpochEnd(Clock(number, 9, 0, 1), terms, 1.0, 1, None)) is None
    return [record.getMessage() for record in caplog.records]


def test_a_collapse_is_said_with_the_mend(caplog):
    (told,) = said(caplog, {"p": 0.97, "p_over_half": 0.95})
    assert told.startswith("epoch 1: the scores call 95.0 % of the unlabelled pairs a yes (mean p 0.970)")
    assert told.endswith("lower its prior, lengthen its warmup, or use bce")


def test_an_inverse_gradient_that_stays_is_said_with_the_mend(caplog):
    (told,) = said(caplog, {"meta": 0.5, "stay": 0.91, "direct": 0.09, "inverse": 0.0})
    assert told.startswith("epoch 1: the inverse gradient stayed in 91.0 % of its decisions")
    assert 'direction = "sign", a longer eta' in told


def test_probes_that_drown_in_rounding_are_said(caplog):
    (told,) = said(caplog, {"meta": 0.5, "stay": 0.2, "rounding": 0.01})
    assert told.startswith(
        "epoch 1: 1.0 % of the probes of the inverse gradient changed the meta loss (0.500)"
    )


@pytest.mark.parametrize(("shares", "told"), [([0.0, 0.0], 1), ([0.0, 0.01, 0.0], 0), ([], 0)])
def test_a_selection_that_never_was_is_said_in_the_end(caplog, shares, told):
    alarms = Alarms()
    with caplog.at_level(logging.WARNING, "tacit"):
        for number, share in enumerate(shares):
            alarms(EpochEnd(Clock(number, 9, 0, 1), {"selected": share}, 1.0, 1, None))
        alarms(FitEnd(Clock(len(shares), 9, 0, 1), "all epochs done"))
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == told
    assert all(one.startswith("in 2 epochs no false negative was selected") for one in said)


def test_a_selection_that_ends_before_its_warm_up_is_said(caplog):
    run = Run(YES_ONLY, MFConfig(dim=4), dli(criterion="loss"))
    with caplog.at_level(logging.WARNING, "tacit"):
        run.fit(4, callbacks=[Alarms()])
    assert "in 4 epochs no false negative was selected" in caplog.text


def test_a_regulariser_that_holds_the_loss_is_said(caplog):
    (told,) = said(caplog, *({"labelled": 7.1488, "routing": 2.5} for _ in range(3)))
    assert told.startswith(
        "epoch 2: the loss stays at 7.1488, and the regularisation of the routing weighs 2.5"
    )
    assert told.endswith("lower its strength (scheme.routing)")


@pytest.mark.parametrize(("later", "routing"), [(7.0, 2.5), (7.1488, 0.01)])
def test_a_loss_that_falls_or_has_nothing_heavy_beside_it_is_in_order(caplog, later, routing):
    terms = [{"labelled": 7.1488, "routing": routing}, {"labelled": later, "routing": routing}]
    assert said(caplog, *terms) == []


def test_of_a_loss_in_two_terms_it_is_their_sum_that_must_fall(caplog):
    first = {"labelled": 0.139, "unlabelled": 0.555, "routing": 0.5}
    assert said(caplog, first, {"labelled": 0.25, "unlabelled": 0.2, "routing": 0.5}) == []


def test_each_alarm_is_said_once(caplog):
    terms = {"p": 0.97, "p_over_half": 0.95}
    assert len(said(caplog, {"p": 0.5, "p_over_half": 0.5}, terms, terms)) == 1


@pytest.mark.parametrize(
    "terms",
    [{"labelled": 0.9}, {"p": 0.9, "p_over_half": 0.9}, {"meta": 1.0, "stay": 0.9, "rounding": 0.0}],
    ids=str,
)
def test_what_is_in_order_is_passed_over(caplog, terms):
    assert not said(caplog, terms)


def test_the_authors_setting_collapses_on_positive_only_data_and_is_told(caplog):
    scheme = idl(prior=0.5, warmup=0.0, negatives=1, l2=0.0)
    run = Run(YES_ONLY, MFConfig(dim=8, biases=True), scheme, optimizer="adam", rate=0.05)
    with caplog.at_level(logging.WARNING, "tacit"):
        run.fit(40, callbacks=[Alarms()])
    assert "of the unlabelled pairs a yes" in caplog.text


def test_our_defaults_do_not_collapse_there(caplog):
    run = Run(YES_ONLY, MFConfig(dim=8, biases=True), idl(), optimizer="adam", rate=0.05)
    with caplog.at_level(logging.WARNING, "tacit"):
        run.fit(40, callbacks=[Alarms()])
    assert not caplog.records


def test_a_dead_zone_that_holds_everything_is_told(caplog):
    scheme = idl(prior=0.5, warmup=0.0).with_(InverseGradient(warmup=0.0, dead_zone=1e9))
    run = Run(YES_ONLY, MFConfig(dim=8), scheme)
    with caplog.at_level(logging.WARNING, "tacit"):
        run.fit(1, meta_loader=run.loader, callbacks=[Alarms()])
    assert "stayed in 100.0 % of its decisions" in caplog.text
