"""Log-sum-exp over the catalogue, one query at a time."""

from __future__ import annotations

import torch
from torch import Tensor


def log_rest(queries: Tensor, table: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
    """Log of the summed exponentials of all items but the target, (Q,)."""
    results = []
    for query, target in zip(queries, targets.tolist(), strict=True):
        scores = [
            (query * row).sum() + (0 if bias is None else bias[item])
            for item, row in enumerate(table)
            if item != target
        ]
        results.append(torch.stack(scores).exp().sum().log())
    return torch.stack(results)
