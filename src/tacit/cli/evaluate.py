"""The verb `tacit evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tacit.cli import shared
from tacit.cli.output import emit, say, table, text


def evaluate(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    test: Annotated[Path, typer.Option(help="Test file.")],
    k: Annotated[
        list[int] | None, typer.Option("--k", min=1, help="Cut-off; repeatable. 10, 20, 50.")
    ] = None,
    history: Annotated[Path | None, typer.Option(help="More context for the test users, masked too.")] = None,
    references: Annotated[
        bool | None, typer.Option("--references/--no-references", help="Reference models beside the run.")
    ] = None,
    seen: Annotated[
        Literal["mask", "keep"] | None,
        typer.Option(help='"keep" where a user may want again what the log holds already.'),
    ] = None,
    config: shared.ConfigFile = None,
    settings: shared.Settings = None,
    json: shared.Json = False,
    threads: shared.Threads = None,
    device: shared.Device = "cpu",
    version: shared.Version = False,
) -> None:
    """Rank all items for every test user, beside reference models.

    Events of training and validation are masked. Users without any history are counted apart.
    """
    from tacit import api
    from tacit.cli.config import read
    from tacit.run import load

    shared.use_threads(threads)
    chosen = read(config, settings or (), only=("data", "evaluation", "backbone"))
    options = chosen.evaluation
    judged = api.evaluate(
        load(run, backbone=chosen.own_backbone),
        test,
        ks=tuple(k) if k else options.k,
        metrics=options.metrics,
        history=history,
        references=options.references if references is None else references,
        keep_seen=(seen or options.seen) == "keep",
        data=chosen.data,
    )
    result = judged.to_dict()
    for note in judged.notes:
        say(note)
    if json:
        emit(result)
        return
    _show(run, result)


def _show(run: Path, result: dict[str, Any]) -> None:
    models = {name: entry for name, entry in result["references"].items() if "metrics" in entry}
    rows = [
        (
            name,
            value["mean"],
            "-" if value.get("low") is None else f"{text(value['low'])} - {text(value['high'])}",
            *(entry["metrics"][name]["mean"] for entry in models.values()),
        )
        for name, value in result["metrics"].items()
    ]
    if models:
        rows.append(
            ("seconds to fit", None, None, *(f"{entry['fit_seconds']:.1f}" for entry in models.values()))
        )
    table(f"{run}: {result['users']:,} users", ("metric", "run", "95 % interval", *models), rows)
    apart = {name: value for name, value in result.items() if type(value) is int and name != "users"}
    counted = {**result["audit"], **apart}.items()
    counts = [(name.replace("_", " "), value) for name, value in counted if value is not None]
    table("audit", ("", ""), counts)
