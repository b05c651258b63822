"""How long a Parquet log takes until it is ready to train, and at what peak of memory.

    python benchmarks/ingest.py [--rows 20000000]

Ready means: read, ids encoded, repeats collapsed, matrix of positives built. Beside it: pyarrow reading the
same columns. Each measurement runs in its own process; the first call of each compiled function is not
counted (numba keeps compiled code on disk). Peak: resident memory above that of the process before reading.

Predicted before writing it, from the cost of single passes: about 7 times (integer ids); no figure for text.
Seen on 2 cores shared with other work, 20 M rows, .9 M of them repeats: 5.4 s, 5.6 times pyarrow and
a peak of 2.8 times the columns with integer ids; 8.5 s, 1.7 times and 1.4 times with text ids (read as
dictionaries, which pyarrow by itself does not do). A sort of each user's items instead of two counting sorts,
and masks of numpy instead of `compress`, had made it 8.3 times.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from tacit.sparse import CSR

COLUMNS = ["user", "item", "timestamp"]
LIMITS = {"integer ids": 8, "text ids": 20}
MEMORY_LIMIT = 5
REPEATS = 3
SAMPLE = "sample.parquet"


def write_log(path: Path, rows: int, text: bool) -> None:
    """A log of skewed popularity in no order: a user for each 200 rows, an item for each 400."""
    rng = np.random.default_rng(0)
    users = (rng.random(rows) ** 1.5 * (rows // 200)).astype(np.int64)
    items = (rng.random(rows) ** 3 * (rows // 400)).astype(np.int64)
    times = rng.integers(1_500_000_000, 1_600_000_000, rows)
    ids = [(users, "user-"), (items, "item-")]
    columns = [_named(rows_of, prefix) if text else pa.array(rows_of) for rows_of, prefix in ids]
    log = pa.table([*columns, pa.array(times)], COLUMNS)
    pq.write_table(log, path)
    pq.write_table(log.slice(0, 1000), path.with_name(SAMPLE))


def _named(rows: np.ndarray, prefix: str) -> pa.Array:
    names = pa.array([f"{prefix}{row:08d}" for row in range(int(rows.max()) + 1)])
    return names.take(pa.array(rows))


def measure(what: str, path: Path) -> dict[str, float]:
    """Seconds, peak and size of the columns in MiB, in this process."""
    size = 0.0
    if what == "pyarrow":
        pq.read_table(path.with_name(SAMPLE))
        before, started = _resident(), time.perf_counter()
        size = pq.read_table(path, columns=COLUMNS).nbytes / 2**20
    else:
        _ready(path.with_name(SAMPLE))
        before, started = _resident(), time.perf_counter()
        _ready(path)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return {"seconds": seconds, "peak": peak - before, "size": size}


def _ready(path: Path) -> CSR:
    from tacit import Interactions

    return Interactions.read(path).positives


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def in_own_process(what: str, path: Path) -> dict[str, float]:
    """The median run of several processes."""
    command = [sys.executable, __file__, "--measure", what, "--path", str(path)]
    runs = [
        json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout) for _ in range(REPEATS)
    ]
    return sorted(runs, key=lambda run: run["seconds"])[REPEATS // 2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--measure", choices=["pyarrow", "tacit"], help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.path)))
        return
    print(f"{options.rows:,} rows: user, item, timestamp")
    print("log          pyarrow s  tacit s  ratio  limit  columns MiB  peak ratio  limit")
    for kind, limit in LIMITS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "log.parquet"
            write_log(path, options.rows, text=kind == "text ids")
            plain, ours = in_own_process("pyarrow", path), in_own_process("tacit", path)
        times, memory = ours["seconds"] / plain["seconds"], ours["peak"] / plain["size"]
        print(
            f"{kind:12} {plain['seconds']:9.2f} {ours['seconds']:8.2f} {times:6.1f} {limit:6d} "
            f"{plain['size']:12.0f} {memory:11.2f} {MEMORY_LIMIT:6d}"
        )


if __name__ == "__main__":
    main()
