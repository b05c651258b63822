"""Where a run may start from: noise, iALS factors, or an earlier run."""

from __future__ import annotations

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
    has, had = _shapes(new), _shapes(old)
    if type(new) is not type(old) or has != had:
        names = sorted(name for name in has.keys() | had.keys() if has.get(name) != had.get(name))
        now, then = ({name: shapes.get(name, "missing") for name in names} for shapes in (has, had))
        differing = "; ".join(f"{name}: {then[name]} then, {now[name]} now" for name in names)
        options = ", ".join(f"{name} = {value}" for name, value in earlier.config["backbone"].items())
        raise OptionError(
            f"this {type(new).__name__} cannot go on from the earlier run's {type(old).__name__} "
            f"({differing}): take its backbone options, {options}"
        )
    new.copy_rows(old)


def _shapes(backbone: Any) -> dict[str, str]:
    """Of each tensor its shape; of tables with a row for each user, item or both that of a row."""
    users, items = backbone.n_users, backbone.n_items
    counts, found = (users, items, users + items), {}
    for name, tensor in backbone.state_dict().items():
        shape = tuple(tensor.shape)
        grows = bool(shape) and shape[0] in counts
        sizes = " x ".join(str(size) for size in (shape[1:] if grows else shape))
        found[name] = f"rows of {sizes or 1}" if grows else sizes
    return found
