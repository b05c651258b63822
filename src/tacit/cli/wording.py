"""What mistakes in options are told: one sentence, with the nearest that exists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import ValidationError

EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
}
COUNTS = {2: "two", 3: "three", 4: "four"}
SEVERAL = {int: "whole numbers", float: "numbers", str: "texts"}


def sentence(error: ValidationError, section: str, table: dict[str, Any], kind: type) -> str:
    """Every branch of the first option of a class that failed, as one sentence."""
    problems = error.errors(include_url=False)
    option = next(str(part) for part in problems[0]["loc"] if part in table)
    wanted = [] if (fixed := _fixed(kind, option)) is None else [fixed]
    for problem in problems:
        if fixed is None and option in problem["loc"] and problem["type"] != "needs_python_object":
            expected = problem.get("ctx", {}).get("expected")
            wanted.append(EXPECTED.get(problem["type"]) or expected or problem["msg"])
    value = table[option]
    choices = re.findall(r"'([^']*)'", " ".join(wanted))
    said = f"{json.dumps(value, default=str)}{nearest(str(value), choices)}"
    return f"{section}.{option} must be {' or '.join(dict.fromkeys(wanted))}, not {said}"


def nearest(name: str, valid: Iterable[str]) -> str:
    """The valid name that comes nearest, as the end of a sentence; nothing where none does."""
    near = get_close_matches(name.replace("+", "-plus"), list(valid), 1, cutoff=0.55)
    return f'; did you mean "{near[0]}"?' if near else ""


def listed(names: Iterable[str]) -> str:
    """Names between commas."""
    return ", ".join(names)


def _fixed(kind: type, option: str) -> str | None:
    """What an option wants that is a tuple of a fixed length; None for any other."""
    hint = get_type_hints(kind)[option]
    parts = get_args(hint)
    if get_origin(hint) is not tuple or ... in parts:
        return None
    what = SEVERAL.get(parts[0], "values") if len(set(parts)) == 1 else "values"
    default = getattr(kind, option, None)
    example = "" if default is None else f", as in {json.dumps(default)}"
    return f"{COUNTS.get(len(parts), len(parts))} {what}{example}"
