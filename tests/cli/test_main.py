"""The command itself: quick help, versions, exit codes, what goes to which stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tacit
from tacit.cli import data, main, output
from tacit.errors import DataError, InternalError

VERBS = (["fit"], ["evaluate"], ["recommend"], ["data", "simulate"], ["data", "describe"], ["data", "split"])


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tacit", *arguments], capture_output=True, text=True, timeout=60
    )


def test_help_is_quick() -> None:
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        assert command("--help").returncode == 0
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.5


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom tacit.cli.main import outcome\noutcome(['fit', '--help'])\n"
        "print(sorted({'torch', 'numba', 'duckdb', 'pyarrow', 'numpy', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_explains_itself(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.outcome([*verb, "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(option in shown for option in ("--json", "--threads", "--device", "--version"))


@pytest.mark.parametrize("group", [[], ["data"]])
def test_no_verb_is_summed_up_in_a_sentence_cut_short(
    group: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.outcome([*group, "--help"]) == 0
    listed = capsys.readouterr().out.partition("Commands:")[2]
    assert len(listed.splitlines()) > 3
    assert "..." not in listed


def test_a_wrong_choice_is_told_without_the_validators_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.outcome(["data", "split", "a.csv", "--out", "b", "--by", "tim"]) == 2
    said = capsys.readouterr().err
    assert "'tim' is not one of" in said
    assert "Value error" not in said


@pytest.mark.parametrize("verb", [[], *VERBS], ids=" ".join)
def test_every_verb_tells_the_version(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.outcome([*verb, "--version"]) == 0
    assert capsys.readouterr().out == f"tacit {tacit.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["fit"],
        ["fit", "a.csv", "--nonsense"],
        ["data", "split", "a.csv"],
        ["fit", "a", "--seed", "x"],
    ],
    ids=" ".join,
)
def test_bad_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.outcome(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Error: " in shown.err


def test_a_users_mistake_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    done = command("fit", str(tmp_path / "absent.parquet"), "--out", str(tmp_path / "run"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("tacit: ")]
    assert len(told) == 1
    assert "absent.parquet" in told[0]


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (DataError("the log\nis bad"), 2, "tacit: the log is bad\n"),
        (InternalError("broken"), 1, "this is a fault of Tacit"),
        (ZeroDivisionError("oh"), 1, "this is a fault of Tacit"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_exit_codes_follow_the_kind_of_error(
    error: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(data, "_read", fails)
    assert main.outcome(["data", "describe", "log.csv"]) == code
    shown = capsys.readouterr().err
    assert said in shown
    assert ("Traceback" in shown) == (code == 1)


def test_only_the_cpu_is_offered(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.outcome(["fit", "log.csv", "--device", "cuda"]) == 2
    assert "use --device cpu" in capsys.readouterr().err


def test_threads_stand_in_the_environment_before_anything_is_imported(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom tacit.cli.main import outcome\n"
        "outcome(['fit', 'absent.csv', '--threads', '1', '--out', 'absent'])\n"
        "import torch, numba\n"
        "print(torch.get_num_threads(), numba.get_num_threads(), os.environ['OMP_NUM_THREADS'])"
    )
    clean = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=clean, cwd=tmp_path
    )
    assert done.stdout.split() == ["1", "1", "1"]
    assert "1 thread" in done.stderr


def test_nan_is_no_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        output.emit({"mean": float("nan")})


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (True, "yes"), (12345, "12,345"), (0.12345, "0.1235"), (1234.5, "1,234.5"), ("a", "a")],
)
def test_cells_are_for_people(value: object, shown: str) -> None:
    assert output.text(value) == shown


def test_a_table_elsewhere_than_on_a_terminal_is_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    output.table("title", ("name", "count"), [("rows", 1234)])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert shown.split() == ["title", "name", "count", *shown.split()[3:-2], "rows", "1,234"]


def test_remarks_do_not_mix_with_json(capsys: pytest.CaptureFixture[str]) -> None:
    with output.speaking():
        output.say("a remark")
        output.emit({"a": 1})
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"a": 1}
    assert shown.err == "a remark\n"
