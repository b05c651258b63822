"""Soft labels of training examples: for each row of a log the items that its neighbours' targets are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int32, Int64

from tacit.errors import DataError
from tacit.storage import json_bytes, read_artifact, read_json, read_tensors, tensor_bytes, write_artifact

KIND, VERSION = "tacit-soft-labels", 1


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """Of n rows a distribution over items: the target's share, and that of others, sparse.

    `targets` (n,) int32, -1 where a row is no example; the others of row r are
    `items[indptr[r]:indptr[r + 1]]`, distinct, never the target, with the shares `values` there; the target
    has what is left to 1. `fingerprint`: of the log whose rows these are.
    """

    targets: Int32[np.ndarray, "n"]
    indptr: Int64[np.ndarray, "n_plus_one"]
    items: Int32[np.ndarray, "nonzeros"]
    values: Float32[np.ndarray, "nonzeros"]
    fingerprint: str = ""

    def __len__(self) -> int:
        return len(self.targets)

    def of(
        self, rows: Int64[np.ndarray, "Q"], targets: Int64[np.ndarray, "Q"]
    ) -> tuple[Int64[np.ndarray, "Q S"], Float32[np.ndarray, "Q S"], Int64[np.ndarray, "Q"]]:
        """Items and shares of some rows side by side, filled up with the target and 0, and how many are real.

        Rows beyond the labels, of examples that came later, have none. Raises `DataError` where the targets
        are not those of the labels: they were made of another log; and where a row was no example then.
        """
        inside = rows < len(self)
        own = np.where(inside, rows, 0)
        known = np.where(inside, self.targets[own], -1)
        wrong = np.flatnonzero((known >= 0) & (known != targets))
        if len(wrong):
            raise DataError(
                f"the soft labels belong to another log: in row {int(rows[wrong[0]])} the target is item row "
                f"{int(targets[wrong[0]])}, and the labels have {int(known[wrong[0]])}: make them anew"
            )
        without = np.flatnonzero(inside & (known < 0))
        if len(without):
            raise DataError(
                f"row {int(rows[without[0]])} is a training example and was none when the soft labels were "
                "made: make them anew by a run with the same backbone.queries"
            )
        counts = np.where(known >= 0, self.indptr[own + 1] - self.indptr[own], 0)
        width = np.arange(int(counts.max(initial=0)))
        real = width < counts[:, None]
        places = np.where(real, self.indptr[own][:, None] + width, 0)
        if not len(self.items):
            return np.repeat(targets[:, None], 0, 1), np.zeros(real.shape, np.float32), counts
        items = np.where(real, self.items[places], targets[:, None])
        return items, np.where(real, self.values[places], np.float32(0)), counts

    def placed(self, rows: Int64[np.ndarray, "n"], n_rows: int, fingerprint: str) -> SoftLabels:
        """The same for the rows of a log of which these examples are the given ones, ascending."""
        targets = np.full(n_rows, -1, np.int32)
        targets[rows] = self.targets
        counts = np.zeros(n_rows, np.int64)
        counts[rows] = np.diff(self.indptr)
        indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        return SoftLabels(targets, indptr, self.items, self.values, fingerprint)

    def digest(self) -> str:
        """SHA-256 of the labels, hexadecimal."""
        found = hashlib.sha256()
        for column in (self.targets, self.indptr, self.items, self.values):
            found.update(np.ascontiguousarray(column).data)
        return found.hexdigest()

    def save(self, folder: Path) -> None:
        """Write the labels as an artifact, whole or not at all. Raises `StorageError`."""
        arrays = {name: getattr(self, name) for name in ("targets", "indptr", "items", "values")}
        files: dict[str, bytes | Callable[[], bytes]] = {
            "labels.safetensors": lambda: tensor_bytes(arrays),
            "labels.json": json_bytes({"data": self.fingerprint, "report": self.report()}),
        }
        write_artifact(folder, files, KIND, VERSION)

    @staticmethod
    def load(folder: Path) -> SoftLabels:
        """Saved labels. Raises `ArtifactError` where the folder is damaged or holds something else."""
        files = read_artifact(folder, KIND, VERSION)
        arrays = {name: t.numpy() for name, t in read_tensors(files["labels.safetensors"]).items()}
        return SoftLabels(**arrays, fingerprint=str(read_json(files["labels.json"])["data"]))

    def report(self) -> dict[str, float]:
        """Shares of examples without support, mean mass on the target, mean entropy and number of others."""
        examples = np.flatnonzero(self.targets >= 0)
        counts = np.diff(self.indptr)
        rows = np.repeat(np.arange(len(self)), counts)
        mass = np.bincount(rows, self.values, minlength=len(self))[examples]
        logs = np.log(np.maximum(self.values, 1e-38))
        inner = np.bincount(rows, -self.values * logs, minlength=len(self))[examples]
        target = np.maximum(1 - mass, 1e-38)
        return {
            "examples": float(len(examples)),
            "without_support": float((counts[examples] == 0).mean()),
            "nearly_without_support": float((mass < 1e-3).mean()),
            "mass_on_target": float(target.mean()),
            "entropy": float((inner - target * np.log(target)).mean()),
            "items": float(counts[examples].mean()),
        }
