"""The verb `tacit soft-labels`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tacit.cli import shared
from tacit.cli.output import emit, say, table


def soft_labels(
    run: Annotated[Path, typer.Argument(help="Run folder, trained with --valid.")],
    train: Annotated[Path, typer.Option(help="The log that the run was trained on.")],
    out: Annotated[Path, typer.Option(help="Folder for the labels.")],
    clusters: Annotated[int, typer.Option(help="Of examples; neighbours are of one cluster.")] = 16,
    distance: Annotated[
        float | None, typer.Option(help="Temperature of distances; --scale times the usual one without it.")
    ] = None,
    scale: Annotated[float, typer.Option(help="Of the usual distance to the nearest.")] = 1.0,
    alpha: Annotated[float, typer.Option(help="How much comes from neighbours in each step.")] = 0.5,
    steps: Annotated[int, typer.Option(help="Of the propagation.")] = 20,
    graph: Annotated[
        Literal["nearest", "dense"], typer.Option(help="Neighbours: the nearest, or the whole cluster.")
    ] = "nearest",
    neighbours: Annotated[int, typer.Option(help="nearest: of each example.")] = 64,
    keep: Annotated[int, typer.Option(help="nearest: items of a row that are kept.")] = 100,
    seed: shared.Seed = 0,
    json: shared.Json = False,
    threads: shared.Threads = None,
    version: shared.Version = False,
) -> None:
    """Make soft labels of a log, for the scheme desorec.

    --set scheme.labels=FOLDER takes them. Examples that a trained run finds alike lend each other their
    targets. fit makes labels by itself where it is given none.
    """
    from tacit.api import soft_labels as made
    from tacit.errors import OptionError
    from tacit.parts.propagation import Propagation
    from tacit.storage import kind_of

    shared.use_threads(threads)
    if (held := kind_of(out)) is not None:
        raise OptionError(f"{out} holds a {held} already: name another folder")
    options = Propagation(
        clusters=clusters,
        distance=distance,
        scale=scale,
        alpha=alpha,
        steps=steps,
        graph=graph,
        neighbours=neighbours,
        keep=keep,
    )
    say("clustering and propagating: a minute for some 50,000 examples")
    labels = made(run, train, options=options, seed=seed)
    labels.save(out)
    say(f"wrote {out}")
    if json:
        emit(labels.report())
        return
    table(
        "Soft labels",
        ["", ""],
        [
            (name.replace("_", " "), int(value) if name == "examples" else value)
            for name, value in labels.report().items()
        ],
    )
