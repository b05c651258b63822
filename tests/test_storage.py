"""Storage: whole files or none, artifacts that survive a fault at every call, locks of the system."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from tacit.errors import ArtifactError, InternalError, RunFolderError, StorageError
from tacit.storage import (
    MANIFEST,
    lock,
    read_artifact,
    read_json,
    read_tensors,
    tensor_bytes,
    write_artifact,
    write_bytes,
    write_json,
    write_parquet,
    write_tensors,
    write_text,
)

KIND, VERSION = "test-artifact", 1
OLD = {"model.safetensors": b"old model" * 50, "config.json": b"{}\n", "only-old": b"x"}
NEW = {"model.safetensors": b"new model" * 70, "config.json": b'{"a": 1}\n', "only-new": b"y"}
CALLS = ("open", "write", "fsync", "replace", "mkdir", "unlink")


class Killed(BaseException):
    """The process is gone: nothing after it runs either."""


def contents(folder: Path) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in read_artifact(folder, KIND, VERSION).items()}


def break_call(
    patch: pytest.MonkeyPatch, number: int, fault: Callable[[], BaseException], forever: bool
) -> list[str]:
    """Let the call with this number fail, and with `forever` all after it; gives the calls made."""
    made: list[str] = []

    def wrap(name: str) -> Callable[..., Any]:
        true = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            made.append(name)
            if len(made) - 1 == number or (forever and len(made) - 1 > number):
                raise fault()
            return true(*arguments, **options)

        return call

    for name in CALLS:
        patch.setattr(os, name, wrap(name))
    return made


def calls_of_a_save(folder: Path) -> int:
    write_artifact(folder, OLD, KIND, VERSION)
    with pytest.MonkeyPatch.context() as patch:
        made = break_call(patch, 10**9, Killed, False)
        write_artifact(folder, NEW, KIND, VERSION)
    assert set(CALLS) <= set(made)
    return len(made)


def test_a_refused_call_leaves_the_old_or_the_new_artifact_whole(tmp_path: Path) -> None:
    outcomes = set()
    for number in range(calls_of_a_save(tmp_path / "count")):
        folder = tmp_path / str(number)
        write_artifact(folder, OLD, KIND, VERSION)
        with pytest.MonkeyPatch.context() as patch:
            break_call(patch, number, lambda: OSError(errno.ENOSPC, "No space left on device"), False)
            try:
                write_artifact(folder, NEW, KIND, VERSION)
                refused = False
            except StorageError:
                refused = True
        found = contents(folder)
        assert found in (OLD, NEW)
        assert refused or found == NEW
        outcomes.add((refused, found == NEW))
    assert {(True, False), (True, True)} <= outcomes


def test_a_kill_at_any_call_leaves_the_old_or_the_new_artifact_whole(tmp_path: Path) -> None:
    for number in range(calls_of_a_save(tmp_path / "count")):
        folder = tmp_path / str(number)
        write_artifact(folder, OLD, KIND, VERSION)
        with pytest.MonkeyPatch.context() as patch:
            break_call(patch, number, Killed, True)
            with pytest.raises(Killed):
                write_artifact(folder, NEW, KIND, VERSION)
        assert contents(folder) in (OLD, NEW)


def test_a_kill_during_the_first_save_leaves_no_artifact_or_the_new_one(tmp_path: Path) -> None:
    for number in range(calls_of_a_save(tmp_path / "count")):
        folder = tmp_path / str(number)
        with pytest.MonkeyPatch.context() as patch:
            break_call(patch, number, Killed, True)
            with suppress(Killed):
                write_artifact(folder, NEW, KIND, VERSION)
        if (folder / MANIFEST).exists():
            assert contents(folder) == NEW


def test_the_save_after_a_kill_leaves_only_plain_names(tmp_path: Path) -> None:
    for number in range(calls_of_a_save(tmp_path / "count")):
        folder = tmp_path / str(number)
        write_artifact(folder, OLD, KIND, VERSION)
        with pytest.MonkeyPatch.context() as patch:
            break_call(patch, number, Killed, True)
            with pytest.raises(Killed):
                write_artifact(folder, NEW, KIND, VERSION)
        write_artifact(folder, OLD, KIND, VERSION)
        assert {path.name for path in folder.iterdir()} - {"only-new"} == {*OLD, MANIFEST}
        assert contents(folder) == OLD


def test_a_refused_first_save_leaves_nothing_half_written(tmp_path: Path) -> None:
    def full() -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_artifact(tmp_path, {"a": b"1", "b": full}, KIND, VERSION)
    assert list(tmp_path.iterdir()) == []


def test_replacing_removes_files_that_the_new_artifact_lacks_and_spares_others(tmp_path: Path) -> None:
    write_artifact(tmp_path, OLD, KIND, VERSION)
    write_text(tmp_path / "log.jsonl", "{}\n")
    write_artifact(tmp_path, NEW, KIND, VERSION)
    assert {path.name for path in tmp_path.iterdir()} == {*NEW, MANIFEST, "log.jsonl"}


def test_a_function_makes_its_file_only_when_it_is_due(tmp_path: Path) -> None:
    def second() -> bytes:
        assert any(path.name.startswith("first.") for path in tmp_path.iterdir())
        return b"2"

    write_artifact(tmp_path, {"first": lambda: b"1", "second": second}, KIND, VERSION)
    assert contents(tmp_path) == {"first": b"1", "second": b"2"}


def test_a_file_cut_short_is_named(tmp_path: Path) -> None:
    write_artifact(tmp_path, OLD, KIND, VERSION)
    (tmp_path / "model.safetensors").write_bytes(OLD["model.safetensors"][:-1])
    with pytest.raises(ArtifactError, match=r"model\.safetensors: cut short: 449 bytes instead of 450"):
        read_artifact(tmp_path, KIND, VERSION)


@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_is_found(tmp_path: Path, bit: int) -> None:
    write_artifact(tmp_path, OLD, KIND, VERSION)
    data = bytearray(OLD["model.safetensors"])
    data[17 * bit] ^= 1 << bit
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(ArtifactError, match=r"model\.safetensors: damaged: its SHA-256"):
        read_artifact(tmp_path, KIND, VERSION)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    write_artifact(tmp_path, OLD, KIND, VERSION)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ArtifactError, match=r"config\.json: not there"):
        read_artifact(tmp_path, KIND, VERSION)


def test_a_folder_without_manifest_is_no_artifact(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"manifest\.json: not there"):
        read_artifact(tmp_path, KIND, VERSION)


def test_another_format_version_names_the_tacit_that_wrote_it(tmp_path: Path) -> None:
    write_artifact(tmp_path, OLD, KIND, VERSION)
    manifest = read_json(tmp_path / MANIFEST) | {"tacit": "0.0.7", "format": 2}
    write_json(tmp_path / MANIFEST, manifest)
    with pytest.raises(ArtifactError, match=r"format 2, written by Tacit 0\.0\.7.*reads format 1"):
        read_artifact(tmp_path, KIND, VERSION)


def test_another_kind_is_refused(tmp_path: Path) -> None:
    write_artifact(tmp_path, OLD, "other", VERSION)
    with pytest.raises(ArtifactError, match="holds a other, not a test-artifact"):
        read_artifact(tmp_path, KIND, VERSION)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"files": {"a": 1}, "kind": "k", "format": 1}', '{"files": {}}']
)
def test_a_damaged_manifest_is_one_clear_error(tmp_path: Path, text: str) -> None:
    write_text(tmp_path / MANIFEST, text)
    with pytest.raises(ArtifactError, match=r"manifest\.json: damaged"):
        read_artifact(tmp_path, KIND, VERSION)


def test_a_damaged_artifact_can_be_replaced(tmp_path: Path) -> None:
    write_text(tmp_path / MANIFEST, "{")
    write_artifact(tmp_path, NEW, KIND, VERSION)
    assert contents(tmp_path) == NEW


# ------------------------------------------------------------------------------------ single files


def test_a_file_is_replaced_and_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.bin"
    write_bytes(path, b"first")
    write_bytes(path, b"second")
    assert [(path.name, path.read_bytes()) for path in path.parent.iterdir()] == [("b.bin", b"second")]


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: true(descriptor, data[:3]))
    write_bytes(tmp_path / "a", b"0123456789")
    assert (tmp_path / "a").read_bytes() == b"0123456789"


def test_json_is_sorted_indented_and_ends_the_line(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": "ü"})
    assert (tmp_path / "a.json").read_text("utf-8") == '{\n  "a": "ü",\n  "b": 1\n}\n'


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_refuses_what_is_not_a_number(tmp_path: Path, value: float) -> None:
    with pytest.raises(InternalError, match="write null"):
        write_json(tmp_path / "a.json", [value])
    assert not (tmp_path / "a.json").exists()


def test_parquet_comes_back_and_is_zstd(tmp_path: Path) -> None:
    table = pa.table({"user": pa.array([1, 2, 3], pa.int32()), "item": ["a", "b", None]})
    write_parquet(tmp_path / "a.parquet", table)
    assert pq.read_table(tmp_path / "a.parquet").equals(table)
    assert pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0).column(0).compression == "ZSTD"


def test_tensors_come_back_with_dtype_and_shape(tmp_path: Path) -> None:
    tensors = {
        "half": torch.arange(6, dtype=torch.bfloat16).reshape(2, 3).T,
        "numpy": np.arange(4, dtype=np.int64),
        "scalar": torch.tensor(7.0),
        "empty": torch.zeros(0, 5),
    }
    write_tensors(tmp_path / "a.safetensors", tensors)
    found = read_tensors(tmp_path / "a.safetensors")
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        torch.testing.assert_close(found[name], torch.as_tensor(tensor), rtol=0, atol=0)


def test_equal_tensors_are_equal_bytes_in_any_order() -> None:
    one, two = torch.ones(2), torch.zeros(3)
    assert tensor_bytes({"a": one, "b": two}) == tensor_bytes({"b": two, "a": one})


@pytest.mark.parametrize("keep", [0, 4, 20, -1])
def test_damaged_tensors_are_one_clear_error(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(tensor_bytes({"a": torch.ones(4)})[:keep])
    with pytest.raises(ArtifactError, match="damaged, not safetensors"):
        read_tensors(path)


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(StorageError, match="cannot write"):
        write_bytes(tmp_path / "a", b"1")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"file/a: cannot write"):
        write_bytes(tmp_path / "file" / "a", b"1")


@pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="needs a file system that nobody may write: /proc"
)
def test_a_folder_that_cannot_be_written_is_one_clear_error() -> None:
    with pytest.raises(StorageError, match=r"/proc/self/a: cannot write: .*; check that the disk has room"):
        write_bytes(Path("/proc/self/a"), b"1")


def test_a_real_limit_of_the_system_leaves_the_old_artifact(tmp_path: Path) -> None:
    write_artifact(tmp_path, OLD, KIND, VERSION)
    code = f"""
import resource, signal
from pathlib import Path
from tacit.errors import StorageError
from tacit.storage import tensor_bytes, write_artifact
import torch
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
data = tensor_bytes({{"a": torch.ones(100_000)}})
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_artifact(Path({str(tmp_path)!r}), {{"config.json": b"1", "model.safetensors": data}}, "{KIND}", 1)
except StorageError as error:
    print(error)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert "cannot write: File too large" in done.stdout
    assert contents(tmp_path) == OLD
    assert {path.name for path in tmp_path.iterdir()} == {*OLD, MANIFEST}


# --------------------------------------------------------------------------------------------- lock


def test_a_second_writer_is_refused_and_the_folder_named(tmp_path: Path) -> None:
    refused = pytest.raises(RunFolderError, match=r"run: another process is writing")
    with lock(tmp_path / "run"), refused, lock(tmp_path / "run"):
        pass


def test_a_lock_is_free_again_after_use(tmp_path: Path) -> None:
    for _ in range(2):
        with lock(tmp_path):
            pass


def test_a_lock_on_a_new_folder_that_stays_empty_leaves_nothing(tmp_path: Path) -> None:
    with lock(tmp_path / "run"):
        pass
    assert not (tmp_path / "run").exists()


def test_a_killed_writer_leaves_no_lock(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from tacit.storage import lock
with lock(Path({str(tmp_path)!r})):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment)
    assert done.returncode == -9
    assert (tmp_path / ".lock").exists()
    with lock(tmp_path):
        pass


def test_an_artifact_of_another_kind_is_not_replaced(tmp_path: Path) -> None:
    write_artifact(tmp_path / "a", OLD, KIND, VERSION)
    with pytest.raises(ArtifactError, match=r"holds a test-artifact.*another folder"):
        write_artifact(tmp_path / "a", NEW, "another", VERSION)
    assert contents(tmp_path / "a") == OLD
