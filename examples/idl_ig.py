"""IDL under IG, the whole loop in sight: unlabelled pairs are what users were shown and left alone."""

import numpy as np
import pyarrow as pa
import torch

import tacit
from tacit.data.loaders import PairLoader
from tacit.kernels.sampling import derived_key
from tacit.training.optimizers import RowAdagrad
from tacit.training.step import Step, StepLoss
from tacit.types import Clock

EPOCHS, SEED, BATCH = 6, 0, 4096


def simulated() -> tacit.Interactions:
    """A log of clicks, and of what was shown without one."""
    world = tacit.simulate("small", seed=SEED)
    clicks, shown = world.to_arrow(), world.impressions().drop_columns(["slot"])
    rows = pa.concat_tables([clicks, shown])
    ignored = np.repeat([0, 1], [len(clicks), len(shown)])
    return tacit.Interactions.read(rows.append_column("shown", pa.array(ignored)), shown="shown")


def generator(*purpose: int) -> torch.Generator:
    """Chance that depends on nothing but what it is for."""
    return torch.Generator().manual_seed(derived_key(SEED, *purpose))


if __name__ == "__main__":
    log = simulated()
    rows = np.random.default_rng(SEED).permutation(np.flatnonzero(log.yes))
    meta, train = np.split(rows, [len(rows) // 10])  # a tenth of the clicks judges the gradients
    loader, judges = (PairLoader.of(log, part, BATCH, SEED) for part in (train, meta))
    scheme = tacit.idl_ig(draw="impressions", prior=0.1, warmup=1.0).bind(log)
    step = Step(tacit.MFConfig(dim=32, scale=0.01).build(log, generator(1)), scheme)
    optimizer = RowAdagrad(step.parameters(), rate=0.1)
    count = 0
    for epoch in range(EPOCHS):
        seen = []
        for batch in loader.epoch(epoch):
            clock = Clock(epoch, EPOCHS, count, loader.steps)
            judge = next(judges.epoch(*divmod(count, judges.steps)))
            loss = StepLoss(step, batch, scheme.sampler(batch, generator(2, count)), clock)
            meta_loss = StepLoss(step, judge, scheme.sampler(judge, generator(3, count)), clock, plain=True)
            terms = scheme.update(loss, meta_loss, clock, list(step.parameters()), optimizer)
            seen.append(terms.values())
            count += 1
        told = {name: np.mean([values[name] for values in seen]) for name in seen[-1]}
        print(f"epoch {epoch + 1}: " + "  ".join(f"{name} {value:.3f}" for name, value in told.items()))
