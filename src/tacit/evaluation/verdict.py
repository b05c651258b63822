"""What a person should be told about an evaluation beside its figures."""

from __future__ import annotations

from collections.abc import Mapping

from tacit.evaluation.report import Report

STRANGE = 0.2
ADVICE = "try --start ials, another --scheme or more epochs"
OF_SEQUENCES = "try another --scheme or --backbone, another optimizer.rate, or more epochs"


def beaten(report: Report, rivals: Mapping[str, Report], *, sequences: bool = False) -> str | None:
    """One sentence where a rival's mean is higher than the run's on the first metric that has an interval.

    What may help is another thing for a backbone that reads `sequences`.

    The best rival is named. Where the two intervals overlap, the sentence says so: the difference may be
    chance, and `compare` tells more.
    """
    name = next((name for name, summary in report.metrics.items() if summary.low is not None), None)
    means = {rival: other.metrics[name].mean or 0.0 for rival, other in rivals.items()} if name else {}
    best = max(means, key=means.__getitem__, default=None)
    if name is None or best is None:
        return None
    own, other = report.metrics[name], rivals[best].metrics[name]
    if own.mean is None or means[best] <= own.mean:
        return None
    overlap = other.low is not None and own.high is not None and other.low <= own.high
    said = f"{own.mean:.4f} against {means[best]:.4f}{', intervals overlap' if overlap else ''}"
    return f"run loses to {best} on {name} ({said}): {OF_SEQUENCES if sequences else ADVICE}"


def strangers(what: str, unknown: int, asked: int) -> str | None:
    """One sentence where more than a fifth of the test users or items are unknown to the run."""
    if unknown <= STRANGE * asked:
        return None
    return (
        f"{unknown:,} of {asked:,} {what} of the test file ({unknown / asked:.0%}) are unknown to the run: "
        "is it the right file, with ids written as in the log?"
    )
