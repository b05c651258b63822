"""What the studies of REMI share: a backbone plain, with its negatives, with its regulariser, and with both.

People are parted 8 : 1 : 1 as the authors part them, and of those held out all but the last fifth is given.
Every run has the same batches of 128, the same 1,280 shared negatives and the same number of steps, of which
validation Recall@50 chooses one; users are drawn uniformly. Gradients reach the routing of ComiRec-DR and
MIND in every run, the plain ones too, so that the regulariser alone is what differs. Repeats are left out and
what somebody did before is masked, where the authors rank it too. The routing is looked at after every epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
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
HARDNESS = (0.1, 1.0, 10.0)  # the authors' on their three sets
RATES = {"comirec-dr": 0.005}  # ComiRec's README; the others' 0.001 is REMI's


def contests(
    study: str, data: str, *, length: int, epochs: int, routed: Sequence[str] = ()
) -> dict[str, Work]:
    """ComiRec-SA beside SASRec and item neighbours; with `routed`, these backbones too."""
    backbones = {
        "comirec-sa": ComiRecSAConfig(length=length),
        "comirec-dr": ComiRecDRConfig(length=length, attached=True),
        "mind": MINDConfig(length=length, attached=True),
    }
    found: dict[str, Work] = {}
    for name in ("comirec-sa", *routed):
        schemes = interest_schemes(backbones[name], RATES.get(name, 0.001), epochs)
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


def interest_schemes(backbone: Any, rate: float, epochs: int) -> dict[str, list[Any]]:
    """Plain, with interest-aware negatives, with the regulariser, with both; three points of the hardness."""
    training = TrainingOptions(
        epochs=epochs, batch_size=128, patience=epochs, metric="recall@50", draw="users", interests=1
    )
    plain = SampledSoftmaxScheme(
        negatives=1280, shared=True, similarity="dot", temperature=1.0, correction=False
    )
    presets: dict[str, list[Preset]] = {
        "plain": [plain],
        "negatives": [REMIScheme(hardness=hardness, routing=0.0) for hardness in HARDNESS],
        "routing": [REMIScheme(hardness=0.0, routing=PUBLISHED)],
        "both": [REMIScheme(hardness=hardness, routing=PUBLISHED) for hardness in HARDNESS],
    }
    return {
        name: [Setting(backbone, preset, OptimizerOptions("adam", rate), training) for preset in points]
        for name, points in presets.items()
    }


def beside(length: int) -> dict[str, list[Any]]:
    """SASRec of the same size, trained as it usually is, and item neighbours."""
    training = TrainingOptions(epochs=100, batch_size=128, patience=5, metric="recall@50")
    softmax = SoftmaxScheme(similarity="dot", temperature=1.0)
    sasrec = replace(SASRecConfig(), dim=64, length=length)
    return {
        "sasrec": [Setting(sasrec, softmax, OptimizerOptions("adam", 0.001), training)],
        "item-neighbours": [ItemKNN()],
    }
