"""Several interests of one history, REMI's negatives and routing: the whole loop in sight."""

import numpy as np
import torch

import tacit
from tacit.data.windows import SequenceLoader
from tacit.evaluation.evaluate import evaluate
from tacit.kernels.sampling import derived_key
from tacit.recommend.serving import recommender_of
from tacit.training.optimizers import DenseAdam
from tacit.training.step import Step
from tacit.types import Clock

EPOCHS, SEED = 4, 0


def train(scheme: tacit.Scheme, parts: tacit.Split) -> tuple[float, float]:
    """Recall of the ten best, and how much of an interest its strongest event makes, on average."""
    log, test = parts.train, parts.test
    bound = scheme.bind(log)
    backbone = tacit.ComiRecSAConfig(dim=16, interests=3).build(log, torch.Generator().manual_seed(SEED))
    step = Step(backbone, bound)
    optimizer = DenseAdam(step.parameters(), rate=0.005)
    loader = SequenceLoader.of(log, backbone.length, "last", batch_size=64, seed=SEED)
    count = 0
    for epoch in range(EPOCHS):
        for batch in loader.epoch(epoch):
            clock = Clock(epoch, EPOCHS, count, loader.steps)
            chance = torch.Generator().manual_seed(derived_key(SEED, epoch, count))
            optimizer.zero_grad()
            step(batch, bound.sampler(batch, chance), clock).total().backward()
            optimizer.step()
            count += 1
    with torch.no_grad():
        routing = backbone(loader.batch(EPOCHS, 0)).routing.weights
    served = recommender_of(backbone, "dot", log.item_counts)
    report = evaluate(
        served, truth=test.positives, seen=log.positives, events=log.sequences, ks=[10], metrics=["recall"]
    )
    return report.metrics["recall@10"].mean, float(routing.amax(2).mean())


if __name__ == "__main__":
    log = tacit.Interactions.read(tacit.simulate("small", seed=SEED).to_arrow())
    counts = np.bincount(log.users[log.yes], minlength=log.n_users)
    people = np.flatnonzero(counts >= 4)[:150]
    parts = tacit.split(log.select(np.isin(log.users, people)), "last", valid=0.0)
    schemes = {
        "plain": tacit.sampled_softmax(negatives=128, similarity="dot", temperature=1.0),
        "remi": tacit.remi(negatives=128),
    }
    for name, scheme in schemes.items():
        recall, strongest = train(scheme, parts)
        print(f"{name:6} recall@10 {recall:.3f}, strongest event of an interest {strongest:.3f}")
