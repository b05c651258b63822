"""What the singular values of embeddings say: have they collapsed into few directions?

Definitions: docs/methods/directspec.md, "Diagnostics". All from the d x d Gram matrix in float64, in
O(n d^2 + d^3); no n x n matrix is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from tacit.errors import DataError
from tacit.sparse import CSR

SAMPLE = 5_000  # rows above which uniformity looks at a sample
BLOCK = 1_024
PAIRS = 16_384  # training pairs that are looked at together


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Singular values of a matrix, highest first, and figures made of them."""

    singular_values: Float64[np.ndarray, "d"]

    @property
    def effective_rank(self) -> float:
        """exp of the entropy of sigma / sum sigma; 1 to d, 0 for a zero matrix (Roy and Vetterli, 2007)."""
        shares = self._shares()
        return float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0

    @property
    def information_abundance(self) -> float:
        """sum sigma / largest sigma; 1 to d (Guo et al., ICML 2024)."""
        return self._ratio(self.singular_values.sum(), self.singular_values[0])

    @property
    def condition_number(self) -> float:
        """Largest over smallest sigma; infinite where the smallest is rounding."""
        return self._ratio(self.singular_values[0], self.singular_values[-1])

    @property
    def stable_rank(self) -> float:
        """sum sigma^2 / largest sigma^2; 1 to d."""
        squares = self.singular_values**2
        return self._ratio(squares.sum(), squares[0])

    @property
    def participation_ratio(self) -> float:
        """(sum sigma^2)^2 / sum sigma^4; 1 to d."""
        squares = self.singular_values**2
        return self._ratio(squares.sum() ** 2, (squares**2).sum())

    def drop(self, k: int) -> float:
        """Largest over k-th sigma, k from 1; infinite where that is rounding."""
        return self._ratio(self.singular_values[0], self.singular_values[k - 1])

    def figures(self) -> dict[str, Any]:
        """All of it as JSON values; an infinite condition number is null."""
        condition = self.condition_number
        return {
            "effective_rank": self.effective_rank,
            "information_abundance": self.information_abundance,
            "condition_number": condition if math.isfinite(condition) else None,
            "stable_rank": self.stable_rank,
            "participation_ratio": self.participation_ratio,
            "singular_values": self.singular_values.tolist(),
        }

    def _shares(self) -> Float64[np.ndarray, "nonzero"]:
        values = self.singular_values[self.singular_values > 0]
        return np.asarray(values / values.sum())

    @staticmethod
    def _ratio(above: float, below: float) -> float:
        if below == 0:
            return math.inf if above else 0.0
        return float(above / below)


def spectrum_of(matrix: Float[np.ndarray, "n d"], *, centred: bool = False) -> Spectrum:
    """The spectrum of a matrix, or of it less its mean row. Raises `DataError` where it is not finite."""
    if not all(np.isfinite(block).all() for block in _blocks(matrix)):
        raise DataError(
            "the vectors hold NaN or infinity and have no spectrum: training has diverged; use a lower rate"
        )
    gram, dim = np.zeros((matrix.shape[1], matrix.shape[1])), matrix.shape[1]
    mean = matrix.mean(0, dtype=np.float64) if centred else np.zeros(dim)
    for block in _blocks(matrix):
        rows = block.astype(np.float64) - mean
        gram += rows.T @ rows
    squares = np.linalg.eigvalsh(gram)[::-1].clip(min=0)
    squares[squares <= dim * np.finfo(np.float64).eps * squares[0]] = 0
    return Spectrum(np.sqrt(squares))


def unit(matrix: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
    """Rows at length one; a row of zeros stays."""
    rows = matrix.astype(np.float64)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(min=1e-12))


def alignment(
    users: Float[np.ndarray, "U d"], items: Float[np.ndarray, "N d"], positives: CSR
) -> float | None:
    """Mean of |x_u - x_i|^2 over training pairs, rows of length one; 0 to 4 (Wang and Isola, ICML 2020)."""
    if len(positives.indices) == 0:
        return None
    left, right = unit(users), unit(items)
    rows = np.repeat(np.arange(positives.n_rows), np.diff(positives.indptr))
    total = 0.0
    for start in range(0, len(rows), PAIRS):
        cells = slice(start, start + PAIRS)
        total += float(np.einsum("nd,nd->", left[rows[cells]], right[positives.indices[cells]]))
    return 2 - 2 * total / len(rows)


def uniformity(matrix: Float[np.ndarray, "n d"], *, scale: float = 2.0, seed: int = 0) -> float | None:
    """log mean over pairs a < b of exp(-scale |x_a - x_b|^2), rows of length one; at most 0.

    Of a sample of 5,000 rows where there are more; None for fewer than two. Wang and Isola, ICML 2020.
    """
    if len(matrix) > SAMPLE:
        matrix = matrix[np.random.default_rng(seed).choice(len(matrix), SAMPLE, replace=False)]
    rows, n = unit(matrix), len(matrix)
    if n < 2:
        return None
    total = 0.0
    for start in range(0, n, BLOCK):
        block = rows[start : start + BLOCK]
        near = np.exp(-2 * scale * (1 - block @ rows[start:].T))
        total += float(np.triu(near, 1).sum())
    return math.log(total / (n * (n - 1) / 2)) if total else -math.inf


def diagnosis(
    users: Float[np.ndarray, "U d"], items: Float[np.ndarray, "N d"], positives: CSR
) -> dict[str, Any]:
    """Spectra of users, items and both, as they are, at length one and centred; alignment and uniformity."""
    sides = {"users": users, "items": items, "both": np.concatenate([users, items])}
    return {
        "spectrum": {
            side: {
                "raw": spectrum_of(matrix).figures(),
                "unit": spectrum_of(unit(matrix)).figures(),
                "centred": spectrum_of(matrix, centred=True).figures(),
            }
            for side, matrix in sides.items()
        },
        "alignment": alignment(users, items, positives),
        "uniformity": {"users": uniformity(users), "items": uniformity(items)},
    }


def _blocks(matrix: Float[np.ndarray, "n d"]) -> Iterator[Float[np.ndarray, "block d"]]:
    for start in range(0, len(matrix), BLOCK):
        yield matrix[start : start + BLOCK]
