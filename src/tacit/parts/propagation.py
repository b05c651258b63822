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
from jaxtyping import Float, Float32, Int, Int32, Int64
from torch import Tensor

from tacit.data.softlabels import SoftLabels
from tacit.errors import OptionError
from tacit.kernels.propagation import nearest, spread
from tacit.parts.choices import check_choices

BLOCK = 4096  # rows of a distance matrix
LLOYD = 100  # rounds of k-means at most
NEAR = 8  # neighbours among which one is sought that is not equal
EMPTY = 1e-12  # mass of others below which a row has none
Neighbourhood = tuple[np.ndarray, np.ndarray]  # of each row of a cluster: k others, int32, and distances


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
    """Labels of n examples from their vectors (of a trained encoder, in evaluation mode) and targets."""
    options = options or Propagation()
    groups = k_means(vectors, options.clusters, seed)
    rows, items, values = [], [], []
    order = groups.argsort(stable=True)
    bounds = torch.searchsorted(groups[order], torch.arange(options.clusters + 1)).tolist()
    parts = [order[a:b] for a, b in pairwise(bounds) if b > a]
    near = _neighbourhoods(vectors, parts, options)
    temperature = options.distance or options.scale * _usual_distance(near)
    for place, part in enumerate(parts):
        here = targets[part.numpy()]
        if options.graph == "dense":
            found = _dense(vectors[part], here, temperature, options)
        else:
            found = _sparse(near[place], here, temperature, options)
        for row, (columns, shares) in zip(part.tolist(), found, strict=True):
            mine = columns == targets[row]
            if 1 - shares[mine].sum() <= EMPTY or mine.all():
                continue
            rows.append(np.full(int((~mine).sum()), row))
            items.append(columns[~mine])
            values.append(shares[~mine])
    return _assembled(targets, rows, items, values)


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
) -> list[tuple[np.ndarray, np.ndarray]]:
    """(7) among all rows of a cluster: the items and shares of each row, those above 0."""
    items, place = np.unique(targets, return_inverse=True)
    weights = affinity(vectors, temperature)
    hard = torch.zeros(len(targets), len(items), dtype=vectors.dtype)
    hard[torch.arange(len(targets)), torch.from_numpy(place)] = 1
    soft = hard
    for _ in range(options.steps):
        soft = options.alpha * weights @ soft + (1 - options.alpha) * hard
    return [(items[row > 0], row[row > 0]) for row in soft.double().numpy()]


def _sparse(
    near: Neighbourhood, targets: Int64[np.ndarray, "n"], temperature: float, options: Propagation
) -> list[tuple[np.ndarray, np.ndarray]]:
    """(7) among the nearest rows of a cluster, of each row at most `keep` items in each step."""
    others, distances = (part[:, : options.neighbours] for part in near)
    if others.shape[1] == 0:
        return [(targets[row : row + 1], np.ones(1)) for row in range(len(targets))]
    weights = torch.from_numpy(-distances / temperature).softmax(1).numpy()
    kept, items, values = spread(others, weights, targets, options.alpha, options.steps, options.keep)
    return [(items[row, :n].astype(np.int64), values[row, :n]) for row, n in enumerate(kept.tolist())]


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
    counts = [NEAR] * (options.distance is None) + [options.neighbours] * (options.graph == "nearest")
    return [nearest(vectors[part].float().numpy(), max(counts)) for part in parts] if counts else []


def _usual_distance(near: list[Neighbourhood]) -> float:
    """The median distance of a row to the nearest other one of its cluster that is not equal to it."""
    distances = (rows[:, :NEAR] for _, rows in near if rows.shape[1])
    known = np.concatenate([np.zeros(0), *(_smallest(rows) for rows in distances)])
    return float(np.median(known)) if len(known) else 1.0


def _smallest(distances: Float32[np.ndarray, "n k"]) -> Float32[np.ndarray, "m"]:
    """The first of each row that is above 0, where there is one."""
    above = distances > 0
    found: Float32[np.ndarray, "m"] = distances[above.any(1), above.argmax(1)[above.any(1)]]
    return found


def _assembled(
    targets: Int64[np.ndarray, "n"], rows: list[np.ndarray], items: list[np.ndarray], values: list[np.ndarray]
) -> SoftLabels:
    empty = np.zeros(0)
    row, item, value = (np.concatenate(part) if part else empty for part in (rows, items, values))
    order = np.lexsort((item, row))
    indptr = np.searchsorted(row[order], np.arange(len(targets) + 1)).astype(np.int64)
    columns: Int32[np.ndarray, "nonzeros"] = item[order].astype(np.int32)
    shares: Float32[np.ndarray, "nonzeros"] = value[order].astype(np.float32)
    return SoftLabels(targets.astype(np.int32), indptr, columns, shares)
