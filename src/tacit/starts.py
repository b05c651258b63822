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
        _copy(backbone, earlier.backbone)
        return
    if not hasattr(backbone, "start_from"):
        name = type(backbone).__name__
        raise OptionError(f"{name} cannot start from factors: drop start, or use mf or lightgcn")
    from tacit.references.ials import IALS

    fitted = IALS(factors=backbone.dim).fit(data)
    backbone.start_from(torch.from_numpy(fitted.user_factors), torch.from_numpy(fitted.item_factors))


def _copy(new: Any, old: Any) -> None:
    """Parameters of an earlier run; users and items that it did not know keep their initial values."""
    if type(new) is not type(old) or not hasattr(new, "copy_rows"):
        raise OptionError(
            f"the earlier run has the backbone {type(old).__name__} and this one is {type(new).__name__}: "
            "go on with the same backbone and options"
        )
    new.copy_rows(old)
