"""The whole way on sequences: from an ordered log to recommendations by history."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

import tacit
from helpers.sequences import ordered_log
from tacit.data.split import split
from tacit.errors import OptionError, SchemeError
from tacit.spectra import spectrum

CONFIG = tacit.SASRecConfig(dim=16, length=8, blocks=1, heads=1, dropout=0.0)
TRAINING = tacit.TrainingOptions(epochs=25, batch_size=8, patience=25)
QUICK = tacit.TrainingOptions(epochs=1)


def trained(log=None, **options):
    log = ordered_log() if log is None else log
    options = {"training": TRAINING, "optimizer": tacit.OptimizerOptions("adam", 0.01), **options}
    return tacit.fit(log, backbone=CONFIG, scheme="softmax", **options)


@pytest.fixture(scope="module")
def run():
    return trained()


def following(items, count=3, of=12):
    return [(items[-1] + step) % of for step in range(1, count + 1)]


@pytest.mark.parametrize("history", [[3, 4, 5], [10, 11, 0], [7]])
def test_what_comes_next_is_recommended_first(run, history):
    ((_, items, _),) = run.recommend(history=history, k=1)
    assert items == following(history, 1)


def test_the_order_of_a_history_decides(run):
    there, back = (run.recommend(history=history, k=1, keep_seen=True) for history in ([2, 3, 4], [4, 3, 2]))
    assert there.items != back.items


def test_only_the_newest_events_of_a_long_history_are_read(run):
    long = [*range(5), *range(9), *range(5, 12)]
    expected = run.recommend(history=long[-8:], k=3, keep_seen=True)
    found = run.recommend(history=long, k=3, keep_seen=True)
    assert found.items == expected.items
    assert found.scores == expected.scores


def test_known_users_are_answered_by_their_events(run):
    log = ordered_log()
    own = log.items[log.users == 7].tolist()
    by_user = run.recommend([7], k=3, keep_seen=True)
    by_history = run.recommend(history=own, k=3, keep_seen=True)
    assert by_user.items == by_history.items


def test_a_saved_run_answers_the_same(run, tmp_path):
    run.save(tmp_path / "run")
    loaded = tacit.load(tmp_path / "run")
    for history in ([1, 2], [5]):
        assert loaded.recommend(history=history).to_dict() == run.recommend(history=history).to_dict()
    assert loaded.recommend([0, 3, 9]).to_dict() == run.recommend([0, 3, 9]).to_dict()
    assert np.array_equal(loaded.score([1, 2], [3, 4]), run.score([1, 2], [3, 4]))


def test_scores_are_those_of_the_ranking(run):
    listed = run.recommend([4], k=12, keep_seen=True)
    by_item = dict(zip(listed.items[0], listed.scores[0], strict=True))
    found = run.score([4] * 12, list(range(12)))
    np.testing.assert_allclose(found, [by_item[item] for item in range(12)], rtol=1e-5, atol=1e-5)


def test_evaluation_reads_the_events_in_their_order():
    parts = split(ordered_log(), "last")
    run = trained(parts.train, valid=parts.valid)
    found = tacit.evaluate(run, parts.test, ks=(1,), references=False).report.metrics
    assert found["recall@1"].mean > 0.9


def test_people_held_out_whole_are_ranked_by_their_history(tmp_path):
    parts = split(ordered_log(users=60), "user")
    run = trained(parts.train, valid=parts.valid, valid_history=parts.valid_history)
    report = tacit.evaluate(run, parts.test, history=parts.test_history, ks=(2,), references=False).report
    assert report.users == 6
    assert report.metrics["recall@2"].mean > 0.9


def test_repeats_stay_in_a_sequence_and_are_no_news_to_pairs():
    log = pa.table({"user": [1, 1, 1, 2, 2, 2], "item": [5, 5, 6, 6, 5, 5], "timestamp": [1, 2, 3, 1, 2, 3]})
    run = tacit.fit(log, backbone=CONFIG, training=QUICK)
    assert run.evidence.events.lengths().tolist() == [3, 3]
    assert run.evidence.positives.degrees().tolist() == [2, 2]


def test_without_a_clock_the_order_of_the_rows_counts_and_is_said(caplog):
    log = ordered_log().to_arrow().drop_columns("timestamp")
    with caplog.at_level(logging.INFO, "tacit"):
        run = tacit.fit(log, backbone=CONFIG, training=QUICK)
    assert "the order of its rows" in caplog.text
    assert "30 last events of 30 users" in caplog.text
    assert run.evidence.events.row(3).tolist() == ordered_log().items[ordered_log().users == 3].tolist()


def test_it_goes_on_from_an_earlier_run(tmp_path):
    log = ordered_log()
    first = log.select(log.times < log.times.min() + 6 * 3600)
    trained(first).save(tmp_path / "first")
    later = log.select(log.times >= log.times.min() + 6 * 3600)
    run = trained(later, start=str(tmp_path / "first"), training=replace(TRAINING, epochs=1))
    own = log.items[log.users == 7].tolist()
    events = run.evidence.events.row(run.user_ids.row(7))
    assert np.asarray(run.item_ids.decode(events)).tolist()[-4:] == own[-4:]
    assert len(events) >= 4


@pytest.mark.parametrize("draw", ["interactions", "users"])
@pytest.mark.parametrize("queries", ["all", "last"])
def test_every_way_to_draw_examples_trains(queries, draw):
    backbone = replace(CONFIG, queries=queries)
    training = replace(TRAINING, epochs=2, draw=draw)
    run = tacit.fit(ordered_log(), backbone=backbone, scheme="bpr", training=training)
    assert np.isfinite(run.score([1], [2])).all()


def test_sliding_windows_give_every_target_its_context():
    training = replace(TRAINING, epochs=8, stride=2)
    history = [9, 10, 11, 0, 1, 2, 3, 4]
    ((_, items, _),) = trained(training=training).recommend(history=history, k=1, keep_seen=True)
    assert items == [5]


@pytest.mark.parametrize(
    ("backbone", "stride"), [(CONFIG, 9), (replace(CONFIG, queries="last"), 2), ("comirec-sa", 2), ("mf", 2)]
)
def test_a_stride_without_windows_to_slide_is_refused_with_the_mend(backbone, stride):
    with pytest.raises(OptionError, match=r"training\.stride .* leave"):
        tacit.fit(ordered_log(), backbone=backbone, training=replace(QUICK, stride=stride))


def test_repeats_validate_where_they_are_kept():
    """Everybody's held-out event is one of the person's own: masked, nothing is left to validate on."""
    log = pa.concat_tables([table_of([u, u + 1, u + 2], user=u) for u in range(4)])
    valid = pa.concat_tables([table_of([u], first=3, user=u) for u in range(4)])
    with pytest.raises(OptionError, match=r"training\.seen"):
        trained(log, valid=valid, training=QUICK)
    run = trained(log, valid=valid, training=replace(QUICK, seen="keep"))
    assert run.config["chosen"]["history"][0]["recall@20"] == 1.0


def test_inverse_gradients_hold_out_windows():
    run = tacit.fit(ordered_log(), backbone=CONFIG, scheme="idl-ig", training=QUICK)
    assert run.config["training"]["meta"] == 0.1


def test_what_it_cannot_do_is_refused_with_the_mend(run, tmp_path):
    with pytest.raises(OptionError, match=r"training\.spectrum"):
        trained(training=replace(QUICK, spectrum=1), out=tmp_path / "a")
    with pytest.raises(OptionError, match=r"training\.audit"):
        tacit.fit(
            ordered_log(), backbone=CONFIG, scheme="dli", training=replace(QUICK, audit=1), out=tmp_path / "b"
        )
    with pytest.raises(OptionError, match="cannot start from factors"):
        trained(start="ials")
    with pytest.raises(SchemeError, match="histories"):
        spectrum(run)


def test_nobody_with_two_events_is_refused():
    log = pa.table({"user": [1, 2, 3, 3], "item": [5, 6, 7, 8], "timestamp": [1, 2, 3, 4]})
    valid = pa.table({"user": [3], "item": [5], "timestamp": [5]})
    with pytest.raises(tacit.errors.DataError, match="two events"):
        tacit.fit(log.slice(0, 2), valid=valid, backbone=CONFIG, training=QUICK)


def table_of(items, first=0, user=0):
    """Events of one user, one position after the other."""
    places = np.arange(first, first + len(items))
    return pa.table({"user": np.full(len(items), user), "item": np.array(items), "position": places})


def test_repeats_of_a_validation_part_stay():
    log = pa.concat_tables([table_of([5, 6, 8]), table_of([7, 6, 5], user=1)])
    run = trained(log, valid=table_of([7, 6, 7], first=3), training=QUICK)
    assert run.item_ids.ids.take(pa.array(run.evidence.events.row(0))).to_pylist() == [5, 6, 8, 7, 6, 7]


def test_repeats_of_a_history_decide_what_comes_next(run):
    """The newest event is a repeat: without it the history would end elsewhere."""
    history, truth = table_of([3, 4, 3], user=99), table_of([8], first=3, user=99)
    found = tacit.evaluate(run, truth, history=history, ks=[1], metrics=["recall"], references=False)
    ends = tacit.evaluate(
        run,
        table_of([4], first=3, user=99),
        history=table_of([3], user=99),
        ks=[1],
        metrics=["recall"],
        references=False,
    )
    assert ends.report.metrics["recall@1"].mean == 1.0
    assert found.report.metrics["recall@1"].mean == 0.0


def test_a_history_that_the_run_knows_already_is_told(run, caplog):
    log = ordered_log()
    own = log.items[log.users == 7].tolist()
    other = next(item for item in range(12) if item not in own[-6:])
    with caplog.at_level(logging.WARNING, logger="tacit"):
        tacit.evaluate(
            run,
            table_of([other], first=99, user=7),
            history=table_of(own[:2], user=7),
            ks=[1],
            metrics=["recall"],
            references=False,
            keep_seen=True,
        )
    assert "2 events of the history are of pairs that the run has seen" in caplog.text
