"""The verb `tacit spectrum`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tacit.cli import shared
from tacit.cli.output import emit, say, table

FIGURES = (
    "effective_rank",
    "information_abundance",
    "condition_number",
    "stable_rank",
    "participation_ratio",
)


def spectrum(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    plot: Annotated[
        Path | None, typer.Option(help="SVG file for the singular values, over epochs too where logged.")
    ] = None,
    at: Annotated[
        int | None, typer.Option(help="Also tell the largest singular value over the one at this place.")
    ] = None,
    json: shared.Json = False,
    threads: shared.Threads = None,
    version: shared.Version = False,
) -> None:
    """Measure how evenly embeddings use their dimensions.

    Where they collapse, effective ranks are low. Trained with --set training.spectrum=1, a run knows them
    after every epoch.
    """
    from tacit.errors import OptionError
    from tacit.run import load
    from tacit.spectra import ranks_chart, spectrum, values_chart
    from tacit.storage import write_text

    shared.use_threads(threads)
    if plot is not None and plot.suffix != ".svg":
        raise OptionError(f"--plot {plot}: charts are written as SVG; give a name that ends in .svg")
    found = spectrum(load(run), at=at)
    if plot is not None:
        write_text(plot, values_chart(found))
        say(f"wrote {plot}")
        if found["history"]:
            over = plot.with_name(f"{plot.stem}-epochs.svg")
            write_text(over, ranks_chart(found["history"]))
            say(f"wrote {over}")
    if json:
        emit(found)
        return
    names = FIGURES if at is None else (*FIGURES, "drop")
    heads = [name.replace("_", " ") for name in FIGURES] + ([] if at is None else [f"drop at {at}"])
    rows = [
        [f"{side}, {form}", *(figures[name] for name in names)]
        for side, forms in found["spectrum"].items()
        for form, figures in forms.items()
    ]
    table("Spectrum of the embeddings", ["", *heads], rows)
    pairs = [
        ("alignment", found["alignment"]),
        *((f"uniformity of {s}", v) for s, v in found["uniformity"].items()),
    ]
    table("Rows at length one", ["", ""], pairs)
