"""Soft labels by label propagation among examples that a trained encoder finds alike.

Source: Zhang et al., "Learning Recommender Systems with Soft Target: A Decoupled Perspective", DASFAA 2024
(arXiv 2410.06536), and its code; numbers of equations are those of docs/methods/desorec.md. Examples are
clustered, an example's neighbours are those of its cluster, and targets spread along w of (6) by (7).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Int64
from torch import Tensor

from tacit.data.softlabels import SoftLabels
from tacit.errors import OptionError
from tacit.kernels.propagation import nearest, spread
from tacit.parts.choices import check_choices

BLOCK = 4096  # rows of a distance matrix
LLOYD = 100  # rounds of k-means at most
DENSE = 20_000  # rows of a cluster at most for matrices of all its pairs, 1.6 GB each
EMPTY = 1e-12  # mass of others below which a row has none
Neighbourhood = tuple[np.ndarray, np.ndarray]  # of each row of a cluster: k others, int32, and distances
Shares = tuple[np.ndarray, np.ndarray, np.ndarray]  # of a cluster: row in it, item, share > 0, by rows


@dataclass(frozen=True)
class Propagation:
    """How targets spread. The authors: 16 clusters, alpha .5, 20 steps, temperatures of .25 to 2."""

    clusters: int = 16  # of examples; those of different clusters are never neighbours
    distance: float | None = None  # temperature of distances; nothing: `scale` times the usual to the nearest
    scale: float = 1.0  # of the temperature where that is not given
    alpha: float = 0.5  # how much comes from neighbours in each step
    steps: int = 20  # of the propagation
    graph: Literal["nearest", "dense"] = "nearest"  # neighbours: the nearest, or the whole cluster
    neighbours: int = 64  # nearest: of each example
    keep: int = 100  # nearest: items of a row that are kept in each step, the others' mass spread over them

    def __post_init__(self) -> None:
        check_choices(self)
        for name in ("clusters", "steps", "neighbours", "keep"):
            if getattr(self, name) < 1:
                raise OptionError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("distance", "scale"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise OptionError(f"{name} must be a positive number, not {value}")
        if not 0 <= self.alpha < 1:
            raise OptionError(f"alpha is a share in [0, 1), not {self.alpha}")


def soft_labels(
    vectors: Float[Tensor, "n d"],
    targets: Int64[np.ndarray, "n"],
    options: Propagation | None = None,
    *,
    seed: int = 0,
) -> SoftLabels:
    """Labels of n examples from their vectors (of a trained encoder, in evaluation mode) and targets.

    `options` say how targets spread; `seed` is that of the clusters' start. Row r of the labels is example r,
    and they have no fingerprint. Raises `OptionError` where `graph = "dense"` would need a matrix too large.
    """
    options = options or Propagation()
    groups = k_means(vectors, options.clusters, seed)
    order = groups.argsort(stable=True)
    bounds = torch.searchsorted(groups[order], torch.arange(options.clusters + 1)).tolist()
    parts = [order[a:b] for a, b in pairwise(bounds) if b > a]
    largest = max(map(len, parts))
    if options.graph == "dense" and largest > DENSE:
        raise OptionError(
            f'graph = "dense" would hold a matrix of all pairs of {largest:,} examples, '
            f'{4 * largest**2 / 1e9:.0f} GB: use graph = "nearest", or more clusters than {options.clusters}'
        )
    near = _neighbourhoods(vectors, parts, options)
    temperature = options.distance or options.scale * _usual_distance(vectors, parts, near)
    found = []
    for place, part in enumerate(parts):
        here = targets[part.numpy()]
        if options.graph == "dense":
            shares = _dense(vectors[part], here, temperature, options)
        else:
            shares = _sparse(near[place], here, temperature, options)
        found.append(_others(shares, here))
    return _assembled(targets, [part.numpy() for part in parts], found)


def k_means(
    vectors: Float[Tensor, "n d"], clusters: int, seed: int = 0, *, centres: Tensor | None = None
) -> Int[Tensor, "n"]:
    """The cluster of each row by Lloyd's rounds from k-means++ (or given centres), until nothing changes.

    A cluster that loses its last row is begun anew at the row that is farthest from its own centre.
    """
    if centres is None:
        centres = _scattered(vectors, clusters, torch.Generator().manual_seed(seed))
    groups = torch.full((len(vectors),), -1)
    for _ in range(LLOYD):
        distances, found = _closest(vectors, centres)
        for empty in (torch.bincount(found, minlength=len(centres)) == 0).nonzero()[:, 0].tolist():
            farthest = int(distances.argmax())
            found[farthest], distances[farthest] = empty, 0.0
        if torch.equal(found, groups):
            break
        groups = found
        counts = torch.bincount(groups, minlength=len(centres)).clamp(min=1)[:, None]
        centres = torch.zeros_like(centres).index_add_(0, groups, vectors) / counts
    return groups


def affinity(vectors: Float[Tensor, "n d"], temperature: float) -> Float[Tensor, "n n"]:
    """(6): softmax over the others of -|u_i - u_k| / temperature; the diagonal is 0, or 1 where n is 1."""
    if len(vectors) == 1:
        return torch.ones_like(vectors[:, :1])
    distances = torch.cdist(vectors, vectors, compute_mode="donot_use_mm_for_euclid_dist")
    return (-distances / temperature).fill_diagonal_(-torch.inf).softmax(1)


def _dense(
    vectors: Tensor, targets: Int64[np.ndarray, "n"], temperature: float, options: Propagation
) -> Shares:
    """(7) among all rows of a cluster."""
    items, place = np.unique(targets, return_inverse=True)
    weights = affinity(vectors, temperature)
    hard = torch.zeros(len(targets), len(items), dtype=vectors.dtype)
    hard[torch.arange(len(targets)), torch.from_numpy(place)] = 1
    soft = hard
    for _ in range(options.steps):
        soft = options.alpha * weights @ soft + (1 - options.alpha) * hard
    shares = soft.double().numpy()
    rows, columns = shares.nonzero()
    return rows, items[columns], shares[rows, columns]


def _sparse(
    near: Neighbourhood, targets: Int64[np.ndarray, "n"], temperature: float, options: Propagation
) -> Shares:
    """(7) among the nearest rows of a cluster, of each row at most `keep` items in each step."""
    others, distances = (part[:, : options.neighbours] for part in near)
    if others.shape[1] == 0:
        return np.arange(len(targets)), targets, np.ones(len(targets))
    weights = torch.from_numpy(-distances / temperature).softmax(1).numpy()
    kept, items, values = spread(others, weights, targets, options.alpha, options.steps, options.keep)
    rows, columns = (np.arange(items.shape[1]) < kept[:, None]).nonzero()
    return rows, items[rows, columns], values[rows, columns]


def _others(shares: Shares, targets: Int64[np.ndarray, "n"]) -> Shares:
    """The shares of a cluster less those of the targets, of rows with something left; items ascending."""
    rows, items, values = shares
    mine = items == targets[rows]
    mass = 1 - np.bincount(rows[mine], values[mine], minlength=len(targets))
    kept = ~mine & (mass > EMPTY)[rows]
    rows, items, values = rows[kept], items[kept].astype(np.int32), values[kept].astype(np.float32)
    order = np.lexsort((items, rows))
    return rows[order], items[order], values[order]


def _scattered(vectors: Tensor, count: int, chance: torch.Generator) -> Tensor:
    """Rows drawn one by one by their squared distance to those drawn before (Arthur, Vassilvitskii, 2007)."""
    chosen = [int(torch.randint(len(vectors), (1,), generator=chance))]
    far = torch.full((len(vectors),), torch.inf, dtype=vectors.dtype)
    while len(chosen) < min(count, len(vectors)):
        far = torch.minimum(far, (vectors - vectors[chosen[-1]]).square().sum(1))
        if not float(far.sum()) > 0:
            break
        chosen.append(int(torch.multinomial(far, 1, generator=chance)))
    return vectors[chosen]


def _closest(vectors: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Distance to, and number of, the nearest centre; the lower number where two are as near."""
    parts = [torch.cdist(block, centres).min(1) for block in torch.split(vectors, BLOCK)]
    return torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts])


def _neighbourhoods(vectors: Tensor, parts: list[Tensor], options: Propagation) -> list[Neighbourhood]:
    """The nearest rows of each cluster's rows, as many as are needed; none where nothing asks for them."""
    counts = [1] * (options.distance is None) + [options.neighbours] * (options.graph == "nearest")
    return [nearest(vectors[part].float().numpy(), max(counts)) for part in parts] if counts else []


def _usual_distance(vectors: Tensor, parts: list[Tensor], near: list[Neighbourhood]) -> float:
    """The median distance of a row to the nearest other one of its cluster that is not equal to it.

    1 where all rows of every cluster are equal, and no temperature changes anything.
    """
    pairs = zip(parts, near, strict=True)
    known = np.concatenate([_to_nearest(vectors[part], distances) for part, (_, distances) in pairs])
    return float(np.median(known)) if len(known) else 1.0


def _to_nearest(vectors: Tensor, distances: Float32[np.ndarray, "n k"]) -> Float32[np.ndarray, "m"]:
    """Of each row of a cluster the distance to the nearest one that is not equal to it, if there is one."""
    if not distances.shape[1]:
        return distances.ravel()
    above = distances > 0
    found = above.any(1)
    known: Float32[np.ndarray, "m"] = distances[found, above.argmax(1)[found]]
    if found.all():
        return known
    distinct, place = np.unique(vectors.float().numpy(), axis=0, return_inverse=True)
    rest = nearest(distinct, 1)[1][place.ravel()[~found]].ravel()
    return np.concatenate([known, rest[rest > 0]])


def _assembled(targets: Int64[np.ndarray, "n"], parts: list[np.ndarray], found: list[Shares]) -> SoftLabels:
    """The shares of all clusters, whose rows are `parts`, in one table."""
    counts = np.zeros(len(targets), np.int64)
    for part, (rows, _, _) in zip(parts, found, strict=True):
        counts[part] = np.bincount(rows, minlength=len(part))
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    items, values = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.float32)
    for part, (rows, columns, shares) in zip(parts, found, strict=True):
        firsts = np.cumsum(counts[part]) - counts[part]
        places = (indptr[part] - firsts)[rows] + np.arange(len(rows))
        items[places], values[places] = columns, shares
    return SoftLabels(targets.astype(np.int32), indptr, items, values)
