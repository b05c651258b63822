"""The verb `tacit fit`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tacit.cli import shared
from tacit.cli.output import emit, say, table


def fit(
    train: Annotated[
        Path | None,
        typer.Argument(metavar="TRAIN", help="Log of interactions: Parquet, CSV, TSV or JSON lines."),
    ] = None,
    valid: Annotated[
        Path | None, typer.Option(help="Validation file; without it a part of the log is held out.")
    ] = None,
    valid_history: Annotated[
        Path | None, typer.Option(help="What validation users did before, where they are not in the log.")
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            help="mf (default), gmf, lightgcn, neumf; on sequences sasrec, gru4rec, youtubednn, comirec-sa, "
            "comirec-dr, mind; or mypackage.module:MyConfig."
        ),
    ] = None,
    scheme: Annotated[
        str | None,
        typer.Option(
            help="bpr, bce, sampled-softmax, softmax; directspec, directspec-plus, dli, idl, idl-ig, remi, "
            "desorec; t-ce, r-ce, dns, directau, ccl, bsl, gbce, label-smoothing; or "
            "mypackage.module:MyScheme. By default sampled-softmax, with lightgcn bpr, with neumf bce, with "
            "sasrec, gru4rec softmax."
        ),
    ] = None,
    config: shared.ConfigFile = None,
    settings: shared.Settings = None,
    seed: shared.Seed = 0,
    start: Annotated[
        str | None, typer.Option(help='"ials": start from its factors; or the folder of an earlier run.')
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder, new or empty; runs/<log>-<backbone>-<scheme> without it.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in the folder.")
    ] = False,
    list_options: Annotated[
        bool,
        typer.Option(
            "--options", help="Print every option with its value and meaning as TOML, and train nothing."
        ),
    ] = False,
    json: shared.Json = False,
    threads: shared.Threads = None,
    device: shared.Device = "cpu",
    version: shared.Version = False,
) -> None:
    """Train on a log of interactions, and save the run.

    Says on standard error what it chose (columns, validation part, options) and why.
    """
    from tacit import api
    from tacit.cli.config import read

    shared.use_threads(threads)
    options = read(config, settings or (), backbone=backbone, scheme=scheme)
    if list_options:
        from tacit.cli.options import toml

        sys.stdout.write(toml(options))
        return
    if train is None:
        raise typer.BadParameter(
            "name a log of interactions, as in: tacit fit log.parquet", param_hint="TRAIN"
        )
    folder = out or Path("runs") / f"{_stem(train)}-{_named(options.backbone)}-{_named(options.scheme)}"
    if out is None:
        say(f"run folder {folder}: name another with --out")
    run = api.fit(
        train,
        valid=valid,
        valid_history=valid_history,
        backbone=options.backbone,
        scheme=options.scheme,
        data=options.data,
        training=options.training,
        optimizer=options.optimizer,
        seed=seed,
        start=start,
        out=folder,
        resume=resume,
        progress=True,
    )
    chosen = {name: value for name, value in run.config.get("chosen", {}).items() if name != "history"}
    if json:
        emit({"run": str(folder), "chosen": chosen, "config": run.config, **run.facts})
        return
    rows = [("users", len(run.user_ids)), ("items", len(run.item_ids)), *chosen.items()]
    table(f"run saved in {folder}", ("", ""), rows)


def _stem(log: Path) -> str:
    """The file's name up to its first dot; the folder's where the file is called as in every split."""
    stem = log.name.split(".")[0]
    return log.resolve().parent.name if stem in ("", "train", "interactions") else stem


def _named(part: object) -> str:
    return str(getattr(part, "use", type(part).__name__)).lower()
