"""A request by history, beside the bare network and product that it cannot do without.

    python -m benchmarks.requests

The floor encodes one history by SASRec of d 64, multiplies its vector by the catalogue and takes torch.topk;
Tacit's side looks up ids of text, encodes as many events as it always does, leaves out what was had and gives
ids and scores. Nothing is trained. `all at once` are the requests of a thousand people in one call.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow as pa
import torch

from benchmarks.places import table
from tacit.backbones.sasrec import SASRecConfig
from tacit.data.interactions import Interactions
from tacit.recommend.request import Catalogue
from tacit.recommend.sequences import SequenceRecommender
from tacit.sparse import CSR
from tacit.types import History

LENGTHS, SIZES, K, REPEATS, PEOPLE = (5, 50, 200), (3_416, 200_000), 10, 50, 1_000
THREADS = 2


def main() -> None:
    """Print one table a catalogue."""
    torch.set_num_threads(THREADS)
    for size in SIZES:
        catalogue = _catalogue(size)
        rows = []
        for length in LENGTHS:
            chance = np.random.default_rng(length)
            histories = [
                catalogue.item_ids.decode(chance.choice(size, length, replace=False)) for _ in range(PEOPLE)
            ]
            floor = _median(_floor(catalogue, length), REPEATS)
            one = _median(partial(catalogue.for_history, histories[:1], K), REPEATS)
            many = _median(partial(catalogue.for_history, histories, K), 3) / PEOPLE
            rows.append(
                {
                    "events": length,
                    "floor, ms": 1e3 * floor,
                    "one, ms": 1e3 * one,
                    "ratio": one / floor,
                    "all at once, ms each": 1e3 * many,
                }
            )
        table(f"requests by history, {size:,} items", rows)


def _catalogue(size: int) -> Catalogue:
    ids = [f"item-{row:07d}" for row in range(size)]
    log = Interactions.read(pa.table({"user": ["one", "other"] * (size // 2), "item": ids}))
    with torch.no_grad():
        backbone = SASRecConfig(dim=64, length=max(LENGTHS)).build(log, torch.Generator().manual_seed(0))
        recommender = SequenceRecommender(backbone.eval(), "dot")
    nothing = CSR.from_pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), 0, size)
    return Catalogue(
        recommender, log.user_ids, log.item_ids, nothing, nothing, nothing, np.ones(size, np.int64)
    )


def _floor(catalogue: Catalogue, length: int) -> Callable[[], object]:
    recommender = catalogue.recommender
    assert isinstance(recommender, SequenceRecommender)
    table, items = torch.from_numpy(recommender.item_vectors).T, torch.arange(length)[None]
    history = History(items, torch.tensor([length]), torch.tensor([length - 1]))

    @torch.no_grad()
    def run() -> object:
        return (recommender.backbone.encode(history).queries[:, 0] @ table).topk(K)

    return run


def _median(job: Callable[[], object], repeats: int) -> float:
    job()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        job()
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


if __name__ == "__main__":
    main()
