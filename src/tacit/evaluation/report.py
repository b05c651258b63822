"""What an evaluation says: means with bootstrap intervals over people, and who was left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64

BOOTSTRAP, BLOCK = 1000, 50


@dataclass(frozen=True)
class Summary:
    """Mean over people with the 95 % percentile bootstrap interval; None where no mean exists."""

    mean: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, eq=False)
class Report:
    """`users` evaluated, metrics by name, values per person, and what was counted apart."""

    users: int
    metrics: dict[str, Summary]
    values: dict[str, Float64[np.ndarray, "users"]] = field(repr=False)
    rows: np.ndarray = field(repr=False)  # user rows of the values
    counts: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """One JSON object."""
        metrics = {name: vars(summary) for name, summary in self.metrics.items()}
        return {"users": self.users, "metrics": metrics, **self.counts}


def summaries(
    values: dict[str, Float64[np.ndarray, "users"]], overall: dict[str, float], seed: int = 0
) -> dict[str, Summary]:
    """Intervals of all metrics from the same resamples of people (how often each was drawn)."""
    result: dict[str, Summary] = {}
    if values:
        names, table = list(values), np.stack(list(values.values()), 1)
        n = len(table)
        defined = ~np.isnan(table)
        filled = np.where(defined, table, 0.0).astype(np.float32)
        defined = defined.astype(np.float32)
        rng = np.random.default_rng(seed)
        draws = []
        for _ in range(BOOTSTRAP // BLOCK):
            drawn = rng.integers(0, n, (BLOCK, n), dtype=np.int32)
            weights = np.stack([np.bincount(people, minlength=n) for people in drawn]).astype(np.float32)
            draws.append(weights @ filled / np.maximum(weights @ defined, 1))
        low, high = np.percentile(np.concatenate(draws), [2.5, 97.5], axis=0)
        means = np.nanmean(table, 0)
        for at, name in enumerate(names):
            result[name] = Summary(float(means[at]), float(low[at]), float(high[at]))
    for name, value in overall.items():
        result[name] = Summary(None if np.isnan(value) else value)
    return result
