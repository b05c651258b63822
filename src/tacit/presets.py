"""The lists of names: a union of backbone configurations, and one of scheme presets."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, get_args

from tacit.backbones.lightgcn import LightGCNConfig
from tacit.backbones.mf import GMFConfig, MFConfig
from tacit.errors import OptionError
from tacit.schemes.plain import BCEScheme, BPRScheme, SampledSoftmaxScheme, SoftmaxScheme

BackboneConfig = MFConfig | GMFConfig | LightGCNConfig
SchemePreset = BPRScheme | BCEScheme | SampledSoftmaxScheme | SoftmaxScheme


def by_name(union: Any, name: str, what: str) -> Any:
    """The member of a union whose `use` is the name. Raises `OptionError` with the nearest and all names."""
    members = {member.use: member for member in get_args(union)}
    if name in members:
        return members[name]
    near = get_close_matches(name, members, 1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    raise OptionError(f'unknown {what} "{name}"{hint} Expected one of: {", ".join(members)}')
