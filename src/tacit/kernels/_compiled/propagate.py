"""Compiled body of `tacit.kernels.propagate`."""

from typing import Any

from tacit.kernels._compiled.jit import jit, prange, prefetch_row

AHEAD = 12


@jit(parallel=True, fastmath=True)
def add_product(
    indptr: Any, columns: Any, weights: Any, cuts: Any, source: Any, base: Any, scale: float, result: Any
) -> None:
    """result = scale * (base + A @ source) for a CSR matrix A; chunks hold about equally many entries."""
    width = source.shape[1]
    size = width * source.itemsize
    address = source.ctypes.data
    for chunk in prange(cuts.size - 1):
        for row in range(cuts[chunk], cuts[chunk + 1]):
            for column in range(width):
                result[row, column] = base[row, column]
            for entry in range(indptr[row], indptr[row + 1]):
                if entry + AHEAD < columns.size:
                    prefetch_row(address, columns[entry + AHEAD], size)
                weight = weights[entry]
                neighbour = columns[entry]
                for column in range(width):
                    result[row, column] += weight * source[neighbour, column]
            for column in range(width):
                result[row, column] *= scale


@jit(parallel=True)
def balance(indptr: Any, chunks: int, cuts: Any) -> None:
    """Row boundaries that share the entries evenly."""
    rows = indptr.size - 1
    for chunk in prange(chunks + 1):
        wanted = indptr[rows] * chunk // chunks
        low, high = 0, rows
        while low < high:
            middle = (low + high) >> 1
            if indptr[middle] < wanted:
                low = middle + 1
            else:
                high = middle
        cuts[chunk] = low
    cuts[chunks] = rows
