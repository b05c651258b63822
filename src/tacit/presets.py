"""The lists of names, the preset that composes two methods, and options as JSON.

The lists are a union of backbone configurations and one of scheme presets.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, is_dataclass
from difflib import get_close_matches
from typing import Any, Literal, get_args

from tacit.backbones.comirec import ComiRecDRConfig, ComiRecSAConfig
from tacit.backbones.gru4rec import GRU4RecConfig
from tacit.backbones.lightgcn import LightGCNConfig
from tacit.backbones.mf import GMFConfig, MFConfig
from tacit.backbones.mind import MINDConfig
from tacit.backbones.neumf import NeuMFConfig
from tacit.backbones.sasrec import SASRecConfig
from tacit.backbones.youtubednn import YouTubeDNNConfig
from tacit.errors import OptionError
from tacit.parts.choices import check_choices
from tacit.schemes.desorec import DeSoRecScheme
from tacit.schemes.directspec import DirectSpecPlusScheme, DirectSpecScheme
from tacit.schemes.dli import DLIScheme
from tacit.schemes.idl import IDLScheme, idl
from tacit.schemes.ig import InverseGradient
from tacit.schemes.plain import BCEScheme, BPRScheme, SampledSoftmaxScheme, SoftmaxScheme
from tacit.schemes.remi import REMIScheme
from tacit.schemes.rivals.adt import RCEScheme, TCEScheme
from tacit.schemes.rivals.contrastive import BSLScheme, CCLScheme
from tacit.schemes.rivals.directau import DirectAUScheme
from tacit.schemes.rivals.dns import DNSScheme
from tacit.schemes.rivals.gbce import GBCEScheme
from tacit.schemes.rivals.smoothing import SmoothedScheme
from tacit.schemes.scheme import Scheme, from_options
from tacit.types import Similarity


@dataclass(frozen=True)
class IDLIGScheme:
    """Inverse dual loss under the inverse gradient (Lin et al., WSDM 2024): meta batches may reverse it."""

    use: Literal["idl-ig"] = "idl-ig"
    prior: float = 0.1  # of a yes among unlabelled pairs; the authors' is .5
    sharpness: float = 2.0  # power of the losses whose ratio is the label
    warmup: float = 1.0  # epochs in which unlabelled pairs are noes; the authors' is 0
    decide: Literal["dot", "probe"] = "dot"  # by a product of gradients, or by steps either way
    direction: Literal["identity", "sign"] | None = None  # d(g); nothing: identity by dot, sign by probe
    rule: Literal["gradient", "explore"] = "gradient"  # step on g_L + s g_U, or the authors' exploration
    loops: bool = False  # explore: a step on the labelled pairs before, for the authors' other loop
    eta: float | None = None  # length of a probe; nothing: .001, the authors'
    dead_zone: float = 0.0  # products, or gains of the meta loss, up to it decide nothing
    groups: int = 1  # parts of the unlabelled rows, each decided by itself
    judge: Literal["sampled", "labelled"] = "sampled"  # meta loss with sampled noes, or of labelled pairs
    draw: Literal["uniform", "impressions"] = "uniform"  # where unlabelled candidates come from
    negatives: int = 4  # unlabelled candidates of each labelled pair
    temperature: float = 1.0  # scores are divided by it
    similarity: Similarity = "dot"  # of a user's and an item's vector
    l2: float = 1e-4  # strength of the squared norm of the batch's embeddings

    def __post_init__(self) -> None:
        check_choices(self)
        self.build()

    def build(self) -> Scheme:
        """The scheme of these options."""
        options = {name: value for name, value in vars(self).items() if name != "use"}
        update = ("decide", "direction", "rule", "loops", "eta", "dead_zone", "groups", "judge")
        rule = {name: options.pop(name) for name in update}
        return idl(**options).with_(InverseGradient(**rule, warmup=self.warmup))


def idl_ig(**options: Any) -> Scheme:
    """Scheme of `IDLIGScheme(**options)`."""
    return from_options(IDLIGScheme, options)


BackboneConfig = (
    MFConfig
    | GMFConfig
    | LightGCNConfig
    | NeuMFConfig
    | SASRecConfig
    | GRU4RecConfig
    | YouTubeDNNConfig
    | ComiRecSAConfig
    | ComiRecDRConfig
    | MINDConfig
)
SchemePreset = (
    BPRScheme
    | BCEScheme
    | SampledSoftmaxScheme
    | SoftmaxScheme
    | DirectSpecScheme
    | DirectSpecPlusScheme
    | DLIScheme
    | IDLScheme
    | IDLIGScheme
    | REMIScheme
    | DeSoRecScheme
    | TCEScheme
    | RCEScheme
    | DNSScheme
    | DirectAUScheme
    | CCLScheme
    | BSLScheme
    | SmoothedScheme
    | GBCEScheme
)


def by_name(union: Any, name: str, what: str) -> Any:
    """The member of a union whose `use` is the name. Raises `OptionError` with the nearest and all names."""
    members = {member.use: member for member in get_args(union)}
    if name in members:
        return members[name]
    near = get_close_matches(name.replace("+", "-plus"), members, 1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    raise OptionError(f'unknown {what} "{name}"{hint or "."} Expected one of: {", ".join(members)}')


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


def defaults_of(value: Any) -> Any:
    """Defaults of the options of a preset and of what it is made of, nested as `options_of` nests options."""
    if isinstance(value, list | tuple):
        return [defaults_of(item) for item in value]
    if not is_dataclass(value):
        return {}
    own = {field.name: _json(field.default) for field in fields(value) if field.default is not MISSING}
    nested = {name: found for name, item in _public(value).items() if (found := defaults_of(item))}
    return {name: item for name, item in (own | nested).items() if not name.startswith("_")}


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
