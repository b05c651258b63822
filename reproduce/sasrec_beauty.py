"""SASRec on Amazon Beauty beside RecTools' and RePlay's of the same size, after the same minutes of training.

    python -m reproduce.sasrec_beauty [CELL ...]

Everybody's last event is the test, ranked over the whole catalogue less what they had before; all trainers
have two threads, two blocks, two heads, 64 dimensions, 50 events and the softmax of the catalogue, and of
all else their defaults. The peers train on everything before the last event and are read at three moments.
Ours is `fit` as it is: it chooses the epoch on the last event but one, trains anew on everything, and stands
for all moments after it has ended. Run one cell at a time on a quiet machine, with OMP_WAIT_POLICY=PASSIVE.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import tacit
from reproduce.cells import ROOT, chosen_cells
from reproduce.ordered import leave_two_out
from reproduce.pairs import Work
from tacit.backbones.sasrec import SASRecConfig
from tacit.data.interactions import Interactions
from tacit.defaults import suggested
from tacit.evaluation.report import summaries
from tacit.training.options import TrainingOptions

DATA, STUDY = "beauty", "sasrec_beauty"
MINUTES = (10.0, 20.0, 40.0)
LENGTH, DIM, THREADS = 50, 64, 2
PEERS = Path(os.environ.get("TACIT_PEERS", ROOT.parent / "shared" / "peers"))
PEER_VENVS = Path(os.environ.get("PEER_VENVS", tempfile.gettempdir()))
Parts = tuple[Interactions, Interactions]


def cells() -> dict[str, Work]:
    """One of each trainer."""
    return {"tacit": ours, **{name: partial(theirs, name) for name in ("rectools", "replay")}}


def parts() -> Parts:
    """All events but everybody's last, and these."""
    both = leave_two_out(DATA)
    assert both.valid is not None
    assert both.test is not None
    return both.train.concat(both.valid), both.test


def ours() -> dict[str, Any]:
    """`fit` with its defaults for SASRec and the softmax, less their size."""
    train, test = parts()
    torch.set_num_threads(THREADS)
    usual = SASRecConfig(**suggested("sasrec", "softmax").backbone)
    began = time.perf_counter()
    run = tacit.fit(
        train,
        backbone=replace(usual, dim=DIM, length=LENGTH),
        scheme="softmax",
        training=TrainingOptions(metric="ndcg@10"),
        seed=0,
    )
    minutes = (time.perf_counter() - began) / 60
    found = tacit.evaluate(run, test, ks=(10,), metrics=["recall", "ndcg"], references=False).report
    chosen = run.config.pop("chosen")
    return {
        "users": found.users,
        "moments": [
            {
                "minutes": round(minutes, 1),
                "epochs": chosen["epoch"],
                **{name: asdict(value) for name, value in found.metrics.items()},
            }
        ],
        "curve": [[entry["epoch"], entry["ndcg@10"]] for entry in chosen["history"]],
        "config": run.config,
    }


def theirs(name: str) -> dict[str, Any]:
    """What a peer's trainer ranks first at each moment, judged by the same rule."""
    python = PEER_VENVS / f"venv-{name}" / "bin" / "python"
    if not python.exists():
        sys.exit(f"{python} is missing: bash {PEERS}/install.sh {name}")
    train, test = parts()
    rows = np.lexsort((np.arange(len(train)), train.users))
    indptr = np.searchsorted(train.users[rows], np.arange(train.n_users + 1))
    target = np.full(train.n_users, -1, np.int64)
    target[test.users] = test.items
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "log.npz", items=train.items[rows], indptr=indptr, n_items=train.n_items)
        script = Path(__file__).parent / "peers" / f"sasrec_{name}.py"
        command = [python, script, folder, str(DIM), str(LENGTH), *map(str, MINUTES)]
        counts = {f"{name}_NUM_THREADS": str(THREADS) for name in ("OMP", "MKL", "NUMBA")}
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=folder, env=os.environ | counts
        )
        if done.returncode:
            sys.exit(f"{name} failed: {done.stderr[-2000:]}")
        told = json.loads(done.stdout.splitlines()[-1])
        tops = [np.load(Path(folder) / f"{place}.npz") for place in range(len(MINUTES))]
        moments = [
            {**moment, **judged(top["users"], top["items"], target)}
            for moment, top in zip(told.pop("moments"), tops, strict=True)
        ]
    return {
        "threads": THREADS,
        "users": int((target >= 0).sum()),
        "moments": moments,
        "config": told,
    }


def judged(users: np.ndarray, items: np.ndarray, target: np.ndarray) -> dict[str, Any]:
    """Recall and NDCG at 10 over everybody with a test event; 0 for those who are given nothing."""
    hits = items[:, :10] == target[users][:, None]
    recall, ndcg = np.zeros(len(target)), np.zeros(len(target))
    recall[users], ndcg[users] = hits.any(1), (hits / np.log2(np.arange(2, 12))).sum(1)
    judged = target >= 0
    values = {"recall@10": recall[judged], "ndcg@10": ndcg[judged]}
    return {name: asdict(value) for name, value in summaries(values, {}).items()}


if __name__ == "__main__":
    chosen_cells(cells(), STUDY)
