"""Write the tables of the documents anew from the finished cells.

python -m reproduce.tables            # rewrite what stands between the marks
python -m reproduce.tables --check    # only say whether a document lags behind its cells
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reproduce.cells import ROOT, finished
from reproduce.defaults import FILES, ranked, tried

PAGES = (ROOT / "docs" / "results.md", ROOT / "docs" / "defaults.md")
MARKED = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> None:
    """Rewrite or check every page."""
    late = [page.name for page in PAGES if rewrite(page, write="--check" not in sys.argv)]
    if late and "--check" in sys.argv:
        sys.exit(f"behind their cells: {', '.join(late)}; run python -m reproduce.tables")


def rewrite(page: Path, *, write: bool) -> bool:
    """Whether the page differs from its cells; put right where `write`."""
    old = page.read_text("utf-8")
    new = MARKED.sub(lambda mark: mark[1] + "\n".join(table(mark[2])) + "\n" + mark[3], old)
    if write and new != old:
        page.write_text(new, "utf-8")
    return new != old


def table(name: str) -> Iterator[str]:
    """Lines of a table: `figures/STUDY`, `curves/STUDY` or `grid/PAIR`."""
    kind, _, rest = name.partition("/")
    if kind == "figures":
        return figures(rest)
    if kind == "curves":
        return curves(rest)
    return points(rest)


def figures(study: str) -> Iterator[str]:
    """Every cell of a study, best first."""
    yield "| cell | Recall@20 | 95 % interval | NDCG@20 | epochs | seconds of fit |"
    yield "|---|--:|---|--:|--:|--:|"
    for cell in sorted(finished(study), key=lambda cell: -cell["recall@20"]["mean"]):
        recall, ndcg = cell["recall@20"], cell["ndcg@20"]
        yield (
            f"| {cell['cell']} | {recall['mean']:.4f} | {recall['low']:.4f} - {recall['high']:.4f} "
            f"| {ndcg['mean']:.4f} | {cell.get('epoch', '')} | {cell['fit_seconds']:,.0f} |"
        )


def curves(study: str) -> Iterator[str]:
    """Recall@20 over epochs, at most ten points a cell."""
    for cell in finished(study):
        curve: list[list[Any]] = cell.get("curve", [])
        if curve:
            step = -(-len(curve) // 10)
            shown = curve[step - 1 :: step]
            yield f"- {cell['cell']}: " + ", ".join(f"{epoch}: {recall:.4f}" for epoch, recall, _ in shown)


def points(pair: str) -> Iterator[str]:
    """Points of a pair's grid: those tried on all its sets, best first, then the others."""
    yield f"| options of {pair} | score | {' | '.join(FILES)} | best epochs |"
    yield "|---|--:|" + "--:|" * len(FILES) + "---|"
    complete = ranked(pair)
    rows = [(f"{score:.3f}", cells) for score, cells in complete]
    done = [cells for _, cells in complete]
    rows += [("", cells) for cells in tried(pair) if cells not in done]
    for score, cells in rows:
        point = next(iter(cells.values()))["point"]
        options = {
            "rate": point["rate"],
            **({"decay": point["decay"]} if point.get("decay", 1) != 1 else {}),
            "batch": point["batch_size"],
            **point["scheme"],
            **point["backbone"],
        }
        said = ", ".join(f"{name} {value:g}" for name, value in options.items())
        shown = " | ".join(f"{cells[data]['ndcg@20']:.4f}" if data in cells else "" for data in FILES)
        epochs = ", ".join(str(cells[data]["epoch"]) for data in FILES if data in cells)
        yield f"| {said} | {score} | {shown} | {epochs} |"


if __name__ == "__main__":
    main()
