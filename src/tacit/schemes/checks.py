"""Which parts go together, and on which backbone: refused with the mend before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tacit.errors import SchemeError
from tacit.parts.latent import Latent
from tacit.parts.miners import HardestK
from tacit.parts.objectives import PositiveOnly, SampledSoftmax
from tacit.parts.pool import Pool
from tacit.parts.regularisers import EmbeddingNorm
from tacit.parts.samplers import Explicit, Nothing
from tacit.protocols import CandidateObjective, PairScorer, Part

if TYPE_CHECKING:
    from tacit.schemes.scheme import Scheme


def check_parts(scheme: Scheme) -> None:
    """Raise `SchemeError`, with the mend, where parts contradict each other."""
    objective = name_of(scheme.objective)
    if scheme.objective.catalogue and scheme.transforms:
        raise SchemeError(
            f"{name_of(scheme.transforms[0])} works on the rows of the batch, and {objective} "
            "normalises over the whole catalogue: use a sampled objective, or drop the transform"
        )
    drawing = scheme.sampler.sampler if isinstance(scheme.sampler, Latent) else scheme.sampler
    for part in scheme.parts():
        if "candidate_loss" in part.needs and not isinstance(scheme.objective, CandidateObjective):
            raise SchemeError(
                f"{name_of(part)} asks for a loss of each candidate, and {objective} has none: use bce"
            )
        sampled = {"candidates", "unlabelled"} & part.needs
        spared = part.slot == "refiner" and not getattr(scheme.objective, "reads_candidates", True)
        spared |= scheme.objective.catalogue and part is not scheme.objective
        if sampled and (spared or isinstance(drawing, Nothing)):
            mend = "bce, bpr or sampled-softmax"
            mend = "sampled-softmax with correction = false" if "softmax" in part.needs else mend
            raise SchemeError(
                f"{name_of(part)} refines sampled candidates, and {objective} has none here: use {mend}"
            )
        if "soft_labels" in part.needs and not getattr(drawing, "gives_labels", False):
            raise SchemeError(
                f"{name_of(part)} learns from soft labels, and candidates of {name_of(drawing)} have none: "
                "use the scheme desorec, or a sampler of one's own that has gives_labels = True"
            )
        if "unlabelled" in part.needs and isinstance(drawing, Explicit):
            raise SchemeError(
                f"{name_of(part)} asks what silence means, and all candidates of {name_of(drawing)} are "
                "explicit noes: draw others, or drop the part"
            )
        if "labels" in part.needs and getattr(scheme.objective, "one_target", False):
            raise SchemeError(
                f"{name_of(part)} makes positives of candidates, and {objective} knows one "
                'target a row: use loss = "truncate", or bce, bpr or sampled-softmax'
            )
        if "unmined" in part.needs and any(isinstance(other, HardestK) for other in scheme.refiners):
            raise SchemeError(
                f"{name_of(part)} by the model's own score distrusts what the miner HardestK returns: "
                'judge from outside (criterion = "neighbour"), or drop the miner'
            )
        if "pool" in part.needs and not isinstance(drawing, Pool):
            raise SchemeError(
                f"{name_of(part)} remembers candidates, and those of {name_of(drawing)} rarely return: "
                'use the sampler Pool, as the scheme dli does under criterion = "stable"'
            )
        wanted = getattr(part, "pool_size", None)
        if isinstance(drawing, Pool) and wanted is not None and drawing.size > wanted:
            raise SchemeError(
                f"{name_of(part)} remembers {wanted} items of a user, and its {name_of(drawing)} holds "
                f"{drawing.size}: give both the same size"
            )
        if "softmax" in part.needs and (
            not isinstance(scheme.objective, SampledSoftmax) or scheme.objective.correction
        ):
            raise SchemeError(
                f"{name_of(part)} weighs candidates for a softmax over them and corrects for their draw "
                f"itself, and the objective is {objective}: use sampled-softmax with "
                "correction = false, or drop the part"
            )
        if "local_items" in part.needs and not scheme.transforms:
            raise SchemeError(
                f"{name_of(part)} needs the items of the batch in a table of their own, which only "
                "transforms have made: add a transform, or drop the part"
            )
        if "meta_batch" in part.needs and not scheme.update.needs_meta:
            raise SchemeError(
                f"{name_of(part)} needs meta batches, and the update rule {name_of(scheme.update)} asks for "
                "none: use one that does, or drop the part"
            )
    learns_labels = any("soft_labels" in part.needs for part in scheme.parts())
    if getattr(drawing, "gives_labels", False) and not learns_labels:
        raise SchemeError(
            f"candidates of {name_of(drawing)} bring soft labels, and {objective} does not "
            "learn from them: use the objective Decoupled, or another sampler"
        )
    for part in scheme.refiners[first(mines, scheme.refiners) :]:
        if "unlabelled" in part.needs:
            raise SchemeError(
                f"{name_of(part)} would see only what the miner HardestK has left: put it before the "
                "miner, as with_ does"
            )
    last = first(weighs, scheme.refiners)
    for part in scheme.refiners[last:]:
        if not weighs(part):
            raise SchemeError(
                f"{name_of(part)} would change what {name_of(scheme.refiners[last])} has weighed: put it "
                "before, as with_ does"
            )
    kinds = [type(part) for part in scheme.refiners if type(part).__module__.startswith("tacit.")]
    twice = next((kind.__name__ for kind in kinds if kinds.count(kind) > 1), None)
    if twice is not None:
        raise SchemeError(f"two refiners are {twice}, and what they note would be confused: drop one")
    names = [regulariser.name for regulariser in scheme.regularisers]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise SchemeError(f"two regularisers are called {sorted(repeated)[0]}: drop one, or rename it")


def check_backbone(scheme: Scheme, backbone: Any) -> None:
    """Raise `SchemeError`, with the mend, where a part needs what the backbone does not give."""
    for part in scheme.parts():
        if "vectors" in part.needs and isinstance(backbone, PairScorer):
            how = " (l2 = 0)" if isinstance(part, EmbeddingNorm) else ""
            drop = "" if part is scheme.objective else f", or drop the part{how}"
            raise SchemeError(
                f"{name_of(part)} needs vectors, and {name_of(backbone)} scores pairs without any: "
                f"use another backbone{drop}"
            )
        if "pairs" in part.needs and backbone.reads != "pairs":
            raise SchemeError(
                f"{name_of(part)} needs a backbone that reads (user, item) pairs: use mf or lightgcn"
            )
        if "routing" in part.needs and backbone.interests == 1:
            raise SchemeError(
                f"{name_of(part)} needs routing weights; {name_of(backbone)} gives one vector per user: "
                "use comirec-sa, comirec-dr or mind with several backbone.interests, or drop the part "
                "(scheme.routing = 0)"
            )
        slots = getattr(part, "slots", None)
        if slots is not None and slots != getattr(backbone, "length", slots):
            raise SchemeError(
                f"{name_of(part)} counts {slots} places of a history, and {name_of(backbone)} reads "
                f"{backbone.length}: set scheme.slots = {backbone.length}"
            )
        if "routing" in part.needs and not getattr(backbone, "attached", True):
            raise SchemeError(
                f"{name_of(part)} moves routing weights, and no gradient reaches those of "
                f"{name_of(backbone)}: set backbone.attached = true, or drop the part (scheme.routing = 0)"
            )
    if isinstance(scheme.objective, PositiveOnly) and getattr(backbone, "item_bias", None) is not None:
        raise SchemeError(
            f"{name_of(scheme.objective)} pushes every bias of {name_of(backbone)} up and none down: set "
            "backbone.biases = false, or use an objective with candidates"
        )
    if scheme.objective.similarity == "cosine" and isinstance(backbone, PairScorer):
        raise SchemeError(
            f"a cosine needs vectors, and {name_of(backbone)} scores pairs without any: "
            'use another backbone, or similarity = "dot" and a temperature of about 1'
        )
    if scheme.transforms and isinstance(backbone, PairScorer):
        raise SchemeError(f"{name_of(scheme.transforms[0])} needs vectors, and {name_of(backbone)} has none")


def first(is_one: Callable[[Part], bool], parts: Sequence[Part]) -> int:
    """The place of the first of that kind; one past the last where there is none."""
    return next((place for place, part in enumerate(parts) if is_one(part)), len(parts))


def mines(part: Part) -> bool:
    """Whether a refiner picks the hardest candidates, so that judges of silence come before it."""
    return isinstance(part, HardestK)


def weighs(part: Part) -> bool:
    """Whether a refiner weighs candidates by what the others have left, so that it comes last."""
    return part.slot == "refiner" and bool({"softmax", "settled"} & part.needs)


def name_of(part: object) -> str:
    """What a part or a backbone is called in a sentence."""
    return type(part).__name__
