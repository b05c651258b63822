"""What an evaluation says: means with bootstrap intervals over people, and who was left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, Shaped

from tacit.evaluation.bootstrap import draws


@dataclass(frozen=True)
class Summary:
    """Mean over people with the 95 % percentile bootstrap interval; None where there is none."""

    mean: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, eq=False)
class Report:
    """How well a model ranked for `users` people.

    `metrics` by name (`recall@20`); `values` holds one number a person for each metric that is a mean over
    people, NaN where it is not defined for a person; `rows` says whose they are, and so does `ids`
    where the external ids are known; `counts` who and what was counted apart.
    """

    users: int
    metrics: dict[str, Summary]
    values: dict[str, Float64[np.ndarray, "users"]] = field(repr=False)
    rows: Int64[np.ndarray, "users"] = field(repr=False)
    counts: dict[str, int] = field(default_factory=dict)
    ids: Shaped[np.ndarray, "users"] | None = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """One JSON object: users, metrics as {"mean", "low", "high"}, and the counts."""
        metrics = {name: asdict(summary) for name, summary in self.metrics.items()}
        return {"users": self.users, "metrics": metrics, **self.counts}

    def __str__(self) -> str:
        """A plain table, one metric a line."""
        return "\n".join([f"{self.users:,} users", *_lines(self.metrics.items())])


def _lines(metrics: Iterable[tuple[str, Summary]]) -> Iterable[str]:
    for name, summary in metrics:
        mean = "-" if summary.mean is None else f"{summary.mean:.4f}"
        interval = "" if summary.low is None else f"  ({summary.low:.4f} - {summary.high:.4f})"
        yield f"{name:<20}{mean:>10}{interval}"


def summaries(
    values: dict[str, Float64[np.ndarray, "users"]], overall: dict[str, float], seed: int = 0
) -> dict[str, Summary]:
    """Intervals of all metrics from the same resamples of people; figures without people have none.

    People for whom a metric is NaN are outside its mean.
    """
    result: dict[str, Summary] = {}
    if values:
        table = np.stack(list(values.values()), 1)
        defined = ~np.isnan(table)
        filled = np.where(defined, table, 0.0)
        some = defined.any(0)
        means = filled.sum(0) / np.maximum(defined.sum(0), 1)
        both = np.concatenate([filled - means * defined, defined], 1).astype(np.float32)
        sums = np.concatenate([drawn @ both for drawn in draws(len(table), np.random.default_rng(seed))])
        shifts, people = np.split(sums, 2, axis=1)
        low, high = means + np.percentile(shifts / np.maximum(people, 1), [2.5, 97.5], axis=0)
        for at, name in enumerate(values):
            figures = (float(figure[at]) for figure in (means, low, high))
            result[name] = Summary(*figures) if some[at] else Summary(None)
    for name, value in overall.items():
        result[name] = Summary(None if np.isnan(value) else value)
    return result
