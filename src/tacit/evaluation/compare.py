"""Paired comparison of two reports over the same people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from tacit.errors import DataError
from tacit.evaluation.report import BLOCK, BOOTSTRAP, Report


@dataclass(frozen=True)
class Difference:
    """Mean of a - b over people, its 95 % interval, and the two-sided p-value of no difference."""

    mean: float
    low: float
    high: float
    p: float
    p_holm: float


def compare(
    a: Report | Sequence[Report], b: Report | Sequence[Report], *, seed: int = 0
) -> dict[str, Difference]:
    """Paired bootstrap over people of every metric that both reports have per person.

    Several reports (seeds) of a side are averaged per person first. p-values are adjusted by Holm's method
    over the metrics. Raises `DataError` where the two sides did not evaluate the same people.
    """
    left, right = ([x] if isinstance(x, Report) else list(x) for x in (a, b))
    rows = left[0].rows
    if any(not np.array_equal(rows, report.rows) for report in [*left, *right]):
        raise DataError("the reports are of different people: evaluate both on the same test file and history")
    names = [n for n in left[0].values if all(n in report.values for report in [*left, *right])]
    table = np.stack([_mean(left, name) - _mean(right, name) for name in names], 1)
    means, low, high, p = _paired(table, seed)
    adjusted = holm(p)
    return {
        name: Difference(*(float(x[at]) for x in (means, low, high, p, adjusted)))
        for at, name in enumerate(names)
    }


def holm(p: Float64[np.ndarray, "tests"]) -> Float64[np.ndarray, "tests"]:
    """p-values adjusted for their number (Holm, 1979)."""
    order = np.argsort(p)
    steps = p[order] * (len(p) - np.arange(len(p)))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def _mean(reports: list[Report], name: str) -> Float64[np.ndarray, "users"]:
    return np.mean([report.values[name] for report in reports], axis=0)


def _paired(table: Float64[np.ndarray, "users metrics"], seed: int) -> tuple[Any, Any, Any, Any]:
    """Means, percentile intervals, and p as twice the smaller share of resampled means beyond zero."""
    n, rng, draws = len(table), np.random.default_rng(seed), []
    for _ in range(BOOTSTRAP // BLOCK):
        chosen = rng.integers(0, n, (BLOCK, n), dtype=np.int32)
        weights = np.stack([np.bincount(people, minlength=n) for people in chosen])
        draws.append(weights @ table / n)
    resampled = np.concatenate(draws)
    low, high = np.percentile(resampled, [2.5, 97.5], axis=0)
    below, above = (resampled <= 0).mean(0), (resampled >= 0).mean(0)
    p = np.minimum(2 * np.minimum(below, above), 1.0)
    return table.mean(0), low, high, np.maximum(p, 1 / BOOTSTRAP)
