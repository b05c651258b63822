"""`python -m tacit`: the command line."""

from tacit.cli.main import run

run()
