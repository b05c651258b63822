"""Where a run may start from: noise, iALS factors, or an earlier run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from tacit.errors import OptionError
from tacit.run import Run, load
from tacit.types import TrainingData


def earlier_run(start: str | Path | None) -> Run | None:
    """The run to go on from, if it is one. Raises `OptionError` where there is no such folder."""
    if start in (None, "ials", "noise") or start is None:
        return None
    if not Path(start).is_dir():
        raise OptionError(f'start {start} is neither "ials" nor the folder of a run')
    return load(start)


def start_values(backbone: Any, data: TrainingData, start: str | Path | None, earlier: Run | None) -> None:
    """Set the initial parameters in place. Raises `OptionError` for a backbone that cannot start so."""
    if start in (None, "noise"):
        return
    if earlier is not None:
        _copy(backbone, earlier)
        return
    if not hasattr(backbone, "start_from"):
        name = type(backbone).__name__
        raise OptionError(f"{name} cannot start from factors: drop start, or use mf or lightgcn")
    from tacit.references.ials import IALS

    fitted = IALS(factors=backbone.dim).fit(data)
    backbone.start_from(torch.from_numpy(fitted.user_factors), torch.from_numpy(fitted.item_factors))


def _copy(new: Any, earlier: Run) -> None:
    """Parameters of an earlier run; users and items that it did not know keep their initial values."""
    old = earlier.backbone
    if not hasattr(new, "copy_rows"):
        raise OptionError(f"{type(new).__name__} cannot go on from an earlier run: it has no copy_rows")
    differing = "; ".join(_differences(old, new))
    if type(new) is not type(old) or differing:
        options = ", ".join(f"{name} = {value}" for name, value in earlier.config["backbone"].items())
        raise OptionError(
            f"this {type(new).__name__} cannot go on from the earlier run's {type(old).__name__} "
            f"({differing}): take its backbone options, {options}"
        )
    new.copy_rows(old)


def _differences(old: Any, new: Any) -> Iterator[str]:
    """Tensors of two backbones that differ in shape other than by the rows of more users, items or both."""
    then, now = (
        {name: tuple(tensor.shape) for name, tensor in backbone.state_dict().items()}
        for backbone in (old, new)
    )
    users, items = (old.n_users, new.n_users), (old.n_items, new.n_items)
    grown = {users, items, (users[0] + items[0], users[1] + items[1])}
    for name in sorted(then.keys() | now.keys()):
        before, after = then.get(name), now.get(name)
        if before == after:
            continue
        if before and after and before[1:] == after[1:] and (before[0], after[0]) in grown:
            continue
        yield f"{name}: {_said(before)} then, {_said(after)} now"


def _said(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else " x ".join(map(str, shape))
