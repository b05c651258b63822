"""`tacit fit`: what it says, where it writes, what it refuses."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers.command import QUICK, Place, Tacit


def test_fit_alone_says_what_it_chose(
    tacit: Tacit, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = tacit("fit", place.log, "--set", "training.epochs=1")
    assert told.code == 0
    assert Path("runs/log-mf-sampled-softmax/manifest.json").exists()
    for said in (
        "runs/log-mf-sampled-softmax",
        "user_id",
        "item_id",
        "timestamp",
        "backbone mf",
        "scheme sampled-softmax",
        "row-adagrad",
    ):
        assert said in told.err
    assert "runs/log-mf-sampled-softmax" in told.out


def test_a_run_on_a_split_is_called_as_its_folder(
    tacit: Tacit, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    log = place.split / "train.parquet"
    assert tacit("fit", log, "--json", *QUICK).json["run"] == f"runs/{place.split.name}-mf-sampled-softmax"


def test_fit_answers_with_one_object(tacit: Tacit, place: Place, tmp_path: Path) -> None:
    told = tacit(
        "fit", place.log, "--out", tmp_path / "run", "--seed", 7, "--backbone", "gmf", *QUICK, "--json"
    )
    assert told.code == 0
    answer = told.json
    assert answer["run"] == str(tmp_path / "run")
    assert (answer["config"]["backbone"]["use"], answer["config"]["backbone"]["dim"]) == ("gmf", 8)
    assert answer["config"]["seed"] == 7
    assert answer["chosen"]["epoch"] >= 1


def test_one_seed_gives_one_model(tacit: Tacit, place: Place, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert tacit("fit", place.log, "--out", tmp_path / name, "--seed", seed, *QUICK).code == 0
    model = {name: (tmp_path / name / "model.safetensors").read_bytes() for name in "abc"}
    assert model["a"] == model["b"] != model["c"]


@pytest.mark.parametrize(
    ("backbone", "scheme"),
    [
        ("mf", "bce"),
        ("gmf", "sampled-softmax"),
        ("lightgcn", "bpr"),
        ("mf", "softmax"),
        ("lightgcn", "idl"),
        ("gmf", "idl-ig"),
        ("neumf", "idl-ig"),
    ],
)
def test_names_of_the_line_are_trained(
    tacit: Tacit, place: Place, tmp_path: Path, backbone: str, scheme: str
) -> None:
    told = tacit(
        "fit", place.log, "--backbone", backbone, "--scheme", scheme, "--out", tmp_path / "run", *QUICK
    )
    assert told.code == 0
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (saved["backbone"]["use"], saved["scheme"]["use"]) == (backbone, scheme)


def test_a_file_of_options_is_obeyed(tacit: Tacit, place: Place, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(
        '[backbone]\ndim = 5\n[scheme]\nuse = "bce"\nnegatives = 3\n[training]\nepochs = 1\n'
        '[[scheme.also]]\nuse = "hardest-k"\ncount = 2\n'
    )
    told = tacit("fit", place.log, "--config", tmp_path / "run.toml", "--out", tmp_path / "run")
    assert told.code == 0
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    assert saved["backbone"]["dim"] == 5
    assert saved["scheme"]["preset"]["negatives"] == 3
    assert saved["scheme"]["also"][0]["count"] == 2


def test_a_run_folder_is_not_overwritten(tacit: Tacit, place: Place) -> None:
    before = (place.run / "model.safetensors").read_bytes()
    told = tacit("fit", place.log, "--out", place.run, *QUICK)
    assert told.code == 2
    assert str(place.run) in told.err
    assert (place.run / "model.safetensors").read_bytes() == before


def test_resuming_a_finished_run_is_fine(tacit: Tacit, place: Place) -> None:
    files = (place.split / "train.parquet", "--valid", place.split / "valid.parquet")
    told = tacit("fit", *files, "--out", place.run, "--resume", *QUICK)
    assert told.code == 0
    assert "finished" in told.err


def test_resuming_a_finished_run_of_another_log_is_refused(tacit: Tacit, place: Place) -> None:
    told = tacit("fit", place.log, "--out", place.run, "--resume", *QUICK)
    assert (told.code, told.out) == (2, "")
    assert "cannot resume: config.training.refit was False and is True" in told.err


def test_training_goes_on_from_an_earlier_run(tacit: Tacit, place: Place, tmp_path: Path) -> None:
    told = tacit("fit", place.log, "--start", place.run, "--out", tmp_path / "more", *QUICK)
    assert told.code == 0
    assert json.loads((tmp_path / "more" / "config.json").read_text())["start"] == str(place.run)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--backbone", "mff"), 'did you mean "mf"'),
        (("--scheme", "bprr"), 'did you mean "bpr"'),
        (("--set", "scheme.negativs=3"), 'did you mean "negatives"'),
        (("--config", "absent.toml"), "absent.toml"),
        (("--valid", "absent.parquet"), "absent.parquet"),
        (("--start", "absent"), "absent"),
        (("--set", "data.user=usr_id"), "user_id"),
        (("--set", "training.metric=ndcg"), "ndcg@20"),
        (("--set", "training.metric=ndgc@20"), 'did you mean "ndcg"'),
    ],
)
def test_a_mistake_exits_with_2_and_writes_no_run(
    tacit: Tacit, place: Place, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    told = tacit("fit", place.log, "--out", tmp_path / "run", *arguments)
    assert (told.code, told.out) == (2, "")
    assert said in told.err
    assert "Traceback" not in told.err
    assert not (tmp_path / "run").exists()


def test_fit_says_once_why_each_phase_ended(tacit: Tacit, place: Place, tmp_path: Path) -> None:
    told = tacit("fit", place.log, "--out", tmp_path / "run", *QUICK)
    lines = told.err.splitlines()
    assert lines.count("search: all epochs done") == 1
    assert lines.count("refit: all epochs done") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_fit_obeys_a_signal_with_the_exit_code_that_shells_expect(
    place: Place, tmp_path: Path, number: signal.Signals
) -> None:
    long = ("--set", "training.epochs=100000", "--set", "training.patience=100000")
    command = [sys.executable, "-m", "tacit", "fit", str(place.log), "--out", str(tmp_path / "run"), *long]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    log, deadline = tmp_path / "run" / "log.jsonl", time.monotonic() + 60
    while not (log.exists() and log.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    last = said.splitlines()[-1]
    assert last.startswith("tacit: stopped at step ")
    assert last.endswith("by a signal; go on with the same command and --resume")
    assert "Traceback" not in said
    assert list((tmp_path / "run" / "checkpoints").glob("1-search-*"))
