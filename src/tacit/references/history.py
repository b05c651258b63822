"""What the references that score from histories have in common."""

from __future__ import annotations

import numpy as np

from tacit.protocols import Queries
from tacit.sparse import CSR


def history_of(queries: Queries, positives: CSR) -> CSR:
    """The queries' histories, or the training rows of known users, cut to the items of the model."""
    history = positives.select(queries.users) if queries.history is None else queries.history
    if history.n_columns == positives.n_columns:
        return history
    rows = np.repeat(np.arange(history.n_rows), history.degrees())
    known = history.indices < positives.n_columns
    return CSR.from_pairs(rows[known], history.indices[known], history.n_rows, positives.n_columns)
