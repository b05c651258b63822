"""A contest judged among each user's own labelled test rows, not over the catalogue: AUC and its like."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from scipy.stats import rankdata
from torch.nn.functional import normalize

from reproduce.contest import Contest
from reproduce.pairs import Setting
from tacit.data.interactions import Interactions
from tacit.evaluation.report import Report, summaries
from tacit.evaluation.variants import harm, labelled_mrr, labelled_ndcg
from tacit.events import EpochEnd
from tacit.protocols import PairScorer, Queries
from tacit.training.step import Step

BLOCK = 65_536  # pairs scored at a time
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


def rows_of(table: pa.Table, above: float) -> Rows:
    """Users, items, and whether the rating is above the bar."""
    yes = pc.greater(table["rating"], above)
    return table["user"].to_numpy(), table["item"].to_numpy(), yes.to_numpy(zero_copy_only=False)


def parted(table: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Rows that train, and a fifth, drawn at random, that chooses point and epoch."""
    held = pa.array(np.random.default_rng(0).permutation(len(table)) < len(table) // 5)
    return table.filter(pc.invert(held)), table.filter(held)


def scores(step: Step, users: torch.Tensor, items: torch.Tensor) -> np.ndarray:
    """A score for each pair of rows, by the similarity that the objective trains."""
    backbone = step.backbone
    with torch.no_grad():
        if isinstance(backbone, PairScorer):
            blocks = [slice(start, start + BLOCK) for start in range(0, len(users), BLOCK)]
            return np.asarray(torch.cat([backbone.score(users[at], items[at, None])[:, 0] for at in blocks]))
        tables = backbone.vectors()
        queries, targets = tables.users[users], tables.items[items]
        if step.scheme.objective.similarity == "cosine":
            queries, targets = normalize(queries, dim=1), normalize(targets, dim=1)
        found = (queries * targets).sum(1)
        if tables.item_bias is not None:
            found = found + tables.item_bias[items]
    return np.asarray(found)


def scored_by(model: Any, log: Interactions, rows: Rows) -> np.ndarray:
    """A reference's score for each row; 0 where it does not know user or item."""
    users, items = log.user_ids.encode(rows[0]), log.item_ids.encode(rows[1])
    known = (users >= 0) & (items >= 0)
    found = np.zeros(len(users), np.float32)
    distinct, place = np.unique(users[known].astype(np.int64), return_inverse=True)
    found[known] = model.score(Queries(distinct))[place, items[known]]
    return found


def auc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Area under the ROC curve, ties counted half; NaN where all labels are the same."""
    yes = int(labels.sum())
    no = len(labels) - yes
    if not yes or not no:
        return float("nan")
    return float((rankdata(scores)[labels].sum() - yes * (yes + 1) / 2) / (yes * no))


@dataclass
class Watch:
    """A callback: the scores of the test rows at the epoch of the best AUC on the rows held for choosing."""

    log: Interactions
    choosing: Rows
    test: Rows
    curve: list[list[float]] = field(default_factory=list)
    best: float = -1.0
    kept: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __call__(self, event: Any) -> None:
        if not isinstance(event, EpochEnd):
            return
        module = event.module
        training = module.training
        module.eval()
        found = auc(self._scores(module, self.choosing), self.choosing[2])
        if found > self.best:
            self.best, self.kept = found, self._scores(module, self.test)
        module.train(training)
        self.curve.append([event.clock.epoch + 1, round(found, 5)])

    def _scores(self, step: Step, rows: Rows) -> np.ndarray:
        users, items = (
            torch.from_numpy(ids.encode(values).astype(np.int64))
            for ids, values in ((self.log.user_ids, rows[0]), (self.log.item_ids, rows[1]))
        )
        known = (users >= 0) & (items >= 0)
        found = np.zeros(len(users), np.float32)
        found[known.numpy()] = scores(step, users[known], items[known])
        return found


@dataclass(frozen=True)
class Labelled(Contest):
    """A contest judged among each user's own labelled rows; its split has a validation part."""

    rows: Callable[[], tuple[Rows, Rows]] = field(kw_only=True)  # for choosing the epoch, and of the test
    epochs: int = 30

    def point(self, scheme: str, place: int) -> dict[str, Any]:
        """Best AUC on the rows held for choosing."""
        watch, run, seconds = self._watched(self.schemes[scheme][place], 0)
        return {
            "fit_seconds": seconds,
            "validation": {"auc": watch.best},
            "curve": watch.curve,
            "config": run.config,
        }

    def seeded(self, scheme: str, seed: int) -> dict[str, Any]:
        """Test figures at the epoch that the held rows chose."""
        place = self.best(scheme)
        entry = self.schemes[scheme][place]
        _, test = self.rows()
        began = time.perf_counter()
        if isinstance(entry, Setting):
            watch, run, _ = self._watched(entry, seed)
            found, details = watch.kept, {"curve": watch.curve, "config": run.config}
        else:
            log = self.split().train
            found, details = scored_by(entry.fit(log), log, test), {"config": asdict(entry)}
        seconds = round(time.perf_counter() - began, 1)
        users, _, labels = test
        rows, values = per_user(users, found, labels)
        metrics = summaries(values, {"auc": auc(found, labels)})
        self.keep(scheme, seed, Report(users=len(rows), metrics=metrics, rows=rows, values=values))
        return {
            "scheme": scheme,
            "seed": seed,
            "point": place,
            "fit_seconds": seconds,
            "users": len(rows),
            **{name: asdict(value) for name, value in metrics.items()},
            **details,
        }

    def _watched(self, setting: Setting, seed: int) -> tuple[Watch, Any, float]:
        watch = Watch(self.split().train, *self.rows())
        training = replace(setting.training, epochs=self.epochs)
        run, seconds = self._run(replace(setting, training=training), seed, refit=False, callbacks=[watch])
        run.config.pop("chosen")
        return watch, run, seconds


def per_user(
    users: np.ndarray, scores: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Figures of each user whose rows are not all of one kind."""
    order = np.argsort(users, kind="stable")
    bounds = np.flatnonzero(np.diff(users[order])) + 1
    groups = [group for group in np.split(order, bounds) if 0 < labels[group].sum() < len(group)]
    measures: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
        "gauc": auc,
        "labelled_ndcg@10": partial(labelled_ndcg, k=10),
        "labelled_ndcg@20": partial(labelled_ndcg, k=20),
        "labelled_mrr": labelled_mrr,
        "harm@10": partial(harm, k=10),
    }
    values = {
        name: np.array([measure(scores[group], labels[group]) for group in groups])
        for name, measure in measures.items()
    }
    return users[[group[0] for group in groups]].astype(np.int64), values
