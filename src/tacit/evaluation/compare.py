"""Is one model better than another? Paired over people, and over seeds where there are several runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Any

import numpy as np
from jaxtyping import Float64, Shaped

from tacit.errors import DataError, OptionError
from tacit.evaluation.bootstrap import RESAMPLES, draws
from tacit.evaluation.report import Report


@dataclass(frozen=True)
class Difference:
    """Means of a and b, their difference a - b with its interval, and two-sided bootstrap p-values.

    `p_holm` is corrected for all metrics of the comparison (Holm, Scand. J. Statistics 1979).
    """

    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float
    p_holm: float


@dataclass(frozen=True)
class Comparison:
    """Differences by metric over the `users` people that all reports have in common."""

    users: int
    metrics: dict[str, Difference]

    def to_dict(self) -> dict[str, Any]:
        """One JSON object."""
        metrics = {name: asdict(difference) for name, difference in self.metrics.items()}
        return {"users": self.users, "metrics": metrics}

    def __str__(self) -> str:
        """A plain table, one metric a line."""
        head = f"{self.users:,} users{'a':>23}{'b':>10}{'a - b':>10}{'low':>10}{'high':>10}{'p (Holm)':>10}"
        return "\n".join([head, *(_line(name, difference) for name, difference in self.metrics.items())])


def _line(name: str, difference: Difference) -> str:
    numbers = (difference.a, difference.b, difference.difference, difference.low, difference.high)
    return f"{name:<20}" + "".join(f"{number:>10.4f}" for number in (*numbers, difference.p_holm))


def compare(
    a: Report | Sequence[Report],
    b: Report | Sequence[Report],
    *,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Difference a - b of every metric that all reports hold, people resampled in pairs.

    `low` and `high` hold it with a chance of `level`; take 1 - .05 / n for n comparisons read together. p is
    never below 2 / (`resamples` + 1): where many comparisons are corrected together, take more.

    Reports must be of the same test set. People are matched by external id, by row in reports without ids,
    and only those in all reports count. Several reports of one side are runs with different seeds, which are
    resampled too (independently on each side), so the interval covers the choice of the seed.

    Raises `DataError` where the reports share no people or no metrics, or identify people in different ways,
    `OptionError` for a level outside (0, 1) or fewer than 100 resamples.
    """
    if resamples < 100:
        raise OptionError(f"an interval needs at least 100 resamples, not {resamples}")
    if not 0 < level < 1:
        raise OptionError(f"level is a chance in (0, 1) such as 0.95, not {level}")
    ours, theirs = ([x] if isinstance(x, Report) else list(x) for x in (a, b))
    reports = ours + theirs
    keys = [_keys(report) for report in reports]
    if len({(report.ids is None, key.dtype.kind) for report, key in zip(reports, keys, strict=True)}) > 1:
        raise DataError("people have integer ids in one report and text, or none, in another: evaluate alike")
    rows = reduce(np.intersect1d, keys)
    names = [name for name in ours[0].values if all(name in report.values for report in reports)]
    if len(rows) == 0 or not names:
        missing = "people" if len(rows) == 0 else "per-user metrics"
        raise DataError(
            f"the reports share no {missing}: compare evaluations of the same test file with the same metrics"
        )
    left, right = (_tables(side, names, rows) for side in (ours, theirs))
    defined = ~np.isnan(left).any(0) & ~np.isnan(right).any(0)
    left, right = (np.where(defined, table, 0.0) for table in (left, right))
    people = np.maximum(defined.sum(0), 1)
    means = [table.mean(0).sum(0) / people for table in (left, right)]
    shifts = _differences(left, right, defined, seed, resamples)
    low, high = np.quantile(shifts, [(1 - level) / 2, (1 + level) / 2], axis=0)
    below, above = (shifts <= 0).sum(0), (shifts >= 0).sum(0)
    p = np.minimum(1.0, 2 * (np.minimum(below, above) + 1) / (len(shifts) + 1))
    columns = (*means, means[0] - means[1], low, high, p, holm(p))
    differences = (Difference(*map(float, figures)) for figures in zip(*columns, strict=True))
    return Comparison(len(rows), dict(zip(names, differences, strict=True)))


def holm(p: Float64[np.ndarray, "tests"]) -> Float64[np.ndarray, "tests"]:
    """p-values corrected step by step, so that the chance of any false finding stays below the level."""
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(steps, 1.0)
    return corrected


def _keys(report: Report) -> Shaped[np.ndarray, "users"]:
    """What identifies the people of a report."""
    return report.rows if report.ids is None else report.ids


def _tables(
    reports: list[Report], names: list[str], people: Shaped[np.ndarray, "users"]
) -> Float64[np.ndarray, "seeds users metrics"]:
    tables = []
    for report in reports:
        order = np.argsort(keys := _keys(report))
        at = order[np.searchsorted(keys, people, sorter=order)]
        tables.append(np.stack([report.values[name][at] for name in names], 1))
    return np.stack(tables)


def _differences(
    left: Float64[np.ndarray, "left_seeds users metrics"],
    right: Float64[np.ndarray, "right_seeds users metrics"],
    defined: np.ndarray,
    seed: int,
    resamples: int,
) -> Float64[np.ndarray, "resamples metrics"]:
    """Resampled differences: people in pairs, seeds of each side on their own."""
    generator = np.random.default_rng(seed)
    if len(left) == len(right) == 1:
        left, right = left - right, np.zeros_like(right)
    sides = [side.astype(np.float32) for side in (left, right)]
    shifts = []
    for drawn in draws(len(defined), generator, resamples):
        people = np.maximum(drawn @ defined.astype(np.float32), 1)
        means = []
        for side in sides:
            sums = np.stack([drawn @ table for table in side], 1)
            often = generator.multinomial(len(side), np.full(len(side), 1 / len(side)), len(drawn))
            means.append(np.einsum("bsm,bs->bm", sums, often / len(side)))
        shifts.append((means[0] - means[1]) / people)
    return np.concatenate(shifts).astype(np.float64)
