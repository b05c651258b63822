"""One small log and one small run, made through the command line itself."""

from __future__ import annotations

import pytest

from helpers.command import QUICK, Place, Tacit, Told, write_log
from tacit.cli.main import outcome


@pytest.fixture
def tacit(capsys: pytest.CaptureFixture[str]) -> Tacit:
    """Runs a command line in this process."""

    def run(*arguments: object) -> Told:
        capsys.readouterr()
        code = outcome([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        return Told(code, shown.out, shown.err)

    return run


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("cli")
    log = write_log(folder / "log.parquet")
    assert outcome(["data", "split", str(log), "--out", str(folder / "split")]) == 0
    files = [str(folder / "split" / f"{name}.parquet") for name in ("train", "valid")]
    out = str(folder / "run")
    assert outcome(["fit", files[0], "--valid", files[1], "--out", out, *QUICK]) == 0
    return Place(log, folder / "split", folder / "run")
