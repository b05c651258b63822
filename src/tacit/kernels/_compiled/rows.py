"""Compiled bodies of `tacit.kernels.rows`: grouping of ids, segment sums, fused inner products."""

from typing import Any

import numpy as np

from tacit.kernels._compiled.jit import jit, prange, prefetch_row

CHUNKS = 32
AHEAD = 8


@jit()
def group(ids: Any, n_rows: int) -> Any:
    """Counting sort of ids: distinct rows ascending, starts of their segments, positions by row."""
    counts = np.zeros(n_rows, np.int32)
    for position in range(ids.size):
        counts[ids[position]] += 1
    distinct = 0
    for row in range(n_rows):
        if counts[row] > 0:
            distinct += 1
    rows = np.empty(distinct, np.int64)
    starts = np.empty(distinct + 1, np.int64)
    at = 0
    total = 0
    for row in range(n_rows):
        if counts[row] > 0:
            rows[at] = row
            starts[at] = total
            count = counts[row]
            counts[row] = total
            total += count
            at += 1
    starts[distinct] = total
    order = np.empty(ids.size, np.int32)
    for position in range(ids.size):
        row = ids[position]
        order[counts[row]] = position
        counts[row] += 1
    return rows, starts, order


@jit()
def bounds(starts: Any, chunks: int) -> Any:
    """Cut segments into chunks of about equally many entries; a segment is never cut."""
    total = starts[-1]
    cuts = np.empty(chunks + 1, np.int64)
    for chunk in range(chunks):
        cuts[chunk] = np.searchsorted(starts[:-1], total * chunk // chunks)
    cuts[chunks] = starts.size - 1
    return cuts


@jit(parallel=True, fastmath=True)
def segment_sum(gradient: Any, starts: Any, order: Any, cuts: Any, values: Any) -> None:
    """values[s] = sum of gradient[order[starts[s]:starts[s + 1]]]."""
    width = gradient.shape[1]
    size = width * gradient.itemsize
    base = gradient.ctypes.data
    for chunk in prange(cuts.size - 1):
        for segment in range(cuts[chunk], cuts[chunk + 1]):
            for column in range(width):
                values[segment, column] = 0.0
            for entry in range(starts[segment], starts[segment + 1]):
                if entry + AHEAD < order.size:
                    prefetch_row(base, order[entry + AHEAD], size)
                position = order[entry]
                for column in range(width):
                    values[segment, column] += gradient[position, column]


@jit(parallel=True, fastmath=True)
def dots(left: Any, right: Any, users: Any, items: Any, scores: Any, norms: Any) -> None:
    """scores[q, c] = left[users[q]] . right[items[q, c]]; norms[q] = |left|^2 + sum over c of |right|^2."""
    n_queries, n_candidates = items.shape
    width = left.shape[1]
    size = width * left.itemsize
    left_base, right_base = left.ctypes.data, right.ctypes.data
    ahead = max(AHEAD // max(n_candidates, 1), 1)
    for query in prange(n_queries):
        if query + ahead < n_queries:
            prefetch_row(left_base, users[query + ahead], size)
            for candidate in range(n_candidates):
                prefetch_row(right_base, items[query + ahead, candidate], size)
        user = users[query]
        squares = left[user, 0] * 0
        for column in range(width):
            squares += left[user, column] * left[user, column]
        for candidate in range(n_candidates):
            item = items[query, candidate]
            dot = left[user, 0] * 0
            for column in range(width):
                dot += left[user, column] * right[item, column]
                squares += right[item, column] * right[item, column]
            scores[query, candidate] = dot
        norms[query] = squares


@jit(parallel=True, fastmath=True)
def inverse_norms(table: Any, result: Any) -> None:
    """result[r] = 1 / max(|table[r]|, 1e-12)."""
    width = table.shape[1]
    for row in prange(table.shape[0]):
        squares = table[row, 0] * 0
        for column in range(width):
            squares += table[row, column] * table[row, column]
        result[row] = 1 / max(np.sqrt(squares), 1e-12)


@jit(parallel=True, fastmath=True)
def left_gradient(
    left: Any,
    right: Any,
    items: Any,
    gradient: Any,
    own: Any,
    decay: float,
    rows: Any,
    starts: Any,
    order: Any,
    cuts: Any,
    values: Any,
) -> None:
    """Rows of the left table: sum over their queries q of sum_c gradient[q, c] right + (own + decay) left."""
    width = left.shape[1]
    n_candidates = items.shape[1]
    size = width * left.itemsize
    base = right.ctypes.data
    ahead = max(AHEAD // max(n_candidates, 1), 1)
    for chunk in prange(cuts.size - 1):
        for segment in range(cuts[chunk], cuts[chunk + 1]):
            row = rows[segment]
            if decay != 0 or own.size > 0:
                prefetch_row(left.ctypes.data, row, size)
            scale = values.dtype.type(0)
            for column in range(width):
                values[segment, column] = 0.0
            for entry in range(starts[segment], starts[segment + 1]):
                if entry + ahead < order.size:
                    for candidate in range(n_candidates):
                        prefetch_row(base, items[order[entry + ahead], candidate], size)
                query = order[entry]
                scale += decay
                if own.size > 0:
                    scale += own[query]
                for candidate in range(n_candidates):
                    item = items[query, candidate]
                    weight = gradient[query, candidate]
                    for column in range(width):
                        values[segment, column] += weight * right[item, column]
            if scale != 0:
                for column in range(width):
                    values[segment, column] += scale * left[row, column]


@jit(parallel=True, fastmath=True)
def right_gradient(
    left: Any,
    right: Any,
    users: Any,
    gradient: Any,
    own: Any,
    decay: float,
    rows: Any,
    starts: Any,
    order: Any,
    cuts: Any,
    values: Any,
) -> None:
    """Rows of the right table: sum over their cells of gradient left[users[q]] + (own + decay) right."""
    width = left.shape[1]
    n_candidates = gradient.shape[1]
    size = width * left.itemsize
    base = left.ctypes.data
    for chunk in prange(cuts.size - 1):
        for segment in range(cuts[chunk], cuts[chunk + 1]):
            row = rows[segment]
            if decay != 0 or own.size > 0:
                prefetch_row(right.ctypes.data, row, size)
            scale = values.dtype.type(0)
            for column in range(width):
                values[segment, column] = 0.0
            for entry in range(starts[segment], starts[segment + 1]):
                if entry + AHEAD < order.size:
                    prefetch_row(base, users[order[entry + AHEAD] // n_candidates], size)
                query = order[entry] // n_candidates
                candidate = order[entry] - query * n_candidates
                user = users[query]
                weight = gradient[query, candidate]
                scale += decay
                if own.size > 0:
                    scale += own[query, candidate]
                for column in range(width):
                    values[segment, column] += weight * left[user, column]
            if scale != 0:
                for column in range(width):
                    values[segment, column] += scale * right[row, column]
