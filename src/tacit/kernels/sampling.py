"""Draws of candidates, as pure functions of a key: nothing depends on earlier draws or on threads."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int, Int64
from torch import Tensor

from tacit.kernels._compiled import sampling as compiled
from tacit.sparse import CSR


def key_of(generator: torch.Generator) -> int:
    """A 63-bit key drawn from a torch generator."""
    return int(torch.randint(0, 2**63 - 1, (1,), generator=generator))


def derived_key(seed: int, *counters: int) -> int:
    """Hash of a seed and counters (epoch, step, purpose, ...): 63 bits, the same on every machine."""
    mask = 2**64 - 1
    state = seed & mask
    for counter in counters:
        z = (state + (counter + 1) * 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        state = z ^ (z >> 31)
    return state >> 1


Draws = tuple[Int[Tensor, "Q M"], Bool[Tensor, "Q M"] | None]


def draw_uniform(key: int, users: Int[Tensor, "Q"], known: CSR, columns: int) -> Draws:
    """Uniform items that are not in the user's known row, int64, and where that held; None: everywhere.

    For a user who knows nearly everything 64 tries may all be known: False there, and a known item.
    """
    result = torch.empty(len(users), columns, dtype=torch.int64)
    failed = compiled.uniform(
        np.uint64(key), users.numpy(), known.indptr, known.indices, known.n_columns, result.numpy()
    )
    return _marked(result, failed)


class AliasTable:
    """Constant-time draws of items with given weights (Walker 1977, Vose 1991)."""

    def __init__(self, weights: Float64[np.ndarray, "N"]) -> None:
        self.threshold, self.alias = compiled.alias_table(weights)

    def draw(self, key: int, users: Int[Tensor, "Q"], known: CSR, columns: int) -> Draws:
        """Items that are not in the user's known row, int64, and where that held, as `draw_uniform`."""
        result = torch.empty(len(users), columns, dtype=torch.int64)
        failed = compiled.weighted(
            np.uint64(key),
            users.numpy(),
            known.indptr,
            known.indices,
            self.threshold,
            self.alias,
            result.numpy(),
        )
        return _marked(result, failed)


def _marked(result: Tensor, failed: int) -> Draws:
    """Items and mask of draws in which a failure stands as the complement of an item."""
    if not failed:
        return result, None
    valid = result >= 0
    return torch.where(valid, result, ~result), valid


def draw_from_rows(
    key: int, users: Int[Tensor, "Q"], pool: CSR, columns: int
) -> tuple[Int[Tensor, "Q M"], Bool[Tensor, "Q M"]]:
    """Uniform draws, with replacement, from each user's row of `pool`; False where the row is empty."""
    result = torch.zeros(len(users), columns, dtype=torch.int64)
    found = torch.empty(len(users), columns, dtype=torch.bool)
    compiled.from_rows(
        np.uint64(key), users.numpy(), pool.indptr, pool.indices, result.numpy(), found.numpy()
    )
    return result, found


def draw_from_pools(
    key: int, seed: int, users: Int[Tensor, "Q"], known: CSR, size: int, columns: int
) -> Draws:
    """Uniform draws from a pool of `size` items that belongs to the user and this seed, as `draw_uniform`.

    The pool's items are distinct, and an item's slot in it is its row modulo `size`, at most the catalogue's.
    """
    result = torch.empty(len(users), columns, dtype=torch.int64)
    failed = compiled.from_pools(
        np.uint64(key),
        np.uint64(seed),
        users.numpy(),
        known.indptr,
        known.indices,
        known.n_columns,
        size,
        result.numpy(),
    )
    return _marked(result, failed)


def unknown_to(
    users: Int[Tensor, "Q"], targets: Int[Tensor, "Q"], shared: Int[Tensor, "M"], known: CSR
) -> Bool[Tensor, "Q M"]:
    """True where a shared candidate is neither the query's target nor known to its user."""
    valid = torch.ones(len(users), len(shared), dtype=torch.bool)
    first, after = compiled.chains(shared.numpy(), known.n_columns)
    compiled.mark_known(
        users.numpy(), targets.numpy(), known.indptr, known.indices, first, after, valid.numpy()
    )
    return valid


def row_mass(matrix: CSR, weights: Float64[np.ndarray, "N"]) -> Float64[np.ndarray, "rows"]:
    """Sum of the weights of each row's columns."""
    sums = np.concatenate([[0.0], np.cumsum(weights[matrix.indices])])
    masses: Float64[np.ndarray, "rows"] = sums[matrix.indptr[1:]] - sums[matrix.indptr[:-1]]
    return masses


def empty_known(n_rows: int, n_columns: int) -> CSR:
    """A matrix that holds nothing."""
    indptr: Int64[np.ndarray, "rows"] = np.zeros(n_rows + 1, np.int64)
    return CSR(indptr, np.zeros(0, np.int32), n_columns)
