"""Fits of reference models, kept in the run folder."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tacit.errors import ArtifactError, RunFolderError, StorageError
from tacit.protocols import Recommender
from tacit.storage import (
    json_bytes,
    lock,
    read_artifact,
    read_json,
    read_tensors,
    tensor_bytes,
    write_artifact,
)
from tacit.types import TrainingData

KIND, VERSION = "tacit-reference", 1


def fitted(name: str, options: Any, data: TrainingData, run: Path | None) -> tuple[Recommender, float]:
    """The fitted model and the seconds its fit took, from the run folder where options and data agree.

    A folder that cannot be read, or written because another holds its lock, is no error: the model is fitted.
    """
    folder = None if run is None else run / "references" / name
    key = {"options": asdict(options), "data": _fingerprint(data)}
    if folder is not None and folder.is_dir():
        try:
            files = read_artifact(folder, KIND, VERSION)
            saved = read_json(files["fit.json"])
            if saved["key"] == key:
                tensors = {n: t.numpy() for n, t in read_tensors(files["fit.safetensors"]).items()}
                return options.from_state(tensors, saved["state"], data), float(saved["seconds"])
        except ArtifactError:
            pass
    started = time.perf_counter()
    model = options.fit(data)
    seconds = time.perf_counter() - started
    if run is not None and folder is not None and hasattr(model, "state"):
        arrays, values = model.state()
        saved = {"key": key, "state": values, "seconds": seconds}
        files_out: dict[str, bytes | Callable[[], bytes]] = {
            "fit.json": json_bytes(saved),
            "fit.safetensors": lambda: tensor_bytes(arrays),
        }
        with suppress(StorageError, RunFolderError), lock(run):
            write_artifact(folder, files_out, KIND, VERSION)
    return model, seconds


def _fingerprint(data: TrainingData) -> str:
    digest = hashlib.sha256(data.positives.indptr.tobytes())
    digest.update(data.positives.indices.tobytes())
    return digest.hexdigest()
