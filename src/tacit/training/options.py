"""Options of training that are neither the backbone's, the scheme's nor the optimiser's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tacit.errors import OptionError


@dataclass(frozen=True)
class TrainingOptions:
    """How long, in what batches, chosen by what. None: from the table of defaults (docs/defaults.md)."""

    epochs: int | None = None  # upper bound; validation chooses
    batch_size: int | None = None  # pairs in a step, or sequences where the backbone reads them
    patience: int | None = None  # validations without improvement before stopping
    validate_every: int = 1  # epochs from one validation to the next
    draw: Literal["interactions", "users"] = "interactions"  # what examples are drawn uniformly over
    stride: int | None = None  # targets of a window of a sequence; below its length windows overlap
    metric: str = "ndcg@20"  # chooses the number of steps, on the validation part
    seen: Literal["mask", "keep"] = "mask"  # keep: validation ranks what a user did before too
    refit: bool | None = (
        None  # train on train + validation for the chosen steps; None: yes, unless valid is given
    )
    checkpoint_every: int = 1000  # steps from one checkpoint to the next; at least one every 30 s
    meta: float | None = None  # share of the examples held out for meta batches; nothing: .1 where needed
    spectrum: int | None = None  # epochs from one diagnosis of the embeddings in the log to the next
    interests: int | None = None  # epochs from one diagnosis of several interests in the log to the next
    audit: int | None = None  # epochs from one audit of what a scheme takes for false negatives to the next
    clip: float | None = None  # bound of the joint Euclidean norm of all gradients of a step; None: no bound

    def __post_init__(self) -> None:
        for name in (
            "epochs",
            "batch_size",
            "patience",
            "stride",
            "validate_every",
            "checkpoint_every",
            "spectrum",
            "interests",
            "audit",
        ):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise OptionError(f"training.{name} must be at least 1, not {value}")
        if self.draw not in ("interactions", "users"):
            raise OptionError(f'training.draw is "interactions" or "users", not "{self.draw}"')
        if self.seen not in ("mask", "keep"):
            raise OptionError(f'training.seen is "mask" or "keep", not "{self.seen}"')
        if self.meta is not None and not 0 <= self.meta < 1:
            raise OptionError(f"training.meta is a share in [0, 1), not {self.meta}")
        if self.clip is not None and not self.clip > 0:
            raise OptionError(f"training.clip must be above 0, or left out, not {self.clip}")
