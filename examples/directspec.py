"""DirectSpec+ beside BPR: no negatives, and embeddings that keep all their directions."""

import numpy as np
import torch

import tacit
from tacit.data.loaders import PairLoader
from tacit.evaluation.spectrum import spectrum_of, unit
from tacit.kernels.sampling import derived_key
from tacit.schemes.directspec import directspec_plus
from tacit.training.optimizers import build
from tacit.training.step import Step
from tacit.types import Clock

EPOCHS, SEED = 4, 0


def train(log: tacit.Interactions, scheme: tacit.Scheme, rate: float) -> float:
    """The effective rank of the items after training, of at most 32."""
    backbone = tacit.MFConfig(dim=32).build(log, torch.Generator().manual_seed(SEED))
    step = Step(backbone, scheme.bind(log))
    optimizer = build("adam", rate, step.parameters())
    loader = PairLoader.of(log, np.flatnonzero(log.yes), batch_size=512, seed=SEED)
    for epoch in range(EPOCHS):
        for within, batch in enumerate(loader.epoch(epoch)):
            clock = Clock(epoch, EPOCHS, epoch * loader.steps + within, loader.steps)
            generator = torch.Generator().manual_seed(derived_key(SEED, epoch, within))
            candidates = step.scheme.sampler(batch, generator)  # none: the transform needs no negatives
            optimizer.zero_grad()
            step(batch, candidates, clock).total().backward()
            optimizer.step()
    return spectrum_of(unit(backbone.vectors().items.numpy())).effective_rank


if __name__ == "__main__":
    log = tacit.Interactions.read(tacit.simulate("small", seed=0).to_arrow())
    for name, scheme in {"bpr": tacit.bpr(l2=0.01), "directspec-plus": directspec_plus()}.items():
        print(f"{name}: effective rank of the items {train(log, scheme, rate=0.01):.1f} of 32")
