"""Scores of a whole catalogue by inner product, in tiles of a fixed shape."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float32

from tacit.kernels.topk import top_k
from tacit.protocols import TopK
from tacit.sparse import CSR

TILE = 64  # rows: a tile of 40,000 items stays in the shared cache between product and selection


class InnerProducts:
    """`vectors @ items.T (+ bias)`, float32, without holding all scores at once.

    The product is always of TILE rows, the last tile filled up with zeros: the last bits of a product depend
    on its shape, so only then is a person's ranking the same whoever else is asked for.
    """

    def __init__(
        self, items: Float32[np.ndarray, "N d"], bias: Float32[np.ndarray, "N"] | None = None
    ) -> None:
        self.n_items = len(items)
        self._columns = torch.from_numpy(np.ascontiguousarray(items)).T
        self._bias = None if bias is None else torch.from_numpy(np.ascontiguousarray(bias))

    def scores(self, vectors: Float32[np.ndarray, "Q d"]) -> Float32[np.ndarray, "Q N"]:
        """All scores, in a fresh array."""
        result = np.empty((len(vectors), self.n_items), np.float32)
        for rows, tile in self._tiles(vectors):
            result[rows] = tile
        return result

    def best(self, vectors: Float32[np.ndarray, "Q d"], k: int, exclude: CSR | None = None) -> TopK:
        """The k best items of each vector outside `exclude` (one row a vector), in the memory of one tile."""
        found = TopK(np.empty((len(vectors), k), np.int32), np.empty((len(vectors), k), np.float32))
        for rows, tile in self._tiles(vectors):
            masked = None if exclude is None else exclude.select(np.arange(rows.start, rows.stop))
            best = top_k(tile, k, masked)
            found.items[rows], found.scores[rows] = best.items, best.scores
        return found

    def _tiles(self, vectors: Float32[np.ndarray, "Q d"]) -> Iterator[tuple[slice, np.ndarray]]:
        """Rows and their scores; the buffer of one call is filled again for each tile."""
        buffer = torch.empty(TILE, self.n_items)
        for start in range(0, len(vectors), TILE):
            tile = np.ascontiguousarray(vectors[start : start + TILE], np.float32)
            used = len(tile)
            if used < TILE:
                tile = np.pad(tile, ((0, TILE - used), (0, 0)))
            torch.mm(torch.from_numpy(tile), self._columns, out=buffer)
            if self._bias is not None:
                buffer += self._bias
            yield slice(start, start + used), buffer.numpy()[:used]
