"""Writes the golden files beside it: a finished run, an interrupted one, and what both recommend.

Run it again only where the format is changed on purpose, and its version with it: python tests/golden/make.py
"""

from __future__ import annotations

import csv
import shutil
from contextlib import suppress
from pathlib import Path

import torch

import tacit
from tacit.events import EpochEnd, FitEnd, StepEnd
from tacit.run import Run
from tacit.schemes.plain import BPRScheme
from tacit.storage import write_json

HERE = Path(__file__).parent
LOG = HERE / "log.csv"
HISTORY = ["item 0", "item 2"]


class Cut(Exception):
    """Ends training in the middle, as a crash would."""


def cut(event: StepEnd | EpochEnd | FitEnd) -> None:
    """A callback that crashes at the twelfth step."""
    if isinstance(event, StepEnd) and event.clock.step == 11:
        raise Cut


def write_log() -> None:
    """Sixteen users who like even or odd items, each but two of their eight."""
    with LOG.open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["user", "item", "timestamp"])
        for user in range(16):
            for turn in range(6):
                item = 2 * ((user // 2 + turn) % 8) + user % 2
                lines.writerow([user, f"item {item}", 1_600_000_000 + 1000 * turn + user])


def train(out: Path, **options: object) -> Run:
    """The run that both folders hold, whole or in part; on one thread, which a checkpoint records."""
    torch.set_num_threads(1)
    return tacit.fit(
        LOG,
        backbone=tacit.MFConfig(dim=4, biases=True),
        scheme=BPRScheme(negatives=2),
        training=tacit.TrainingOptions(epochs=8, batch_size=16, patience=8, checkpoint_every=10),
        optimizer=tacit.OptimizerOptions("row-adam", 0.1),
        out=out,
        **options,
    )


def answers(run: Run) -> dict[str, object]:
    """What the run recommends to everybody, and to somebody known by a history only."""
    return {
        "users": run.recommend(list(range(16)), k=3).to_dict()["recommendations"],
        "history": run.recommend(history=HISTORY, k=3).to_dict()["recommendations"],
    }


def main() -> None:
    """Write everything anew."""
    for name in ("run", "interrupted"):
        shutil.rmtree(HERE / name, ignore_errors=True)
    write_log()
    write_json(HERE / "answers.json", answers(train(HERE / "run")))
    shutil.rmtree(HERE / "run" / "checkpoints")
    with suppress(Cut):
        train(HERE / "interrupted", callbacks=[cut])
    for name in ("run", "interrupted"):
        (HERE / name / ".lock").unlink()


if __name__ == "__main__":
    main()
