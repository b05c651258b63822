"""The verb `tacit beliefs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tacit.cli import rows, shared
from tacit.cli.output import emit, say, table

FIGURES = ("asked", "taken", "mean_belief", "changed")
JUDGED = ("known", "base", "precision", "recall", "brier")
CALIBRATION = ("belief", "liked", "pairs")


def beliefs(
    run: Annotated[Path, typer.Argument(help="Run folder, trained with --set training.audit=1.")],
    truth: Annotated[
        Path | None, typer.Option(help="Parquet file with user, item and liked, as the simulator writes it.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File (.parquet, .csv, .jsonl) for all beliefs of the run.")
    ] = None,
    json: shared.Json = False,
    version: shared.Version = False,
) -> None:
    """List what a scheme took for false negatives, by epoch.

    With the truth at hand also whether it was right: precision beside the base rate, recall, the mean squared
    error of the belief, and for the epoch that the run kept how much was liked at each height of the belief.
    --json adds that of every epoch, quantiles of the belief, and what was taken by the popularity of items.
    """
    from tacit.evaluation.beliefs import read_beliefs, summary, truth_table

    rows.check(out)
    found = read_beliefs(run / "beliefs")
    if out is not None:
        rows.write(out, found)
        say(f"wrote {out}")
    entries = summary(found, None if truth is None else truth_table(truth))
    kept = _kept(run) or entries[-1]["epoch"]
    if json:
        emit({"kept": kept, "epochs": entries})
        return
    names = ["epoch", *FIGURES, *(JUDGED if truth is not None else ())]
    shown = [[entry[name] for name in names] for entry in entries]
    table("Unlabelled items taken for positives", [name.replace("_", " ") for name in names], shown)
    say(f"the run kept the parameters of epoch {kept}")
    its = [entry for entry in entries if entry["epoch"] == kept]
    if truth is not None and its:
        bins = [[part[name] for name in CALIBRATION] for part in its[0]["calibration"]]
        table(f"Belief and what is liked, epoch {kept}", CALIBRATION, bins)


def _kept(run: Path) -> int | None:
    """The epoch whose parameters a finished run kept; None: the last, or the run is not finished."""
    from tacit.run import described
    from tacit.storage import MANIFEST

    if not (run / MANIFEST).exists():
        return None
    config, _ = described(run)
    return None if config["training"]["refit"] else int(config["chosen"]["epoch"])
