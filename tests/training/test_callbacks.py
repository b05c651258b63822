from __future__ import annotations

import io
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from helpers.tiny import random_data
from helpers.training import Run, same
from tacit.backbones.mf import MFConfig
from tacit.errors import StorageError
from tacit.events import EpochEnd, FitEnd, StepEnd
from tacit.schemes.plain import bpr
from tacit.training.callbacks import EarlyStopping, JsonLog, Progress
from tacit.types import Clock

DATA = random_data(0)


class Scripted:
    """A validation that gives prepared values."""

    def __init__(self, *values: float) -> None:
        self.values, self.calls = list(values), 0

    def __call__(self, module: Any) -> dict[str, float]:
        self.calls += 1
        return {"ndcg@20": self.values[self.calls - 1], "recall@20": 0.0}


def stopping(values: Scripted, **options: Any) -> EarlyStopping:
    return EarlyStopping(values, metric="ndcg@20", **{"patience": 2, **options})


def run() -> Run:
    return Run(DATA, MFConfig(dim=4), bpr())


def ended(epoch: int, epochs: int = 99) -> EpochEnd:
    return EpochEnd(Clock(epoch, epochs, 7 * (epoch + 1), 7), {"labelled": 0.5}, 1.0, 70, run().step)


def test_training_stops_after_patience_validations_without_improvement():
    script = Scripted(0.1, 0.3, 0.2, 0.3, 0.9)
    reason = run().fit(9, callbacks=[stopping(script)])
    assert script.calls == 4
    assert reason == "no better ndcg@20 in 2 validations; best at epoch 2"


def test_validations_of_a_warm_up_are_not_counted():
    script = Scripted(0.9, *[0.1] * 8)
    reason = run().fit(9, callbacks=[stopping(script, warmup=3.5)])
    assert script.calls == 5
    assert reason == "no better ndcg@20 in 2 validations; best at epoch 1"


def test_an_improvement_starts_the_count_anew():
    script = Scripted(0.1, 0.0, 0.2, 0.1, 0.3, 0.2, 0.2)
    run().fit(9, callbacks=[stopping(script)])
    assert script.calls == 7


def test_a_metric_that_is_not_a_number_is_no_improvement():
    callback = stopping(Scripted(0.2, float("nan"), float("nan")))
    run().fit(9, callbacks=[callback])
    assert (callback.best, callback.best_epoch) == (0.2, 1)


def test_validation_follows_every_few_epochs_and_the_last():
    callback = stopping(Scripted(*range(9)), every=3)
    run().fit(7, callbacks=[callback])
    assert [entry["epoch"] for entry in callback.history] == [3, 6, 7]


def test_the_best_parameters_come_back():
    training = run()
    seen = []

    def validate(module: Any) -> dict[str, float]:
        seen.append({name: value.clone() for name, value in module.state_dict().items()})
        return {"ndcg@20": [0.1, 0.5, 0.3, 0.2][len(seen) - 1]}

    callback = EarlyStopping(validate, metric="ndcg@20", patience=2, keep=True)
    training.fit(9, callbacks=[callback])
    assert not same(training.parameters(), seen[1])
    callback.load_best(training.step)
    assert same(training.parameters(), seen[1])


def test_without_keeping_nothing_is_put_back():
    training, callback = run(), stopping(Scripted(0.5, 0.1, 0.1))
    training.fit(9, callbacks=[callback])
    before = training.parameters()
    callback.load_best(training.step)
    assert same(training.parameters(), before)


@pytest.mark.parametrize("split", [0, 1, 2, 3])
def test_early_stopping_restored_goes_on_counting(split):
    values = [0.1, 0.3, 0.2, 0.3]
    first = stopping(Scripted(*values), keep=True)
    for epoch in range(split):
        first(ended(epoch))
    tensors, state = first.state()
    second = stopping(Scripted(*values[split:]), keep=True)
    second.restore(tensors, json.loads(json.dumps(state)))
    answers = [second(ended(epoch)) for epoch in range(split, 4)]
    assert [answer is not None for answer in answers] == [False] * (3 - split) + [True]
    assert (second.best, second.best_epoch, second.best_step) == (0.3, 2, 14)
    assert len(second.history) == 4


def test_validation_is_logged_with_its_seconds():
    lines: list[dict[str, Any]] = []
    stopping(Scripted(0.1), log=lines.append)(ended(0))
    assert lines[0] | {"seconds": 0} == {
        "event": "validation",
        "epoch": 1,
        "step": 7,
        "ndcg@20": 0.1,
        "recall@20": 0.0,
        "seconds": 0,
    }


def lines_of(path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_log_holds_one_object_a_line(tmp_path):
    log = JsonLog(tmp_path / "log.jsonl", every=2)
    training = run()
    training.fit(2, callbacks=[log])
    log.close()
    steps = 2 * training.loader.steps
    lines = lines_of(tmp_path / "log.jsonl")
    assert [line["step"] for line in lines if line["event"] == "step"] == list(range(0, steps, 2))
    assert [line["epoch"] for line in lines if line["event"] == "epoch"] == [1, 2]
    assert lines[-1] == {"event": "end", "reason": "all epochs done", "step": steps}


def test_a_restored_log_is_cut_back_to_its_checkpoint(tmp_path):
    path = tmp_path / "log.jsonl"
    log = JsonLog(path)
    log.write({"a": 1})
    _, state = log.state()
    log.write({"lost": 2})
    log.close()
    again = JsonLog(path)
    again.restore({}, state)
    again.write({"b": 3})
    again.close()
    assert lines_of(path) == [{"a": 1}, {"b": 3}]


def test_a_restored_log_that_was_removed_begins_anew(tmp_path):
    path = tmp_path / "log.jsonl"
    log = JsonLog(path)
    log.write({"lost": 1})
    _, state = log.state()
    log.close()
    path.unlink()
    again = JsonLog(path)
    again.restore({}, state)
    again.write({"b": 3})
    again.close()
    assert lines_of(path) == [{"b": 3}]


def test_a_log_that_cannot_be_written_names_the_file(tmp_path):
    with pytest.raises(StorageError, match=r"log\.jsonl: cannot write the log"):
        JsonLog(tmp_path / "absent" / "log.jsonl")


def full(tmp_path) -> JsonLog:
    """A log on a disk without room."""
    (tmp_path / "log.jsonl").symlink_to("/dev/full")
    return JsonLog(tmp_path / "log.jsonl")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_log_without_room_says_so_at_each_write(tmp_path):
    log = full(tmp_path)
    refused = pytest.raises(StorageError, match=r"log\.jsonl: cannot write the log: No space left on device;")
    with refused:
        log(ended(0))
    with refused:
        log.state()
    with refused:
        log.write({"long": "x" * 100_000})
    with refused:
        log.close()


def test_progress_writes_a_line_an_epoch_to_standard_error(capsys):
    run().fit(2, callbacks=[Progress("search")])
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0].startswith("search epoch 1/2  labelled 0.")
    assert re.search(r"  \d+\.\d+ [kM] pairs/s$", lines[0])
    assert lines[-1] == "search: all epochs done"


def test_progress_shows_what_validation_found(capsys):
    values = iter([0.3, 0.2])
    stopping = EarlyStopping(lambda step: {"ndcg@20": next(values)}, metric="ndcg@20", patience=9)
    run().fit(2, callbacks=[stopping, Progress("search", stopping)])
    lines = capsys.readouterr().err.splitlines()
    assert "  ndcg@20 0.3000 (best 0.3000)  " in lines[0]
    assert "  ndcg@20 0.2000 (best 0.3000)  " in lines[1]


@pytest.mark.parametrize(("pairs", "said"), [(1500, "1.5 k pairs/s"), (2_500_000, "2.50 M pairs/s")])
def test_speed_has_a_unit_that_fits(capsys, pairs, said):
    Progress()(EpochEnd(Clock(0, 1, 0, 1), {}, 1.0, pairs, None))
    assert said in capsys.readouterr().err


class Terminal(io.StringIO):
    """Standard error that somebody looks at."""

    def isatty(self) -> bool:
        return True


def test_a_resumed_run_reckons_the_time_left_from_its_own_steps(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    progress = Progress()
    time.sleep(0.05)
    progress(StepEnd(Clock(0, 1, 899, 1000), {"a": 1.0}, 3))
    found = re.search(r"900/1000 steps .* at most (\d+) s left", sys.stderr.getvalue())
    assert int(found[1]) >= 5


def test_progress_asks_for_nothing():
    events = [StepEnd(Clock(0, 1, 0, 1), {"a": 1.0}, 3), FitEnd(Clock(1, 1, 1, 1), "done")]
    assert [Progress()(event) for event in events] == [None, None]
