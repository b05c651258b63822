"""Diagnoses of a run's spectrum, while it trains and after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import tacit
from tacit.backbones.neumf import NeuMFConfig
from tacit.errors import OptionError, SchemeError
from tacit.spectra import SpectrumTrace, ranks_chart, spectrum, values_chart
from tacit.training.callbacks import read_log


def fit(out: Path | None = None, **options: Any) -> tacit.Run:
    chance = np.random.default_rng(0)
    users = chance.integers(0, 40, 600)
    log = pa.table({"user": users, "item": 2 * chance.integers(0, 15, 600) + users % 2})
    training = {"epochs": 3, "batch_size": 64, "patience": 5, **options.pop("training", {})}
    options = {"backbone": tacit.MFConfig(dim=4), **options}
    return tacit.fit(log, out=out, training=tacit.TrainingOptions(**training), **options)


def test_a_run_logs_its_spectrum_after_every_epoch(tmp_path):
    run = fit(tmp_path / "run", training={"spectrum": 1, "refit": False})
    history = spectrum(run)["history"]
    assert [entry["epoch"] for entry in history] == [1, 2, 3]


def test_only_the_last_phase_is_shown(tmp_path):
    run = fit(tmp_path / "run", training={"spectrum": 1})
    history = spectrum(run)["history"]
    assert [entry["epoch"] for entry in history] == list(range(1, run.config["chosen"]["epoch"] + 1))


def test_the_last_diagnosis_of_training_is_that_of_the_run(tmp_path):
    run = fit(tmp_path / "run", training={"spectrum": 2})
    found = spectrum(run)
    assert found["history"][-1]["spectrum"] == found["spectrum"]


def test_a_trace_watches_without_a_folder():
    log = pa.table({"user": [0, 0, 1, 1, 2, 2], "item": [0, 1, 1, 2, 2, 0]})
    whole = tacit.Interactions.read(log)
    trace = SpectrumTrace(whole.positives, every=2)
    fit(callbacks=[trace], training={"epochs": 4, "refit": False}, valid=None)
    assert [entry["epoch"] for entry in trace.entries] == [2, 4]


def test_without_a_folder_the_option_says_what_to_do():
    with pytest.raises(OptionError, match=r"training\.spectrum writes into the run folder.*SpectrumTrace"):
        fit(training={"spectrum": 1})


def test_a_trace_counts_whole_epochs():
    log = tacit.Interactions.read(pa.table({"user": [0, 1], "item": [0, 1]}))
    with pytest.raises(OptionError, match="at least 1, not 0"):
        SpectrumTrace(log.positives, every=0)


def test_the_drop_at_a_place_is_told_where_asked(tmp_path):
    run = fit(tmp_path / "run", training={"refit": False})
    figures = spectrum(run, at=3)["spectrum"]["items"]["raw"]
    values = figures["singular_values"]
    assert figures["drop"] == pytest.approx(values[0] / values[2])
    assert "drop" not in spectrum(run)["spectrum"]["items"]["raw"]


def test_a_spectrum_of_pair_scores_is_refused():
    run = fit(scheme="bce", backbone=NeuMFConfig(dim=4), training={"refit": False})
    with pytest.raises(SchemeError, match="has no spectrum: train a backbone with vectors, such as mf"):
        spectrum(run)


def test_charts_show_all_sides(tmp_path):
    found = spectrum(fit(tmp_path / "run", training={"spectrum": 1}))
    for chart in (values_chart(found), ranks_chart(found["history"])):
        assert all(f">{side}</text>" in chart for side in ("users", "items", "both"))


def test_a_missing_log_has_no_history(tmp_path):
    assert read_log(tmp_path / "log.jsonl", "spectrum") == []
