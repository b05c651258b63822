from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

from helpers.tiny import random_data, seeded
from tacit.backbones.mf import MFConfig
from tacit.errors import SchemeError
from tacit.parts.miners import HardestK
from tacit.parts.objectives import BCE, BPR, CatalogueSoftmax, PositiveOnly, SampledSoftmax
from tacit.parts.regularisers import EmbeddingNorm
from tacit.parts.samplers import Nothing, Uniform
from tacit.parts.updates import Descent
from tacit.schemes.rivals.adt import ReweightedLoss
from tacit.schemes.rivals.directau import Alignment
from tacit.schemes.scheme import Scheme


@dataclass(frozen=True)
class Plain:
    """A part that counts its bindings and needs what it is told to."""

    slot: str = "refiner"
    needs: frozenset[str] = frozenset()
    name: str = "plain"
    bound: int = 0
    needs_meta: ClassVar[bool] = False

    def bind(self, data):
        return replace(self, bound=self.bound + 1)

    def __call__(self, first, *rest):
        return first


class Pairs:
    """A backbone that scores pairs and has no vectors."""

    reads, interests = "pairs", 1

    def score(self, users, items):
        return torch.zeros(items.shape)


def scheme() -> Scheme:
    return Scheme(Uniform(), BPR())


def needing(slot: str, need: str) -> Scheme:
    return scheme().with_(Plain(slot, frozenset({need})))


def sequences(interests: int = 1):
    return SimpleNamespace(reads="sequences", interests=interests)


def test_parts_come_in_the_order_of_a_step():
    whole = scheme().with_(EmbeddingNorm(), HardestK(), Plain("transform"), Plain("update"), Plain("refiner"))
    assert [part.slot for part in whole.parts()] == [
        "sampler",
        "transform",
        "refiner",
        "refiner",
        "objective",
        "regulariser",
        "update",
    ]


def test_with_keeps_the_order_of_refiners():
    first, second = Plain(name="first"), HardestK()
    assert scheme().with_(first, second).refiners == (first, second)


def test_with_puts_who_judges_silence_before_the_miner():
    judge, last = Plain(needs=frozenset({"unlabelled"})), Plain(name="last")
    assert scheme().with_(HardestK(), last, judge).refiners == (judge, HardestK(), last)


def test_with_puts_who_relabels_before_who_weighs_by_label():
    weighs, relabels = ReweightedLoss(), Plain(needs=frozenset({"unlabelled"}))
    plain = Scheme(Uniform(), BCE())
    for parts in ((weighs, relabels), (relabels, weighs)):
        assert plain.with_(*parts).refiners == (relabels, weighs)
    with pytest.raises(
        SchemeError, match="Plain would change what ReweightedLoss has weighed: put it before"
    ):
        replace(plain, refiners=(weighs, relabels))


@pytest.mark.parametrize("objective", [PositiveOnly(), Alignment()])
def test_nobody_refines_candidates_that_no_loss_reads(objective):
    with pytest.raises(SchemeError, match=r"refines sampled candidates, and .* has none here"):
        Scheme(Uniform(), objective, refiners=(Plain(needs=frozenset({"candidates"})),))


def test_who_judges_silence_after_the_miner_is_refused_with_the_mend():
    judge = Plain(needs=frozenset({"unlabelled"}))
    with pytest.raises(SchemeError, match=r"Plain would see only what .* put it before the miner"):
        Scheme(Uniform(), BPR(), refiners=(HardestK(), judge))


MISSPELT = """
import tacit
from tacit.parts.objectives import BPR, SampledSoftmax
from tacit.schemes.desorec import Decoupled
from tacit.schemes.remi import InterestAwareSoftmax
from tacit.schemes.rivals.gbce import CalibratedBCE
from tacit.schemes.rivals.smoothing import SmoothedCatalogueSoftmax, SmoothedSoftmax
for make in (
    lambda: tacit.bce(draw="impresions"),
    lambda: tacit.idl(similarity="cosin"),
    lambda: BPR(normalise="keep"),
    lambda: SampledSoftmax(similarity="l2"),
    lambda: Decoupled(similarity="l2"),
    lambda: InterestAwareSoftmax(similarity="l2"),
    lambda: CalibratedBCE(similarity="l2"),
    lambda: SmoothedCatalogueSoftmax(similarity="l2"),
    lambda: SmoothedSoftmax(similarity="l2"),
):
    try:
        make()
    except tacit.errors.OptionError as error:
        print(error)
"""


def test_a_misspelt_word_is_refused_where_no_type_checker_looks():
    told = subprocess.run([sys.executable, "-c", MISSPELT], capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == [
        'draw cannot be "impresions"; did you mean "impressions"? choose one of uniform, popularity, '
        "in-batch, impressions, explicit, mixed",
        'similarity cannot be "cosin"; did you mean "cosine"? choose one of dot, cosine',
        'normalise cannot be "keep"; did you mean "kept"? choose one of fixed, kept',
        *['similarity cannot be "l2": choose one of dot, cosine'] * 6,
    ]


def test_with_leaves_the_scheme_it_came_from():
    before = scheme()
    before.with_(HardestK())
    assert before.refiners == ()


def test_with_replaces_plain_descent():
    update = Plain("update")
    assert scheme().with_(update).update is update


@pytest.mark.parametrize("part", [Uniform(3), BCE()], ids=repr)
def test_with_refuses_a_second_sampler_or_objective(part):
    with pytest.raises(SchemeError, match=rf"dataclasses\.replace\(scheme, {part.slot}="):
        scheme().with_(part)


def test_with_refuses_a_second_update():
    with pytest.raises(SchemeError, match="has its update already, Plain"):
        scheme().with_(Plain("update"), Plain("update"))


def test_a_part_that_asks_for_candidate_losses_is_told_to_use_bce():
    with pytest.raises(SchemeError, match="asks for a loss of each candidate, and BPR has none: use bce"):
        needing("refiner", "candidate_loss")


def test_bce_gives_candidate_losses():
    Scheme(Uniform(), BCE()).with_(Plain(needs=frozenset({"candidate_loss"})))


def test_a_transform_beside_a_catalogue_objective_is_refused_with_the_mend():
    with pytest.raises(SchemeError, match="use a sampled objective, or drop the transform"):
        Scheme(Nothing(), CatalogueSoftmax(), transforms=(Plain("transform"),))


def test_two_regularisers_of_one_name_are_refused():
    with pytest.raises(SchemeError, match="two regularisers are called l2: drop one, or rename it"):
        scheme().with_(EmbeddingNorm(), EmbeddingNorm(0.5))


def test_regularisers_of_two_names_go_together():
    assert len(scheme().with_(EmbeddingNorm(), EmbeddingNorm(0.5, name="more")).regularisers) == 2


def test_each_part_is_bound_once():
    whole = scheme().with_(Plain("transform"), Plain("refiner"), Plain("regulariser"), Plain("update"))
    bound = whole.bind(random_data(0))
    assert [part.bound for part in bound.parts() if isinstance(part, Plain)] == [1, 1, 1, 1]


def test_binding_leaves_the_scheme_unbound():
    whole = scheme()
    whole.bind(random_data(0))
    assert whole == scheme()


@pytest.mark.parametrize("slot", ["transform", "refiner", "regulariser"])
def test_needs_of_pairs_are_checked_against_the_backbone(slot):
    with pytest.raises(SchemeError, match=r"reads \(user, item\) pairs: use mf or lightgcn"):
        needing(slot, "pairs").check(sequences())


def test_needs_of_routing_are_checked_against_the_backbone():
    with pytest.raises(SchemeError, match="use comirec-sa, comirec-dr or mind with several"):
        needing("regulariser", "routing").check(sequences(1))
    needing("regulariser", "routing").check(sequences(4))


def test_needs_of_vectors_are_checked_against_the_backbone():
    with pytest.raises(SchemeError, match="scores pairs without any: use another backbone, or drop the part"):
        needing("regulariser", "vectors").check(Pairs())


def test_a_transform_needs_vectors():
    with pytest.raises(SchemeError, match="Plain needs vectors, and Pairs has none"):
        scheme().with_(Plain("transform")).check(Pairs())


@pytest.mark.parametrize("objective", [BPR(), BCE(), SampledSoftmax()], ids=repr)
def test_plain_objectives_fit_every_backbone(objective):
    for backbone in (Pairs(), sequences(), MFConfig(dim=2).build(random_data(0), seeded())):
        Scheme(Uniform(), objective).check(backbone)


def test_the_catalogue_softmax_does_not_fit_a_scorer_of_pairs():
    with pytest.raises(SchemeError, match="CatalogueSoftmax needs vectors"):
        Scheme(Nothing(), CatalogueSoftmax()).check(Pairs())


def test_needs_of_local_items_are_checked_against_the_transforms():
    needy = Plain("regulariser", frozenset({"local_items"}))
    with pytest.raises(SchemeError, match="add a transform, or drop the part"):
        scheme().with_(needy)
    assert scheme().with_(needy, Plain("transform")).regularisers == (needy,)


@dataclass(frozen=True)
class Meta(Plain):
    """An update rule that asks for meta batches."""

    slot: str = "update"
    needs_meta: ClassVar[bool] = True


def test_needs_of_meta_batches_are_checked_against_the_update():
    needy = Plain("refiner", frozenset({"meta_batch"}))
    with pytest.raises(SchemeError, match="Plain needs meta batches, and the update rule Descent asks"):
        scheme().with_(needy)
    assert scheme().with_(needy, Meta()).refiners == (needy,)
    assert scheme().with_(Meta(needs=frozenset({"meta_batch"}))).update.needs_meta


def test_the_update_is_descent_where_nothing_is_said():
    assert scheme().update == Descent()


def test_a_clip_goes_to_the_ordinary_step():
    assert scheme().clipped(2.0).update == Descent(clip=2.0)
    assert scheme().clipped(None) == scheme()


def test_a_clip_is_refused_where_the_update_is_another():
    with pytest.raises(SchemeError, match=r"this scheme's update is Plain: leave training\.clip out"):
        scheme().with_(Plain("update")).clipped(1.0)
