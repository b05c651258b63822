"""Statistics of simulated logs beside those of public ones: the table of docs/guide/simulator.md.

    python -m benchmarks.simulator_statistics [--large]

`--large` adds the large setting (a minute, 4 GB).
"""

from __future__ import annotations

import argparse
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.places import dataset, table
from tacit.data.statistics import LogStatistics, log_statistics
from tacit.data.synthetic import Size, simulate

PUBLIC = ("ml-100k", "citeulike", "gowalla", "yelp-sslrec", "kuairand-signed")


def row(name: str, log: LogStatistics) -> dict[str, Any]:
    """One line of the table."""
    return {
        "log": name,
        "users": f"{log.users:,}",
        "items": f"{log.items:,}",
        "pairs": f"{log.pairs:,}",
        "density %": f"{100 * log.density:.3g}",
        "popularity exponent": f"{log.popularity_exponent:.2f}",
        "Gini of items": f"{log.gini:.2f}",
        "per user (5, 50, 95 %)": ", ".join(map(str, log.per_user)),
    }


def simulated(size: Size) -> dict[str, Any]:
    """One simulated log, with the shares that only its simulator knows."""
    statistics = simulate(size).statistics()
    return row(f"simulated, {size}", statistics.log) | {
        "false negatives among unobserved %": f"{100 * statistics.false_negative_share:.1f}",
        "of these never shown %": f"{100 * statistics.never_shown_share:.0f}",
        "clicks by mistake %": f"{100 * statistics.noise_share:.1f}",
    }


def public(name: str) -> dict[str, Any] | None:
    """All parts of a public dataset together, ratings counted whatever their value."""
    folder = dataset(name)
    if folder is None:
        return None
    files = sorted(folder.glob("*.parquet"))
    log = pa.concat_tables([pq.read_table(file, columns=["user", "item"]) for file in files])
    users, items = log["user"].to_numpy(), log["item"].to_numpy()
    unknown = dict.fromkeys(
        ["false negatives among unobserved %", "of these never shown %", "clicks by mistake %"], "unknown"
    )
    return row(name, log_statistics(users, items, int(users.max()) + 1, int(items.max()) + 1)) | unknown


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="the large setting too")
    sizes: list[Size] = ["small", "medium", "large"] if parser.parse_args().large else ["small", "medium"]
    found = [line for name in PUBLIC if (line := public(name))]
    table("Statistics of simulated and public logs", [simulated(size) for size in sizes] + found)


if __name__ == "__main__":
    main()
