"""The verb `tacit interests`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tacit.cli import shared
from tacit.cli.output import emit, say, table

FIGURES = ("events", "strongest", "cosine", "used")


def interests(
    run: Annotated[Path, typer.Argument(help="Run folder of comirec-sa, comirec-dr or mind.")],
    plot: Annotated[
        Path | None, typer.Option(help="SVG file for routing and cosine over epochs, where logged.")
    ] = None,
    json: shared.Json = False,
    threads: shared.Threads = None,
    version: shared.Version = False,
) -> None:
    """Tell whether the interests of a run have collapsed.

    How many events an interest is made of, how much its strongest one makes, how alike two interests of one
    history are, how many of them serve. Trained with --set training.interests=1, a run knows them after every
    epoch.
    """
    from tacit.errors import OptionError
    from tacit.interests import chart, collapses
    from tacit.interests import interests as diagnosed
    from tacit.run import load
    from tacit.storage import write_text

    shared.use_threads(threads)
    if plot is not None and plot.suffix != ".svg":
        raise OptionError(f"--plot {plot}: charts are written as SVG; give a name that ends in .svg")
    found = diagnosed(load(run))
    if plot is not None:
        if not found["history"]:
            raise OptionError(f"{run} has logged no interests: train with --set training.interests=1")
        write_text(plot, chart(found["history"]))
        say(f"wrote {plot}")
    if json:
        emit(found)
        return
    rows = [[entry["epoch"], *(entry[name] for name in FIGURES)] for entry in found["history"]]
    rows.append(["now", *(found[name] for name in FIGURES)])
    table("Interests", ["epoch", *FIGURES], rows)
    table("Targets served", ["interest", "share"], list(enumerate(found["served"], 1)))
    for sentence in collapses(found).values():
        say(sentence)
