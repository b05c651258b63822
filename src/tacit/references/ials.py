"""iALS through the library implicit (Hu et al., ICDM 2008), with a confidence weight that is no default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float32

from tacit.errors import MissingExtra
from tacit.kernels.products import InnerProducts
from tacit.protocols import Queries, TopK
from tacit.sparse import CSR
from tacit.types import TrainingData


@dataclass(frozen=True)
class IALS:
    """Weighted matrix factorisation: confidence alpha on positives, 1 on everything else."""

    factors: int = 64
    alpha: float = 40.0
    iterations: int = 10
    regularisation: float = 0.01
    seed: int = 0

    def fit(self, data: TrainingData) -> IALSRecommender:
        """Raises `MissingExtra` where implicit is not installed."""
        try:
            from implicit.cpu.als import AlternatingLeastSquares
            from threadpoolctl import threadpool_limits
        except ImportError:
            raise MissingExtra(
                "iALS needs the package implicit: pip install 'tacit[peers]', or go without --start ials "
                "and with --no-references"
            ) from None
        positives = data.positives
        ones = np.ones(len(positives.indices), np.float32)
        shape = (positives.n_rows, positives.n_columns)
        matrix = sp.csr_matrix((ones, positives.indices, positives.indptr.astype(np.int32)), shape)
        with threadpool_limits(1, "blas"):  # its own threads and those of BLAS hinder each other
            model = AlternatingLeastSquares(
                factors=self.factors,
                alpha=self.alpha,
                iterations=self.iterations,
                regularization=self.regularisation,
                random_state=self.seed,
            )
            model.fit(matrix, show_progress=False)
        return self._made(np.asarray(model.user_factors), np.asarray(model.item_factors))

    def from_state(
        self, arrays: dict[str, Any], values: dict[str, Any], data: TrainingData
    ) -> IALSRecommender:
        """A fitted model from its state."""
        return self._made(arrays["users"], arrays["items"])

    def _made(self, users: np.ndarray, items: np.ndarray) -> IALSRecommender:
        return IALSRecommender(users, items, InnerProducts(items), self.alpha, self.regularisation)


@dataclass(frozen=True, eq=False)
class IALSRecommender:
    """Inner products of the factors; people without a row by the normal equations of one user."""

    user_factors: Float32[np.ndarray, "U d"]
    item_factors: Float32[np.ndarray, "N d"]
    products: InnerProducts
    alpha: float
    regularisation: float

    @property
    def n_items(self) -> int:
        return len(self.item_factors)

    def score(self, queries: Queries) -> Float32[np.ndarray, "Q N"]:
        """Scores of every item for each query."""
        return self.products.scores(self._vectors(queries))

    def recommend(self, queries: Queries, k: int, *, exclude: CSR | None = None) -> TopK:
        """The k best items of each query outside `exclude`."""
        return self.products.best(self._vectors(queries), k, exclude)

    def _vectors(self, queries: Queries) -> Float32[np.ndarray, "Q d"]:
        known = queries.users >= 0
        vectors = np.zeros((len(queries), self.item_factors.shape[1]), np.float32)
        vectors[known] = self.user_factors[queries.users[known]]
        if queries.history is not None and not known.all():
            items = self.item_factors.astype(np.float64)
            base = items.T @ items + self.regularisation * np.eye(items.shape[1])
            for row in np.flatnonzero(~known).tolist():
                chosen = items[queries.history.row(row)]
                left = base + (self.alpha - 1) * chosen.T @ chosen
                vectors[row] = np.linalg.solve(left, self.alpha * chosen.sum(0))
        return vectors

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Arrays and JSON values that restore the fit."""
        return {"users": self.user_factors, "items": self.item_factors}, {}
