"""DeSoRec: soft labels from a first backbone, the decoupled loss on a second; the whole loop in sight."""

import numpy as np
import torch

import tacit
from tacit.data.softlabels import SoftLabels
from tacit.data.windows import SequenceLoader
from tacit.evaluation.evaluate import evaluate
from tacit.kernels.sampling import derived_key
from tacit.labelling import labels_by, with_labels
from tacit.parts.propagation import Propagation
from tacit.recommend.serving import recommender_of
from tacit.training.optimizers import DenseAdam
from tacit.training.step import Step
from tacit.types import Clock

EPOCHS, SEED = 6, 0
CONFIG = tacit.GRU4RecConfig(dim=16, hidden=16, length=20)


def train(scheme: tacit.Scheme, log: tacit.Interactions, loader: SequenceLoader) -> Step:
    """A backbone trained by a scheme."""
    bound = scheme.bind(log)
    step = Step(CONFIG.build(log, torch.Generator().manual_seed(SEED)), bound)
    optimizer = DenseAdam(step.parameters(), rate=0.005)
    count = 0
    for epoch in range(EPOCHS):
        for batch in loader.epoch(epoch):
            clock = Clock(epoch, EPOCHS, count, loader.steps)
            chance = torch.Generator().manual_seed(derived_key(SEED, epoch, count))
            optimizer.zero_grad()
            step(batch, bound.sampler(batch, chance), clock).total().backward()
            optimizer.step()
            count += 1
    return step


def recall(step: Step, parts: tacit.Split) -> float:
    """Recall of the ten best on the last event of everybody."""
    log = parts.train
    served = recommender_of(step.backbone.eval(), "dot", log.item_counts)
    report = evaluate(
        served,
        truth=parts.test.positives,
        seen=log.positives,
        events=log.sequences,
        ks=[10],
        metrics=["recall"],
    )
    return report.metrics["recall@10"].mean


if __name__ == "__main__":
    log = tacit.Interactions.read(tacit.simulate("small", seed=SEED).to_arrow())
    counts = np.bincount(log.users[log.yes], minlength=log.n_users)
    people = np.flatnonzero(counts >= 4)[:150]
    parts = tacit.split(log.select(np.isin(log.users, people)), "last", valid=0.0)
    loader = SequenceLoader.of(parts.train, CONFIG.length, CONFIG.queries, batch_size=64, seed=SEED)
    base = train(tacit.softmax(similarity="dot", temperature=1.0), parts.train, loader)
    print(f"softmax recall@10 {recall(base, parts):.3f}")
    made = Propagation(clusters=4, neighbours=16, keep=20)
    labels: SoftLabels = labels_by(base.backbone, "dot", loader, len(parts.train), made, SEED)
    for name, value in labels.report().items():
        print(f"labels  {name.replace('_', ' ')} {value:.3f}")
    soft = train(with_labels(tacit.desorec(), labels), parts.train, loader)
    print(f"desorec recall@10 {recall(soft, parts):.3f}")
