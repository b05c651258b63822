"""A scheme is the tuple of parts that fills the slots of a training step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Any

from tacit.errors import OptionError, SchemeError
from tacit.parts.latent import Latent
from tacit.parts.updates import Descent
from tacit.protocols import (
    Objective,
    Part,
    Refiner,
    Regulariser,
    Sampler,
    Transform,
    UpdateRule,
)
from tacit.schemes.checks import check_backbone, check_parts, first, mines, name_of, weighs
from tacit.types import TrainingData

TUPLES = {"transform": "transforms", "refiner": "refiners", "regulariser": "regularisers"}


@dataclass(frozen=True)
class Said:
    """How a scheme came about: its preset, the options that were said, and the parts that were added."""

    preset: Any
    options: Mapping[str, Any]
    parts: tuple[Part, ...] = ()

    def made(self) -> Scheme:
        """The scheme anew."""
        built: Scheme = self.preset(**self.options).build()
        return built.with_(*self.parts)


@dataclass(frozen=True)
class Scheme:
    """Parts in their slots. Refiners run in order: relabel, then mine, then reweigh.

    Raises `SchemeError`, with the mend, where parts contradict each other.
    """

    sampler: Sampler
    objective: Objective
    transforms: tuple[Transform, ...] = ()
    refiners: tuple[Refiner, ...] = ()
    regularisers: tuple[Regulariser, ...] = ()
    update: UpdateRule = field(default_factory=Descent)
    said: Said | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_parts(self)

    def parts(self) -> Iterator[Part]:
        """All parts, in the order of a step."""
        yield self.sampler
        yield from self.transforms
        yield from self.refiners
        yield self.objective
        yield from self.regularisers
        yield self.update

    @property
    def plain_sampler(self) -> Sampler:
        """The sampler that leaves the log's targets as they are."""
        return self.sampler.sampler if isinstance(self.sampler, Latent) else self.sampler

    @property
    def warmup(self) -> float:
        """Epochs before the last of the parts begins to act; 0 where none waits."""
        return max(float(getattr(part, "begins", 0.0)) for part in self.parts())

    def with_(self, *parts: Part) -> Scheme:
        """A scheme with more parts. Tuples grow, judges before miners, what weighs candidates last; an update
        replaces `Descent` only.

        Raises `SchemeError` for a second sampler, objective or update.
        """
        changes: dict[str, Any] = {}
        for part in parts:
            name = TUPLES.get(part.slot, part.slot)
            held = changes.get(name, getattr(self, name))
            if part.slot in TUPLES:
                place = len(held) if weighs(part) else first(weighs, held)
                if "unlabelled" in part.needs:
                    place = min(place, first(mines, held))
                changes[name] = (*held[:place], part, *held[place:])
            elif part.slot == "update" and isinstance(held, Descent):
                changes[name] = part
            else:
                raise SchemeError(
                    f"the scheme has its {part.slot} already, {name_of(held)}: "
                    f"replace it with dataclasses.replace(scheme, {part.slot}=...), or drop {name_of(part)}"
                )
        if self.said is not None:
            changes["said"] = replace(self.said, parts=(*self.said.parts, *parts))
        return replace(self, **changes)

    def clipped(self, bound: float | None) -> Scheme:
        """A scheme whose gradients have at most this joint Euclidean norm; None: as it is.

        Raises `SchemeError` where the update rule is not the ordinary one.
        """
        if bound is None:
            return self
        if not isinstance(self.update, Descent):
            raise SchemeError(
                f"training.clip bounds the gradient of the ordinary step, and this scheme's update is "
                f"{name_of(self.update)}: leave training.clip out"
            )
        return replace(self, update=Descent(bound))

    def bind(self, data: TrainingData) -> Scheme:
        """Every part made ready for the data, once."""
        return replace(
            self,
            sampler=self.sampler.bind(data),
            objective=self.objective.bind(data),
            transforms=tuple(part.bind(data) for part in self.transforms),
            refiners=tuple(part.bind(data) for part in self.refiners),
            regularisers=tuple(part.bind(data) for part in self.regularisers),
            update=self.update.bind(data),
        )

    def check(self, backbone: Any) -> None:
        """Raise `SchemeError`, with the mend, where a part needs what the backbone does not give."""
        check_backbone(self, backbone)


def from_options(preset: Any, options: Mapping[str, Any]) -> Scheme:
    """The scheme of a preset's options, which `fit` completes from the table of defaults, as it does names.

    Raises `OptionError` for an option that the preset has not, or one of the wrong kind.
    """
    known = [field.name for field in fields(preset) if field.name != "use"]
    for name in options:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f'; did you mean "{near[0]}"?' if near else ":"
            raise OptionError(f'{preset.use} has no option "{name}"{hint} it has {", ".join(known)}')
    try:
        said = Said(preset, dict(options))
        return replace(said.made(), said=said)
    except TypeError as error:
        raise OptionError(f"an option of {preset.use} is of the wrong kind: {error}") from error
