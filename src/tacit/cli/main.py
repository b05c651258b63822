"""The command `tacit`: verbs, and exit codes 0 (fine), 2 (the user's mistake), 1 (ours), 128 + n (signal n).

Nothing heavy is imported before a verb runs, so that help is quick.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer

from tacit.cli import (
    beliefs,
    data,
    evaluate,
    fit,
    interests,
    output,
    recommend,
    shared,
    soft_labels,
    spectrum,
)
from tacit.errors import Interrupted, TacitError, UserError

FINE, OURS, MISTAKE, SIGNAL = 0, 1, 2, 128
# Older releases of typer use the package click, newer ones a copy of it: this finds the error of either.
BadUsage: Any = next(kind for kind in typer.BadParameter.mro() if kind.__name__ == "ClickException")
PREFIX = "Value error, "  # of the validator behind newer releases of typer

app = typer.Typer(
    name="tacit",
    help="Recommenders from implicit feedback: from a log of interactions to recommendations.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(data.app, name="data")
app.command("fit")(fit.fit)
app.command("evaluate")(evaluate.evaluate)
app.command("recommend")(recommend.recommend)
app.command("spectrum")(spectrum.spectrum)
app.command("soft-labels")(soft_labels.soft_labels)
app.command("interests")(interests.interests)
app.command("beliefs")(beliefs.beliefs)


@app.callback()
def root(version: shared.Version = False) -> None:
    """Recommenders from implicit feedback: from a log of interactions to recommendations."""


def outcome(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; every error has been told on standard error."""
    command = typer.main.get_command(app)
    try:
        with output.speaking():
            return command.main(list(arguments), prog_name="tacit", standalone_mode=False) or FINE
    except BadUsage as error:
        error.message = error.message.replace(PREFIX, "")
        error.show()
        return MISTAKE
    except UserError as error:
        _tell(error)
        return MISTAKE
    except Interrupted as error:
        _tell(error)
        return SIGNAL + error.signal
    except Exception:
        traceback.print_exc()
        sys.stderr.write(
            "tacit: this is a fault of Tacit, not of your input: please report the lines above\n"
        )
        return OURS


def _tell(error: TacitError) -> None:
    sys.stderr.write(f"tacit: {' '.join(str(error).split())}\n")


def run() -> None:
    """Entry point of the script `tacit`. Idle OpenMP threads sleep, unless the environment says else."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.exit(outcome(sys.argv[1:]))
