"""Options that every verb has, and what they set up before anything heavy is imported."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from tacit import __version__
from tacit.cli.output import say
from tacit.errors import OptionError


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tacit {__version__}")
        raise typer.Exit


def _threads(count: int | None) -> int | None:
    """Thread counts must stand in the environment before torch and numba read it."""
    if count is not None:
        for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
            os.environ[name] = str(count)
    return count


def _device(name: str) -> str:
    if name != "cpu":
        raise OptionError(f'--device "{name}": this version computes on the CPU only; use --device cpu')
    return name


Version = Annotated[
    bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, callback=_threads, is_eager=True, help="Threads to compute with; all cores."),
]
Device = Annotated[
    str, typer.Option(callback=_device, help="Where to compute: cpu, and nothing else so far.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else there.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file of options.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="SECTION.OPTION=VALUE", help="One option over those of the file; repeatable."
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]


def use_threads(count: int | None) -> None:
    """Compute with this many threads, where a number was asked for, and say it."""
    if count is None:
        return
    import numba
    import torch

    torch.set_num_threads(count)
    numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
    say(f"{count} threads" if count > 1 else "1 thread")
