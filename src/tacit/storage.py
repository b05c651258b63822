"""Every write of the project: atomic files, artifacts with checksums, the lock of a run folder.

A file is written beside its target as `name.tmp-<random>`, flushed, synced, and put in place by one rename:
readers find the old file or the new one, never a part of either.

An *artifact* is a folder of such files and a `manifest.json` with the size and SHA-256 of each. Replacing one
has a single moment of change, the rename of the manifest:

1. the new files are written beside the old ones as `<name>.staged-<first 8 digits of SHA-256>`;
2. `manifest.json` is replaced, and from here on the artifact is the new one;
3. the staged files are renamed to their plain names, and leftovers are removed.

A reader takes the staged file that the manifest names, where there is one, else the plain one. So a stop
before step 2 leaves the old artifact and a stop after it the new one, both whole, while a finished folder
holds plain names only. Whoever writes holds the `lock` of the run folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.torch
import torch

from tacit.errors import ArtifactError, InternalError, RunFolderError, StorageError

MANIFEST = "manifest.json"
_LEFTOVER = re.compile(r".+\.(tmp|staged)-[0-9a-f]{8}")


@contextmanager
def _disk(path: Path, doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        mend = "check that the disk has room and that the folder exists and can be written"
        raise StorageError(f"{path}: cannot {doing}: {error.strerror or error}; {mend}") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file atomically and make it last; its folder is created. `StorageError` if refused."""
    temporary = path.with_name(f"{path.name}.tmp-{secrets.token_hex(4)}")
    with _disk(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            temporary.replace(path)
            _sync_folder(path.parent)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def remove(path: Path) -> None:
    """Remove a file, where it is there. `StorageError` if refused."""
    with _disk(path, "remove"):
        path.unlink(missing_ok=True)


def json_bytes(value: Any) -> bytes:
    """Sorted keys, two spaces, a final newline. NaN and infinity are not JSON: `InternalError`."""
    try:
        text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise InternalError(f"not JSON: {error}; write null where there is no number") from error
    return (text + "\n").encode()


def parquet_bytes(table: pa.Table) -> bytes:
    """The table as Parquet, compressed by zstd; equal tables give equal bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(memoryview(sink.getvalue()))


def tensor_bytes(tensors: Mapping[str, torch.Tensor | np.ndarray]) -> bytes:
    """The tensors as safetensors without metadata; equal tensors give equal bytes, in any order."""
    plain = {name: torch.as_tensor(tensors[name]).detach().cpu().contiguous() for name in sorted(tensors)}
    return bytes(safetensors.torch.save(plain))


def write_text(path: Path, text: str) -> None:
    """Replace a UTF-8 text file atomically; errors as `write_bytes`."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file atomically; errors as `write_bytes` and `json_bytes`."""
    write_bytes(path, json_bytes(value))


def write_parquet(path: Path, table: pa.Table) -> None:
    """Replace a Parquet file atomically; errors as `write_bytes`."""
    write_bytes(path, parquet_bytes(table))


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor | np.ndarray]) -> None:
    """Replace a safetensors file atomically; errors as `write_bytes`."""
    write_bytes(path, tensor_bytes(tensors))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ArtifactError(f"{path}: not there; the artifact is incomplete, or this is not one") from None
    except OSError as error:
        raise StorageError(f"{path}: cannot read: {error.strerror or error}") from error


def read_json(path: Path) -> Any:
    """Contents of a JSON file. `ArtifactError` where it is missing or damaged."""
    try:
        return json.loads(_read(path))
    except ValueError as error:
        raise ArtifactError(f"{path}: damaged, not JSON ({error}); take a copy or write it anew") from error


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a safetensors file, on the CPU. `ArtifactError` where it is missing or damaged."""
    data = _read(path)
    try:
        return safetensors.torch.load(data)
    except Exception as error:  # safetensors raises its own error, ValueError or KeyError by place of damage
        raise ArtifactError(
            f"{path}: damaged, not safetensors ({error}); take a copy or write it anew"
        ) from error


def _staged(folder: Path, name: str, digest: str) -> Path:
    return folder / f"{name}.staged-{digest[:8]}"


def _manifest(folder: Path) -> dict[str, Any]:
    manifest = read_json(folder / MANIFEST)
    try:
        for entry in manifest["files"].values():
            int(entry["size"]), str(entry["sha256"])
        return dict(manifest, kind=str(manifest["kind"]), format=int(manifest["format"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{folder / MANIFEST}: damaged, not a manifest; write the artifact anew"
        ) from error


def _sweep(folder: Path) -> None:
    """Remove leftovers that the manifest does not need; one that stays harms nobody."""
    with suppress(OSError, ArtifactError, StorageError):
        files = _manifest(folder)["files"] if (folder / MANIFEST).exists() else {}
        needed = {_staged(folder, name, entry["sha256"]) for name, entry in files.items()}
        for path in folder.iterdir():
            if _LEFTOVER.fullmatch(path.name) and path not in needed:
                path.unlink()


def write_artifact(
    folder: Path, files: Mapping[str, bytes | Callable[[], bytes]], kind: str, version: int
) -> None:
    """Write or replace an artifact whole; the module's docstring gives the order and why.

    A file is bytes, or a function that makes them, so that only one is in memory. Other files of the folder
    are left alone; those of the replaced artifact that the new one lacks are removed.
    `StorageError` if the disk refuses: the folder then holds the old artifact or the new one.
    `ArtifactError`, before anything is written, where the folder holds an artifact of another kind.
    """
    entries: dict[str, dict[str, Any]] = {}
    previous: set[str] = set()
    if (held := _held(folder)) is not None:
        previous = set(held["files"])
        if held["kind"] != kind:
            raise ArtifactError(
                f"{folder}: holds a {held['kind']}, which a {kind} would replace; name another folder"
            )
    try:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content()
            digest = hashlib.sha256(data).hexdigest()
            entries[name] = {"size": len(data), "sha256": digest}
            write_bytes(_staged(folder, name, digest), data)
        manifest = {"kind": kind, "format": version, "tacit": _tacit_version(), "files": entries}
        write_json(folder / MANIFEST, manifest)
        with _disk(folder, "finish the new artifact, which is whole,"):
            for name, entry in entries.items():
                _staged(folder, name, entry["sha256"]).replace(folder / name)
            for name in previous - entries.keys():
                (folder / name).unlink(missing_ok=True)
            _sync_folder(folder)
    finally:
        _sweep(folder)


def kind_of(folder: Path) -> str | None:
    """The kind of artifact in a folder, "damaged artifact", or None where there is no manifest."""
    if not (folder / MANIFEST).exists():
        return None
    held = _held(folder)
    return "damaged artifact" if held is None else str(held["kind"])


def _held(folder: Path) -> dict[str, Any] | None:
    """The manifest of the artifact in a folder; None where there is none, or a damaged one."""
    with suppress(ArtifactError):
        return _manifest(folder)
    return None


def read_artifact(folder: Path, kind: str, version: int) -> dict[str, Path]:
    """Where each file of an artifact lies, by name, once size and SHA-256 of all have been verified.

    `ArtifactError` for a missing manifest, another kind or format version, and a file that is missing, cut
    short or changed.
    """
    manifest = _manifest(folder)
    if manifest["kind"] != kind:
        raise ArtifactError(f"{folder}: holds a {manifest['kind']}, not a {kind}; name the right folder")
    if manifest["format"] != version:
        raise ArtifactError(
            f"{folder}: {kind} of format {manifest['format']}, written by Tacit {manifest.get('tacit')}; "
            f"this is Tacit {_tacit_version()}, which reads format {version}: use that one, or make it anew"
        )
    return {name: _verified(folder, name, entry) for name, entry in manifest["files"].items()}


def _verified(folder: Path, name: str, entry: dict[str, Any]) -> Path:
    staged = _staged(folder, name, entry["sha256"])
    path = staged if staged.exists() else folder / name
    size = len(data := _read(path))
    mend = "take a copy or make the artifact anew"
    if size != entry["size"]:
        how = "cut short" if size < entry["size"] else "too long"
        raise ArtifactError(f"{path}: {how}: {size} bytes instead of {entry['size']}; {mend}")
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise ArtifactError(f"{path}: damaged: its SHA-256 is not that of the manifest; {mend}")
    return path


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a folder for writing, and create it. The lock is the system's: it ends with the process.

    A folder that was created and holds nothing in the end is removed again.
    `RunFolderError` where another process, or another holder in this one, writes to it.
    """
    with _disk(folder, "lock"):
        created = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunFolderError(
                f"{folder}: another process is writing to it; wait for it, or name another folder"
            ) from None
        yield
    finally:
        if created and [path.name for path in folder.iterdir()] == [".lock"]:
            (folder / ".lock").unlink()
            folder.rmdir()
        os.close(descriptor)


def _tacit_version() -> str:
    try:
        return importlib.metadata.version("tacit")
    except importlib.metadata.PackageNotFoundError:
        return "from source, not installed"
