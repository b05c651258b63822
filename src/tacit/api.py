"""fit, evaluate, recommend as people call them: the one place where training meets evaluation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tacit.data.audit import audit
from tacit.data.interactions import Interactions
from tacit.data.split import Split, validation
from tacit.defaults import suggested
from tacit.errors import OptionError, RunFolderError
from tacit.fitting import INITIAL, Plan, options_of
from tacit.fitting import train as run_plan
from tacit.judging import Evaluation, judge
from tacit.kernels.sampling import derived_key
from tacit.presets import BackboneConfig, SchemePreset, by_name
from tacit.run import Run, load
from tacit.schemes.scheme import Scheme
from tacit.starts import start_values
from tacit.storage import MANIFEST, lock
from tacit.training.optimizers import OptimizerOptions
from tacit.training.options import TrainingOptions
from tacit.types import Callback

_log = logging.getLogger("tacit")


@dataclass(frozen=True)
class DataOptions:
    """Which columns hold what (None: guessed from their names, and said), and what counts as a yes."""

    user: str | None = None
    item: str | None = None
    time: str | None = None
    position: str | None = None
    rating: str | None = None
    label: str | None = None
    weight: str | None = None
    shown: str | None = None
    threshold: float | None = None  # ratings from here on are a yes, below an explicit no
    impressions: str | None = None  # a file of items shown without action


def fit(
    train: Any,
    *,
    valid: Any = None,
    backbone: Any = "mf",
    scheme: Any = "bpr",
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
    run is trained again on everything. `backbone` and `scheme`: names, presets, or one's own objects (an
    `nn.Module` that is a `Backbone`; a `Scheme`). `start`: "ials", or the folder of an earlier run to go on
    from. `out`: the run folder, where checkpoints are kept and the run is saved; `resume` goes on there.

    Raises subclasses of `UserError`: bad data, options, combinations, or a run folder in use; `Interrupted`
    after SIGTERM or SIGINT, once a checkpoint is saved.
    """
    options, training, optimizer = (
        data or DataOptions(),
        training or TrainingOptions(),
        optimizer or OptimizerOptions(),
    )
    folder = None if out is None else Path(out)
    if folder is not None and (folder / MANIFEST).exists():
        if resume:
            _log.info("%s is finished: nothing to resume", folder)
            return load(folder)
        raise RunFolderError(f"{folder} holds a finished run: choose another folder, or pass resume")
    if folder is not None and not resume and (folder / "checkpoints").exists():
        raise RunFolderError(f"{folder} holds an unfinished run: pass resume, or choose another folder")
    plan = _plan(train, valid, backbone, scheme, options, training, optimizer, seed, start)
    with nullcontext() if folder is None else lock(folder):
        return run_plan(plan, folder, resume, callbacks, progress)


def _read(source: Any, options: DataOptions, **more: Any) -> Interactions:
    if isinstance(source, Interactions):
        return source
    return Interactions.read(source, **asdict(options), **more)


def _plan(
    train: Any,
    valid: Any,
    backbone: Any,
    scheme: Any,
    options: DataOptions,
    training: TrainingOptions,
    optimizer: OptimizerOptions,
    seed: int,
    start: str | Path | None,
) -> Plan:
    log = _read(train, options)
    earlier = load(start) if start not in (None, "ials", "noise") and start is not None else None
    if earlier is not None:
        ids = (
            earlier.user_ids.extended(log.user_ids.to_arrow()),
            earlier.item_ids.extended(log.item_ids.to_arrow()),
        )
        log = log.with_vocabulary(*ids)
    if valid is None:
        part, held_out = validation(log, seed)
        people = int((held_out.positives.degrees() > 0).sum())
        _log.info(
            "validation: %d %s events of %d users, held out to choose the number of steps",
            *(len(held_out), "last" if log.clock is not None else "random", people),
        )
        split = Split(part, held_out, None, kind="validation")
        whole = log
    else:
        given = _read(valid, replace(options, threshold=log.threshold, impressions=None), part=True)
        split = Split.given(log, given, None)
        assert split.valid is not None
        part, held_out = split.train, split.valid
        whole = part.concat(held_out)
    for note in split.notes:
        _log.info("%s", note)
    report = audit(split)
    for finding in report.findings():
        _log.info("audit: %s", finding)
    names = _use(backbone), _use(scheme)
    table = suggested(*names)
    config, make = _backbone(backbone, table.backbone)
    preset = by_name(SchemePreset, scheme, "scheme")(**table.scheme) if isinstance(scheme, str) else scheme
    built: Scheme = preset if isinstance(preset, Scheme) else preset.build()
    name = table.optimizer if optimizer.use == "auto" else optimizer.use
    rate = optimizer.rate or table.rate
    refit = (valid is None) if training.refit is None else training.refit
    values = {
        "epochs": training.epochs or table.epochs,
        "batch_size": training.batch_size or table.batch_size,
        "patience": training.patience or table.patience,
    }
    _log.info(
        "backbone %s, scheme %s, optimiser %s at rate %g, batches of %d, at most %d epochs; "
        "untouched options come from the table of defaults",
        *(*names, name, rate, values["batch_size"], values["epochs"]),
    )
    recorded = {
        "data": asdict(options),
        "backbone": config,
        "scheme": options_of(preset),
        "training": {**asdict(training), **values, "refit": refit},
        "optimizer": {"use": name, "rate": rate},
        "seed": seed,
        "start": None if start is None else str(start),
    }

    def build(trained: Interactions) -> Any:
        made = make(trained, torch.Generator().manual_seed(derived_key(seed, INITIAL)))
        start_values(made, trained, start, earlier)
        return made

    return Plan(
        train=part,
        valid=held_out,
        whole=whole,
        make_backbone=build,
        scheme=built,
        optimizer=name,
        rate=rate,
        validate_every=training.validate_every,
        metric=training.metric,
        refit=refit,
        meta=training.meta,
        checkpoint_every=training.checkpoint_every,
        seed=seed,
        config=recorded,
        facts={
            "data": log.fingerprint(),
            "split": {"kind": split.kind, "notes": list(split.notes), "threshold": log.threshold},
            "audit": report.to_dict(),
        },
        **values,
    )


def _use(value: Any) -> str:
    return value if isinstance(value, str) else str(getattr(value, "use", type(value).__name__))


def _backbone(value: Any, options: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Its recorded options, and a function (data, generator) that makes it."""
    if isinstance(value, str):
        value = by_name(BackboneConfig, value, "backbone")(**options)
    if hasattr(value, "build"):
        return options_of(value), value.build
    if isinstance(value, torch.nn.Module):
        initial = {name: tensor.clone() for name, tensor in value.state_dict().items()}

        def again(data: Interactions, generator: torch.Generator) -> torch.nn.Module:
            value.load_state_dict(initial)
            return value

        return options_of(value), again
    raise OptionError(f"a backbone is a name, a configuration or an nn.Module, not {type(value).__name__}")


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
    wanted); the run's rating threshold is applied to the test file too. `history`: more context, masked too.
    Cold users are counted apart and outside the means. Items unknown to the run stay in the truth.

    Raises `DataError` where no test user can be evaluated, `OptionError` for a k above the catalogue.
    """
    run = run if isinstance(run, Run) else load(run)
    columns = data or DataOptions(**{**run.config.get("data", {}), "impressions": None})
    threshold = run.facts.get("split", {}).get("threshold")
    columns = replace(columns, threshold=threshold if columns.threshold is None else columns.threshold)
    logs = [_read(source, columns, part=True) for source in (test, history) if source is not None]
    ids = run.user_ids, run.item_ids
    for log in logs:
        ids = ids[0].extended(log.user_ids.to_arrow()), ids[1].extended(log.item_ids.to_arrow())
    logs = [log.with_vocabulary(*ids) for log in logs]
    largest = max(ks)
    if largest > run.evidence.n_items:
        raise OptionError(f"k = {largest} is larger than the catalogue of {run.evidence.n_items} items")
    return judge(
        run,
        logs[0],
        logs[1] if history is not None else None,
        ks=ks,
        metrics=metrics,
        references=references,
        keep_seen=keep_seen,
    )
