"""A scheme is the tuple of parts that fills the slots of a training step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Any

from tacit.errors import OptionError, SchemeError
from tacit.parts.latent import Latent
from tacit.parts.miners import HardestK
from tacit.parts.objectives import PositiveOnly, SampledSoftmax
from tacit.parts.pool import Pool
from tacit.parts.regularisers import EmbeddingNorm
from tacit.parts.samplers import Explicit, Nothing
from tacit.parts.updates import Descent
from tacit.protocols import (
    CandidateObjective,
    Objective,
    PairScorer,
    Part,
    Refiner,
    Regulariser,
    Sampler,
    Transform,
    UpdateRule,
)
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
        if self.objective.catalogue and self.transforms:
            raise SchemeError(
                f"{_name(self.transforms[0])} works on the rows of the batch, and {_name(self.objective)} "
                "normalises over the whole catalogue: use a sampled objective, or drop the transform"
            )
        drawing = self.sampler.sampler if isinstance(self.sampler, Latent) else self.sampler
        for part in self.parts():
            if "candidate_loss" in part.needs and not isinstance(self.objective, CandidateObjective):
                raise SchemeError(
                    f"{_name(part)} asks for a loss of each candidate, and {_name(self.objective)} has none: "
                    "use bce"
                )
            sampled = {"candidates", "unlabelled"} & part.needs
            spared = part.slot == "refiner" and not getattr(self.objective, "reads_candidates", True)
            spared |= self.objective.catalogue and part is not self.objective
            if sampled and (spared or isinstance(drawing, Nothing)):
                mend = "bce, bpr or sampled-softmax"
                mend = "sampled-softmax with correction = false" if "softmax" in part.needs else mend
                raise SchemeError(
                    f"{_name(part)} refines sampled candidates, and {_name(self.objective)} has none here: "
                    f"use {mend}"
                )
            if "soft_labels" in part.needs and not getattr(drawing, "gives_labels", False):
                raise SchemeError(
                    f"{_name(part)} learns from soft labels, and candidates of {_name(drawing)} have none: "
                    "use the scheme desorec, or a sampler of one's own that has gives_labels = True"
                )
            if "unlabelled" in part.needs and isinstance(drawing, Explicit):
                raise SchemeError(
                    f"{_name(part)} asks what silence means, and all candidates of {_name(drawing)} are "
                    "explicit noes: draw others, or drop the part"
                )
            if "labels" in part.needs and getattr(self.objective, "one_target", False):
                raise SchemeError(
                    f"{_name(part)} makes positives of candidates, and {_name(self.objective)} knows one "
                    'target a row: use loss = "truncate", or bce, bpr or sampled-softmax'
                )
            if "unmined" in part.needs and any(isinstance(other, HardestK) for other in self.refiners):
                raise SchemeError(
                    f"{_name(part)} by the model's own score distrusts what the miner HardestK returns: "
                    'judge from outside (criterion = "neighbour"), or drop the miner'
                )
            if "pool" in part.needs and not isinstance(drawing, Pool):
                raise SchemeError(
                    f"{_name(part)} remembers candidates, and those of {_name(drawing)} rarely return: "
                    'use the sampler Pool, as the scheme dli does under criterion = "stable"'
                )
            wanted = getattr(part, "pool_size", None)
            if isinstance(drawing, Pool) and wanted is not None and drawing.size > wanted:
                raise SchemeError(
                    f"{_name(part)} remembers {wanted} items of a user, and its {_name(drawing)} holds "
                    f"{drawing.size}: give both the same size"
                )
            if "softmax" in part.needs and (
                not isinstance(self.objective, SampledSoftmax) or self.objective.correction
            ):
                raise SchemeError(
                    f"{_name(part)} weighs candidates for a softmax over them and corrects for their draw "
                    f"itself, and the objective is {_name(self.objective)}: use sampled-softmax with "
                    "correction = false, or drop the part"
                )
            if "local_items" in part.needs and not self.transforms:
                raise SchemeError(
                    f"{_name(part)} needs the items of the batch in a table of their own, which only "
                    "transforms have made: add a transform, or drop the part"
                )
            if "meta_batch" in part.needs and not self.update.needs_meta:
                raise SchemeError(
                    f"{_name(part)} needs meta batches, and the update rule {_name(self.update)} asks for "
                    "none: use one that does, or drop the part"
                )
        learns_labels = any("soft_labels" in part.needs for part in self.parts())
        if getattr(drawing, "gives_labels", False) and not learns_labels:
            raise SchemeError(
                f"candidates of {_name(drawing)} bring soft labels, and {_name(self.objective)} does not "
                "learn from them: use the objective Decoupled, or another sampler"
            )
        for part in self.refiners[_first(_mines, self.refiners) :]:
            if "unlabelled" in part.needs:
                raise SchemeError(
                    f"{_name(part)} would see only what the miner HardestK has left: put it before the "
                    "miner, as with_ does"
                )
        last = _first(_weighs, self.refiners)
        for part in self.refiners[last:]:
            if not _weighs(part):
                raise SchemeError(
                    f"{_name(part)} would change what {_name(self.refiners[last])} has weighed: put it "
                    "before, as with_ does"
                )
        kinds = [type(part) for part in self.refiners if type(part).__module__.startswith("tacit.")]
        twice = next((kind.__name__ for kind in kinds if kinds.count(kind) > 1), None)
        if twice is not None:
            raise SchemeError(f"two refiners are {twice}, and what they note would be confused: drop one")
        names = [regulariser.name for regulariser in self.regularisers]
        repeated = {name for name in names if names.count(name) > 1}
        if repeated:
            raise SchemeError(f"two regularisers are called {sorted(repeated)[0]}: drop one, or rename it")

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
                place = len(held) if _weighs(part) else _first(_weighs, held)
                if "unlabelled" in part.needs:
                    place = min(place, _first(_mines, held))
                changes[name] = (*held[:place], part, *held[place:])
            elif part.slot == "update" and isinstance(held, Descent):
                changes[name] = part
            else:
                raise SchemeError(
                    f"the scheme has its {part.slot} already, {_name(held)}: "
                    f"replace it with dataclasses.replace(scheme, {part.slot}=...), or drop {_name(part)}"
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
                f"{_name(self.update)}: leave training.clip out"
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
        for part in self.parts():
            if "vectors" in part.needs and isinstance(backbone, PairScorer):
                how = " (l2 = 0)" if isinstance(part, EmbeddingNorm) else ""
                drop = "" if part is self.objective else f", or drop the part{how}"
                raise SchemeError(
                    f"{_name(part)} needs vectors, and {_name(backbone)} scores pairs without any: "
                    f"use another backbone{drop}"
                )
            if "pairs" in part.needs and backbone.reads != "pairs":
                raise SchemeError(
                    f"{_name(part)} needs a backbone that reads (user, item) pairs: use mf or lightgcn"
                )
            if "routing" in part.needs and backbone.interests == 1:
                raise SchemeError(
                    f"{_name(part)} needs routing weights; {_name(backbone)} gives one vector per user: "
                    "use comirec-sa, comirec-dr or mind with several backbone.interests, or drop the part "
                    "(scheme.routing = 0)"
                )
            slots = getattr(part, "slots", None)
            if slots is not None and slots != getattr(backbone, "length", slots):
                raise SchemeError(
                    f"{_name(part)} counts {slots} places of a history, and {_name(backbone)} reads "
                    f"{backbone.length}: set scheme.slots = {backbone.length}"
                )
            if "routing" in part.needs and not getattr(backbone, "attached", True):
                raise SchemeError(
                    f"{_name(part)} moves routing weights, and no gradient reaches those of "
                    f"{_name(backbone)}: set backbone.attached = true, or drop the part (scheme.routing = 0)"
                )
        if isinstance(self.objective, PositiveOnly) and getattr(backbone, "item_bias", None) is not None:
            raise SchemeError(
                f"{_name(self.objective)} pushes every bias of {_name(backbone)} up and none down: set "
                "backbone.biases = false, or use an objective with candidates"
            )
        if self.objective.similarity == "cosine" and isinstance(backbone, PairScorer):
            raise SchemeError(
                f"a cosine needs vectors, and {_name(backbone)} scores pairs without any: "
                'use another backbone, or similarity = "dot" and a temperature of about 1'
            )
        if self.transforms and isinstance(backbone, PairScorer):
            raise SchemeError(f"{_name(self.transforms[0])} needs vectors, and {_name(backbone)} has none")


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


def _first(is_one: Callable[[Part], bool], parts: Sequence[Part]) -> int:
    """The place of the first of that kind; one past the last where there is none."""
    return next((place for place, part in enumerate(parts) if is_one(part)), len(parts))


def _mines(part: Part) -> bool:
    return isinstance(part, HardestK)


def _weighs(part: Part) -> bool:
    return part.slot == "refiner" and bool({"softmax", "settled"} & part.needs)


def _name(part: object) -> str:
    return type(part).__name__
