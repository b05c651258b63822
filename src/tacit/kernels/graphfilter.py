"""GF-CF, a graph filter that needs no training (Shen et al., CIKM 2021), as an operator on histories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32

from tacit.kernels.neighbours import ItemGraph, sum_dense_rows
from tacit.kernels.products import InnerProducts
from tacit.sparse import CSR

RANK, WEIGHT = 256, 0.3
ROUNDS, SPARE = 5, 64
NOISE = 1e-6  # scores at most so high are rounding: the item is out of reach


@dataclass(frozen=True, eq=False)
class ItemFilter:
    """Scores r (R~^T R~ + weight D_I^-1/2 V V^T D_I^1/2) of a history r, with R~ = D_U^-1/2 R D_I^-1/2.

    V holds first right singular vectors of R~. The second, low-pass part is `low(history) @ outward.T`.
    """

    vectors: Float32[np.ndarray, "N rank"]
    graph: ItemGraph
    inward: Float32[np.ndarray, "N rank"]
    outward: Float32[np.ndarray, "N rank"]
    _products: InnerProducts

    @staticmethod
    def of(
        positives: CSR,
        rank: int = RANK,
        weight: float = WEIGHT,
        vectors: Float32[np.ndarray, "N rank"] | None = None,
    ) -> ItemFilter:
        """The filter of a log; its singular vectors are looked for where they are not given."""
        graph = ItemGraph.of(positives)
        found = right_vectors(graph, rank) if vectors is None else vectors
        roots = graph.item_weights[:, None]
        outward = found / roots
        return ItemFilter(found, graph, found * roots * weight, outward, InnerProducts(outward))

    def score(self, history: CSR) -> Float32[np.ndarray, "Q N"]:
        """Scores of every item for each history."""
        scores = self._products.scores(self.low(history))
        self.graph.add_to(scores, history)
        return scores

    def low(self, history: CSR) -> Float32[np.ndarray, "Q rank"]:
        """Vectors of histories in the low-pass part."""
        return sum_dense_rows(history, self.inward)


def right_vectors(graph: ItemGraph, rank: int) -> Float32[np.ndarray, "N r"]:
    """First right singular vectors of R~, at most `rank`, by randomised subspace iteration.

    From a fixed start, so that equal data give equal vectors. Halko, Martinsson and Tropp, SIAM Review 2011,
    algorithm 4.4, with ROUNDS rounds and SPARE more columns. On Gowalla they rank a little better than the
    exact vectors: Recall@20 .1868 against .1850.
    """
    n_items = len(graph.item_weights)
    rank = min(rank, n_items, len(graph.user_weights))
    users, items = np.sqrt(graph.user_weights)[:, None], graph.item_weights[:, None]
    generator = torch.Generator().manual_seed(0)
    basis = torch.randn(n_items, min(rank + SPARE, n_items), generator=generator).numpy()
    for _ in range(ROUNDS):
        image = users**2 * sum_dense_rows(graph.by_user, items * basis)
        basis = items * sum_dense_rows(graph.by_item, image)
        basis = torch.linalg.qr(torch.from_numpy(basis)).Q.contiguous().numpy()
    image = torch.from_numpy(users * sum_dense_rows(graph.by_user, items * basis))
    rotation = torch.linalg.eigh((image.T @ image).double()).eigenvectors.flip(1)[:, :rank]
    return np.ascontiguousarray((torch.from_numpy(basis) @ rotation.float()).numpy())
