"""The whole training loop in sight: the parts of a scheme, a backbone, an optimiser, nothing hidden."""

import numpy as np
import torch

import tacit
from tacit.data.loaders import PairLoader
from tacit.kernels.sampling import derived_key
from tacit.training.optimizers import RowAdagrad
from tacit.training.step import Step
from tacit.types import Clock

EPOCHS, SEED = 5, 0

if __name__ == "__main__":
    log = tacit.Interactions.read(tacit.simulate("small", seed=0).to_arrow())
    backbone = tacit.MFConfig(dim=32, scale=0.01).build(log, torch.Generator().manual_seed(SEED))
    scheme = tacit.bpr(negatives=4).bind(log)
    step = Step(backbone, scheme)
    optimizer = RowAdagrad(step.parameters(), rate=0.05)
    loader = PairLoader.of(log, np.flatnonzero(log.yes), batch_size=4096, seed=SEED)
    count = 0
    for epoch in range(EPOCHS):
        losses = []
        for batch in loader.epoch(epoch):
            clock = Clock(epoch, EPOCHS, count, loader.steps)
            generator = torch.Generator().manual_seed(derived_key(SEED, epoch, count))
            candidates = scheme.sampler(batch, generator)
            optimizer.zero_grad()
            terms = step(batch, candidates, clock)
            terms.total().backward()
            optimizer.step()
            losses.append(sum(terms.values().values()))
            count += 1
        print(f"epoch {epoch + 1}: {np.mean(losses):.4f}")
