"""The list of options, made from the dataclasses themselves: `tacit fit --options` and docs/options.md.

An option's meaning is the comment beside its field.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, is_dataclass
from io import StringIO
from textwrap import dedent
from typing import Any, Literal, get_args, get_origin, get_type_hints

from tacit.cli.config import SECTIONS, Composed, Config
from tacit.cli.names import AlsoPart, Backbone, SchemeChoice, is_dotted, members, settable
from tacit.defaults import RATES, SMALLEST, suggested, usual_meta
from tacit.presets import scheme_of
from tacit.schemes.scheme import Scheme

HEAD = """# Options

Every option, its default and its meaning. It is set in a TOML file (`[scheme]`, `negatives = 16`) or on the
line (`--set scheme.negatives=16`). "-" is nothing: guessed, taken from the table of defaults, or not used.
For some pairs of backbone and scheme the [table of defaults](defaults.md) says other values. What
holds for a pair, and for a class of your own, is printed, as a TOML file to begin with, by

```sh
tacit fit --options --backbone lightgcn --scheme sampled-softmax
```

This page is written by `make docs`.
"""
SMALL, LARGE = "halved for small logs", "lazy-adam for many users or items"


@dataclass(frozen=True)
class Option:
    """One option: its name within its section, its value, what it means."""

    name: str
    value: Any
    meaning: str
    unless: str = ""  # the logs for which a value of nobody's choice is another


def options(made: Any) -> list[Option]:
    """The options of an object, or with their defaults of a class."""
    meanings = _meanings(made if isinstance(made, type) else type(made))
    return [Option(field.name, _value(made, field), meanings.get(field.name, "")) for field in settable(made)]


def _value(made: Any, field: Any) -> Any:
    if not isinstance(made, type):
        return getattr(made, field.name)
    if field.default_factory is not MISSING:
        return field.default_factory()
    return None if field.default is MISSING else field.default


def _meanings(kind: type) -> dict[str, str]:
    """Of each field the comments on its lines, and the values that its type allows."""
    found: dict[str, str] = {}
    for base in reversed([base for base in kind.__mro__ if is_dataclass(base)]):
        try:
            source = dedent(inspect.getsource(base))
        except (OSError, TypeError):
            continue
        tokens = list(tokenize.generate_tokens(StringIO(source).readline))
        comments = {
            token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT
        }
        (body,) = (node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
        for node in body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
                found[node.target.id] = " ".join(comments[line] for line in lines if line in comments)
    for name, hint in get_type_hints(kind).items():
        choices = [
            str(value)
            for part in (hint, *get_args(hint))
            if get_origin(part) is Literal
            for value in get_args(part)
        ]
        if len(choices) > 1 and name in found:
            found[name] = f"{found[name]} ({', '.join(choices)})".strip()
    return found


def listing(config: Config) -> Iterator[tuple[str, Option]]:
    """Section and option of everything that a run with this configuration would take."""
    names = (str(getattr(part, "use", "")) for part in (config.backbone, config.scheme))
    table = suggested(*names, sequences=getattr(config.backbone, "reads", "pairs") == "sequences")
    chosen = table.optimizer if config.optimizer.use == "auto" else config.optimizer.use
    filled = {f"training.{name}": getattr(table, name) for name in ("epochs", "batch_size", "patience")}
    filled["optimizer.rate"] = table.rate if chosen == table.optimizer else RATES[chosen]
    filled["optimizer.decay"] = table.decay if chosen == table.optimizer else 1.0
    filled["training.meta"] = usual_meta(scheme_of(config.scheme))
    for section in SECTIONS:
        made = getattr(config, section)
        if isinstance(made, Composed):
            made = made.preset
        said = config.said.get(section, {})
        if is_dotted(said.get("use")):
            yield section, Option("use", said["use"], "")
        if isinstance(made, Scheme):
            yield from ((section, Option(name, said[name], "")) for name in said if name != "use")
            continue
        for option in options(made) if is_dataclass(made) else ():
            value = filled.get(f"{section}.{option.name}") if option.value is None else option.value
            unless = ""
            if (section, option.name) == ("optimizer", "use"):
                value, unless = chosen, LARGE if config.optimizer.use == "auto" and chosen == "adam" else ""
            if (section, option.name) == ("training", "batch_size") and option.value is None:
                unless = SMALL if table.batch_size > SMALLEST else ""
            yield section, Option(option.name, value, option.meaning, unless)
    if config.said.get("also"):
        yield "scheme", Option("also", config.said["also"], "more parts")


def toml(config: Config) -> str:
    """The listing as TOML, a line an option; what has no value, or depends on the log, is commented out."""
    lines = []
    for section, option in listing(config):
        line = f"{section}.{option.name} = {'' if option.value is None else _inline(option.value)}".rstrip()
        out = option.value is None or option.unless
        meaning = "; ".join(said for said in (option.meaning, option.unless) if said)
        lines.append((f"# {line}" if out else line, meaning))
    width = max(len(line) for line, _ in lines)
    return "".join(f"{f'{line:<{width}}  # {meaning}' if meaning else line}\n" for line, meaning in lines)


def _inline(value: Any) -> str:
    """A value of one line of TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_inline(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    return json.dumps(value)


def page() -> str:
    """docs/options.md."""
    return "\n".join([HEAD, *(_table(*kind) for kind in _kinds())])


def _kinds() -> Iterator[tuple[str, type]]:
    for section, union in (("backbone", Backbone), ("scheme", SchemeChoice), ("scheme.also", AlsoPart)):
        for name, kind in members(union).items():
            yield f'{section}, use = "{name}"', kind
    for section, kind in get_type_hints(Config).items():
        if is_dataclass(kind):
            yield section, kind


def _table(title: str, kind: type) -> str:
    said = (inspect.getdoc(kind) or "").split("\n\n")[0]
    rows = [
        f"| `{option.name}` | {'-' if option.value is None else f'`{json.dumps(option.value)}`'} "
        f"| {option.meaning} |"
        for option in options(kind)
        if not (option.name == "use" and "use" in title)
    ]
    return "\n".join(
        [f"## {title}", "", said, "", "| option | default | meaning |", "|---|---|---|", *rows, ""]
    )


if __name__ == "__main__":
    sys.stdout.write(page())
