"""A run that is killed again and again ends with the bits of one that was not."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

INTERRUPTED = 9
SCRIPT = f"""
import sys
import time
import tacit
from tacit.errors import Interrupted
log, out = sys.argv[1:3]
try:
    tacit.fit(
        log, backbone=sys.argv[3], scheme=sys.argv[4], seed=3, out=out, resume=True,
        training=tacit.TrainingOptions(epochs=15, batch_size=64, patience=15, checkpoint_every=7),
        optimizer=tacit.OptimizerOptions("row-adagrad", 0.05),
        callbacks=[lambda event: time.sleep(0.01)],  # slow enough to be killed ten times on the way
    )
except Interrupted:
    sys.exit({INTERRUPTED})
"""


def _log(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(120), 12)
    items = (users * 7 + rng.integers(0, 25, len(users))) % 90
    table = pa.table({"user": users, "item": items, "timestamp": rng.permutation(len(users)) + 1_600_000_000})
    pq.write_table(table, folder / "log.parquet")
    return folder / "log.parquet"


def _start(log: Path, out: Path, backbone: str, scheme: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCRIPT, str(log), str(out), backbone, scheme]
    with (log.parent / "errors.txt").open("ab") as errors:
        return subprocess.Popen(command, env=environment, stderr=errors)


def _digest(out: Path) -> dict[str, str]:
    names = ("model.safetensors", "config.json", "seen.safetensors")
    return {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in names}


def _whole(out: Path) -> list[str]:
    """Names of the checkpoints that are finished."""
    return sorted(path.parent.name for path in out.glob("checkpoints/*/manifest.json"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sign", "backbone", "scheme", "times"),
    [
        (signal.SIGKILL, "mf", "bpr", 10),
        (signal.SIGTERM, "mf", "bpr", 10),
        (signal.SIGKILL, "lightgcn", "sampled-softmax", 3),
        (signal.SIGKILL, "sasrec", "softmax", 2),
    ],
)
def test_killed_again_and_again_gives_the_same_bits(
    tmp_path: Path, sign: signal.Signals, backbone: str, scheme: str, times: int
) -> None:
    log = _log(tmp_path)
    whole = _start(log, tmp_path / "whole", backbone, scheme)
    assert whole.wait(120) == 0, (tmp_path / "errors.txt").read_text()
    out = tmp_path / "killed"
    chance = random.Random(1)
    for _ in range(times):
        process = _start(log, out, backbone, scheme)
        before, deadline = _whole(out), time.monotonic() + 60
        while process.poll() is None and _whole(out) == before and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(chance.random() * 0.03)
        assert process.poll() is None, (tmp_path / "errors.txt").read_text()
        process.send_signal(sign)
        assert process.wait(60) == (-sign if sign == signal.SIGKILL else INTERRUPTED)
    last = _start(log, out, backbone, scheme)
    assert last.wait(120) == 0, (tmp_path / "errors.txt").read_text()
    assert _digest(out) == _digest(tmp_path / "whole")
