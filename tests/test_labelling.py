"""Soft labels in a run: made in one go, kept, taken from an artifact, and never of another log."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

import tacit
from helpers.sequences import ordered_log
from helpers.tiny import batch_of, seeded
from tacit import fitting
from tacit.api import soft_labels
from tacit.data.softlabels import SoftLabels
from tacit.data.split import split
from tacit.errors import ArtifactError, DataError, Interrupted, OptionError, RunFolderError
from tacit.events import StepEnd
from tacit.labelling import base_scheme
from tacit.parts.regularisers import EmbeddingNorm
from tacit.schemes.desorec import Decoupled, SoftCandidates
from tacit.schemes.scheme import Scheme

CONFIG = tacit.GRU4RecConfig(dim=8, length=8, hidden=8)
TRAINING = tacit.TrainingOptions(epochs=3, batch_size=8, patience=9)
OPTIONS = {"clusters": 2, "neighbours": 6, "keep": 5}


def trained(log=None, *, training=TRAINING, options=None, **more):
    scheme = tacit.desorec(**OPTIONS, **(options or {}))
    return tacit.fit(
        ordered_log() if log is None else log, backbone=CONFIG, scheme=scheme, training=training, **more
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(out=tmp_path_factory.mktemp("runs") / "run")


def test_labels_are_made_in_one_go_and_kept_with_the_run(run):
    labels = SoftLabels.load(run.folder / "soft-labels")
    assert labels.report()["examples"] > 0
    assert run.config["scheme"]["use"] == "desorec"


def test_they_are_of_the_training_part_alone(run):
    """Everybody's last event is held out, so no example has it as its target."""
    labels = SoftLabels.load(run.folder / "soft-labels")
    log = ordered_log()
    assert run.facts["split"]["kind"] == "validation"
    assert len(labels) == len(log) - 30
    counts = np.bincount(labels.targets[labels.targets >= 0], minlength=log.n_items)
    inner = np.bincount(log.items.reshape(30, 9)[:, 1:8].ravel(), minlength=log.n_items)
    np.testing.assert_array_equal(counts, inner)


def test_every_training_example_but_the_first_of_a_user_has_labels(run):
    labels = SoftLabels.load(run.folder / "soft-labels")
    assert (labels.targets >= 0).sum() == len(labels) - 30


def test_what_was_made_is_said(caplog):
    with caplog.at_level(logging.INFO, "tacit"):
        trained()
    assert "of their mass on the target" in caplog.text


def test_saved_labels_give_the_same_run(run):
    again = trained(options={"labels": str(run.folder / "soft-labels")})
    for (name, first), (_, second) in zip(
        run.backbone.state_dict().items(), again.backbone.state_dict().items(), strict=True
    ):
        assert torch.equal(first, second), name


def test_labels_of_another_log_are_refused_with_the_mend(run):
    with pytest.raises(DataError, match=r"made of another log.*make them anew"):
        trained(ordered_log(seed=1), options={"labels": str(run.folder / "soft-labels")})


def test_a_folder_without_labels_is_refused(tmp_path):
    with pytest.raises(ArtifactError):
        trained(options={"labels": str(tmp_path)})


def test_labels_of_another_part_of_the_log_are_refused_with_the_mend(tmp_path):
    """Made for a log that was trained on whole, then given to a run that holds a part of it out."""
    parts = split(ordered_log(), "last")
    given = tacit.fit(parts.train, valid=parts.valid, backbone=CONFIG, training=TRAINING)
    soft_labels(given, parts.train).save(tmp_path / "labels")
    with pytest.raises(DataError, match=r"another part of it: give the validation file .* same seed"):
        trained(parts.train, options={"labels": str(tmp_path / "labels")})


def test_labels_in_memory_are_checked_too():
    """Those of a whole log would tell what a run holds out of it."""
    parts = split(ordered_log(), "last")
    given = tacit.fit(parts.train, valid=parts.valid, backbone=CONFIG, training=TRAINING)
    scheme = Scheme(SoftCandidates(soft_labels(given, parts.train)), Decoupled())
    tacit.fit(parts.train, valid=parts.valid, backbone=CONFIG, scheme=scheme, training=TRAINING)
    with pytest.raises(DataError, match="another part of it"):
        tacit.fit(parts.train, backbone=CONFIG, scheme=scheme, training=TRAINING)


def test_labels_that_know_more_of_a_log_than_a_run_are_refused(tmp_path):
    """What is held out depends on what an earlier run had seen, though log and seed are the same."""
    log = ordered_log()
    earlier = log.select(np.arange(len(log)) < len(log) // 2)
    tacit.fit(earlier, backbone=CONFIG, training=TRAINING, out=tmp_path / "old")
    trained(log, start=tmp_path / "old", out=tmp_path / "new")
    labels = {"labels": str(tmp_path / "new" / "soft-labels")}
    trained(log, start=tmp_path / "old", options=labels)
    with pytest.raises(DataError, match="same seed and start"):
        trained(log, options=labels)


def test_windows_that_slide_are_labelled_as_they_are_trained():
    parts = split(ordered_log(), "last")
    config, sliding = replace(CONFIG, length=4), replace(TRAINING, stride=1)
    plain, slid = (
        tacit.fit(parts.train, valid=parts.valid, backbone=config, training=training)
        for training in (TRAINING, sliding)
    )
    slid = replace(slid, backbone=plain.backbone)
    labels, others = (soft_labels(made, parts.train) for made in (plain, slid))
    assert not np.array_equal(labels.values, others.values)


def test_under_cosines_lengths_of_vectors_do_not_tell_who_is_near():
    parts = split(ordered_log(), "last")
    found = []
    for scale in (1.0, 3.0):
        run = tacit.fit(
            parts.train,
            valid=parts.valid,
            backbone=tacit.MFConfig(dim=8),
            scheme=tacit.softmax(similarity="cosine"),
            training=TRAINING,
        )
        with torch.no_grad():
            run.backbone.user_table[::2] *= scale
        found.append(soft_labels(run, parts.train))
    np.testing.assert_allclose(found[0].values, found[1].values, atol=1e-6)


def test_a_refit_of_events_without_labels_is_refused_with_the_mend():
    with pytest.raises(OptionError, match=r"newest.*set training\.refit = false"):
        tacit.fit(ordered_log(), backbone=replace(CONFIG, queries="newest"), scheme=tacit.desorec(**OPTIONS))


def test_damaged_labels_are_refused(run, tmp_path):
    labels = SoftLabels.load(run.folder / "soft-labels")
    labels.save(tmp_path / "labels")
    again = SoftLabels.load(tmp_path / "labels")
    assert np.array_equal(again.values, labels.values)
    file = tmp_path / "labels" / "labels.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ArtifactError):
        SoftLabels.load(tmp_path / "labels")


def test_runs_that_cannot_label_are_refused_with_the_mend(tmp_path):
    parts = split(ordered_log(), "last")
    held_out = tacit.fit(parts.train, backbone=CONFIG, training=TRAINING)
    with pytest.raises(OptionError, match="train it with a validation file"):
        soft_labels(held_out, parts.train)
    refitted = tacit.fit(
        parts.train, valid=parts.valid, backbone=CONFIG, training=replace(TRAINING, refit=True)
    )
    with pytest.raises(OptionError, match=r"training\.refit = false"):
        soft_labels(refitted, parts.train)
    other = tacit.fit(parts.train, valid=parts.valid, backbone=CONFIG, training=TRAINING)
    with pytest.raises(DataError, match="another log"):
        soft_labels(other, ordered_log(seed=1))
    neumf = tacit.fit(parts.train, valid=parts.valid, backbone="neumf", training=TRAINING)
    with pytest.raises(OptionError, match="no vectors"):
        soft_labels(neumf, parts.train)


def test_pairs_have_soft_labels_too():
    run = tacit.fit(
        ordered_log(),
        backbone=tacit.MFConfig(dim=8),
        scheme=tacit.desorec(**OPTIONS),
        training=tacit.TrainingOptions(epochs=2, batch_size=32),
    )
    assert np.isfinite(run.score([1], [2])).all()


def test_a_scheme_without_labels_is_no_scheme_yet():
    with pytest.raises(OptionError, match="no soft labels yet"):
        SoftCandidates()(batch_of([0], [0]), seeded())


@pytest.mark.parametrize("patience", [1, 5])
def test_a_resumed_run_keeps_the_labels_that_it_made(run, tmp_path, monkeypatch, patience):
    """The base is trained, then the search is cut: the labels are not made again."""
    calls = []
    made = fitting.labels_of

    def counted(*arguments):
        calls.append(1)
        return made(*arguments)

    monkeypatch.setattr(fitting, "labels_of", counted)

    def killed(event):
        if isinstance(event, StepEnd) and event.clock.step == 2 * patience:
            raise Interrupted("killed", 9)

    frequent = replace(TRAINING, checkpoint_every=1)
    with pytest.raises(Interrupted):
        trained(training=frequent, out=tmp_path / "run", callbacks=[killed])
    again = trained(training=frequent, out=tmp_path / "run", resume=True)
    assert calls == [1]
    whole = run.backbone.state_dict()
    for name, tensor in again.backbone.state_dict().items():
        assert torch.equal(tensor, whole[name]), name


def test_a_run_whose_labels_are_gone_is_not_resumed(tmp_path):
    frequent = replace(TRAINING, checkpoint_every=1)
    with pytest.raises(Interrupted):
        trained(training=frequent, out=tmp_path / "run", callbacks=[_interrupt])
    shutil.rmtree(tmp_path / "run" / "soft-labels")
    with pytest.raises(RunFolderError, match=r"soft labels that this run had made.*new run folder"):
        trained(training=frequent, out=tmp_path / "run", resume=True)


def test_a_run_is_not_resumed_on_other_labels(run, tmp_path):
    """The path is the same, and what lies there is not."""
    labels = SoftLabels.load(run.folder / "soft-labels")
    labels.save(tmp_path / "labels")
    again = {"options": {"labels": str(tmp_path / "labels")}, "out": tmp_path / "run"}
    frequent = replace(TRAINING, checkpoint_every=1)
    with pytest.raises(Interrupted):
        trained(training=frequent, callbacks=[_interrupt], **again)
    replace(labels, values=labels.values / 2).save(tmp_path / "labels")
    with pytest.raises(RunFolderError, match="cannot resume: soft labels"):
        trained(training=frequent, resume=True, **again)


def test_a_search_that_begins_again_leaves_no_line_of_the_log_twice(run, tmp_path):
    """Cut in its second epoch, before its first checkpoint; the base has some."""
    rare = replace(TRAINING, checkpoint_every=6)
    with pytest.raises(Interrupted):
        trained(training=rare, out=tmp_path / "run", callbacks=[_interrupt_late])
    trained(training=rare, out=tmp_path / "run", resume=True)
    lines = [
        [
            (entry["event"], entry.get("epoch"), entry.get("step"))
            for entry in map(json.loads, (folder / "log.jsonl").read_text().splitlines())
        ]
        for folder in (run.folder, tmp_path / "run")
    ]
    assert lines[0] == lines[1]


def test_another_log_is_not_resumed(tmp_path):
    with pytest.raises(Interrupted):
        trained(out=tmp_path / "run", callbacks=[_interrupt_late])
    with pytest.raises(RunFolderError, match="data was another log"):
        trained(ordered_log(seed=1), out=tmp_path / "run", resume=True)


def test_other_options_are_not_resumed(tmp_path):
    frequent = replace(TRAINING, checkpoint_every=1)
    with pytest.raises(Interrupted):
        trained(training=frequent, out=tmp_path / "run", callbacks=[_interrupt])
    with pytest.raises(RunFolderError, match="steps"):
        trained(training=frequent, out=tmp_path / "run", resume=True, options={"steps": 3})


def _interrupt(event):
    if isinstance(event, StepEnd) and event.clock.step == 3:
        raise Interrupted("killed", 9)


def _interrupt_late(event):
    if isinstance(event, StepEnd) and event.clock.epoch == 1:
        raise Interrupted("killed", 9)


def test_labels_of_fewer_examples_are_refused(run):
    """Those of a run that trains the newest event alone, for one that trains every event."""
    labels = SoftLabels.load(run.folder / "soft-labels")
    row = int(np.flatnonzero(labels.targets >= 0)[0])
    few = replace(labels, targets=np.where(np.arange(len(labels)) == row, -1, labels.targets))
    with pytest.raises(DataError, match=r"same backbone\.queries"):
        few.of(np.array([row]), labels.targets[[row]].astype(np.int64))


def test_the_base_keeps_regularisers_and_the_bound_of_gradients():
    norm = EmbeddingNorm(0.1)
    base = base_scheme(tacit.desorec().with_(norm).clipped(1.0))
    assert base.regularisers == (norm,)
    assert base.update.clip == 1.0
