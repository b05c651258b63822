"""Which cells of a batch come first by a criterion, as flat places; equations of docs/methods/dli.md."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def first_of_all(
    criterion: Float[Tensor, "Q M"], count: int, eligible: Bool[Tensor, "Q M"]
) -> Int[Tensor, "n"]:
    """(2): the first `count` of the eligible cells, ties by the lower place, without sorting them all."""
    cells = cells_of(eligible)
    if len(cells) <= count:
        return cells
    if count == 0:
        return cells[:0]
    values = criterion.flatten()[cells]
    bar = values.kthvalue(len(values) - count + 1).values
    above, level = values > bar, values == bar
    level &= level.cumsum(0) <= count - above.sum()
    return cells[above | level]


def first_of_rows(
    criterion: Float[Tensor, "Q M"],
    share: float,
    valid: Bool[Tensor, "Q M"],
    eligible: Bool[Tensor, "Q M"],
) -> Int[Tensor, "n"]:
    """(2) in each row, of its own valid cells."""
    counts = (share * valid.sum(1).double() + 1e-9).floor()
    first = _places(criterion.where(eligible, -torch.inf)) < counts[:, None]
    return cells_of(first & eligible)


def kept_back(
    cells: Int[Tensor, "m"], criterion: Float[Tensor, "Q M"], valid: Bool[Tensor, "Q M"], keep: int
) -> Int[Tensor, "n"]:
    """Without a row's lowest-criterion cells, so that `keep` of its valid cells stay."""
    selected = torch.zeros_like(valid).flatten().index_fill_(0, cells, True).view(valid.shape)
    allowed = (valid.sum(1) - keep).clamp(min=0)
    over = (selected.sum(1) > allowed).nonzero()[:, 0]
    if len(over) == 0:
        return cells
    few = _places(criterion[over].where(selected[over], -torch.inf)) < allowed[over, None]
    return cells_of(selected.index_copy(0, over, selected[over] & few))


def notes_of(
    cells: Int[Tensor, "n"],
    strengths: Float[Tensor, "n"],
    valid: Bool[Tensor, "Q M"],
    own: Float[Tensor, "Q M"],
    items: Int[Tensor, "*rows M"],
    head: Bool[Tensor, "N"] | None,
) -> dict[str, Tensor]:
    """For the log: share of the candidates that is selected, mean strength, mean own belief in the selected
    and in the others, and how many of the selected are of the most popular items, `head`.
    """
    cells, strengths = cells[strengths > 0], strengths[strengths > 0]
    if len(cells) == 0:
        return {"selected": torch.zeros(())}
    candidates, theirs = valid.sum(), own.flatten()[cells].sum()
    notes = {
        "selected": len(cells) / candidates,
        "rho": strengths.mean(),
        "q_selected": theirs / len(cells),
        "q_kept": (own.where(valid, 0).sum() - theirs) / (candidates - len(cells)).clamp(min=1),
    }
    if head is not None:
        notes["selected_head"] = head[items.expand(valid.shape).flatten()[cells]].float().mean()
    return notes


def cells_of(mask: Bool[Tensor, "Q M"]) -> Int[Tensor, "n"]:
    """Flat places where the mask is true; numpy finds them ten times as fast as torch."""
    return torch.from_numpy(np.flatnonzero(mask.numpy()))


def count_of(mask: Bool[Tensor, "Q M"]) -> int:
    """How many cells of the mask are true."""
    return int(np.count_nonzero(mask.numpy()))


def _places(criterion: Float[Tensor, "R M"]) -> Int[Tensor, "R M"]:
    """Place of each cell in its row, highest first, ties by the lower index."""
    order = criterion.sort(dim=1, descending=True, stable=True).indices
    places = torch.arange(criterion.shape[1]).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places)
