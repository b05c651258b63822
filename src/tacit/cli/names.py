"""Which names a configuration may use: the unions are the lists.

Backbones and schemes carry their name in the field `use`; parts that `[[scheme.also]]` adds are tagged here.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import Discriminator, Field, Tag

from tacit.errors import OptionError
from tacit.parts.miners import HardestK
from tacit.parts.regularisers import EmbeddingNorm
from tacit.presets import BackboneConfig, SchemePreset
from tacit.schemes.directspec import DirectSpec
from tacit.schemes.dli import DLI
from tacit.schemes.idl import IDL
from tacit.schemes.ig import InverseGradient
from tacit.schemes.remi import InterestAware, RoutingVariance
from tacit.schemes.rivals.adt import ReweightedLoss, TruncatedLoss
from tacit.schemes.rivals.directau import Uniformity


def _use(table: Any) -> Any:
    return table.get("use") if isinstance(table, dict) else None


Backbone = Annotated[BackboneConfig, Field(discriminator="use")]
SchemeChoice = Annotated[SchemePreset, Field(discriminator="use")]
AlsoPart = Annotated[
    Annotated[EmbeddingNorm, Tag("embedding-norm")]
    | Annotated[HardestK, Tag("hardest-k")]
    | Annotated[Uniformity, Tag("uniformity")]
    | Annotated[TruncatedLoss, Tag("truncated-loss")]
    | Annotated[ReweightedLoss, Tag("reweighted-loss")]
    | Annotated[DirectSpec, Tag("directspec-plus")]
    | Annotated[DLI, Tag("dli")]
    | Annotated[IDL, Tag("idl")]
    | Annotated[InverseGradient, Tag("inverse-gradient")]
    | Annotated[InterestAware, Tag("interest-aware")]
    | Annotated[RoutingVariance, Tag("routing-variance")],
    Discriminator(_use),
]


def members(union: Any) -> dict[str, type]:
    """Name and class of every member of one of the unions above."""
    return {_name(member): _class(member) for member in get_args(get_args(union)[0])}


def settable(kind: Any) -> list[Any]:
    """The fields of a dataclass, or of an object of one, that are options; what `bind` adds is private."""
    return [field for field in fields(kind) if field.init and not field.name.startswith("_")]


def _name(member: Any) -> str:
    tags = [extra.tag for extra in getattr(member, "__metadata__", ()) if isinstance(extra, Tag)]
    return str(tags[0] if tags else member.use)


def _class(member: Any) -> type:
    found: type = get_args(member)[0] if hasattr(member, "__metadata__") else member
    return found


def is_dotted(use: Any) -> bool:
    """Whether a name is a path to somebody's own class, `mypackage.module:MyPart`."""
    return isinstance(use, str) and ":" in use


def own(use: str, folder: Path) -> Any:
    """The class at `mypackage.module:MyPart`, looked for in the folder of the configuration too.

    Raises `OptionError` where module or name are not there.
    """
    module, _, name = use.partition(":")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise OptionError(
            f'use = "{use}": cannot import {module} ({error}): install it or mend the name'
        ) from error
    if not hasattr(found, name):
        raise OptionError(f'use = "{use}": {module} has no {name}: mend the name after the colon')
    return getattr(found, name)
