"""Every callback of the package, held to its contract."""

from __future__ import annotations

from contracts.callbacks import CallbackContract
from tacit.training.alarms import Alarms
from tacit.training.callbacks import EarlyStopping, JsonLog, Progress


class TestEarlyStopping(CallbackContract):
    stateful = True

    def make(self, folder):
        values = iter((0.1, 0.3, 0.2, 0.1, 0.1))
        return EarlyStopping(lambda module: {"m": next(values)}, metric="m", patience=2, keep=True)


class TestJsonLog(CallbackContract):
    stateful = True

    def make(self, folder):
        return JsonLog(folder / "log.jsonl", every=3)


class TestProgress(CallbackContract):
    def make(self, folder):
        return Progress()


class TestAlarms(CallbackContract):
    def make(self, folder):
        return Alarms()
