"""Every part of the package, held to its contract."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from contracts.parts import (
    CandidateObjectiveContract,
    ObjectiveContract,
    RefinerContract,
    RegulariserContract,
    SamplerContract,
    TransformContract,
    UpdateRuleContract,
)
from helpers.tiny import random_data
from tacit.parts.latent import Latent
from tacit.parts.miners import HardestK
from tacit.parts.objectives import BCE, BPR, CatalogueSoftmax, PositiveOnly, SampledSoftmax
from tacit.parts.pool import Pool
from tacit.parts.regularisers import EmbeddingNorm
from tacit.parts.samplers import Explicit, InBatch, Mixed, Nothing, Popularity, Shown, Uniform
from tacit.parts.updates import Descent
from tacit.schemes.directspec import DirectSpec
from tacit.schemes.dli import DLI
from tacit.schemes.idl import IDL
from tacit.schemes.ig import InverseGradient
from tacit.schemes.remi import InterestAware
from tacit.schemes.rivals.adt import ReweightedLoss, TruncatedLoss
from tacit.schemes.rivals.contrastive import BilateralSoftmax, CosineContrastive
from tacit.schemes.rivals.directau import Alignment, Uniformity
from tacit.schemes.rivals.gbce import CalibratedBCE
from tacit.schemes.rivals.smoothing import SmoothedCatalogueSoftmax, SmoothedSoftmax
from tacit.scoring import LocalItems


class TestUniform(SamplerContract):
    part = Uniform(3)


class TestUniformShared(SamplerContract):
    part = Uniform(8, shared=True)


class TestPopularity(SamplerContract):
    part = Popularity(3)


class TestPopularityShared(SamplerContract):
    part = Popularity(8, shared=True)


class TestInBatch(SamplerContract):
    part = InBatch()
    drawn = False


class TestShown(SamplerContract):
    part = Shown(2)


class TestShownOnly(SamplerContract):
    part = Shown(2, fall_back=False)


class TestExplicit(SamplerContract):
    part = Explicit(2)


class TestMixed(SamplerContract):
    part = Mixed((Uniform(2), Popularity(2), Shown(1), Explicit(1)))


class TestPool(SamplerContract):
    part = Pool(3, size=8)


class TestPoolOfEverything(SamplerContract):
    part = Pool(3, size=1000, seed=5)


class TestLatentOff(SamplerContract):
    part = Latent(Uniform(3), share=0.0)


class TestLatent(SamplerContract):
    part = Latent(Uniform(3), share=0.5)

    def test_targets_are_the_batchs(self):
        """Or unknown to their user: what takes their place."""
        found, told = self.candidates().targets, self.batch.targets
        turned = found != told
        assert 0 < turned.sum() < len(told)
        pairs = zip(self.batch.users[turned].tolist(), found[turned].tolist(), strict=True)
        assert not any(item in self.data.known.row(user) for user, item in pairs)


class TestLatentShared(TestLatent):
    part = Latent(Uniform(8, shared=True), share=0.5)


class TestNothing(SamplerContract):
    part = Nothing()
    drawn = False
    binds = False


class TestBCE(CandidateObjectiveContract):
    part = BCE()


class TestBPR(ObjectiveContract):
    part = BPR()


class TestSampledSoftmax(ObjectiveContract):
    part = SampledSoftmax()


class TestSampledSoftmaxUncorrected(ObjectiveContract):
    part = SampledSoftmax(0.2, "cosine", correction=False)


class TestSampledSoftmaxJoint(ObjectiveContract):
    part = SampledSoftmax(joint=True)


class TestCatalogueSoftmax(ObjectiveContract):
    part = CatalogueSoftmax()


class TestPositiveOnly(ObjectiveContract):
    part = PositiveOnly()
    ranks = False


class TestHardestK(RefinerContract):
    part = HardestK(2)


class TestDLIByNeighbours(RefinerContract):
    part = DLI(growth=0.0, rate=0.5)
    data = random_data(0, n_items=40)


class TestDLIByGraphFilter(RefinerContract):
    part = DLI("reverse", "graph-filter", growth=0.0, rate=0.5)
    data = random_data(0, n_items=40)


class TestDLIByMargin(RefinerContract):
    part = DLI("reverse", "margin", warmup=0.0, growth=0.0, rate=0.5, gate=0.0)
    data = random_data(0, n_items=40)


class TestDLIByStability(RefinerContract):
    part = DLI(criterion="stable", warmup=0.0, growth=0.0, rate=0.5)
    data = random_data(0, n_items=40)


class TestDLIByLossInRows(RefinerContract):
    part = DLI(criterion="loss", warmup=0.0, growth=0.0, rate=0.5, scope="row", min_keep=2)
    objective = BCE()
    data = random_data(0, n_items=40)


class TestEmbeddingNorm(RegulariserContract):
    part = EmbeddingNorm()


class TestDescent(UpdateRuleContract):
    part = Descent()


class TestClippedDescent(UpdateRuleContract):
    part = Descent(clip=5.0)


@dataclass(frozen=True)
class Scaled:
    """The smallest transform: one's own parts keep the contract too."""

    factor: float = 2.0
    slot: ClassVar[str] = "transform"
    needs: ClassVar[frozenset[str]] = frozenset({"vectors"})

    def bind(self, data):
        return self

    def __call__(self, encoded, batch, candidates):
        items = LocalItems(self.factor * encoded.items.table())
        return replace(encoded, queries=self.factor * encoded.queries, items=items)


class TestScaled(TransformContract):
    part = Scaled()


class TestDirectSpecLinear(TransformContract):
    part = DirectSpec("linear")


class TestDirectSpecPlus(TransformContract):
    part = DirectSpec("softmax", gap=0.5)


class TestDirectSpecOverAll(TransformContract):
    part = DirectSpec("softmax", over="all", iterations=2)


class TestTruncatedLoss(RefinerContract):
    part = TruncatedLoss()
    objective = BCE()
    trusts_targets = False


class TestReweightedLoss(RefinerContract):
    part = ReweightedLoss()
    objective = BCE()
    trusts_targets = False


class TestCosineContrastive(ObjectiveContract):
    part = CosineContrastive()
    pushes_all = False


class TestBilateralSoftmax(ObjectiveContract):
    part = BilateralSoftmax()


class TestSmoothedSoftmax(ObjectiveContract):
    part = SmoothedSoftmax()
    pushes_all = False


class TestSmoothedCatalogueSoftmax(ObjectiveContract):
    part = SmoothedCatalogueSoftmax()
    pushes_all = False


class TestCalibratedBCE(CandidateObjectiveContract):
    part = CalibratedBCE()


class TestAlignment(ObjectiveContract):
    part = Alignment()
    ranks = False


class TestUniformity(RegulariserContract):
    part = Uniformity()


class TestIDL(RefinerContract):
    part = IDL(prior=0.5, warmup=0.0)
    objective = BCE()


class TestIDLInItsWarmUp(RefinerContract):
    part = IDL()
    objective = BCE()


class TestInverseGradient(UpdateRuleContract):
    part = InverseGradient()


class TestProbingInverseGradient(UpdateRuleContract):
    part = InverseGradient("probe", groups=2)


class TestExploringInverseGradient(UpdateRuleContract):
    part = InverseGradient("probe", rule="explore")


class TestInterestAware(RefinerContract):
    part = InterestAware(0.7)
    attached = True
    objective = SampledSoftmax(correction=False)


class TestInterestAwareDetached(RefinerContract):
    part = InterestAware(2.0, detach=True)
    objective = SampledSoftmax(correction=False)
