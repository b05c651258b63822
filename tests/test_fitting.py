"""How a run is searched, refitted, stopped and resumed."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
import torch

import tacit
from tacit.errors import Diverged, Interrupted, OptionError, RunFolderError
from tacit.events import EpochEnd, FitEnd, StepEnd, Stop
from tacit.kernels.threads import computing_with, counts
from tacit.parts.updates import Descent
from tacit.storage import MANIFEST, lock

Event = StepEnd | EpochEnd | FitEnd


def table(seed: int = 0, rows: int = 600) -> pa.Table:
    """Forty users who like one half of thirty items each."""
    chance = np.random.default_rng(seed)
    users = chance.integers(0, 40, rows)
    return pa.table({"user": users, "item": 2 * chance.integers(0, 15, rows) + users % 2})


def fit(out: Path | None = None, **options: Any) -> tacit.Run:
    """A small run, three epochs of some steps."""
    training = {"epochs": 3, "batch_size": 64, **options.pop("training", {})}
    log = options.pop("log", None)
    return tacit.fit(
        table() if log is None else log,
        out=out,
        training=tacit.TrainingOptions(**training),
        **{"backbone": tacit.MFConfig(dim=4), **options},
    )


class At:
    """A callback that acts once, at the first event of a kind in an epoch or at a step."""

    def __init__(self, kind: type, act: Any, *, epoch: int = 0, step: int | None = None) -> None:
        self.kind, self.act, self.epoch, self.step, self.done = kind, act, epoch, step, False

    def __call__(self, event: Event) -> Stop | None:
        here = event.clock.epoch == self.epoch if self.step is None else event.clock.step == self.step
        if self.done or not isinstance(event, self.kind) or not here:
            return None
        self.done = True
        return self.act()


def test_a_refused_run_leaves_no_folder(tmp_path):
    with pytest.raises(OptionError, match="needs meta batches"):
        fit(tmp_path / "run", scheme="idl-ig", training={"meta": 0.0})
    assert not (tmp_path / "run").exists()


def test_a_run_of_its_warm_up_alone_is_told(caplog):
    with caplog.at_level("WARNING", "tacit"):
        fit(scheme=tacit.idl(warmup=3.0))
    assert "lies in the warm-up of the scheme (3 epochs)" in caplog.text


def terminate(answer: Stop | None = None) -> Any:
    """An act that sends this process SIGTERM."""

    def act() -> Stop | None:
        os.kill(os.getpid(), signal.SIGTERM)
        return answer

    return act


def model(out: Path) -> bytes:
    return (out / "model.safetensors").read_bytes()


@pytest.mark.parametrize("refit", [True, False])
def test_a_signal_during_the_last_validation_is_obeyed(tmp_path, refit):
    out, training = tmp_path / "run", {"refit": refit}
    with pytest.raises(Interrupted) as heard:
        fit(out, training=training, callbacks=[At(EpochEnd, terminate(), epoch=2)])
    assert heard.value.signal == signal.SIGTERM
    assert not (out / MANIFEST).exists()
    resumed = []
    fit(out, training=training, resume=True, callbacks=[resumed.append])
    fit(tmp_path / "whole", training=training)
    assert model(out) == model(tmp_path / "whole")
    assert len([event for event in resumed if isinstance(event, EpochEnd)]) <= 3 * refit


def test_a_signal_in_the_validation_that_ends_the_search_does_not_prolong_it(tmp_path):
    out, training = tmp_path / "run", {"epochs": 60, "patience": 1}
    ends: list[int] = []
    whole = fit(tmp_path / "whole", training=training)
    last = len(whole.config["chosen"]["history"]) - 1
    assert 0 < last < 50
    with pytest.raises(Interrupted):
        fit(out, training=training, callbacks=[At(EpochEnd, terminate(), epoch=last)])
    fit(out, training=training, resume=True, callbacks=[lambda event: ends.append(event.clock.epochs)])
    assert 60 not in ends[1:]
    assert model(out) == model(tmp_path / "whole")


def test_a_stop_at_the_step_of_a_signal_does_not_hide_it(tmp_path):
    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        fit(out, callbacks=[At(StepEnd, terminate(Stop("enough")), step=12)])
    fit(out, resume=True)
    fit(tmp_path / "whole", callbacks=[At(StepEnd, lambda: Stop("enough"), step=12)])
    assert model(out) == model(tmp_path / "whole")


@dataclass(frozen=True)
class Meanwhile:
    """A scheme during whose planning somebody else does something."""

    act: Any

    def build(self) -> Any:
        self.act()
        return tacit.bpr(negatives=1)


@pytest.mark.parametrize("unfinished", [True, False])
def test_a_run_that_another_writer_began_meanwhile_is_not_replaced(tmp_path, unfinished):
    out = tmp_path / "run"

    def other() -> None:
        if unfinished:
            with pytest.raises(Interrupted):
                fit(out, seed=7, callbacks=[At(StepEnd, terminate(), step=2)])
        else:
            fit(out, seed=7)

    word = "unfinished" if unfinished else "finished"
    with pytest.raises(RunFolderError, match=f"holds an? {word} run"):
        fit(out, seed=3, scheme=Meanwhile(other))
    assert fit(out, seed=7, resume=True).config["seed"] == 7


def test_a_run_finished_meanwhile_is_what_a_resume_finds(tmp_path, caplog):
    out, same = tmp_path / "run", Meanwhile(lambda: None)
    with caplog.at_level("INFO", "tacit"):
        fit(out, seed=3, resume=True, scheme=Meanwhile(lambda: fit(out, seed=3, scheme=same)))
    assert f"{out} is finished: nothing to resume" in caplog.messages


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"seed": 4}, r"config\.seed was 3 and is 4"),
        ({"backbone": "gmf"}, r"config\.backbone\.use was mf and is gmf"),
        ({"log": table().slice(1)}, "data was another log"),
    ],
)
def test_a_finished_run_is_not_taken_for_another(tmp_path, changed, said):
    fit(tmp_path / "run", seed=3)
    with pytest.raises(RunFolderError, match=f"cannot resume: {said}"):
        fit(tmp_path / "run", resume=True, **{"seed": 3, **changed})


def test_a_run_is_not_saved_into_a_folder_that_somebody_holds(tmp_path):
    run = fit()
    with lock(tmp_path / "run"), pytest.raises(RunFolderError, match="another process is writing"):
        run.save(tmp_path / "run")
    assert not (tmp_path / "run" / MANIFEST).exists()
    run.save(tmp_path / "run")
    run.save(tmp_path / "run")
    assert tacit.load(tmp_path / "run").config["seed"] == 0


def test_validation_leaves_out_what_it_masks():
    fresh = table(seed=1, rows=80)
    mixed = pa.concat_tables([fresh, table().slice(0, 80)])
    found = [fit(valid=valid).config["chosen"]["history"] for valid in (fresh, mixed)]
    assert found[0] == found[1]


def test_a_validation_part_that_training_holds_already_is_refused():
    with pytest.raises(OptionError, match="nothing to validate on"):
        fit(valid=table().slice(0, 80))


@pytest.mark.parametrize("refit", [True, False])
def test_a_run_that_a_callback_ends_before_any_validation_is_validated_once(tmp_path, refit):
    out = tmp_path / "run"
    run = fit(out, training={"refit": refit}, callbacks=[At(StepEnd, lambda: Stop("enough"), step=3)])
    chosen = run.config["chosen"]
    assert (chosen["epoch"], chosen["step"]) == (0, 4)
    assert [entry["step"] for entry in chosen["history"]] == [4]
    assert chosen["ndcg@20"] == chosen["history"][0]["ndcg@20"]
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    ends = [line for line in lines if line["event"] == "end"]
    assert ends[0] == {"event": "end", "reason": "enough", "step": 4}


def test_a_metric_that_this_validation_part_cannot_give_is_refused():
    missing = pa.table({"user": list(range(10)), "item": [user % 5 for user in range(10)]})
    rest = [(user, item) for user in range(10) for item in range(5) if item != user % 5]
    log = pa.table({"user": [user for user, _ in rest], "item": [item for _, item in rest]})
    with pytest.raises(OptionError, match=r"training\.metric = auc is not defined on this validation part"):
        fit(log=log, valid=missing, training={"metric": "auc"})


def test_a_figure_weighed_by_people_may_choose():
    chosen = fit(training={"metric": "gauc"}).config["chosen"]
    assert 0 < chosen["gauc"] <= 1


@pytest.mark.parametrize("every", [2, 1000])
def test_divergence_names_the_last_good_checkpoint(tmp_path, every):
    out = tmp_path / "run"

    def spoil(event: Event) -> None:
        if isinstance(event, EpochEnd) and event.clock.epoch == 1:
            with torch.no_grad():
                event.module.backbone.user_table.fill_(float("nan"))

    with pytest.raises(Diverged, match="the term labelled became nan at step") as told:
        fit(out, training={"checkpoint_every": every}, callbacks=[spoil])
    kept = sorted((out / "checkpoints").iterdir())[-1] if every == 2 else "none"
    assert str(told.value).endswith(f"the last good checkpoint: {kept}")


def crash() -> None:
    raise KeyError("crash")


def test_a_resumed_run_computes_with_the_threads_of_its_checkpoint(tmp_path, caplog):
    out, heard = tmp_path / "run", []
    with computing_with({"torch": 1}):
        with pytest.raises(KeyError):
            fit(out, training={"checkpoint_every": 4}, callbacks=[At(StepEnd, crash, step=9)])
        fit(tmp_path / "whole", training={"checkpoint_every": 4})
    with computing_with({"torch": 2}):
        with caplog.at_level("INFO", "tacit"):
            options = {"checkpoint_every": 4}
            fit(out, training=options, resume=True, callbacks=[lambda event: heard.append(counts()["torch"])])
        assert counts()["torch"] == 2
    assert set(heard) == {1}
    assert "threads of the checkpoint: 1 instead of 2" in caplog.text
    assert model(out) == model(tmp_path / "whole")


def logged_steps(out: Path) -> list[int]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line["step"] for line in lines if line["event"] == "step"]


@pytest.mark.parametrize("resume", [True, False])
def test_a_log_without_a_checkpoint_is_begun_anew(tmp_path, resume):
    out = tmp_path / "run"
    with pytest.raises(KeyError):
        fit(out, callbacks=[At(StepEnd, crash, step=9)])
    assert logged_steps(out) == [0]
    fit(out, training={"refit": False}, resume=resume)
    assert logged_steps(out) == [0]


def test_examples_are_not_held_back_for_an_update_that_needs_none(tmp_path):
    with pytest.raises(OptionError, match=r"training\.meta = 0\.5 would hold back .* Descent needs no meta"):
        fit(tmp_path / "run", training={"meta": 0.5})
    assert not (tmp_path / "run" / "log.jsonl").exists()


@dataclass(frozen=True)
class OnMeta:
    """Descends on the meta batch alone."""

    slot: ClassVar[str] = "update"
    needs: ClassVar[frozenset[str]] = frozenset({"meta_batch"})
    needs_meta: ClassVar[bool] = True

    def bind(self, data: Any) -> OnMeta:
        return self

    def __call__(self, loss: Any, meta_loss: Any, clock: Any, parameters: Any, optimizer: Any) -> Any:
        return Descent()(meta_loss, None, clock, parameters, optimizer)


def test_an_update_that_needs_meta_batches_gets_its_share_of_the_examples():
    epochs: list[int] = []

    def hear(event: Event) -> None:
        if isinstance(event, EpochEnd):
            epochs.append(event.pairs)

    options = {"refit": False, "epochs": 1}
    run = fit(training={"meta": 0.25, **options}, scheme=tacit.bpr().with_(OnMeta()), callbacks=[hear])
    fit(training=options, callbacks=[hear])
    assert epochs[0] == round(0.75 * epochs[1])
    assert run.config["training"]["meta"] == 0.25
