"""Training on sequences, beside RecTools, RePlay and RecBole in the same run.

    python -m benchmarks.sequences

Targets are events that are predicted from those before them, with a softmax over the whole catalogue. Every
trainer runs in a process of its own, whose peak memory is all that it ever held. Run it on a quiet machine
with two threads and OMP_WAIT_POLICY=PASSIVE.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch

from benchmarks.places import dataset, peer, table
from tacit.backbones.gru4rec import GRU4RecConfig
from tacit.backbones.sasrec import SASRecConfig
from tacit.data.interactions import Interactions
from tacit.data.split import split
from tacit.data.windows import SequenceLoader
from tacit.events import EpochEnd, FitEnd, StepEnd
from tacit.schemes.plain import softmax
from tacit.training.fit import Position
from tacit.training.fit import fit as loop
from tacit.training.optimizers import build
from tacit.training.step import Step

BATCH = 128
LENGTHS = {"diginetica": 20, "ml-100k": 50}
STEPS = {"diginetica": 60, "ml-100k": 30}
BACKBONES = {
    "SASRec": lambda length: SASRecConfig(dim=64, length=length),
    "GRU4Rec": lambda length: GRU4RecConfig(dim=64, length=length),
}


def speed(data: str, model: str) -> dict[str, float]:
    """Targets per second over `STEPS` steps, after a third as many to warm up, and the peak of memory."""
    folder = dataset(data)
    assert folder is not None
    log = split(Interactions.read(pq.read_table(folder / "interactions.parquet")), "last", valid=0.0).train
    config = BACKBONES[model](LENGTHS[data])
    step = Step(
        config.build(log, torch.Generator().manual_seed(0)),
        softmax(similarity="dot", temperature=1.0).bind(log),
    )
    loader = SequenceLoader.of(log, config.length, config.queries, batch_size=BATCH, seed=0)
    method = build("adam", 0.001, step.groups())
    warm, steps = STEPS[data] // 3, STEPS[data]
    epochs = -(-(warm + steps) // loader.steps) + 1
    position = Position()
    loop(step, loader, method, epochs=epochs, seed=0, max_steps=warm, position=position)
    targets: list[int] = []

    def count(event: StepEnd | EpochEnd | FitEnd) -> None:
        if isinstance(event, StepEnd):
            targets.append(event.pairs)

    began = time.perf_counter()
    loop(
        step,
        loader,
        method,
        epochs=epochs,
        seed=0,
        max_steps=warm + steps,
        position=position,
        callbacks=[count],
    )
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"targets_per_s": sum(targets) / seconds, "peak_rss_mib": peak}


def beside(data: str, model: str, peers: dict[str, tuple[str, ...]]) -> None:
    """A model of ours and the same of peers, with the ratio of ours to each."""
    if dataset(data) is None:
        return
    ours = _apart(data, model)
    rows: list[dict[str, Any]] = [{"trainer": f"Tacit {model}", **_figures(ours), "ratio": "", "memory": ""}]
    for name, options in peers.items():
        of = data if data == "diginetica" else f"{data}-seq"
        line = peer(name, of, model, "--max-len", str(LENGTHS[data]), *options)
        if line:
            line.setdefault("targets_per_s", line["pairs_per_s"])
            rows.append(
                {
                    "trainer": f"{name} {model}",
                    **_figures(line),
                    "ratio": ours["targets_per_s"] / line["targets_per_s"],
                    "memory": ours["peak_rss_mib"] / line["peak_rss_mib"],
                }
            )
    table(f"{model}, {data}, d 64, {LENGTHS[data]} events, softmax over the catalogue", rows)


def _figures(line: dict[str, Any]) -> dict[str, float]:
    return {"targets/s": float(line["targets_per_s"]), "peak MiB": float(line["peak_rss_mib"])}


def _apart(data: str, model: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.sequences", data, model]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """The tables; with a dataset and a model as arguments, the figures of one run of ours as JSON."""
    if sys.argv[1:]:
        print(json.dumps(speed(*sys.argv[1:])))
        return
    few = ("--batch", str(BATCH), "--epochs", "1", "--max-steps", "120")
    whole = ("--batch", str(BATCH), "--epochs", "5")
    beside("diginetica", "SASRec", {"rectools": few, "replay": few})
    beside("ml-100k", "SASRec", {"rectools": whole, "replay": whole})
    beside(
        "diginetica",
        "GRU4Rec",
        {"recbole": ("--batch", "2048", "--epochs", "1", "--max-steps", "10")},
    )


if __name__ == "__main__":
    main()
