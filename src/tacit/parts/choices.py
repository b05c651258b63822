"""Options that are one of a few words: a misspelt word is an error, also where no type checker looks."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin, get_type_hints

from tacit.errors import OptionError


def check_choices(options: Any) -> None:
    """Raise `OptionError` where a field typed as a `Literal` of words holds another one."""
    for name, hint in get_type_hints(type(options)).items():
        if get_origin(hint) is Literal:
            check_choice(name, getattr(options, name), get_args(hint))


def check_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    """Raise `OptionError`, with the nearest and all choices, where the value is none of them."""
    if value in (words := list(choices)):
        return
    near = get_close_matches(str(value), words, 1)
    hint = f'; did you mean "{near[0]}"?' if near else ":"
    raise OptionError(f'{name} cannot be "{value}"{hint} choose one of {", ".join(words)}')
