"""Write the tables of the documents anew from the finished cells.

python -m reproduce.tables            # rewrite what stands between the marks
python -m reproduce.tables --check    # only say whether a document lags behind its cells
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

from reproduce.cells import ROOT, finished
from reproduce.defaults import FILES, PATIENCE, parted, ranked, shown, tried
from reproduce.pictures import KINDS, drawn, place, shown_as
from tacit.defaults import Suggested, suggested
from tacit.evaluation.compare import holm
from tacit.presets import BackboneConfig, SchemePreset, by_name

DOCS = ROOT / "docs"
METHODS = ("directspec", "dli", "idl-ig", "desorec", "remi")
PAGES = (
    DOCS / "results.md",
    DOCS / "defaults.md",
    DOCS / "truth.md",
    *(DOCS / "methods" / f"{name}.md" for name in METHODS),
)
MARKED = re.compile(r"(<!-- table: ([^\n]+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> None:
    """Rewrite or check every page."""
    late = [page.name for page in PAGES if rewrite(page, write="--check" not in sys.argv)]
    if late and "--check" in sys.argv:
        sys.exit(f"behind their cells: {', '.join(late)}; run python -m reproduce.tables")


def rewrite(page: Path, *, write: bool) -> bool:
    """Whether the page differs from its cells; put right where `write`."""
    old = page.read_text("utf-8")
    new = MARKED.sub(lambda mark: mark[1] + "\n".join(table(mark[2])) + "\n" + mark[3], old)
    files = {page: new}
    for _, name, _ in MARKED.findall(old):
        kind, _, rest = name.partition("/")
        if kind in KINDS:
            files[page.parent / place(kind, rest)] = drawn(kind, *rest.split("/"))
    late = {
        path: text for path, text in files.items() if not path.exists() or path.read_text("utf-8") != text
    }
    for path, text in late.items():
        if write:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
    return bool(late)


def table(name: str) -> Iterator[str]:
    """Lines of a table: figures/STUDY, curves/STUDY, grid/PAIR, contest/STUDY/NAME/METRIC,METRIC,
    claims/STUDY/NAME/METRIC, taken/STUDY/NAME, epochs/STUDY, seeds/STUDY/METRIC,METRIC, moments/STUDY; or a
    plot, ranks/STUDY/NAME or routing/STUDY/NAME.
    """
    kind, _, rest = name.partition("/")
    if kind in KINDS:
        return iter([shown_as(kind, rest)])
    if kind == "seeds":
        return seeds(*rest.split("/"))
    if kind == "moments":
        return moments(rest)
    if kind == "contest":
        return contest(*rest.split("/"))
    if kind == "claims":
        return claims(*rest.split("/"))
    if kind == "taken":
        return taken(*rest.split("/"))
    if kind == "figures":
        return figures(rest)
    if kind == "curves":
        return curves(rest)
    if kind == "epochs":
        return epochs(rest)
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


def contest(study: str, name: str, metrics: str) -> Iterator[str]:
    """Schemes of a contest: mean and standard deviation over seeds, and the difference to the base.

    The difference is that of the first metric, with its 95 % interval over users and seeds.
    """
    wanted = metrics.split(",")
    cells = finished(study)
    paired = next((cell for cell in cells if cell["cell"] == f"{name}-paired"), None)
    corrected = _corrected(paired, wanted[0])
    named = " | ".join(wanted)
    yield f"| scheme | seeds | epochs | {named} | {wanted[0]} less base | 95 % interval | p (Holm) |"
    yield "|---|--:|--:|" + "--:|" * (len(wanted) + 1) + "---|--:|"
    seeds: dict[str, list[dict[str, Any]]] = {}
    for cell in cells:
        if "scheme" in cell and cell["cell"] == f"{name}-{cell['scheme']}-seed-{cell['seed']}":
            seeds.setdefault(cell["scheme"], []).append(cell)
    order = sorted(seeds, key=lambda scheme: -_mean(seeds[scheme], wanted[0]))
    for scheme in order:
        held = seeds[scheme]
        less = _difference(paired, corrected, scheme, wanted[0])
        epochs = ", ".join(str(epoch) for cell in held if (epoch := _epoch(cell)) is not None)
        counted = _counted(paired, scheme, len(held))
        if not epochs and all(cell[wanted[0]] == held[0][wanted[0]] for cell in held):
            held, counted = held[:1], "–"
        shown = " | ".join(_spread(held, metric) for metric in wanted)
        yield f"| {scheme} | {counted} | {epochs} | {shown} | {less} |"


def claims(study: str, name: str, metric: str) -> Iterator[str]:
    """Candidates less each rival, with intervals that hold together for all candidates."""
    cell = next((cell for cell in finished(study) if cell["cell"] == f"{name}-claims"), None)
    if cell is None:
        return
    rivals = list(next(iter(cell["less_rival"].values())))
    yield f"| {metric} less that of | {' | '.join(rivals)} |"
    yield "|---|" + "---|" * len(rivals)
    for candidate, pairs in cell["less_rival"].items():
        found = (pairs[rival]["metrics"][metric] for rival in rivals)
        shown = (f"{one['difference']:+.4f} ({one['low']:+.4f} to {one['high']:+.4f})" for one in found)
        yield f"| {candidate} | {' | '.join(shown)} |"


def taken(study: str, name: str) -> Iterator[str]:
    """Precision and recall of what was taken, beside the precision of as many by trivial rules.

    Counts are of all seeds, the other figures of those that took any; schemes with fewer than one a seed are
    left out.
    """
    yield "| scheme | seeds | taken | precision | recall | highest scored | neighbours | base rate |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    seeds: dict[str, list[dict[str, Any]]] = {}
    for cell in finished(study):
        if cell["cell"].startswith(f"{name}-") and cell.get("taken"):
            seeds.setdefault(cell["scheme"], []).append(cell["taken"])
    for scheme, asked in sorted(seeds.items()):
        cells = [cell for cell in asked if cell["taken"]]
        count, base = (mean(cell[key] for cell in asked) for key in ("taken", "base"))
        if count < 1:
            continue
        share = mean(cell["taken"] / cell["asked"] for cell in asked)
        precision, recall = (mean(cell["scheme"][key] for cell in cells) for key in ("precision", "recall"))
        rules = (mean(cell[rule]["precision"] for cell in cells) for rule in ("highest_scored", "neighbours"))
        shown = " | ".join(f"{figure:.3f}" for figure in (precision, recall, *rules, base))
        yield f"| {scheme} | {len(cells)} of {len(asked)} | {count:,.0f} ({share:.1%}) | {shown} |"


def _epoch(cell: dict[str, Any]) -> int | None:
    """Epochs of the model that was judged; None of a reference."""
    if "epoch" in cell or not cell.get("curve"):
        return cell.get("epoch")
    return int(max(cell["curve"], key=lambda entry: entry[1])[0])


def _counted(paired: dict[str, Any] | None, scheme: str, seeds: int) -> str:
    """Number of seeds, and of those in the difference to the base where they are fewer."""
    compared = {} if paired is None else paired["seeds"]
    there = len(compared.get(scheme, [])) if isinstance(compared, dict) else 0
    return f"{seeds}, {there} compared" if 0 < there < seeds else f"{seeds}"


def _mean(cells: list[dict[str, Any]], metric: str) -> float:
    return float(mean(cell[metric]["mean"] for cell in cells))


def _spread(cells: list[dict[str, Any]], metric: str) -> str:
    return _about([cell[metric]["mean"] for cell in cells])


def _about(values: list[float]) -> str:
    return f"{mean(values):.4f}" + (f" ± {stdev(values):.4f}" if len(values) > 1 else "")


def _corrected(paired: dict[str, Any] | None, metric: str) -> dict[str, float]:
    """p-values of a metric by scheme, corrected for the number of schemes."""
    pairs = {} if paired is None else paired["less_base"]
    raw = {
        scheme: entry["metrics"][metric]["p"] for scheme, entry in pairs.items() if metric in entry["metrics"]
    }
    return dict(zip(raw, map(float, holm(np.array(list(raw.values())))), strict=True)) if raw else {}


def _difference(paired: dict[str, Any] | None, corrected: dict[str, float], scheme: str, metric: str) -> str:
    if paired is None or scheme not in corrected:
        return "base |  | " if paired is not None and scheme == paired["base"] else " |  | "
    found = paired["less_base"][scheme]["metrics"][metric]
    interval = f"{found['low']:+.4f} to {found['high']:+.4f}"
    seeds = paired["seeds"] if isinstance(paired["seeds"], dict) else {}
    own, most = seeds.get(scheme, []), max(map(len, seeds.values()), default=0)
    of = f" (seed {', '.join(map(str, own))})" if len(own) < most else ""
    return f"{found['difference']:+.4f}{of} | {interval} | {corrected[scheme]:.3f}"


def curves(study: str) -> Iterator[str]:
    """Recall@20 over epochs, at most ten points a cell."""
    for cell in finished(study):
        curve: list[list[Any]] = cell.get("curve", [])
        if curve:
            step = -(-len(curve) // 10)
            shown = curve[step - 1 :: step]
            yield f"- {cell['cell']}: " + ", ".join(f"{epoch}: {recall:.4f}" for epoch, recall, _ in shown)


def epochs(study: str) -> Iterator[str]:
    """What cells of fixed epochs read at them: mean and standard deviation over seeds."""
    yield "| run | epochs | seeds | recall@20 | ndcg@20 | effective rank |"
    yield "|---|--:|--:|--:|--:|--:|"
    runs: dict[str, list[dict[str, Any]]] = {}
    for cell in finished(study):
        run, fixed, _ = cell["cell"].partition("-seed-")
        if fixed and "scheme" not in cell and cell.get("curve"):
            runs.setdefault(run, []).append(cell)
    for run, cells in sorted(runs.items()):
        ranks = [dict(cell["effective_rank"]) for cell in cells]
        for at in zip(*(cell["curve"] for cell in cells), strict=True):
            recall, ndcg = (_about([float(entry[place]) for entry in at]) for place in (1, 2))
            rank = mean(held[at[0][0]] for held in ranks)
            yield f"| {run} | {at[0][0]} | {len(cells)} | {recall} | {ndcg} | {rank:.2f} |"


def seeds(study: str, metrics: str) -> Iterator[str]:
    """Cells that differ in their seeds alone: mean and standard deviation."""
    wanted = metrics.split(",")
    yield f"| run | seeds | epochs | {' | '.join(wanted)} | seconds of fit |"
    yield "|---|--:|--:|" + "--:|" * (len(wanted) + 1)
    runs: dict[str, list[dict[str, Any]]] = {}
    for cell in finished(study):
        runs.setdefault(cell["cell"].partition("-seed-")[0], []).append(cell)
    for run, cells in sorted(runs.items(), key=lambda entry: -_mean(entry[1], wanted[0])):
        shown = " | ".join(_spread(cells, metric) for metric in wanted)
        epochs = ", ".join(str(cell["epoch"]) for cell in cells)
        seconds = mean(cell["fit_seconds"] for cell in cells)
        yield f"| {run} | {len(cells)} | {epochs} | {shown} | {seconds:,.0f} |"


def moments(study: str) -> Iterator[str]:
    """Trainers at moments of their training."""
    yield "| trainer | minutes of training | epochs | ndcg@10 | 95 % interval | recall@10 |"
    yield "|---|--:|--:|--:|---|--:|"
    for cell in finished(study):
        for at in cell["moments"]:
            ndcg, recall = at["ndcg@10"], at["recall@10"]
            interval = f"{ndcg['low']:.4f} - {ndcg['high']:.4f}"
            yield (
                f"| {cell['cell']} | {at['minutes']} | {at['epochs']} | {ndcg['mean']:.4f} | {interval} "
                f"| {recall['mean']:.4f} |"
            )


def points(pair: str) -> Iterator[str]:
    """Points of a pair's grid: those tried on all its sets, best first, then the others; the default bold."""
    found = tried(pair)
    sets = [data for data in FILES if any(data in cells for cells in found)]
    yield f"| options of {pair} | score | {' | '.join(sets)} | best epochs |"
    yield "|---|--:|" + "--:|" * len(sets) + "---|"
    complete = ranked(pair)
    rows = [(f"{score:.3f}", cells) for score, cells in complete]
    done = [cells for _, cells in complete]
    rows += [("", cells) for cells in found if cells not in done]
    for score, cells in rows:
        point = next(iter(cells.values()))["point"]
        options = {
            "rate": point["rate"],
            **({"decay": point["decay"]} if point.get("decay", 1) != 1 else {}),
            "batch": point["batch_size"],
            **({"patience": point["patience"]} if point["patience"] > PATIENCE else {}),
            **point["scheme"],
            **point["backbone"],
        }
        said = ", ".join(f"{name} {shown(value)}" for name, value in options.items())
        said = f"**{said}**" if in_force(pair, Suggested(**point)) else said
        figures = " | ".join(f"{cells[data]['ndcg@20']:.4f}" if data in cells else "" for data in sets)
        epochs = ", ".join(str(cells[data]["epoch"]) for data in sets if data in cells)
        yield f"| {said} | {score} | {figures} | {epochs} |"


def in_force(pair: str, point: Suggested) -> bool:
    """Whether the table of defaults has this point."""
    backbone, scheme = parted(pair)
    make, over = by_name(BackboneConfig, backbone, "backbone"), by_name(SchemePreset, scheme, "scheme")
    now, then = (
        (
            *(row.optimizer, row.rate, row.batch_size, row.epochs, row.patience, row.decay),
            *(make(**row.backbone), over(**row.scheme)),
        )
        for row in (suggested(backbone, scheme), point)
    )
    return bool(now == then)


if __name__ == "__main__":
    main()
