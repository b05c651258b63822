"""DirectSpec+ beside BPR: no negatives, and embeddings that keep all their directions.

A high effective rank proves nothing by itself, so accuracy stands beside it; on this log BPR has more of it.
"""

import numpy as np
import torch

import tacit
from tacit.data.loaders import PairLoader
from tacit.evaluation.evaluate import evaluate
from tacit.evaluation.spectrum import spectrum_of, unit
from tacit.kernels.sampling import derived_key
from tacit.protocols import Vectors
from tacit.recommend.recommender import VectorRecommender
from tacit.schemes.directspec import directspec_plus
from tacit.training.optimizers import build
from tacit.training.step import Step
from tacit.types import Clock

EPOCHS, SEED = 4, 0


def train(log: tacit.Interactions, scheme: tacit.Scheme, rate: float) -> Vectors:
    """The vectors after training."""
    backbone = tacit.MFConfig(dim=32).build(log, torch.Generator().manual_seed(SEED))
    step = Step(backbone, scheme.bind(log))
    optimizer = build("adam", rate, step.parameters())
    loader = PairLoader.of(log, np.flatnonzero(log.yes), batch_size=512, seed=SEED)
    for epoch in range(EPOCHS):
        for within, batch in enumerate(loader.epoch(epoch)):
            clock = Clock(epoch, EPOCHS, epoch * loader.steps + within, loader.steps)
            generator = torch.Generator().manual_seed(derived_key(SEED, epoch, within))
            candidates = step.scheme.sampler(batch, generator)  # DirectSpec+ draws none
            optimizer.zero_grad()
            step(batch, candidates, clock).total().backward()
            optimizer.step()
    return backbone.vectors()


if __name__ == "__main__":
    split = tacit.split(tacit.Interactions.read(tacit.simulate("small", seed=0).to_arrow()), "random")
    seen, truth = split.train.positives, split.test.positives
    for name, scheme in {"bpr": tacit.bpr(l2=0.01), "directspec-plus": directspec_plus()}.items():
        vectors = train(split.train, scheme, rate=0.01)
        rank = spectrum_of(unit(vectors.items.numpy())).effective_rank
        model = VectorRecommender(vectors.users.numpy(), vectors.items.numpy())
        ndcg = evaluate(model, truth=truth, seen=seen, ks=[20]).metrics["ndcg@20"].mean
        print(f"{name}: effective rank of the items {rank:.1f} of 32, NDCG@20 {ndcg:.3f}")
