"""The lists of names: a union of backbone configurations, and one of scheme presets; and options as JSON."""

from __future__ import annotations

from dataclasses import is_dataclass
from difflib import get_close_matches
from typing import Any, get_args

from tacit.backbones.lightgcn import LightGCNConfig
from tacit.backbones.mf import GMFConfig, MFConfig
from tacit.errors import OptionError
from tacit.schemes.directspec import DirectSpecPlusScheme, DirectSpecScheme
from tacit.schemes.dli import DLIScheme
from tacit.schemes.plain import BCEScheme, BPRScheme, SampledSoftmaxScheme, SoftmaxScheme
from tacit.schemes.rivals.adt import RCEScheme, TCEScheme
from tacit.schemes.rivals.contrastive import BSLScheme, CCLScheme, SmoothedScheme
from tacit.schemes.rivals.directau import DirectAUScheme
from tacit.schemes.rivals.dns import DNSScheme
from tacit.schemes.scheme import Scheme

BackboneConfig = MFConfig | GMFConfig | LightGCNConfig
SchemePreset = (
    BPRScheme
    | BCEScheme
    | SampledSoftmaxScheme
    | SoftmaxScheme
    | DirectSpecScheme
    | DirectSpecPlusScheme
    | DLIScheme
    | TCEScheme
    | RCEScheme
    | DNSScheme
    | DirectAUScheme
    | CCLScheme
    | BSLScheme
    | SmoothedScheme
)


def by_name(union: Any, name: str, what: str) -> Any:
    """The member of a union whose `use` is the name. Raises `OptionError` with the nearest and all names."""
    members = {member.use: member for member in get_args(union)}
    if name in members:
        return members[name]
    near = get_close_matches(name, members, 1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    raise OptionError(f'unknown {what} "{name}"{hint} Expected one of: {", ".join(members)}')


def scheme_of(preset: Any) -> Scheme:
    """The scheme of a preset, or a scheme as it is. Raises `OptionError` for what is neither."""
    scheme = preset.build() if hasattr(preset, "build") else preset
    if not isinstance(scheme, Scheme):
        raise OptionError(
            f"{type(preset).__name__} is no scheme: give a name, a Scheme, or an object with "
            "build() -> Scheme; an objective of your own goes into a Scheme(sampler, objective)"
        )
    return scheme


def options_of(value: Any) -> dict[str, Any]:
    """Options as JSON: a preset's fields, or a foreign object's dotted class and fields."""
    if is_dataclass(value) and not isinstance(value, type):
        fields = {name: _json(item) for name, item in _public(value).items()}
        return fields if "use" in fields else {"class": _dotted(value), **fields}
    return {"class": _dotted(value)}


def _public(value: Any) -> dict[str, Any]:
    return {name: item for name, item in vars(value).items() if not name.startswith("_")}


def _json(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return options_of(value)
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return value if isinstance(value, str | int | float | bool | type(None)) else _dotted(value)


def _dotted(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
