"""Leaks of a split, counted."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tacit.data.split import Split
from tacit.kernels.topk import shared_with


@dataclass(frozen=True)
class Audit:
    """What a split leaks or loses. None: the part that would tell is not there."""

    valid_pairs_in_train: int | None = None
    test_pairs_in_train: int | None = None
    train_events_after_test_begins: int | None = None
    train_events_after_valid_begins: int | None = None
    train_impressions_after_test_begins: int | None = None
    train_impressions_after_valid_begins: int | None = None
    valid_items_never_in_train: int | None = None
    test_items_never_in_train: int | None = None
    test_pairs_of_items_never_in_train: int | None = None
    valid_users_without_train: int | None = None
    test_users_without_train: int | None = None
    valid_pairs_in_test: int | None = None
    repeated_test_rows: int | None = None
    users_without_test: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """One JSON object."""
        return asdict(self)

    def findings(self) -> list[str]:
        """One sentence for each count above zero, with what it means."""
        return [
            f"{value:,} {name.replace('_', ' ')}: {_MEANING[name]}"
            for name, value in asdict(self).items()
            if value
        ]


_FUTURE = "the future of other users is known in training; split by time to avoid it"
_SHOWN_LATER = (
    "training knows what was shown later; data split cuts a file of impressions where it cuts train"
)
_MEANING = {
    "valid_pairs_in_train": "masked in validation, so they leave the truth",
    "test_pairs_in_train": "masked in the evaluation, so they leave the truth",
    "train_events_after_test_begins": _FUTURE,
    "train_events_after_valid_begins": _FUTURE,
    "train_impressions_after_test_begins": _SHOWN_LATER,
    "train_impressions_after_valid_begins": _SHOWN_LATER,
    "valid_items_never_in_train": "no model can recommend them",
    "test_items_never_in_train": "no model can recommend them; they stay in the truth",
    "test_pairs_of_items_never_in_train": "they stay in the truth and count as misses",
    "valid_users_without_train": "left out of validation",
    "test_users_without_train": "cold: counted apart and outside the means",
    "valid_pairs_in_test": "masked in the evaluation, so they leave the truth",
    "repeated_test_rows": "each pair counts once",
    "users_without_test": "trained on, not measured",
}


def audit(split: Split) -> Audit:
    """Count the leaks of a split whose parts share one vocabulary. What counts are yeses, and impressions
    that are later than a part begins.

    Where people are held out whole, their history counts as training data.
    """
    counts: dict[str, int] = {}
    for name, part, history in (
        ("valid", split.valid, split.valid_history),
        ("test", split.test, split.test_history),
    ):
        if part is None:
            continue
        train = split.train if history is None else split.train.concat(history)
        truth, known = part.positives, train.positives
        counts[f"{name}_pairs_in_train"] = int(shared_with(truth, known).sum())
        items = np.unique(truth.indices)
        lost = items[np.bincount(known.indices, minlength=train.n_items)[items] == 0]
        counts[f"{name}_items_never_in_train"] = len(lost)
        people = truth.degrees() > 0
        counts[f"{name}_users_without_train"] = int((people & (known.degrees() == 0)).sum())
        if name == "test":
            counts["test_pairs_of_items_never_in_train"] = int(np.isin(truth.indices, lost).sum())
            counts["repeated_test_rows"] = part.n_yes - len(truth.indices)
            counts["users_without_test"] = int((~people & (known.degrees() > 0)).sum())
        if split.train.times is not None and part.times is not None and part.n_yes:
            later = split.train.times > part.times[part.yes].min()
            counts[f"train_events_after_{name}_begins"] = int((later & split.train.yes).sum())
            if split.train.shown is not None:
                shown = int((later & split.train.shown).sum())
                counts[f"train_impressions_after_{name}_begins"] = shown
    if split.valid is not None and split.test is not None:
        shared = shared_with(split.valid.positives, split.test.positives)
        counts["valid_pairs_in_test"] = int(shared.sum())
    return Audit(**counts)
