"""Ranking the catalogue for all users of Gowalla, beside the bare blocked product with torch.topk.

    python -m benchmarks.evaluation

The floor multiplies blocks of user vectors into one kept buffer, masks what was seen by index and takes
torch.topk. Tacit's side does the same by `evaluate`, with every default metric and its intervals, from random
vectors of 64 dimensions; `rank` is the part without intervals.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pyarrow.parquet as pq
import torch

from benchmarks.places import dataset, table
from tacit.evaluation.evaluate import evaluate
from tacit.evaluation.ranking import rank
from tacit.protocols import Queries
from tacit.recommend.recommender import VectorRecommender
from tacit.sparse import CSR

DIM, K, REPEATS, LIMIT = 64, 20, 3, 1.5
FLOOR_BLOCKS = (64, 256, 1024)


def main() -> None:
    """Print the table; the ratio is to the fastest of the floors."""
    folder = dataset("gowalla")
    if folder is None:
        return
    parts = [pq.read_table(folder / f"{name}.parquet") for name in ("train", "test")]
    users, items = (1 + max(int(part[name].to_numpy().max()) for part in parts) for name in ("user", "item"))
    seen, truth = (
        CSR.from_pairs(part["user"].to_numpy(), part["item"].to_numpy(), users, items) for part in parts
    )
    chance = np.random.default_rng(0)
    vectors = [chance.standard_normal((rows, DIM), dtype=np.float32) for rows in (users, items)]
    model = VectorRecommender(*vectors)
    everyone = Queries(np.arange(users))

    def ranked() -> object:
        metrics = ("recall", "ndcg")
        return rank(model, truth, everyone, exclude=seen, ks=(K,), metrics=metrics)

    def judged() -> object:
        return evaluate(model, truth=truth, seen=seen, ks=(K,))

    jobs: dict[str, Callable[[], object]] = {
        f"product and torch.topk, blocks of {block}": _floor(*vectors, seen, block) for block in FLOOR_BLOCKS
    }
    jobs |= {"rank": ranked, "evaluate": judged}
    seconds = {name: min(_seconds(job) for _ in range(REPEATS)) for name, job in jobs.items()}
    floor = min(value for name, value in seconds.items() if name not in ("rank", "evaluate"))
    rows = [
        {"what": name, "seconds": value, "users/s": users / value, "ratio": value / floor}
        for name, value in seconds.items()
    ]
    table(f"full ranking of {users:,} users, {items:,} items, limit {LIMIT} times the floor", rows)


def _floor(users: np.ndarray, items: np.ndarray, seen: CSR, block: int) -> Callable[[], object]:
    left, right = torch.from_numpy(users), torch.from_numpy(items).T

    def run() -> object:
        buffer = torch.empty(block, len(items))
        found = []
        for start in range(0, len(users), block):
            part = left[start : start + block]
            scores = torch.mm(part, right, out=buffer[: len(part)])
            rows = seen.select(np.arange(start, start + len(part)))
            at = np.repeat(np.arange(len(part)), rows.degrees())
            scores[torch.from_numpy(at), torch.from_numpy(rows.indices).long()] = -torch.inf
            found.append(scores.topk(K).indices)
        return torch.cat(found)

    return run


def _seconds(job: Callable[[], object]) -> float:
    started = time.perf_counter()
    job()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
