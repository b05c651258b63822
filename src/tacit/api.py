"""fit, evaluate, recommend as people call them: the one place where training meets evaluation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tacit.data.loaders import Loader, PairLoader
from tacit.data.softlabels import SoftLabels
from tacit.data.splitfiles import history_beside
from tacit.data.windows import SequenceLoader
from tacit.errors import DataError, OptionError, RunFolderError
from tacit.events import Callback
from tacit.fitting import train as run_plan
from tacit.gathering import DataOptions, read
from tacit.judging import Evaluation, judge
from tacit.labelling import labels_by
from tacit.parts.propagation import Propagation
from tacit.plan import Plan
from tacit.planning import made
from tacit.protocols import PairScorer
from tacit.run import Run, described, load
from tacit.storage import MANIFEST, lock
from tacit.training.checkpoint import refuse_differences
from tacit.training.optimizers import OptimizerOptions
from tacit.training.options import TrainingOptions

_log = logging.getLogger("tacit")
BATCH = 256  # examples encoded at once for soft labels
RESUME = "go on with resume (--resume on the line)"
OURS = (
    "log.jsonl",
    "beliefs",
    "references",
    "soft-labels",
)  # what a run may leave that was stopped before its first checkpoint


def fit(
    train: Any,
    *,
    valid: Any = None,
    valid_history: Any = None,
    backbone: Any = "mf",
    scheme: Any = None,
    data: DataOptions | None = None,
    training: TrainingOptions | None = None,
    optimizer: OptimizerOptions | None = None,
    seed: int = 0,
    start: str | Path | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    progress: bool = False,
) -> Run:
    """Train a recommender on a log of interactions.

    `train`: `Interactions`, or whatever `Interactions.read` takes. Without `valid` a validation part is cut
    from it (the last 5 % by time, else one event of up to 10,000 users), chooses the number of steps, and the
    run is trained again on everything. `valid_history`: what people did who are in `valid` but not in
    `train`; they are folded in from it. `valid_history.parquet` beside its `valid.parquet` is found by
    itself. `backbone` and `scheme`: names, presets, or one's own objects (an `nn.Module` that is a
    `Backbone`; a `Scheme`); without a scheme, what ranks best on validation. `start`: "ials", or the folder
    of an earlier run to go on from: what it had seen stays masked, in histories and in LightGCN's graph, and
    validates nothing. `out`: the run folder, where checkpoints are kept and the run is saved; `resume` goes
    on there.

    Raises subclasses of `UserError`: bad data, options, combinations, or a run folder in use; `Interrupted`
    after SIGTERM or SIGINT, once a checkpoint is saved.
    """
    options = _given("data", data, DataOptions)
    training = _given("training", training, TrainingOptions)
    optimizer = _given("optimizer", optimizer, OptimizerOptions)
    folder = None if out is None else Path(out)
    finished = folder is not None and _finished(folder, resume)
    if folder is not None and resume and not finished and not (folder / "checkpoints").exists():
        _log.info("%s holds no run to resume: it starts anew", folder)
    plan = made(train, valid, valid_history, backbone, scheme, options, training, optimizer, seed, start)
    with nullcontext() if folder is None or finished else lock(folder):
        # Whoever held the lock until now may have filled the folder.
        if folder is not None and _finished(folder, resume):
            return _as_planned(folder, plan, backbone)
        return run_plan(plan, folder, resume, callbacks, progress)


Options = TypeVar("Options")


def _given(name: str, value: Any, kind: type[Options]) -> Options:
    """The options as given, or their defaults. Raises `OptionError` for a value of another class."""
    if value is not None and not isinstance(value, kind):
        raise OptionError(f"{name} is a tacit.{kind.__name__}(...), not a {type(value).__name__}")
    return kind() if value is None else value


def _as_planned(folder: Path, plan: Plan, backbone: Any) -> Run:
    """The finished run of a folder. Raises `RunFolderError` where it is of other data or options."""
    config, facts = described(folder)
    now: dict[str, Any] = {"config": plan.config}
    before = {"config": {name: value for name, value in config.items() if name not in ("chosen", "serving")}}
    if facts.get("data"):
        now["data"], before["data"] = plan.facts["data"], facts["data"]
    refuse_differences(before, now, {"config": plan.unsaid})
    _log.info("%s is finished: nothing to resume", folder)
    return load(folder, backbone=None if isinstance(backbone, str) else backbone)


def _finished(folder: Path, resume: bool) -> bool:
    """Whether the folder holds a finished run to resume. `RunFolderError` where a new one has no place."""
    if (folder / MANIFEST).exists():
        if resume:
            return True
        raise RunFolderError(f"{folder} holds a finished run: choose another folder, or {RESUME}")
    if (folder / "checkpoints").exists():
        if not resume:
            raise RunFolderError(f"{folder} holds an unfinished run: {RESUME}, or choose another folder")
        return False
    others = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    others = [name for name in others if not name.startswith(".") and name not in OURS]
    if others:
        named = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        raise RunFolderError(f"{folder} holds other files ({named}): name a new or an empty folder")
    return False


def _columns(run: Run, said: DataOptions) -> DataOptions:
    """Columns and threshold of test files: as said now, else as the run had them."""
    now = {name: value for name, value in asdict(said).items() if value is not None}
    return DataOptions(**{**run.columns, **now, "impressions": None})


def evaluate(
    run: Run | str | Path,
    test: Any,
    *,
    ks: Sequence[int] = (10, 20, 50),
    metrics: Sequence[str] | None = None,
    history: Any = None,
    references: bool = True,
    keep_seen: bool = False,
    data: DataOptions | None = None,
) -> Evaluation:
    """Rank the whole catalogue for every user of the test set, and reference models beside it.

    Training and validation events and explicit noes are masked (`keep_seen` leaves them in, where repeats are
    wanted). `history`: more context, masked too; `test_history.parquet` beside its `test.parquet` is found by
    itself. Columns and rating threshold are those of the run, where `data` says nothing. Cold users are
    counted apart and outside the means. Items unknown to the run stay in the truth.

    Raises `DataError` where no test user can be evaluated, `OptionError` for a k out of range.
    """
    run = run if isinstance(run, Run) else load(run)
    if len(ks) == 0 or min(ks) < 1:
        raise OptionError(f"ks holds cut-offs of at least 1, not {list(ks)}")
    columns = _columns(run, _given("data", data, DataOptions))
    truth = read(test, columns, (run.user_ids, run.item_ids), part=True, collapse=False)
    more = None
    if history is None and (history := history_beside(test)) is not None:
        _log.info("histories of the test users from %s", history)
    if history is not None:
        single = run.backbone.reads != "sequences"
        more = read(history, columns, (truth.user_ids, truth.item_ids), part=True, collapse=single)
        truth = truth.with_vocabulary(more.user_ids, more.item_ids)
    largest = max(ks)
    if largest > run.evidence.n_items:
        raise OptionError(f"k = {largest} is larger than the catalogue of {run.evidence.n_items} items")
    return judge(
        run,
        truth,
        more,
        ks=ks,
        metrics=metrics,
        references=references,
        keep_seen=keep_seen,
    )


def soft_labels(
    run: Run | str | Path, train: Any, *, options: Propagation | None = None, seed: int = 0
) -> SoftLabels:
    """Soft labels of the training examples of a run, by its own vectors, for the scheme `desorec`.

    `train`: the log that the run was trained on, with a validation part of its own. `options`
    (`tacit.Propagation`): how targets spread; `seed`: of the clusters. `fit` makes labels by itself where
    `desorec` is given none. Raises `DataError` for another log, and `OptionError` for a run
    without vectors or one that was trained on its validation part too.
    """
    run = run if isinstance(run, Run) else load(run)
    data = run.facts.get("data")
    if not isinstance(data, dict):
        raise OptionError(
            "the validation part of this run was held out of its log, and which rows are left to label the "
            "run does not say: train it with a validation file, or let fit make the labels by itself"
        )
    if run.config["training"]["refit"]:
        raise OptionError(
            "this run was trained on its validation part too, and its labels would know it: train it with "
            "training.refit = false"
        )
    if isinstance(run.backbone, PairScorer):
        name = type(run.backbone).__name__
        raise OptionError(f"{name} scores pairs and has no vectors to compare: use a backbone that has")
    sequences = run.backbone.reads == "sequences"
    log = read(train, _columns(run, DataOptions()), collapse=not sequences)
    if log.fingerprint() != data["train"]:
        raise DataError("the run was trained on another log: give the one that it was trained on")
    log = log.with_vocabulary(run.user_ids, run.item_ids)
    if sequences:
        backbone = run.backbone
        stride = run.config["training"].get("stride")
        examples: Loader = SequenceLoader.of(
            *(log, backbone.length, backbone.queries, BATCH, seed), stride=stride
        )
    else:
        examples = PairLoader.of(log, np.flatnonzero(log.yes), BATCH, seed)
    made = options or Propagation()
    found = labels_by(run.backbone, run.similarity, examples, len(log), made, seed)
    return replace(found, fingerprint=data["train"])
