"""Every metric by the name that people ask for."""

from __future__ import annotations

from difflib import get_close_matches

from tacit.errors import OptionError
from tacit.evaluation import metrics, variants

STANDARD = metrics.PER_USER
PER_USER = STANDARD | variants.PER_USER
OF_LISTS = ("coverage", "gini", "mean_popularity")
NOT_BETTER = ("gini", "mean_popularity")
OF_CATALOGUE = ("auc", "gauc")  # no cut-off; gauc weighs each person by the number of relevant items
NAMES = (*STANDARD, *OF_LISTS, *OF_CATALOGUE)


def choosing(text: str) -> tuple[str, int | None]:
    """Name and cut-off of the metric that chooses, as in `ndcg@20` or `auc`.

    Raises `OptionError` for an unknown name, one of which more is no better, and a bad cut-off.
    """
    name, at, cut = text.partition("@")
    try:
        known_metric(name)
    except OptionError as error:
        raise OptionError(f'training.metric = "{text}": {error}') from error
    if name in NOT_BETTER:
        raise OptionError(
            f'training.metric = "{text}": more of it is no better; choose by another, as ndcg@20'
        )
    if name in OF_CATALOGUE:
        if at:
            raise OptionError(f'training.metric = "{text}": {name} has no cut-off, write "{name}"')
        return name, None
    if not cut.isdecimal() or int(cut) < 1:
        raise OptionError(f'training.metric = "{text}" needs a cut-off of at least 1, as in "{name}@20"')
    return name, int(cut)


def known_metric(name: str) -> str:
    """The name itself. Raises `OptionError` with the nearest name for any other."""
    if name in NAMES or name in variants.PER_USER:
        return name
    near = get_close_matches(name, [*NAMES, *variants.PER_USER], 1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    raise OptionError(
        f'unknown metric "{name}"{hint or "."} Expected one of: {", ".join(NAMES)}; '
        f"for reproduction only: {', '.join(variants.PER_USER)}"
    )
