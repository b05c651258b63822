"""What the studies of REMI share: a backbone plain, with its negatives, with its regulariser, and with both.

People are parted 8 : 1 : 1 as the authors part them, and of those held out all but the last fifth is given.
Every run has the same batches of 128, the same 1,280 shared negatives and the same number of steps, of which
validation Recall@50 chooses one; users are drawn uniformly. Every scheme has two points: two rates where
nothing else is to be chosen, two of the hardness, two of the regulariser's strength, the authors' and a
smaller one; with both, all four pairs of these. Gradients reach the routing of ComiRec-DR and MIND in every
run, the plain ones too, so that the regulariser alone is what differs. At the authors' strength these two
begin to learn after some four to six epochs on Beauty only, so they have more of them. Repeats are left out
and what somebody did before is masked, where the authors rank it too. The routing is looked at after every
epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from reproduce.ordered import OrderedContest, by_people
from reproduce.pairs import Preset, Setting, Work
from tacit.backbones.comirec import ComiRecDRConfig, ComiRecSAConfig
from tacit.backbones.mind import MINDConfig
from tacit.backbones.sasrec import SASRecConfig
from tacit.references.itemknn import ItemKNN
from tacit.schemes.plain import SampledSoftmaxScheme, SoftmaxScheme
from tacit.schemes.remi import REMIScheme
from tacit.training.optimizers import OptimizerOptions
from tacit.training.options import TrainingOptions

PUBLISHED = 3.125  # strength of the regulariser: the authors' 100 at batches of 128 and d = 64
HARDNESS = (0.1, 1.0)  # of the authors' .1, 1 and 10, one for each of their sets
STRENGTHS = {"comirec-sa": (0.1, PUBLISHED), "comirec-dr": (0.3, PUBLISHED), "mind": (0.3, PUBLISHED)}
RATES = {"comirec-dr": 0.005}  # ComiRec's README; the others' 0.001 is REMI's


def contests(
    study: str, data: str, *, length: int, epochs: int, routed: Mapping[str, int] | None = None
) -> dict[str, Work]:
    """ComiRec-SA beside SASRec and item neighbours; these backbones too, with the epochs in `routed`."""
    backbones = {
        "comirec-sa": ComiRecSAConfig(length=length),
        "comirec-dr": ComiRecDRConfig(length=length, attached=True),
        "mind": MINDConfig(length=length, attached=True),
    }
    found: dict[str, Work] = {}
    for name, limit in {"comirec-sa": epochs, **(routed or {})}.items():
        schemes = interest_schemes(backbones[name], RATES.get(name, 0.001), limit, STRENGTHS[name])
        if name == "comirec-sa":
            schemes |= beside(length)
        contest = OrderedContest(
            study,
            name,
            partial(by_people, data),
            schemes,
            seeds=range(3),
            measures=("recall", "hit_rate", "ndcg"),
            ks=(20, 50),
            chosen_by="recall@50",
        )
        found |= contest.cells()
    return found


def interest_schemes(
    backbone: Any, rate: float, epochs: int, strengths: tuple[float, float]
) -> dict[str, list[Any]]:
    """Plain, with interest-aware negatives, with the regulariser, with both: two points of each option."""
    training = TrainingOptions(
        epochs=epochs, batch_size=128, patience=epochs, metric="recall@50", draw="users", interests=1
    )
    plain = SampledSoftmaxScheme(
        negatives=1280, shared=True, similarity="dot", temperature=1.0, correction=False
    )
    pairs = [*zip(HARDNESS, strengths, strict=True), *zip(HARDNESS, strengths[::-1], strict=True)]
    presets: dict[str, list[tuple[Preset, float]]] = {
        "plain": [(plain, rate), (plain, 3 * rate)],
        "negatives": [(REMIScheme(hardness=hardness, routing=0.0), rate) for hardness in HARDNESS],
        "routing": [(REMIScheme(hardness=0.0, routing=strength), rate) for strength in strengths],
        "both": [(REMIScheme(hardness=hardness, routing=strength), rate) for hardness, strength in pairs],
    }
    return {
        name: [Setting(backbone, preset, OptimizerOptions("adam", own), training) for preset, own in points]
        for name, points in presets.items()
    }


def beside(length: int) -> dict[str, list[Any]]:
    """SASRec of the same size, trained as it usually is, with two points, and item neighbours as they are."""
    training = TrainingOptions(epochs=100, batch_size=128, patience=5, metric="recall@50")
    softmax = SoftmaxScheme(similarity="dot", temperature=1.0)
    sasrec = replace(SASRecConfig(), dim=64, length=length)
    return {
        "sasrec": [
            Setting(replace(sasrec, dropout=share), softmax, OptimizerOptions("adam", 0.001), training)
            for share in (0.2, 0.5)
        ],
        "item-neighbours": [ItemKNN()],
    }
