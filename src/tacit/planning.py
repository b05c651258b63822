"""What `api.fit` decides before the first step: its material gathered, its options resolved."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from tacit.data.evidence import Evidence
from tacit.data.interactions import Interactions
from tacit.defaults import RATES, Suggested, beneath, fitting_batch, suggested, usual_meta, usual_scheme
from tacit.errors import OptionError
from tacit.evaluation.names import choosing
from tacit.gathering import DataOptions, as_split, gathered
from tacit.kernels.sampling import derived_key
from tacit.labelling import with_given_labels
from tacit.plan import INITIAL, Plan
from tacit.presets import BackboneConfig, SchemePreset, by_name, defaults_of, options_of, scheme_of
from tacit.remarks import remarks
from tacit.schemes.desorec import SoftCandidates
from tacit.schemes.scheme import Scheme
from tacit.starts import earlier_run, start_values
from tacit.training.optimizers import DENSE_ROWS, OptimizerOptions
from tacit.training.options import TrainingOptions

_log = logging.getLogger("tacit")


def made(
    train: Any,
    valid: Any,
    valid_history: Any,
    backbone: Any,
    scheme: Any,
    options: DataOptions,
    training: TrainingOptions,
    optimizer: OptimizerOptions,
    seed: int,
    start: str | Path | None,
) -> Plan:
    """The plan of one run. Raises subclasses of `UserError`."""
    choosing(training.metric)
    options = as_split(train, options)
    earlier = earlier_run(start)
    if scheme is None:
        scheme = usual_scheme(_use(backbone))
        _log.info("no scheme named: %s, as docs/defaults.md says", scheme)
    names, sequences = (_use(backbone), _use(scheme)), _reads(backbone) == "sequences"
    table = suggested(*names, sequences=sequences)
    if isinstance(backbone, str):
        backbone = by_name(BackboneConfig, backbone, "backbone")(**table.backbone)
    make = _maker(backbone)
    preset = by_name(SchemePreset, scheme, "scheme")(**table.scheme) if isinstance(scheme, str) else scheme
    if isinstance(preset, Scheme):
        preset = _completed(preset, table)
    built = scheme_of(preset)
    soft = isinstance(built.sampler, SoftCandidates)
    refit = (valid is None) if training.refit is None else training.refit
    if soft and refit and getattr(backbone, "queries", None) == "newest":
        raise OptionError(
            'with backbone.queries = "newest" a refit learns from held-out events alone, and they have no '
            "soft labels: set training.refit = false, or train on every position"
        )
    if earlier is not None:
        _say_differences(earlier.config["backbone"], options_of(backbone))
    material = gathered(
        *(train, valid, valid_history, options, seed, earlier),
        sequences=sequences,
        train_first=soft,
        keep_seen=training.seen == "keep",
    )
    built = with_given_labels(built, material.train, material.facts["data"])
    shown = options.impressions is not None
    for remark in remarks(material.whole, built, impressions=shown, sequences=sequences):
        _log.info("%s", remark)
    name = optimizer.use if optimizer.use != "auto" else _by_size(table.optimizer, material.whole, sequences)
    own_rate = optimizer.use not in ("auto", table.optimizer)
    rate = optimizer.rate or (RATES[name] if own_rate else table.rate)
    if optimizer.rate is None and own_rate:
        _log.info(
            "rate %g: the table of defaults has one for %s only; optimizer.rate sets another",
            *(rate, table.optimizer),
        )
    decay = optimizer.decay or (1.0 if own_rate else table.decay)
    meta = usual_meta(built) if training.meta is None else training.meta
    if meta and training.meta is None:
        _log.info(
            "%g %% of the training examples are held out for the meta batches of %s; training.meta sets "
            "another share",
            *(100 * meta, type(built.update).__name__),
        )
    values = {
        "epochs": training.epochs or table.epochs,
        "batch_size": training.batch_size or fitting_batch(table.batch_size, material.train.n_yes),
        "patience": training.patience or table.patience,
    }
    _log.info(
        "backbone %s, scheme %s, optimiser %s at rate %g%s, batches of %d, at most %d epochs; "
        "untouched options come from the table of defaults",
        *(*names, name, rate, "" if decay == 1 else f" times {decay:g} an epoch"),
        *(values["batch_size"], values["epochs"]),
    )
    recorded = {
        "data": asdict(options),
        "backbone": options_of(backbone),
        "scheme": options_of(preset),
        "training": {**asdict(training), **values, "refit": refit, "meta": meta},
        "optimizer": {"use": name, "rate": rate, "decay": decay},
        "seed": seed,
        "start": None if start is None else str(start),
    }

    unsaid = {
        "backbone": defaults_of(backbone),
        "scheme": defaults_of(preset),
        "training": {**asdict(TrainingOptions()), "meta": usual_meta(built)},
        "optimizer": {"decay": 1.0},
    }

    def build(trained: Evidence) -> Any:
        made = make(trained, torch.Generator().manual_seed(derived_key(seed, INITIAL)))
        start_values(made, trained, start, earlier)
        return made

    return Plan(
        train=material.train,
        valid=material.valid,
        history=material.history,
        whole=material.whole,
        earlier=material.earlier,
        make_backbone=build,
        sequences=sequences,
        scheme=built.clipped(training.clip),
        optimizer=name,
        rate=rate,
        decay=decay,
        over_users=training.draw == "users",
        stride=training.stride,
        validate_every=training.validate_every,
        metric=training.metric,
        keep_seen=training.seen == "keep",
        refit=refit,
        meta=meta,
        checkpoint_every=training.checkpoint_every,
        spectrum=training.spectrum,
        interests=training.interests,
        audit=training.audit,
        seed=seed,
        config=recorded,
        unsaid=unsaid,
        facts=material.facts,
        **values,
    )


def _say_differences(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Tell options of the backbone that an earlier run had otherwise: its parameters were fitted to them."""
    for name in sorted(before.keys() & now.keys()):
        if before[name] != now[name]:
            _log.info(
                "the earlier run had backbone.%s = %s, this one has %s: its parameters are taken as they are",
                *(name, before[name], now[name]),
            )


def _by_size(name: str, data: Interactions, sequences: bool) -> str:
    """The table's optimiser; for tables of many rows the Adam that leaves untouched rows alone."""
    rows = data.n_items if sequences else max(data.n_users, data.n_items)
    if name != "adam" or rows <= DENSE_ROWS:
        return name
    _log.info("lazy-adam instead of adam: a table has %d rows, and a step touches few of them", rows)
    return "lazy-adam"


def _completed(scheme: Scheme, table: Suggested) -> Any:
    """A scheme of one of the functions, with the table's options where none were said; others as they are."""
    if scheme.said is None or scheme.said.made() != scheme:
        return scheme
    said = replace(scheme.said, options=beneath(table.scheme, scheme.said.options))
    return said.made() if said.parts else said.preset(**said.options)


def _use(value: Any) -> str:
    if isinstance(value, Scheme) and value.said is not None:
        return str(value.said.preset.use)
    return value if isinstance(value, str) else str(getattr(value, "use", type(value).__name__))


def _reads(backbone: Any) -> str:
    """What a backbone, by name, configuration or module, takes: "pairs" or "sequences"."""
    kind = by_name(BackboneConfig, backbone, "backbone") if isinstance(backbone, str) else backbone
    return str(getattr(kind, "reads", "pairs"))


def _maker(value: Any) -> Callable[[Evidence, torch.Generator], Any]:
    """What makes the backbone of a configuration; a module of one's own goes back to where it began."""
    if hasattr(value, "build"):
        make: Callable[[Evidence, torch.Generator], Any] = value.build
        return make
    if isinstance(value, torch.nn.Module):
        initial = {name: tensor.clone() for name, tensor in value.state_dict().items()}

        def again(data: Evidence, generator: torch.Generator) -> torch.nn.Module:
            value.load_state_dict(initial)
            return value

        return again
    raise OptionError(f"a backbone is a name, a configuration or an nn.Module, not {type(value).__name__}")
