"""The preset of IDL under IG: its parts, its share of meta batches, and its way through a whole run."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import tacit
from tacit.errors import OptionError, SchemeError
from tacit.events import EpochEnd
from tacit.examples import _held_out
from tacit.parts.regularisers import EmbeddingNorm
from tacit.parts.samplers import Shown, Uniform
from tacit.presets import IDLIGScheme
from tacit.schemes.idl import IDL
from tacit.schemes.ig import InverseGradient

SHORT = tacit.TrainingOptions(epochs=2, batch_size=128)
NAMES = ("direct", "stay", "inverse")


def table(*, ratings: bool = False) -> pa.Table:
    """Forty users who like one half of thirty items; with ratings they also say what they do not like."""
    chance = np.random.default_rng(0)
    users, items = chance.integers(0, 40, 900), chance.integers(0, 30, 900)
    liked = users % 2 == items % 2
    if not ratings:
        return pa.table({"user": users[liked], "item": items[liked]})
    return pa.table({"user": users, "item": items, "rating": np.where(liked, 5.0, 1.0)})


class Heard:
    def __init__(self) -> None:
        self.epochs: list[EpochEnd] = []

    def __call__(self, event: Any) -> None:
        if isinstance(event, EpochEnd):
            self.epochs.append(event)


def fit(scheme: Any = "idl-ig", log: Any = None, **options: Any) -> tacit.Run:
    options = {"backbone": tacit.MFConfig(dim=4), "training": SHORT, **options}
    return tacit.fit(table() if log is None else log, scheme=scheme, **options)


def test_the_preset_is_idl_with_the_inverse_gradient_and_one_warm_up():
    scheme = tacit.idl_ig(prior=0.3, sharpness=1.0, warmup=2.0, decide="probe", eta=0.1, groups=2, l2=0.1)
    assert scheme.refiners == (IDL(0.3, 1.0, 2.0),)
    assert scheme.update == InverseGradient("probe", eta=0.1, groups=2, warmup=2.0)
    assert scheme.regularisers == (EmbeddingNorm(0.1),)
    assert scheme.sampler == Uniform(4)


def test_unlabelled_pairs_may_be_the_users_impressions():
    assert tacit.idl_ig(draw="impressions", negatives=2).sampler == Shown(2)


def test_the_preset_agrees_with_the_parts_put_together():
    assert tacit.idl_ig(prior=0.2) == tacit.idl(prior=0.2).with_(InverseGradient())


@pytest.mark.parametrize(("scheme", "share"), [("idl-ig", 0.1), ("idl", 0.0), ("bce", 0.0)])
def test_a_tenth_is_held_out_for_meta_batches_where_they_are_needed(scheme, share):
    assert fit(scheme).config["training"]["meta"] == share


def test_the_share_held_out_is_said(caplog):
    with caplog.at_level(logging.INFO, "tacit"):
        fit()
    said = "10 % of the training examples are held out for the meta batches of InverseGradient; training.meta"
    assert said in caplog.text


def test_a_share_that_was_set_stands(caplog):
    training = tacit.TrainingOptions(epochs=1, batch_size=128, meta=0.3)
    with caplog.at_level(logging.INFO, "tacit"):
        assert fit(training=training).config["training"]["meta"] == 0.3
    assert "are held out for the meta batches" not in caplog.text


def test_nothing_held_out_is_refused_before_training():
    steps: list[Any] = []
    training = tacit.TrainingOptions(epochs=1, meta=0.0)
    with pytest.raises(OptionError, match=r"InverseGradient needs meta batches: set training\.meta above 0"):
        fit(training=training, callbacks=[steps.append])
    assert not steps


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_what_is_held_out_is_a_share_of_each_user(share):
    users = np.sort(np.random.default_rng(1).integers(0, 50, 2000)).astype(np.int32)
    held = _held_out(users, share, 7)
    assert abs(held.sum() - share * len(users)) <= 1
    for user in range(50):
        own = held[users == user]
        assert abs(own.sum() - share * len(own)) <= 1


def test_what_is_held_out_is_a_function_of_the_key():
    users = np.arange(300, dtype=np.int32) % 20
    first, again, other = (_held_out(users, 0.2, key) for key in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_share_of_too_few_examples_is_refused_with_the_mend():
    log = pa.table({"user": [0, 0, 1, 1], "item": [0, 1, 1, 2]})
    training = tacit.TrainingOptions(epochs=1, meta=0.01)
    with pytest.raises(OptionError, match=r"training\.meta = 0\.01 leaves no examples .*: raise it"):
        fit(log=log, training=training)


@pytest.mark.parametrize("backbone", [tacit.MFConfig(dim=4), tacit.GMFConfig(dim=4), "lightgcn"], ids=str)
@pytest.mark.parametrize("ratings", [False, True])
def test_a_run_learns_and_notes_its_decisions(backbone, ratings, tmp_path):
    heard = Heard()
    run = fit(log=table(ratings=ratings), backbone=backbone, callbacks=[heard], out=tmp_path / "run")
    last = heard.epochs[1].terms
    assert sum(last[name] for name in NAMES) == pytest.approx(1.0)
    assert {"p", "p_over_half", "meta"} <= set(last)
    logged = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert any("p_over_half" in entry.get("terms", {}) for entry in logged)
    assert len(run.recommend([0], k=3).items[0]) == 3


def test_both_parts_wait_as_long():
    heard = Heard()
    fit(tacit.idl_ig(warmup=1.0), callbacks=[heard])
    assert ["meta" in event.terms for event in heard.epochs[:2]] == [False, True]


def test_the_authors_setting_can_be_asked_for():
    authors = tacit.idl_ig(
        prior=0.5,
        warmup=0.0,
        decide="probe",
        rule="explore",
        loops=True,
        judge="labelled",
        negatives=1,
        l2=0.0,
    )
    assert authors.refiners == (IDL(0.5, 2.0, 0.0),)
    heard = Heard()
    fit(authors, table(ratings=True), callbacks=[heard])
    assert sum(heard.epochs[0].terms[name] for name in NAMES) == pytest.approx(1.0)
    with pytest.raises(OptionError, match='judge = "labelled" needs explicit noes'):
        fit(authors)


def test_impressions_are_annotated(tmp_path):
    world = tacit.simulate("small", seed=0, users=60, items=40, sessions=20)
    log = tacit.Interactions.read(world.to_arrow(), impressions=_written(world.impressions(), tmp_path))
    run = fit(tacit.idl_ig(draw="impressions"), log)
    assert run.config["scheme"]["draw"] == "impressions"


def _written(shown: pa.Table, folder: Path) -> Path:
    import pyarrow.parquet as pq

    pq.write_table(shown, folder / "impressions.parquet")
    return folder / "impressions.parquet"


def test_without_impressions_they_cannot_be():
    with pytest.raises(OptionError, match="needs impressions, and the log has none"):
        fit(tacit.idl_ig(draw="impressions"))


def test_a_stopped_run_goes_on_with_the_same_bits(tmp_path):
    class Cut(Exception):
        pass

    def cut(event: Any) -> None:
        if isinstance(event, EpochEnd) and event.clock.epoch == 1:
            raise Cut

    training = tacit.TrainingOptions(epochs=3, batch_size=64, checkpoint_every=1)
    options: dict[str, Any] = {"training": training, "backbone": tacit.NeuMFConfig(dim=4, hidden=(4,))}
    with pytest.raises(Cut):
        fit(out=tmp_path / "run", callbacks=[cut], **options)
    fit(out=tmp_path / "run", resume=True, **options)
    fit(out=tmp_path / "whole", **options)
    models = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("run", "whole")]
    assert models[0] == models[1]


@pytest.mark.parametrize("part", [IDL(), InverseGradient()], ids=["idl", "inverse-gradient"])
@pytest.mark.parametrize(
    "scheme", [tacit.bpr, tacit.sampled_softmax, tacit.softmax], ids=lambda s: s.__name__
)
def test_what_has_no_loss_of_each_candidate_is_refused_before_training(part, scheme):
    with pytest.raises(SchemeError, match=r"asks for a loss of each candidate, .* has none: use bce"):
        fit(scheme().with_(part))


def test_the_parts_join_any_scheme_with_such_a_loss():
    heard = Heard()
    fit(tacit.bce(draw="popularity").with_(IDL(), InverseGradient()), callbacks=[heard])
    assert heard.epochs[1].terms["direct"] >= 0


def test_bad_options_of_either_part_are_refused():
    for options, said in (({"prior": 2.0}, "prior is a share"), ({"groups": 0}, "groups must be at least 1")):
        with pytest.raises(OptionError, match=said):
            IDLIGScheme(**options).build()
