"""From a TOML file and overriding flags to the plain dataclasses that the library takes.

Sections: data, backbone, scheme, training, optimizer, evaluation. Values of the table of defaults lie
beneath what the file says. Every mistake becomes one `OptionError` that names the option, where it stands,
and the mend.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

from tacit.cli.names import AlsoPart, Backbone, SchemeChoice, is_dotted, members, own, settable
from tacit.cli.wording import listed, nearest, sentence
from tacit.defaults import beneath, suggested, usual_scheme
from tacit.errors import OptionError
from tacit.gathering import DataOptions
from tacit.presets import BackboneConfig, scheme_of
from tacit.schemes.scheme import Scheme
from tacit.training.optimizers import OptimizerOptions
from tacit.training.options import TrainingOptions

Table = dict[str, Any]


@dataclass(frozen=True)
class EvaluationOptions:
    """What `tacit evaluate` computes. `metrics` None: all; `seen` "keep": repeats are wanted."""

    k: tuple[int, ...] = (10, 20, 50)  # cut-offs
    metrics: tuple[str, ...] | None = None  # names as in docs/guide/evaluation.md; nothing: all
    references: bool = True  # reference models beside the run
    seen: Literal["mask", "keep"] = "mask"  # keep: where a user may want again what the log holds already

    def __post_init__(self) -> None:
        if not self.k or min(self.k) < 1:
            raise OptionError(f"evaluation.k holds numbers of at least 1, not {list(self.k)}")


@dataclass(frozen=True)
class Composed:
    """A preset with more parts: `[scheme]` and its `[[scheme.also]]`."""

    use: str
    preset: Any
    also: tuple[Any, ...]

    def build(self) -> Scheme:
        """The preset's scheme with the parts in their slots."""
        return scheme_of(self.preset).with_(*self.also)


@dataclass(frozen=True)
class Config:
    """One run's options, ready for the library."""

    backbone: Any
    scheme: Any
    data: DataOptions = field(default_factory=DataOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    optimizer: OptimizerOptions = field(default_factory=OptimizerOptions)
    evaluation: EvaluationOptions = field(default_factory=EvaluationOptions)
    said: Table = field(default_factory=dict, compare=False)  # what was said of backbone and scheme

    @property
    def own_backbone(self) -> Any:
        """Somebody's own backbone, which a run folder names but never imports; None for one of Tacit's."""
        return None if isinstance(self.backbone, BackboneConfig) else self.backbone


SHORT = re.compile(r"[+-]?(\.\d+|\d+\.)")  # numbers that TOML wants with a nought
SECTIONS = tuple(section.name for section in fields(Config) if section.name != "said")


def read(
    path: Path | None = None,
    settings: Sequence[str] = (),
    *,
    backbone: str | None = None,
    scheme: str | None = None,
    only: Sequence[str] | None = None,
) -> Config:
    """The configuration of a file, of `section.option=value` settings over it, and of names over both.

    `only`: the sections that settings may name, because the verb at hand reads no others.
    Raises `OptionError` for a file that cannot be read, an unknown section, option or name (with the nearest
    valid one), and a value of the wrong type or out of range.
    """
    folder = Path.cwd() if path is None else path.resolve().parent
    where = (
        " or ".join([*([] if path is None else [str(path)]), *(["--set"] if settings else [])]) or "options"
    )
    tables = {} if path is None else _toml(path)
    for setting in settings:
        _apply(tables, setting, SECTIONS if only is None else only)
    for name, use in (("backbone", backbone), ("scheme", scheme)):
        if use is not None:
            tables.setdefault(name, {})["use"] = use
    for name, table in tables.items():
        if name not in SECTIONS:
            hint = nearest(name, SECTIONS) or f"; expected one of {listed(SECTIONS)}"
            raise OptionError(f"{where}: unknown section [{name}]{hint}")
        if not isinstance(table, dict):
            raise OptionError(
                f"{where}: {name} is a section, not a value: write [{name}] and its options below"
            )
    body = {"use": "mf", **tables.pop("backbone", {})}
    over = {"use": usual_scheme(str(body["use"])), **tables.pop("scheme", {})}
    table = suggested(str(body["use"]), str(over["use"]))
    also = over.pop("also", [])
    _refuse_unknown(Backbone, body["use"], "--backbone" if backbone else f"{where}: backbone.use")
    _refuse_unknown(SchemeChoice, over["use"], "--scheme" if scheme else f"{where}: scheme.use")
    made = _choice(Backbone, beneath(table.backbone, body), "backbone", where, folder)
    preset = _choice(SchemeChoice, beneath(table.scheme, over), "scheme", where, folder)
    if not isinstance(also, list) or not all(isinstance(table, dict) for table in also):
        raise OptionError(
            f"{where}: scheme.also is a list of tables: write [[scheme.also]] and its options below"
        )
    parts = tuple(_choice(AlsoPart, dict(table), "scheme.also", where, folder) for table in also)
    return Config(
        backbone=made,
        scheme=Composed(str(over["use"]), preset, parts) if parts else preset,
        data=_options(DataOptions, tables, "data", where),
        training=_options(TrainingOptions, tables, "training", where),
        optimizer=_options(OptimizerOptions, tables, "optimizer", where),
        evaluation=_options(EvaluationOptions, tables, "evaluation", where),
        said={"backbone": body, "scheme": over, "also": also},
    )


def _toml(path: Path) -> Table:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise OptionError(f"{path}: cannot read the configuration: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise OptionError(f"{path}: not UTF-8 at byte {error.start}: save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise OptionError(f"{path}: not TOML: {error}") from error


def _apply(tables: Table, setting: str, sections: Sequence[str]) -> None:
    """Set one `section.option=value`; the value is TOML, a bare word is text."""
    key, sign, text = setting.partition("=")
    section, dot, option = key.strip().partition(".")
    if not sign or not dot or not option:
        raise OptionError(f'--set "{setting}": write section.option=value, as in scheme.negatives=16')
    if section in SECTIONS and section not in sections:
        raise OptionError(
            f'--set "{setting}": of no use here, where only {listed(sections)} can be set: leave it out'
        )
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = float(text) if SHORT.fullmatch(text) else text
    table = tables.setdefault(section, {})
    if isinstance(table, dict):
        table[option] = value


def _options(kind: type, tables: Table, section: str, where: str) -> Any:
    table = tables.get(section, {})
    _known(table, kind, section, where)
    return _validated(kind, table, section, where)


def _choice(union: Any, table: Table, section: str, where: str, folder: Path) -> Any:
    """The member of the union, or somebody's own class, that `use` names, made from its options."""
    use = table.get("use")
    if is_dotted(use):
        made = _own(own(str(use), folder), table, section, where)
        if section in BUILT and not any(hasattr(made, way) for way in BUILT[section]):
            raise OptionError(
                f"{where}: {use} is no {section}: it lacks build(); name a configuration class with build(), "
                "as docs/guide/own-parts.md shows"
            )
        return made
    _refuse_unknown(union, use, f"{where}: {section}.use")
    _known(table, members(union)[str(use)], section, where, more=("use",))
    return _validated(union, table, section, where)


def _refuse_unknown(union: Any, use: Any, where: str) -> None:
    known = members(union)
    if use in known or is_dotted(use):
        return
    said = 'has no use = "..." ' if use is None else f'unknown name "{use}"{nearest(str(use), known)}'
    raise OptionError(f"{where}: {said}; expected one of {listed(known)}, or module:Class")


BUILT = {"backbone": ("build", "state_dict"), "scheme": ("build", "with_")}  # any of these will do


def _own(kind: Any, table: Table, section: str, where: str) -> Any:
    options = {name: value for name, value in table.items() if name != "use"}
    if is_dataclass(kind) and isinstance(kind, type):
        _known(options, kind, section, where)
        try:
            return _validated(kind, options, section, where)
        except (PydanticUserError, PydanticUndefinedAnnotation) as error:
            mend = "give it in Python"
            if getattr(kind, "slot", None) == "sampler":
                mend = "a scheme has its own sampler (scheme.latent of dli sets latent targets), or " + mend
            raise OptionError(
                f"{where}: [{section}]: {table['use']} takes more than plain values and "
                f"cannot be added so: {mend}"
            ) from error
    try:
        return kind(**options)
    except TypeError as error:
        raise OptionError(f"{where}: [{section}]: {error}: mend the options of {table['use']}") from error


def _known(table: Table, kind: Any, section: str, where: str, more: tuple[str, ...] = ()) -> None:
    """pydantic drops unknown keys of plain dataclasses in silence; this does not."""
    valid = sorted({option.name for option in settable(kind)} | set(more))
    for name in table:
        if section == "scheme" and name.startswith("also."):
            raise OptionError(
                f"{where}: options of added parts stand in a file: write [[scheme.also]] there, and below it "
                f'use = "..." and {name.removeprefix("also.")} = ...'
            )
        if name not in valid:
            hint = nearest(name, valid) or f"; expected one of {listed(valid)}"
            raise OptionError(f"{where}: unknown option {section}.{name}{hint}")


def _validated(kind: Any, table: Table, section: str, where: str) -> Any:
    """Strict as JSON is: no text for a number, but a list for a tuple."""
    try:
        return TypeAdapter(kind).validate_json(json.dumps(table, default=str), strict=True)
    except ValidationError as error:
        one = kind if isinstance(kind, type) else members(kind)[str(table["use"])]
        raise OptionError(f"{where}: {sentence(error, section, table, one)}") from error
    except OptionError as error:
        raise _told(error, section, where) from error


def _told(error: OptionError, section: str, where: str) -> OptionError:
    said = str(error)
    return OptionError(f"{where}: {said if said.startswith(f'{section}.') else f'[{section}] {said}'}")
