"""How `api.fit` trains: search on a validation part, then refit on everything, with checkpoints between."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from tacit.beliefs import BeliefTrace
from tacit.data.interactions import Interactions
from tacit.data.softlabels import SoftLabels
from tacit.errors import OptionError, RunFolderError, SchemeError
from tacit.events import Callback
from tacit.examples import loaders
from tacit.kernels.memory import keep_freed_memory
from tacit.kernels.threads import computing_with, counts
from tacit.labelling import base_scheme, labels_in, labels_of, told, wants_labels, with_labels
from tacit.parts.schedules import Exponential
from tacit.plan import Plan, run_of
from tacit.run import Run
from tacit.storage import MANIFEST, read_json
from tacit.training.alarms import Alarms
from tacit.training.callbacks import EarlyStopping, JsonLog, Progress
from tacit.training.checkpoint import (
    INTERRUPTED,
    Checkpointer,
    newest,
    refuse_differences,
    restore,
    threads_of,
)
from tacit.training.fit import Position, fit
from tacit.training.optimizers import build
from tacit.training.step import Step
from tacit.validating import validator
from tacit.watching import traces

BASE, SEARCH, REFIT = "0-base", "1-search", "2-refit"
LABELS = "soft-labels"  # folder within that of a run
_log = logging.getLogger("tacit")


def train(
    plan: Plan, folder: Path | None, resume: bool, callbacks: Sequence[Callback], progress: bool
) -> Run:
    """Search, refit, and the run that comes out. Raises `Interrupted` after a signal was obeyed."""
    if plan.meta and not plan.scheme.update.needs_meta:
        name = type(plan.scheme.update).__name__
        raise OptionError(
            f"training.meta = {plan.meta} would hold back examples that nothing learns from: the update rule "
            f"{name} needs no meta batch; leave training.meta out"
        )
    keep_freed_memory()
    saved = newest(folder / "checkpoints") if folder is not None and resume else None
    with ExitStack() as stack:
        log = None
        if saved is not None:
            stack.enter_context(computing_with(threads_of(saved)))
        if folder is not None:
            log = stack.enter_context(closing(JsonLog(folder / "log.jsonl")))
        if log is not None and saved is None:
            log.restore({}, {"bytes": 0})
        plan, saved = _labelled(plan, folder, saved, log, progress)
        step, chosen = _trained(plan, folder, saved, log, callbacks, progress)
    run = run_of(plan, step, chosen)
    if folder is not None:
        run.write(folder)
        run = replace(run, folder=folder)
    return run


def _labelled(
    plan: Plan, folder: Path | None, saved: dict[str, Path] | None, log: JsonLog | None, progress: bool
) -> tuple[Plan, dict[str, Path] | None]:
    """The plan with the soft labels that its scheme lacks, and the checkpoint to go on from after that.

    They are made by the same backbone, trained by the softmax of the catalogue for as long as validation
    says; the run's folder keeps them.
    """
    if not wants_labels(plan.scheme):
        return plan, saved
    kept = None if folder is None else folder / LABELS
    facts = read_json(saved["state.json"])["facts"] if saved else {}
    of_base = facts.get("phase") == BASE
    made = kept is not None and (kept / MANIFEST).exists()
    if saved is not None and not made and not of_base:
        raise RunFolderError(
            f"cannot resume: {kept}, with the soft labels that this run had made, is missing; put it back or "
            "start a new run folder"
        )
    if saved is not None and kept is not None and made:
        now = {**facts, "config": plan.config, "data": plan.facts["data"]}
        refuse_differences(facts, now, {"config": plan.unsaid})
        if of_base and log is not None:
            log.restore({}, read_json(saved["state.json"])["callbacks"]["log"])
        labels = SoftLabels.load(kept)
    else:
        base = replace(plan, scheme=base_scheme(plan.scheme))
        step, stopping = _phase(base, BASE, {}, folder, saved, log, (), progress)
        _log.info("base: best %s on validation %.4f", plan.metric, stopping.best)
        stopping.load_best(step)
        examples = loaders(replace(base, over_users=False), plan.train, step.backbone)[0]
        _log.info("soft labels: made now, from like examples in %s rows", f"{len(plan.train):,}")
        labels = labels_of(step, examples, plan)
        if kept is not None:
            labels.save(kept)
    _log.info("soft labels: %s", told(labels))
    return replace(plan, scheme=with_labels(plan.scheme, labels)), None if of_base else saved


def _trained(
    plan: Plan,
    folder: Path | None,
    saved: dict[str, Path] | None,
    log: JsonLog | None,
    callbacks: Sequence[Callback],
    progress: bool,
) -> tuple[Step, dict[str, Any]]:
    """Both phases, or what a checkpoint leaves of them: the step to keep, and what validation chose."""
    facts: dict[str, Any] = read_json(saved["state.json"])["facts"] if saved else {"phase": SEARCH}
    if facts["phase"] == REFIT:
        chosen = facts["chosen"]
    else:
        step, stopping = _phase(plan, SEARCH, {}, folder, saved, log, callbacks, progress)
        chosen = {
            "epoch": stopping.best_epoch,
            "step": stopping.best_step,
            plan.metric: stopping.best,
            "history": stopping.history,
        }
        saved = None
        _log.info(
            "best %s on validation: %.4f after %d epochs", plan.metric, stopping.best, stopping.best_epoch
        )
        if stopping.best_epoch <= plan.scheme.warmup:
            _log.warning(
                "epoch %d, the best on validation, lies in the warm-up of the scheme (%g epochs): what is "
                "kept was trained by its plain loss alone; shorten that warm-up, or choose another scheme",
                *(stopping.best_epoch, plan.scheme.warmup),
            )
        if not plan.refit:
            stopping.load_best(step)
            return step, chosen
        _log.info(
            "refit: again from the start, on everything, for the same %d steps: fewer epochs of more rows",
            stopping.best_step,
        )
    step, _ = _phase(plan, REFIT, {"chosen": chosen}, folder, saved, log, callbacks, progress)
    return step, chosen


def _phase(
    plan: Plan,
    phase: str,
    extra: dict[str, Any],
    folder: Path | None,
    saved: dict[str, Path] | None,
    log: JsonLog | None,
    callbacks: Sequence[Callback],
    progress: bool,
) -> tuple[Step, EarlyStopping]:
    """One training run: on train with validation, or on everything for the chosen number of steps."""
    search = phase != REFIT
    data = plan.train if search else plan.whole
    evidence = plan.searched if search else plan.everything
    backbone = plan.make_backbone(evidence)
    scheme = plan.scheme.bind(evidence)
    step = Step(backbone, scheme)
    _check_size(backbone, data)
    for callback in callbacks:
        if isinstance(callback, BeliefTrace):
            callback.check(scheme)
    optimizer = build(plan.optimizer, plan.rate, step.groups())
    loader, meta_loader = loaders(plan, data, backbone)
    stopping = EarlyStopping(
        validator(plan) if search else _no_validation,
        metric=plan.metric,
        patience=plan.patience,
        every=plan.validate_every,
        keep=phase == BASE or (search and not plan.refit),
        warmup=scheme.warmup,
        log=None if log is None else log.write,
    )
    epochs, max_steps = plan.epochs, None
    if not search:
        max_steps = extra["chosen"]["step"]
        epochs = -(-max_steps // loader.steps)
    facts = {"phase": phase, "config": plan.config, "data": plan.facts["data"], **extra}
    facts["threads"] = counts()["torch"]
    labels = labels_in(plan.scheme)
    if labels is not None:
        facts["soft labels"] = labels.digest()
    stateful: dict[str, Any] = ({"stopping": stopping} if search else {}) | ({"log": log} if log else {})
    position, ended = Position(), None
    if saved:
        unsaid = {"config": plan.unsaid, "soft labels": facts.get("soft labels")}
        position, ended = restore(saved, step, optimizer, stateful, facts, unsaid=unsaid)
    watching: list[Callback] = [*callbacks, *([log] if log else []), *([stopping] if search else [])]
    watching += [Alarms(), *traces(plan, step, data, evidence, folder, log)]
    if progress:
        watching.append(Progress(phase[2:], stopping) if search else Progress("refit"))
    keeper = None
    with ExitStack() as stack:
        if folder is not None:
            keeper = Checkpointer(
                folder / "checkpoints",
                step,
                optimizer,
                position,
                facts=facts,
                stateful=stateful,
                every_steps=plan.checkpoint_every,
            )
            watching.append(stack.enter_context(keeper))
        reason = ended or fit(
            step,
            loader,
            optimizer,
            epochs=epochs,
            seed=plan.seed,
            max_steps=max_steps,
            callbacks=watching,
            position=position,
            meta_loader=meta_loader,
            rate=None if plan.decay == 1 else Exponential(plan.rate, plan.decay),
        )
        if search and reason != INTERRUPTED:
            stopping.conclude(step, position.epoch, position.step)
    if keeper is not None:
        keeper.obey(reason)
        if phase == BASE:
            keeper.save(ended=reason)
    if not progress:
        _log.info("%s: %s", phase[2:], reason)
    return step, stopping


def _check_size(backbone: Any, data: Interactions) -> None:
    """One's own module may have been made for another log: its rows would not be there."""
    has, wants = (backbone.n_users, backbone.n_items), (data.n_users, data.n_items)
    if has != wants:
        raise SchemeError(
            f"{type(backbone).__name__} has {has[0]} users and {has[1]} items, and the log has {wants[0]} "
            f"and {wants[1]}: make it for this log, or pass a configuration with build(data, generator)"
        )


def _no_validation(step: Step) -> dict[str, float]:
    raise OptionError("the refit has no validation part")
