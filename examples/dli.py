"""Distilling latent interactions: the whole loop in sight, on data whose false negatives are known."""

import numpy as np
import torch

import tacit
from tacit.data.loaders import PairLoader
from tacit.kernels.sampling import derived_key
from tacit.scoring import score
from tacit.training.optimizers import RowAdagrad
from tacit.training.step import Step
from tacit.types import Clock

EPOCHS, SEED = 12, 0


def train(scheme: tacit.Scheme, log: tacit.Interactions, liked: torch.Tensor) -> tuple[float, float]:
    """Share of liked ones among the 10 best silent items of each user, and among the selected candidates."""
    bound = scheme.bind(log)
    backbone = tacit.MFConfig(dim=16, scale=0.01).build(log, torch.Generator().manual_seed(SEED))
    step = Step(backbone, bound)
    optimizer = RowAdagrad(step.parameters(), rate=0.1)
    loader = PairLoader.of(log, np.flatnonzero(log.yes), batch_size=2048, seed=SEED)
    count = selected = right = 0
    for epoch in range(EPOCHS):
        for batch in loader.epoch(epoch):
            clock = Clock(epoch, EPOCHS, count, loader.steps)
            chance = torch.Generator().manual_seed(derived_key(SEED, epoch, count))
            candidates = bound.sampler(batch, chance)
            optimizer.zero_grad()
            step(batch, candidates, clock).total().backward()
            optimizer.step()
            count += 1
            if bound.refiners and epoch == EPOCHS - 1:
                with torch.no_grad():
                    scored = score(backbone(batch), candidates, batch, bound.objective)
                found = bound.refiners[0](scored, bound.objective, clock).labels[:, 1:] > 0
                selected += int(found.sum())
                right += int((found & liked[batch.users[:, None], candidates.others]).sum())
    run = backbone.vectors()
    scores = run.users @ run.items.T
    for user in range(log.n_users):
        scores[user, log.positives.row(user)] = -torch.inf
    hits = liked.gather(1, scores.topk(10).indices).double().mean().item()
    return hits, right / max(selected, 1)


if __name__ == "__main__":
    simulation = tacit.simulate("small", seed=SEED)
    log = tacit.Interactions.read(simulation.to_arrow())
    users, items = (np.array(ids.ids) for ids in (log.user_ids, log.item_ids))
    liked = torch.from_numpy(simulation.truth(users).false_negatives[:, items])
    for name, scheme in {"plain": tacit.bce(), "dli": tacit.dli(loss="reverse")}.items():
        hits, precision = train(scheme, log, liked)
        told = f", of the candidates turned positive {precision:.3f}" if precision else ""
        print(f"{name:6} liked among the ten best {hits:.3f}{told}")
    print(f"       liked among all silent pairs {liked.double().mean().item():.3f}")
