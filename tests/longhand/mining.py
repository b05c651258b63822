"""The hardest candidates of each row, by sorting."""

from __future__ import annotations


def hardest(scores: list[list[float]], dropped: list[list[bool]], count: int) -> list[set[int]]:
    """Columns (0: first candidate) of the `count` highest scores that are not dropped."""
    result = []
    for row, row_dropped in zip(scores, dropped, strict=True):
        able = [column for column, gone in enumerate(row_dropped) if not gone]
        result.append(set(sorted(able, key=lambda column: -row[column])[:count]))
    return result
