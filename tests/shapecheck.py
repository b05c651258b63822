"""The checker that runs behind every annotated function of the package under pytest."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Self

from beartype import BeartypeConf, beartype

CHECKER = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """beartype, less the two annotations that it cannot judge on a bare function.

    These are `Self`, and names that are imported for static checkers only.
    """
    function.__annotations__ = {
        name: hint for name, hint in function.__annotations__.items() if _judged(hint, function.__globals__)
    }
    return CHECKER(function)


def _judged(hint: object, names: dict[str, Any]) -> bool:
    if not isinstance(hint, str):
        return hint is not Self
    if re.search(r"\bSelf\b", hint):
        return False
    try:
        eval(hint, names)
    except NameError:
        return False
    return True
