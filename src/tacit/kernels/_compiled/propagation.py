"""Compiled body of `tacit.kernels.propagation`."""

from typing import Any

import numpy as np

from tacit.kernels._compiled.jit import jit, prange

CHUNK = 256


@jit(parallel=True)
def spread(
    others: Any,
    weights: Any,
    targets: Any,
    alpha: float,
    n_items: int,
    counts: Any,
    items: Any,
    values: Any,
    new_counts: Any,
    new_items: Any,
    new_values: Any,
) -> None:
    """One round of propagation; sums of a row are made in a table of all items that is cleaned after it."""
    n, keep = items.shape
    for chunk in prange((n + CHUNK - 1) // CHUNK):
        sums = np.zeros(n_items)
        touched = np.empty(n_items, np.int32)
        for row in range(chunk * CHUNK, min((chunk + 1) * CHUNK, n)):
            size = 1
            touched[0] = targets[row]
            sums[targets[row]] = 1 - alpha
            for at in range(others.shape[1]):
                other, weight = others[row, at], alpha * weights[row, at]
                for place in range(counts[other]):
                    item, share = items[other, place], weight * values[other, place]
                    if share == 0.0:
                        continue
                    if sums[item] == 0.0:
                        touched[size] = item
                        size += 1
                    sums[item] += share
            found = touched[:size]
            if size > keep:
                shares = sums[found[1:]]
                order = np.argsort(-shares, kind="mergesort")[: keep - 1]
                kept = np.empty(keep, np.int32)
                kept[0] = found[0]
                for place in range(keep - 1):
                    kept[place + 1] = found[1 + order[place]]
            else:
                kept = found.copy()
            total, held = 0.0, 0.0
            for item in found:
                total += sums[item]
            for item in kept:
                held += sums[item]
            for place in range(len(kept)):
                new_items[row, place] = kept[place]
                new_values[row, place] = sums[kept[place]] * (total / held)
            new_counts[row] = len(kept)
            for item in found:
                sums[item] = 0.0
