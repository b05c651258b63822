"""What the studies on sequences share: several schemes on one backbone, runs that are kept, soft labels.

Validation chooses epoch and point; nothing is trained again on it, and where it is the last event but one of
everybody, the test history holds it. A run is kept under `values`, so that the seed that chose a point is not
trained twice and soft labels are made of the softmax run of the same seed.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

import pyarrow as pa
import pyarrow.parquet as pq
import torch

import tacit
from reproduce.cells import dataset
from reproduce.contest import VALUES, Contest, known
from reproduce.pairs import PARTS, Preset, Setting
from tacit.data.interactions import Interactions
from tacit.data.softlabels import SoftLabels
from tacit.data.split import Split, split
from tacit.evaluation.evaluate import evaluate
from tacit.parts.propagation import Propagation
from tacit.parts.samplers import Uniform
from tacit.schemes.desorec import Decoupled, DeSoRecScheme, SoftCandidates
from tacit.schemes.plain import SoftmaxScheme
from tacit.schemes.rivals.smoothing import SmoothedScheme
from tacit.schemes.scheme import Scheme
from tacit.storage import write_json
from tacit.training.callbacks import read_log
from tacit.training.optimizers import OptimizerOptions
from tacit.training.options import TrainingOptions
from tacit.types import Batch, Candidates, Need, Slot, TrainingData

BASE = "softmax"  # whose runs make the soft labels
DOTS: dict[str, Any] = {"similarity": "dot", "temperature": 1.0}


@cache
def leave_two_out(data: str) -> Split:
    """Everybody's last event as test, the one before it as validation."""
    return split(Interactions.read(pq.read_table(dataset(data) / "interactions.parquet")), "last")


@cache
def by_people(data: str) -> Split:
    """A tenth of the people each as validation and test, all but their last fifth given; repeats left out."""
    parts = [pq.read_table(path) for path in sorted(dataset(data).glob("*.parquet")) if path.stem in PARTS]
    return split(Interactions.read(pa.concat_tables(parts)), "user")


@dataclass(frozen=True)
class EvenCandidates:
    """Soft labels that know nothing: what is not the target's is shared evenly by items drawn at random."""

    others: float  # mass of all items but the target
    drawn: Uniform = field(default_factory=lambda: Uniform(64))
    gives_labels: ClassVar[bool] = True
    slot: ClassVar[Slot] = "sampler"
    needs: ClassVar[frozenset[Need]] = frozenset()

    def bind(self, data: TrainingData) -> Self:
        return replace(self, drawn=self.drawn.bind(data))

    def __call__(self, batch: Batch, generator: torch.Generator) -> Candidates:
        found = self.drawn(batch, generator)
        there = torch.ones(found.others.shape) if found.valid is None else found.valid.float()
        return replace(found, labels=self.others * there / there.sum(1, keepdim=True).clamp_min(1))


@dataclass(frozen=True)
class EvenScheme:
    """DeSoRec's loss on labels that know nothing; the others' mass is that of real ones."""

    trust: float
    balance: float
    others: float = 0.5  # the contest puts in what the real labels have
    use: str = "even-labels"

    def build(self) -> Scheme:
        return Scheme(EvenCandidates(self.others), Decoupled(self.trust, self.balance))


def soft_targets(backbone: Any, training: TrainingOptions, **labels: Any) -> dict[str, list[Setting]]:
    """Two points each of softmax, DeSoRec, label smoothing and even labels; `labels`: how they are made."""
    pairs = ((0.3, 0.7), (0.7, 0.7))
    presets: dict[str, list[Preset]] = {
        "desorec": [DeSoRecScheme(trust=trust, balance=balance, **labels) for trust, balance in pairs],
        "label-smoothing": [
            SmoothedScheme(smoothing=share, over="catalogue", **DOTS) for share in (0.1, 0.3)
        ],
        "even-labels": [EvenScheme(trust=trust, balance=balance) for trust, balance in pairs],
    }
    rates = (0.001, 0.002)
    return {
        BASE: [
            Setting(backbone, SoftmaxScheme(**DOTS), OptimizerOptions("adam", rate), training)
            for rate in rates
        ],
        **{
            name: [Setting(backbone, preset, OptimizerOptions("adam", 0.001), training) for preset in points]
            for name, points in presets.items()
        },
    }


@dataclass(frozen=True)
class OrderedContest(Contest):
    """A contest on sequences whose runs are kept."""

    def point(self, scheme: str, place: int) -> dict[str, Any]:
        """Best validation figures of one point."""
        run, labels, seconds = self.trained(scheme, place, seed=0)
        chosen = run.config["chosen"]
        best = next(entry for entry in chosen["history"] if entry["epoch"] == chosen["epoch"])
        return {
            "fit_seconds": seconds,
            "epoch": chosen["epoch"],
            "validation": {name: value for name, value in best.items() if "@" in name},
            "labels": labels,
            "config": _essential(run.config),
        }

    def seeded(self, scheme: str, seed: int) -> dict[str, Any]:
        """The best point with this seed, test read once."""
        place, both = self.best(scheme), self.split()
        assert both.test is not None
        entry, details = self.schemes[scheme][place], {}
        if isinstance(entry, Setting):
            run, labels, seconds = self.trained(scheme, place, seed)
            found = tacit.evaluate(
                run,
                both.test,
                history=both.test_history,
                ks=tuple(self.ks),
                metrics=list(self.measures),
                references=False,
            ).report
            watched = read_log(run.folder / "log.jsonl", "interests") if run.folder else []
            details = {"epoch": run.config["chosen"]["epoch"], "config": _essential(run.config)}
            details |= {"labels": labels} if labels else {}
            details |= {"interests": watched} if watched else {}
        else:
            history = known(both)
            seen = history if both.test_history is None else history.concat(both.test_history)
            began = time.perf_counter()
            model = entry.fit(both.train)
            seconds = round(time.perf_counter() - began, 1)
            found = evaluate(
                model,
                truth=both.test.positives,
                seen=seen.positives,
                ks=tuple(self.ks),
                metrics=list(self.measures),
            )
            details = {"config": asdict(entry)}
        self.keep(scheme, seed, found)
        return {
            "scheme": scheme,
            "seed": seed,
            "point": place,
            "fit_seconds": seconds,
            "users": found.users,
            **{name: asdict(value) for name, value in found.metrics.items()},
            **details,
        }

    def trained(self, scheme: str, place: int, seed: int) -> tuple[tacit.Run, dict[str, float] | None, float]:
        """The run of a point, trained where it is not kept yet, the report of its labels, its seconds."""
        setting: Setting = self.schemes[scheme][place]
        preset, report = setting.scheme, None
        if isinstance(preset, DeSoRecScheme | EvenScheme):
            sampler = self.schemes["desorec"][0].scheme.build().sampler
            assert isinstance(sampler, SoftCandidates)
            folder, report = self._labels(sampler.made, seed)
            if isinstance(preset, DeSoRecScheme):
                preset = replace(preset, labels=str(folder))
            else:
                preset = replace(preset, others=1 - report["mass_on_target"])
        out = VALUES / self.study / "runs" / f"{self.name}-{scheme}-{place}-seed-{seed}"
        both = self.split()
        began = time.perf_counter()
        run = tacit.fit(
            both.train,
            valid=both.valid,
            valid_history=both.valid_history,
            backbone=setting.backbone,
            scheme=preset,
            optimizer=setting.optimizer,
            training=replace(setting.training, refit=False),
            seed=seed,
            out=out,
            resume=out.exists(),
        )
        took = out.with_suffix(".seconds.json")
        if not took.exists():
            write_json(took, round(time.perf_counter() - began, 1))
        return run, report, float(json.loads(took.read_text()))

    def _labels(self, made: Propagation, seed: int) -> tuple[Path, dict[str, float]]:
        """Soft labels of the softmax run of this seed."""
        kind = hashlib.sha256(repr(made).encode()).hexdigest()[:8]
        folder = VALUES / self.study / "labels" / f"{self.name}-seed-{seed}-{kind}"
        if not folder.exists():
            base, *_ = self.trained(BASE, self.best(BASE), seed)
            tacit.soft_labels(base, self.split().train, options=made, seed=seed).save(folder)
        return folder, SoftLabels.load(folder).report()


def _essential(config: dict[str, Any]) -> dict[str, Any]:
    """What was trained, without every validation on the way, and without the place of the labels."""
    scheme = {name: value for name, value in config["scheme"].items() if name != "labels"}
    return {name: value for name, value in config.items() if name != "chosen"} | {"scheme": scheme}
