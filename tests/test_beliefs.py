"""The audit of false negatives: what is believed, in whose ids, and whether it is right."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import tacit
from helpers.tiny import scored_of
from tacit.beliefs import BeliefTrace, belief, judging
from tacit.errors import DataError, OptionError, SchemeError
from tacit.evaluation.beliefs import read_beliefs, summary, truth_table
from tacit.events import EpochEnd
from tacit.parts.miners import HardestK
from tacit.parts.samplers import Popularity, Uniform
from tacit.schemes.dli import dli
from tacit.schemes.idl import idl
from tacit.schemes.rivals.adt import ReweightedLoss, TruncatedLoss
from tacit.training.step import Step
from tacit.types import Clock, Need, Slot


def log() -> pa.Table:
    chance = np.random.default_rng(0)
    users = chance.integers(0, 40, 600)
    items = 2 * chance.integers(0, 15, 600) + users % 2
    return pa.table({"user": [f"u{user}" for user in users], "item": [f"i{item}" for item in items]})


def fit(out: Path | None = None, **options: Any) -> tacit.Run:
    training = {"epochs": 3, "batch_size": 64, "patience": 5, **options.pop("training", {})}
    return tacit.fit(
        log(), out=out, backbone=tacit.MFConfig(dim=4), training=tacit.TrainingOptions(**training), **options
    )


def test_a_run_writes_its_beliefs_after_every_epoch(tmp_path):
    fit(tmp_path / "run", scheme=idl(warmup=0.0, l2=0.0), training={"audit": 1, "refit": False})
    assert [entry["epoch"] for entry in summary(read_beliefs(tmp_path / "run" / "beliefs"))] == [1, 2, 3]


def test_the_refit_leaves_no_belief_of_the_search(tmp_path):
    run = fit(tmp_path / "run", scheme=idl(warmup=0.0), training={"audit": 1})
    found = summary(read_beliefs(tmp_path / "run" / "beliefs"))
    assert [entry["epoch"] for entry in found] == list(range(1, run.config["chosen"]["epoch"] + 1))


def test_beliefs_are_in_the_ids_of_the_log_and_of_unlabelled_pairs(tmp_path):
    fit(tmp_path / "run", scheme=idl(warmup=0.0), training={"audit": 1})
    table = read_beliefs(tmp_path / "run" / "beliefs")
    known = set(zip(*log().to_pydict().values(), strict=True))
    asked = set(zip(table["user"].to_pylist(), table["item"].to_pylist(), strict=True))
    assert asked
    assert not asked & known
    assert {user for user, _ in asked} <= {user for user, _ in known}


def test_the_same_pairs_are_asked_in_every_epoch(tmp_path):
    fit(tmp_path / "run", scheme=idl(warmup=0.0), training={"audit": 1, "refit": False})
    table = read_beliefs(tmp_path / "run" / "beliefs")
    pairs = list(zip(table["user"].to_pylist(), table["item"].to_pylist(), strict=True))
    assert pairs[: len(pairs) // 3] * 3 == pairs


def test_watching_changes_nothing():
    data = tacit.Interactions.read(log())
    runs = []
    for callbacks in ([], [BeliefTrace(data, data.user_ids, data.item_ids)]):
        runs.append(
            fit(scheme=dli(criterion="loss", warmup=0.0), callbacks=callbacks, training={"refit": False})
        )
    first, second = (run.backbone.state_dict() for run in runs)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_belief_is_the_label_or_the_share_of_weight_taken():
    weights = torch.tensor([[0.0, 0.0, -torch.inf, float(np.log(0.25)), 0.7]])
    labels = torch.tensor([[1.0, 0.3, 0.0, 0.5, 0.0]])
    found = belief(scored_of(torch.zeros(1, 5), labels=labels, log_weights=weights))
    assert found[0].tolist() == pytest.approx([1.0, 0.3, 1.0, 0.75, 0.0])


@pytest.mark.parametrize("scheme", ["bpr", "dns", "t-ce", "r-ce"])
def test_a_scheme_that_judges_no_unlabelled_item_has_nothing_to_audit(scheme, tmp_path):
    with pytest.raises(
        OptionError, match="no refiner that judges unlabelled items: leave it out, or use dli"
    ):
        fit(tmp_path / "run", scheme=scheme, training={"audit": 1})


def test_a_trace_of_a_scheme_that_judges_nothing_is_refused_before_training():
    data, seen = tacit.Interactions.read(log()), []
    with pytest.raises(SchemeError, match=r"nothing to audit: .* leave the audit out, or use dli or idl"):
        fit(scheme="dns", callbacks=[seen.append, BeliefTrace(data, data.user_ids, data.item_ids)])
    assert seen == []


def audited(scheme: tacit.Scheme, **options: Any) -> pa.Table:
    """Beliefs of a scheme on a backbone that has not been trained, late in training."""
    data = tacit.Interactions.read(log())
    trace = BeliefTrace(data, data.user_ids, data.item_ids, **options)
    step = Step(tacit.MFConfig(dim=4).build(data, torch.Generator().manual_seed(0)), scheme.bind(data))
    trace(EpochEnd(Clock(99, 100, 9999, 100), {}, 0.0, 1, step))
    return trace.tables[100]


@pytest.mark.parametrize("part", [HardestK(2), ReweightedLoss(), TruncatedLoss()], ids=str)
@pytest.mark.parametrize("scheme", [dli(objective="bce"), idl()], ids=["dli", "idl"])
def test_a_part_that_judges_no_unlabelled_item_changes_no_belief(scheme, part):
    found = audited(scheme)
    assert max(found["belief"].to_pylist()) > 0
    assert audited(scheme.with_(part)).equals(found)


def test_a_mined_scheme_is_audited_while_it_trains(tmp_path):
    fit(tmp_path / "run", scheme=idl(warmup=0.0).with_(HardestK(2)), training={"audit": 1, "refit": False})
    assert len(read_beliefs(tmp_path / "run" / "beliefs")) > 0


@dataclass(frozen=True)
class Suspicious:
    """A refiner of one's own that half believes in every unlabelled item."""

    slot: ClassVar[Slot] = "refiner"
    needs: ClassVar[frozenset[Need]] = frozenset({"unlabelled"})

    def bind(self, data):
        return self

    def __call__(self, scored, objective, clock):
        return replace(scored, labels=torch.where(scored.observed, scored.labels, 0.5))


class Silent(Suspicious):
    needs: ClassVar[frozenset[Need]] = frozenset()


@pytest.mark.parametrize("miners", [(), (HardestK(1),)], ids=["alone", "before a miner"])
def test_refiners_of_ones_own_are_audited(miners):
    table = audited(tacit.bpr(negatives=4).with_(Suspicious(), *miners))
    assert set(table["belief"].to_pylist()) == {0.5}


def test_a_refiner_of_ones_own_that_does_not_need_unlabelled_items_judges_none():
    assert judging(tacit.bpr(negatives=4).with_(Silent(), Suspicious())) == (Suspicious(),)


def test_the_audit_leaves_every_module_in_its_mode():
    data = tacit.Interactions.read(log())
    step = Step(tacit.MFConfig(dim=4).build(data, torch.Generator()), idl().bind(data))
    step.backbone.frozen = torch.nn.Dropout().eval()
    BeliefTrace(data, data.user_ids, data.item_ids)(EpochEnd(Clock(0, 1, 1, 1), {}, 0.0, 1, step))
    assert step.training
    assert not step.backbone.frozen.training


def test_candidates_come_by_popularity_where_the_scheme_draws_so():
    drawn = Uniform(1), Popularity(1, power=40.0, shared=True)
    uniform, popular = (
        np.mean(audited(replace(idl(), sampler=sampler), candidates=1)["popularity"].to_pylist())
        for sampler in drawn
    )
    assert popular > uniform


@pytest.mark.parametrize("option", ["every", "people", "candidates"])
def test_counts_of_the_audit_are_at_least_one(option):
    data = tacit.Interactions.read(log())
    with pytest.raises(OptionError, match=f"{option} of the audit must be at least 1, not 0"):
        BeliefTrace(data, data.user_ids, data.item_ids, **{option: 0})


def test_without_a_folder_the_option_says_what_to_do():
    with pytest.raises(OptionError, match=r"training\.audit writes into the run folder.*BeliefTrace"):
        fit(scheme=idl(), training={"audit": 1})


BELIEFS = pa.table(
    {
        "epoch": pa.array([1, 1, 1, 1, 1], pa.int32()),
        "user": pa.array([0, 0, 1, 1, 2]),
        "item": pa.array([0, 1, 0, 1, 5]),
        "belief": pa.array([1.0, 0.5, 0.0, 0.0, 1.0], pa.float32()),
        "score": pa.array([0.0] * 5, pa.float32()),
        "popularity": pa.array([3, 1, 3, 1, 9], pa.int32()),
    }
)
TRUTH = pa.table(
    {
        "user": pa.array([0, 0, 1, 1], pa.int32()),
        "item": pa.array([0, 1, 0, 1], pa.int32()),
        "liked": [True, False, True, False],
    }
)


def test_beliefs_are_judged_on_the_pairs_that_the_truth_knows():
    (entry,) = summary(BELIEFS, TRUTH)
    assert (entry["asked"], entry["known"]) == (5, 4)
    assert entry["taken"] == pytest.approx(3 / 5)
    assert (entry["base"], entry["precision"], entry["recall"]) == (0.5, 0.5, 0.5)
    assert entry["brier"] == pytest.approx((0 + 0.25 + 1 + 0) / 4)


def test_calibration_sets_belief_beside_the_share_liked():
    (entry,) = summary(BELIEFS, TRUTH)
    assert entry["calibration"] == [
        {"belief": 0.0, "liked": 0.5, "pairs": 2},
        {"belief": 0.5, "liked": 0.0, "pairs": 1},
        {"belief": 1.0, "liked": 1.0, "pairs": 1},
    ]


def test_what_changed_since_the_epoch_before_is_told():
    later = BELIEFS.set_column(0, "epoch", pa.array([2] * 5, pa.int32()))
    later = later.set_column(3, "belief", pa.array([0.4, 0.6, 0.0, 0.0, 0.9], pa.float32()))
    first, second = summary(pa.concat_tables([BELIEFS, later.take([4, 2, 0, 1, 3])]))
    assert first["changed"] is None
    assert second["changed"] == pytest.approx(1 / 5)


def test_what_is_taken_is_told_from_the_rarest_to_the_most_popular_items():
    (entry,) = summary(BELIEFS)
    found = [(part["popularity"], part["taken"], part["pairs"]) for part in entry["by_popularity"]]
    assert found == [(1, 1, 1), (1, 0, 1), (3, 1, 1), (3, 0, 1), (9, 1, 1)]


def test_a_truth_changes_nothing_of_what_is_told_without_it():
    n, rng = 300_000, np.random.default_rng(0)
    many = pa.table(
        {
            "epoch": pa.array(np.ones(n, np.int32)),
            "user": np.arange(n) // 100,
            "item": np.arange(n) % 100,
            "belief": rng.random(n, np.float32),
            "popularity": pa.array(rng.integers(0, 5, n, np.int32)),
        }
    )
    truth = many.select(["user", "item"]).append_column("liked", pa.array(rng.random(n) < 0.3))
    (alone,), (judged,) = summary(many), summary(many, truth)
    assert {name: judged[name] for name in alone} == alone


def test_quantiles_of_the_belief_are_told():
    (entry,) = summary(BELIEFS)
    assert entry["quantiles"] == {"0.1": 0.0, "0.5": 0.5, "0.9": 1.0}


def test_popularity_is_the_number_of_users_in_training(tmp_path):
    fit(tmp_path / "run", scheme=idl(warmup=0.0), training={"audit": 1})
    table = read_beliefs(tmp_path / "run" / "beliefs")
    pairs = log().group_by(["user", "item"]).aggregate([])
    counts = pairs.group_by("item").aggregate([("user", "count")])
    users = dict(zip(counts["item"].to_pylist(), counts["user_count"].to_pylist(), strict=True))
    assert [users[item] for item in table["item"].to_pylist()] == table["popularity"].to_pylist()


def test_a_folder_without_beliefs_says_how_to_get_them(tmp_path):
    with pytest.raises(DataError, match=r"--set training\.audit=1"):
        read_beliefs(tmp_path)


def test_a_truth_without_its_columns_is_refused(tmp_path):
    pq.write_table(pa.table({"user": [1]}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"t\.parquet: cannot be read as Parquet with the columns user, item"):
        truth_table(tmp_path / "t.parquet")


@pytest.mark.parametrize("scheme", [dli(criterion="neighbour"), idl(warmup=0.0)], ids=["dli", "idl"])
def test_on_the_simulator_what_is_believed_is_liked_above_the_base_rate(scheme, tmp_path):
    world = tacit.simulate("small", seed=0)
    data = tacit.Interactions.read(world.to_arrow())
    trace = BeliefTrace(data, data.user_ids, data.item_ids, every=3, people=400)
    tacit.fit(
        data,
        backbone=tacit.MFConfig(dim=16, scale=0.01),
        scheme=scheme,
        optimizer=tacit.OptimizerOptions("row-adagrad", 0.1),
        training=tacit.TrainingOptions(epochs=3, batch_size=4096, refit=False),
        callbacks=[trace],
    )
    world.write(tmp_path / "world")
    (entry,) = summary(trace.tables[3], truth_table(tmp_path / "world" / "truth.parquet"))
    order = np.argsort(-trace.tables[3]["belief"].to_numpy(), kind="stable")
    assert entry["known"] > 0
    assert entry["taken"] > 0
    assert entry["precision"] > entry["base"]
    likeliest = summary(
        trace.tables[3].take(order[: len(order) // 10]), truth_table(tmp_path / "world" / "truth.parquet")
    )
    assert likeliest[0]["base"] > 1.2 * entry["base"]
