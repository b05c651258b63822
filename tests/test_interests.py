"""Interests of a run: followed while it trains, told afterwards, warned of where they collapse."""

from __future__ import annotations

import logging

import numpy as np
import pytest

import tacit
from helpers.sequences import ordered_log
from tacit.cli.main import outcome
from tacit.errors import OptionError, SchemeError
from tacit.interests import InterestTrace, _probe, chart, collapses, interests

TRAINING = tacit.TrainingOptions(epochs=3, batch_size=16, interests=1)
CONFIG = tacit.ComiRecSAConfig(dim=8, length=8, interests=3)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    return tacit.fit(ordered_log(), backbone=CONFIG, scheme="remi", training=TRAINING, out=out)


def test_the_log_holds_every_epoch_of_the_last_phase(run):
    found = interests(run)
    assert [entry["epoch"] for entry in found["history"]] == [
        epoch + 1 for epoch in range(run.config["chosen"]["epoch"])
    ]
    assert 1 <= found["events"] <= 8
    assert sum(found["served"]) == pytest.approx(1)


def test_the_verb_tells_and_draws(run, tmp_path, capsys):
    assert outcome(["interests", str(run.folder), "--plot", str(tmp_path / "i.svg")]) == 0
    assert "strongest" in capsys.readouterr().out
    assert (tmp_path / "i.svg").read_text().startswith("<svg")
    assert outcome(["interests", str(run.folder), "--json"]) == 0
    assert '"served"' in capsys.readouterr().out


def test_without_a_log_there_is_nothing_to_draw(tmp_path, capsys):
    run = tacit.fit(ordered_log(), backbone=CONFIG, scheme="bpr", training=tacit.TrainingOptions(epochs=1))
    run.save(tmp_path / "run")
    assert outcome(["interests", str(tmp_path / "run"), "--plot", str(tmp_path / "i.svg")]) == 2
    assert "training.interests=1" in capsys.readouterr().err


def test_mind_s_few_interests_are_followed_too(tmp_path):
    config = tacit.MINDConfig(dim=8, length=8)
    run = tacit.fit(ordered_log(), backbone=config, scheme="bpr", training=TRAINING, out=tmp_path / "run")
    assert interests(run)["served"][-1] == 0  # eight events have three interests


def test_every_kind_of_collapse_has_its_sentence():
    fine = {"strongest": 0.5, "cosine": 0.5, "served": [0.6, 0.4]}
    assert collapses(fine) == collapses(fine | {"strongest": None, "cosine": None}) == {}
    for name, value in {"strongest": 0.99, "cosine": 0.99, "served": [0.99, 0.01]}.items():
        (sentence,) = collapses(fine | {name: value}).values()
        assert ":" in sentence


def test_a_collapse_is_warned_of_once(caplog):
    trace = InterestTrace(ordered_log().sequences)
    config = tacit.ComiRecSAConfig(dim=2, length=8, interests=2, scale=1e-6)
    with caplog.at_level(logging.WARNING, "tacit"):
        tacit.fit(
            ordered_log(),
            backbone=config,
            scheme="bpr",
            training=tacit.TrainingOptions(epochs=3, batch_size=64),
            optimizer=tacit.OptimizerOptions("sgd", 1e-9),
            callbacks=[trace],
        )
    assert len(trace.entries) >= 3
    assert sum("nearly the same" in record.message for record in caplog.records) == 1


def test_what_has_one_vector_is_refused_with_the_mend(tmp_path):
    log = ordered_log()
    with pytest.raises(OptionError, match=r"training\.interests"):
        tacit.fit(log, backbone="sasrec", training=TRAINING, out=tmp_path / "a")
    with pytest.raises(OptionError, match="writes into the run folder"):
        tacit.fit(log, backbone=CONFIG, scheme="bpr", training=TRAINING)
    run = tacit.fit(log, backbone="mf", training=tacit.TrainingOptions(epochs=1))
    with pytest.raises(SchemeError, match="use comirec-sa"):
        interests(run)


def test_a_chart_of_nothing_known_is_a_chart():
    assert chart([{"epoch": 1, "strongest": None, "cosine": 0.5}]).startswith("<svg")


def test_people_are_looked_at_before_their_newest_event():
    log = ordered_log(users=3, length=6)
    history, targets = _probe(log.sequences, 4)
    for row in range(3):
        read = [*history.items[row, : history.lengths[row]].tolist(), int(targets[row])]
        ids = log.item_ids.decode(np.array(read))
        assert [int(item) for item in ids] == [(int(ids[0]) + step) % 12 for step in range(5)]
