"""Checkpoints: everything that the next step depends on, as an artifact of safetensors and JSON.

A checkpoint holds parameters, optimiser state, position and the state of callbacks. Chance needs none: it is
derived from the position. The two newest are kept.
"""

from __future__ import annotations

import logging
import shutil
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from tacit import storage
from tacit.errors import ArtifactError, Diverged, Interrupted, RunFolderError
from tacit.events import EpochEnd, FitEnd, StepEnd, Stop
from tacit.kernels.threads import counts
from tacit.storage import json_bytes, read_json, read_tensors, tensor_bytes, write_artifact
from tacit.training.callbacks import Stateful
from tacit.training.fit import Position, check_parameters
from tacit.training.step import Step

_log = logging.getLogger("tacit")
KIND, VERSION, KEPT = "tacit-checkpoint", 1, 2
FIRST = ("use", "class", "config", "backbone", "scheme")
INTERRUPTED = "interrupted"


class Checkpointer:
    """Saves every `every_steps` steps and at least every `every_seconds` seconds, and at SIGTERM and SIGINT.

    As a context manager it listens to the signals: the step at hand is finished and saved, and training stops
    as INTERRUPTED; `obey` then raises. `Diverged` leaves it with the name of the last good checkpoint.
    `facts` (phase, configuration, data fingerprint, threads) are saved and must agree on resume.
    """

    def __init__(
        self,
        folder: Path,
        step: Step,
        optimizer: torch.optim.Optimizer,
        position: Position,
        *,
        facts: dict[str, Any],
        stateful: Mapping[str, Stateful],
        every_steps: int = 1000,
        every_seconds: float = 30.0,
    ) -> None:
        self.folder, self.step, self.optimizer, self.position = folder, step, optimizer, position
        self.facts, self.stateful = facts, stateful
        self.every_steps, self.every_seconds = every_steps, every_seconds
        self._saved, self._signal = time.monotonic(), 0
        self._previous: dict[int, Any] = {}
        self._good: Path | None = None

    def __enter__(self) -> Checkpointer:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._previous[number] = signal.signal(number, self._hear)
        self._sweep()
        self._good = self._here() if self._here().exists() else None
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if isinstance(error, Diverged):
            raise Diverged(f"{error}; the last good checkpoint: {self._good or 'none'}") from error

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._signal:
            raise KeyboardInterrupt
        self._signal = number

    def obey(self, reason: str) -> None:
        """Raise `Interrupted` where a signal was heard, whatever it is that training ended for.

        What ended for another reason all the same is saved as ended.
        """
        if not self._signal:
            return
        if reason != INTERRUPTED:
            self.save(ended=reason)
        told = f"stopped at step {self.position.step} by a signal; go on with the same command and --resume"
        raise Interrupted(told, self._signal)

    def __call__(self, event: StepEnd | EpochEnd | FitEnd) -> Stop | None:
        if not isinstance(event, StepEnd):
            return None
        due = self.position.step % self.every_steps == 0
        if self._signal or due or time.monotonic() - self._saved > self.every_seconds:
            self.save()
        return Stop(INTERRUPTED) if self._signal else None

    def save(self, ended: str | None = None) -> None:
        """Write a checkpoint of this moment, then drop all but the newest two.

        `ended`: why training is over, where it is. Raises `Diverged`, and writes nothing, where a parameter
        is not finite.
        """
        check_parameters(self.step, self.position.step)
        values: dict[str, Any] = {"position": vars(self.position), "facts": self.facts, "callbacks": {}}
        values |= {"ended": ended, "numba_threads": counts()["numba"]}
        tensors = {f"module.{name}": tensor for name, tensor in self.step.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{key}": torch.as_tensor(value) for key, value in state.items()}
        for name, callback in self.stateful.items():
            own, values["callbacks"][name] = callback.state()
            tensors |= {f"callback.{name}.{key}": tensor for key, tensor in own.items()}
        files = {
            "state.safetensors": lambda: tensor_bytes(tensors),
            "state.json": lambda: json_bytes(values),
        }
        here = self._here()
        write_artifact(here, files, KIND, VERSION)
        for old in sorted(other for other in self.folder.iterdir() if other != here)[: 1 - KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        self._saved, self._good = time.monotonic(), here

    def _here(self) -> Path:
        return self.folder / f"{self.facts['phase']}-{self.position.step:09d}"

    def _sweep(self) -> None:
        """Drop what earlier writers left unfinished, and what lies ahead of where training goes on."""
        for found in self.folder.iterdir() if self.folder.exists() else ():
            if found > self._here() or not (found / storage.MANIFEST).exists():
                shutil.rmtree(found, ignore_errors=True)


def newest(folder: Path) -> dict[str, Path] | None:
    """Files of the newest whole checkpoint, or None where there is none, or only a first one cut short.

    Damaged ones are passed over with a warning. Raises `ArtifactError` where no other is left.
    """
    refused: list[ArtifactError] = []
    for candidate in sorted(folder.glob("*-*"), reverse=True):
        if not (candidate / storage.MANIFEST).exists():
            continue
        try:
            files = storage.read_artifact(candidate, KIND, VERSION)
        except ArtifactError as error:
            refused.append(error)
            continue
        for damage in refused:
            _log.warning("passed over: %s", damage)
        return files
    if refused:
        raise refused[0]
    return None


def threads_of(files: dict[str, Path]) -> dict[str, int]:
    """The counts of threads that a checkpoint's run computed with, as `kernels.threads` names them."""
    values = read_json(files["state.json"])
    found = {"torch": values["facts"]["threads"], "numba": values.get("numba_threads")}
    return {name: count for name, count in found.items() if count is not None}


def restore(
    files: dict[str, Path],
    step: Step,
    optimizer: torch.optim.Optimizer,
    stateful: Mapping[str, Stateful],
    facts: dict[str, Any],
    *,
    unsaid: Mapping[str, Any] | None = None,
) -> tuple[Position, str | None]:
    """Put everything back as it was; where training was, and why it had ended, where it had.

    `unsaid`: what an entry means that an earlier release did not save yet, nested as the facts are.
    Raises `RunFolderError` naming what differs from the saved facts.
    """
    values, tensors = read_json(files["state.json"]), read_tensors(files["state.safetensors"])
    refuse_differences(values["facts"], facts, unsaid or {})
    step.load_state_dict(_under("module.", tensors))
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in _under("optimizer.", tensors).items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = tensor
    _load_optimizer(optimizer, state)
    for name, callback in stateful.items():
        callback.restore(_under(f"callback.{name}.", tensors), values["callbacks"][name])
    position = Position(**values["position"])
    _log.info("resumed at step %d of the %s", position.step, facts["phase"].partition("-")[2])
    return position, values.get("ended")


def refuse_differences(before: Any, now: Any, unsaid: Mapping[str, Any]) -> None:
    """Raise `RunFolderError` naming the first entry in which saved facts and those of today differ."""
    different = _first_difference("", _completed(before, unsaid), now)
    if different is None:
        return
    name, old, new = different
    said = "was another log" if name.partition(".")[0] == "data" else f"was {old} and is {new}"
    raise RunFolderError(
        f"cannot resume: {name} {said}; "
        "resume (on the line: --resume) with the same data and options, or start a new run folder"
    )


def _first_difference(name: str, before: Any, now: Any) -> tuple[str, Any, Any] | None:
    """The dotted name and both values of the first entry in which two nests of options differ.

    Other parts are told before their options. An option that one of them does not know yet counts as None.
    """
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys(), key=lambda key: (key not in FIRST, key)):
            found = _first_difference(f"{name}.{key}".lstrip("."), before.get(key), now.get(key))
            if found is not None:
                return found
        return None
    return None if before == now else (name, before, now)


def _completed(saved: Any, unsaid: Any) -> Any:
    """Saved entries, and those of `unsaid` that they lack."""
    if isinstance(saved, Mapping) and isinstance(unsaid, Mapping):
        both = {name: _completed(saved[name], value) for name, value in unsaid.items() if name in saved}
        return {**unsaid, **saved, **both}
    if isinstance(saved, list) and isinstance(unsaid, list) and len(saved) == len(unsaid):
        return [_completed(one, other) for one, other in zip(saved, unsaid, strict=True)]
    return saved


def _load_optimizer(optimizer: torch.optim.Optimizer, state: dict[int, dict[str, Tensor]]) -> None:
    """State by parameter, with the saved dtypes and shapes: torch's own loader casts per-row state."""
    parameters: Sequence[Tensor] = [p for group in optimizer.param_groups for p in group["params"]]
    for index, values in state.items():
        optimizer.state[parameters[index]] = dict(values)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
