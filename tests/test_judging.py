"""`tacit.evaluate`: on whom, against what, and what the audit says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import tacit
from helpers.logs import of_pairs, quick_run, random_log
from tacit.cli.main import outcome
from tacit.data.audit import audit
from tacit.data.split import LEAK
from tacit.errors import OptionError
from tacit.storage import read_tensors

STRANGER = 900


@pytest.fixture(scope="module")
def validated() -> tacit.Run:
    """Trained on the log alone; a stranger is known from the validation file only."""
    valid = pa.concat_tables(
        [random_log(90, seed=1), of_pairs([(STRANGER, 3), (STRANGER, 7), (STRANGER, 9)])]
    )
    return quick_run(random_log(), valid=valid)


def test_a_user_without_trained_events_is_folded_in(validated: tacit.Run) -> None:
    known = validated.recommend([STRANGER], k=5)
    folded = validated.recommend(history=[3, 7, 9], k=5)
    assert known.items == folded.items
    np.testing.assert_allclose(known.scores, folded.scores, rtol=1e-5)
    scores = validated.score([STRANGER] * 5, known.items[0])
    np.testing.assert_allclose(scores, known.scores[0], rtol=1e-4)


def test_history_counts_for_a_user_without_trained_events(validated: tacit.Run) -> None:
    test = of_pairs([(STRANGER, item) for item in (0, 1, 2, 4)])
    options = {"ks": (5,), "metrics": ("auc",), "references": False, "keep_seen": True}
    plain = tacit.evaluate(validated, test, **options).report
    more = of_pairs([(STRANGER, item) for item in (20, 21, 22, 23)])
    told = tacit.evaluate(validated, test, history=more, **options).report
    assert plain.values["auc"] != told.values["auc"]


def test_references_learn_what_the_run_was_trained_on(tmp_path: Path) -> None:
    run = quick_run(random_log(), valid=random_log(90, seed=1), out=tmp_path / "run")
    assert len(run.evidence.positives.indices) < len(run.evidence.seen.indices)
    tacit.evaluate(run, random_log(90, seed=2), ks=(5,))
    kept = read_tensors(tmp_path / "run" / "references" / "popular" / "fit.safetensors")
    np.testing.assert_array_equal(kept["counts"], run.evidence.item_counts)


def test_runs_with_other_vocabularies_are_compared_by_id() -> None:
    test = random_log(200, seed=2)
    options = {"ks": (10,), "references": False}
    reports = [
        tacit.evaluate(quick_run(log), test, **options).report
        for log in (random_log(), random_log().filter(pc.greater(random_log()["user"], 20)))
    ]
    found = tacit.compare(*reports)
    common = sorted(set(reports[0].ids.tolist()) & set(reports[1].ids.tolist()))
    assert found.users == len(common)
    means = [
        np.mean(
            [
                value
                for id, value in zip(report.ids.tolist(), report.values["recall@10"], strict=True)
                if id in common
            ]
        )
        for report in reports
    ]
    assert found.metrics["recall@10"].a == pytest.approx(means[0])
    assert found.metrics["recall@10"].b == pytest.approx(means[1])


def timed_log() -> pa.Table:
    log = random_log(900)
    return log.append_column("timestamp", [np.random.default_rng(3).permutation(len(log)) + 1_600_000_000])


def test_leaks_of_the_test_part_are_counted_by_the_run(tmp_path: Path) -> None:
    parts = tacit.split(tacit.Interactions.read(timed_log()), "last")
    wanted = audit(parts).to_dict()
    quick_run(parts.train, valid=parts.valid, out=tmp_path / "run")
    told = tacit.evaluate(tacit.load(tmp_path / "run"), parts.test, ks=(5,), references=False)
    assert wanted["train_events_after_test_begins"] > 0
    assert {name: told.audit[name] for name in wanted} == wanted
    assert any("the future of other users" in note for note in told.notes)


def test_impressions_later_than_the_test_begins_are_counted_by_the_run(tmp_path: Path) -> None:
    log = timed_log().append_column("shown", [np.arange(len(timed_log())) % 9 == 0])
    parts = tacit.split(tacit.Interactions.read(log), "last")
    wanted = audit(parts).train_impressions_after_test_begins
    quick_run(parts.train, valid=parts.valid, out=tmp_path / "run")
    told = tacit.evaluate(tacit.load(tmp_path / "run"), parts.test, ks=(5,), references=False)
    assert told.audit["train_impressions_after_test_begins"] == wanted
    assert wanted
    assert any("what was shown later" in note for note in told.notes)


def test_pairs_of_train_and_valid_in_the_test_part_are_counted_apart(validated: tacit.Run) -> None:
    valid = of_pairs([(STRANGER, 3), (STRANGER, 7)])
    test = pa.concat_tables([random_log().slice(0, 5), valid, random_log(50, seed=5)])
    told = tacit.evaluate(validated, test, ks=(5,), references=False)
    assert told.audit["valid_pairs_in_test"] >= 2
    assert told.audit["test_pairs_in_train"] >= 5
    assert told.report.counts["masked_test_pairs"] == (
        told.audit["valid_pairs_in_test"] + told.audit["test_pairs_in_train"]
    )


def test_what_a_split_said_of_itself_travels_with_the_run(tmp_path: Path) -> None:
    pq.write_table(timed_log(), tmp_path / "log.parquet")
    folder = tmp_path / "split"
    assert (
        outcome(["data", "split", str(tmp_path / "log.parquet"), "--by", "last", "--out", str(folder)]) == 0
    )
    run = quick_run(folder / "train.parquet", valid=folder / "valid.parquet")
    assert run.facts["split"]["files"]["kind"] == "last"
    told = tacit.evaluate(run, folder / "test.parquet", ks=(5,), references=False)
    assert f"split of the files: {LEAK}" in told.notes


@pytest.mark.parametrize("ks", [(), (0,), (5, -1)])
def test_a_cut_off_below_one_is_refused(validated: tacit.Run, ks: tuple[int, ...]) -> None:
    with pytest.raises(OptionError, match="at least 1"):
        tacit.evaluate(validated, random_log(20), ks=ks)


@pytest.mark.parametrize("k", [0, -1])
def test_fewer_than_one_similar_item_is_refused(validated: tacit.Run, k: int) -> None:
    with pytest.raises(OptionError, match="at least 1"):
        validated.similar_items(3, k=k)
