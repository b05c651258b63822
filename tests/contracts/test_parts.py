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
from tacit.parts.miners import HardestK
from tacit.parts.objectives import BCE, BPR, CatalogueSoftmax, PositiveOnly, SampledSoftmax
from tacit.parts.regularisers import EmbeddingNorm
from tacit.parts.samplers import Explicit, InBatch, Mixed, Nothing, Popularity, Shown, Uniform
from tacit.parts.updates import Descent
from tacit.schemes.idl import IDL
from tacit.schemes.ig import InverseGradient
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


class TestCatalogueSoftmax(ObjectiveContract):
    part = CatalogueSoftmax()


class TestPositiveOnly(ObjectiveContract):
    part = PositiveOnly()
    ranks = False


class TestHardestK(RefinerContract):
    part = HardestK(2)


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
