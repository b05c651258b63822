"""Scores of a whole catalogue by inner product, in tiles."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float32

from tacit.kernels._compiled.topk import exact_top_k
from tacit.protocols import TopK
from tacit.sparse import CSR

TILE = 64  # rows: a tile of 40,000 items stays in the shared cache between product and selection


class InnerProducts:
    """`vectors @ items.T (+ bias)`, float32, without holding all scores at once.

    The last bits of a matrix product depend on its shape. So that a person's ranking is the same whoever else
    is asked for, the items near and above the k-th best score are scored once more, in double precision and
    always in the same order; where scores are wanted and no ranking, the product is always of TILE rows,
    filled up with zeros.
    """

    def __init__(
        self, items: Float32[np.ndarray, "N d"], bias: Float32[np.ndarray, "N"] | None = None
    ) -> None:
        self.n_items = len(items)
        self._items = np.ascontiguousarray(items)
        self._columns = torch.from_numpy(self._items).T
        self._bias = np.zeros(len(items), np.float32) if bias is None else np.ascontiguousarray(bias)
        self._biased = bool(self._bias.any())
        self._longest = _largest(np.sqrt(np.einsum("nd,nd->n", items, items, dtype=np.float64)))
        self._heaviest = _largest(np.abs(self._bias))

    def scores(self, vectors: Float32[np.ndarray, "Q d"]) -> Float32[np.ndarray, "Q N"]:
        """All scores, in a fresh array."""
        result = np.empty((len(vectors), self.n_items), np.float32)
        for rows, tile in self._tiles(vectors, TILE):
            result[rows] = tile
        return result

    def best(self, vectors: Float32[np.ndarray, "Q d"], k: int, exclude: CSR | None = None) -> TopK:
        """The k best items of each vector outside `exclude` (one row a vector), in the memory of one tile.

        Ties go to the lower row. Scores are sums in double precision, rounded to float32.
        """
        vectors = np.ascontiguousarray(vectors, np.float32)
        found = TopK(np.empty((len(vectors), k), np.int32), np.empty((len(vectors), k), np.float32))
        reach = self._reach(vectors)
        nothing = CSR(np.zeros(TILE + 1, np.int64), np.zeros(0, np.int32), self.n_items)
        for rows, tile in self._tiles(vectors, min(TILE, len(vectors))):
            masked = nothing if exclude is None else exclude.select(np.arange(rows.start, rows.stop))
            exact_top_k(
                tile,
                reach[rows],
                vectors[rows],
                self._items,
                self._bias,
                masked.indptr,
                masked.indices,
                found.items[rows],
                found.scores[rows],
            )
        return found

    def _reach(self, vectors: Float32[np.ndarray, "Q d"]) -> np.ndarray:
        """Twice as far as a score can be from the exact one, with a factor of two to spare.

        A sum of d products in any order is off by at most d u / (1 - d u) times the sum of their magnitudes,
        u = 2^-24 (N. Higham, Accuracy and Stability of Numerical Algorithms, equation 3.5), and that sum is
        at most the product of the lengths (Cauchy-Schwarz). It holds for products of float32 as torch forms
        them by default, not at another `torch.set_float32_matmul_precision`.
        """
        dim = vectors.shape[1]
        lengths = np.sqrt(np.einsum("qd,qd->q", vectors, vectors, dtype=np.float64))
        reach: np.ndarray = 4 * (dim + 3) * 2.0**-24 * (lengths * self._longest + self._heaviest)
        return reach

    def _tiles(self, vectors: Float32[np.ndarray, "Q d"], size: int) -> Iterator[tuple[slice, np.ndarray]]:
        """Rows and their scores; the buffer of one call is filled again for each tile of `size` rows."""
        buffer = torch.empty(size, self.n_items)
        for start in range(0, len(vectors), max(size, 1)):
            tile = np.ascontiguousarray(vectors[start : start + size], np.float32)
            used = len(tile)
            if used < size:
                tile = np.pad(tile, ((0, size - used), (0, 0)))
            torch.mm(torch.from_numpy(tile), self._columns, out=buffer)
            if self._biased:
                buffer += torch.from_numpy(self._bias)
            yield slice(start, start + used), buffer.numpy()[:used]


def _largest(values: np.ndarray) -> float:
    return float(values[np.isfinite(values)].max(initial=0))
