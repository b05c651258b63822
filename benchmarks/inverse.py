"""What IDL and IG do to validation on ml-100k: the table of docs/methods/idl-ig.md.

    python -m benchmarks.inverse

Ratings from 4 on are a yes, the others an explicit no, or are left out. MF, 25 epochs, three seeds; the last
5 % by time validate. Some five minutes on one core.
"""

from __future__ import annotations

from statistics import mean, stdev
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import tacit
from benchmarks.places import dataset, table
from tacit.events import EpochEnd

SEEDS = (0, 1, 2)
SHARED: dict[str, Any] = {"negatives": 8, "l2": 0.01}
AUTHORS: dict[str, Any] = {"prior": 0.5, "warmup": 0.0}
SCHEMES = {
    "bce": tacit.bce(**SHARED),
    "idl, authors' prior and warm-up": tacit.idl(**AUTHORS, **SHARED),
    "idl": tacit.idl(**SHARED),
    "idl, prior .02": tacit.idl(prior=0.02, **SHARED),
    "idl-ig, authors' prior and warm-up": tacit.idl_ig(**AUTHORS, **SHARED),
    "idl-ig": tacit.idl_ig(**SHARED),
    "idl-ig, judge labelled": tacit.idl_ig(judge="labelled", **SHARED),
    "idl-ig, probe": tacit.idl_ig(decide="probe", **SHARED),
    "idl-ig, probe of eta .1": tacit.idl_ig(decide="probe", eta=0.1, **SHARED),
}


def row(name: str, logs: dict[str, tacit.Interactions]) -> dict[str, str]:
    """Best validation NDCG@20 of each log, and what the last epoch on the first one noted."""
    found = {"scheme": name}
    for label, log in logs.items():
        if "labelled" in name and not len(log.noes.indices):
            found[label] = "refused"
            continue
        best, last = zip(*(fitted(SCHEMES[name], log, seed) for seed in SEEDS), strict=True)
        found[label] = f"{mean(best):.3f} ± {stdev(best):.3f}"
        for note, says in (("p_over_half", "p > 1/2"), ("inverse", "inverse"), ("stay", "stay")):
            if note in last[0]:
                found[f"{says}, {label}"] = f"{mean(terms[note] for terms in last):.2f}"
    return found


def fitted(scheme: tacit.Scheme, log: tacit.Interactions, seed: int) -> tuple[float, dict[str, float]]:
    """Best validation NDCG@20 of one run, and the means of its last epoch."""
    epochs: list[dict[str, float]] = []

    def hear(event: Any) -> None:
        if isinstance(event, EpochEnd):
            epochs.append(event.terms)

    run = tacit.fit(
        log,
        backbone=tacit.MFConfig(scale=0.01),
        scheme=scheme,
        training=tacit.TrainingOptions(epochs=25, batch_size=4096, patience=25, refit=False),
        optimizer=tacit.OptimizerOptions("row-adagrad", 0.1),
        seed=seed,
        callbacks=[hear],
    )
    return run.config["chosen"]["ndcg@20"], epochs[-1]


def main() -> None:
    """Print the table, or why there is none."""
    folder = dataset("ml-100k")
    if folder is None:
        print("ml-100k is not here: set TACIT_DATA")
        return
    rated: pa.Table = pq.read_table(folder / "interactions.parquet")
    yeses = rated.filter(pc.greater_equal(rated["rating"], 4.0)).drop_columns(["rating"])
    logs = {
        "with noes": tacit.Interactions.read(rated, threshold=4.0),
        "yeses alone": tacit.Interactions.read(yeses),
    }
    table("IDL and IG on ml-100k", [row(name, logs) for name in SCHEMES])


if __name__ == "__main__":
    main()
