"""Where vectors become scores: the only place that knows interests, similarity and temperature."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from tacit.kernels.catalogue import log_rest
from tacit.kernels.rows import Rows, gather_dot, shared_dots, take_rows
from tacit.protocols import Objective, PairScorer
from tacit.types import Batch, Candidates, Encoded, Scored, Similarity


@dataclass(eq=False)
class TableItems:
    """Item vectors that are rows of a table, from row `offset` on; biases (N, 1) where there are any.

    The last look-up is kept, so that scores and regularisers of a step share it.
    """

    vectors: Tensor
    biases: Tensor | None = None
    offset: int = 0
    _last: tuple[Tensor, Tensor] | None = field(default=None, repr=False)

    def rows(self, ids: Int[Tensor, "*ids"]) -> Float[Tensor, "*ids d"]:
        """Vectors of the given items."""
        if self._last is None or self._last[0] is not ids:
            self._last = (ids, take_rows(self.vectors, ids + self.offset if self.offset else ids))
        return self._last[1]

    def table(self) -> Float[Tensor, "N d"]:
        """All item vectors."""
        return self.vectors[self.offset :] if self.offset else self.vectors

    def bias(self, ids: Int[Tensor, "*ids"] | None) -> Float[Tensor, "*shape"] | None:
        """Biases of the given items, of all where None."""
        if self.biases is None:
            return None
        return self.biases[:, 0] if ids is None else take_rows(self.biases, ids)[..., 0]


@dataclass(eq=False)
class LocalItems:
    """A small table of the rows used in this step; transforms replace it, ids are positions in it."""

    vectors: Tensor
    biases: Tensor | None = None

    def rows(self, ids: Int[Tensor, "*ids"]) -> Float[Tensor, "*ids d"]:
        """Vectors at the given positions."""
        return self.vectors[ids]

    def table(self) -> Float[Tensor, "R d"]:
        """All local rows."""
        return self.vectors

    def bias(self, ids: Int[Tensor, "*ids"] | None) -> Float[Tensor, "*shape"] | None:
        """Biases at the given positions."""
        return self.biases if self.biases is None or ids is None else self.biases[ids]


def read_out(encoded: Encoded, targets: Int[Tensor, "Q"], similarity: Similarity = "dot") -> Encoded:
    """One vector per query: the interest that scores its target highest (hard), or a mixture of them.

    Hard readout: Cen et al., KDD 2020 (ComiRec). Attention over interests by softmax(p s), s their scores of
    the target, or by softmax(s^p) (power): Li et al., CIKM 2019 (MIND).
    """
    if isinstance(encoded.queries, Rows):
        return encoded
    interests = encoded.queries.shape[1]
    if interests == 1:
        return encoded
    hard = encoded.readout == "hard"
    vectors, items = encoded.queries, encoded.items.rows(targets)
    if similarity == "cosine":
        vectors, items = normalize(vectors, dim=-1), normalize(items, dim=-1)
    scores = torch.einsum("qkd,qd->qk", vectors, items)
    if encoded.readout == "power":
        scores = scores**encoded.power
    elif not hard:
        scores = scores * encoded.power
    if encoded.active is not None:
        scores = scores.masked_fill(~encoded.active, -torch.inf)
    if hard:
        best = scores.detach().argmax(1)
        queries = encoded.queries[torch.arange(len(best)), best]
    else:
        queries = torch.einsum("qk,qkd->qd", scores.softmax(1), encoded.queries)
    return replace(encoded, queries=queries[:, None], active=None)


def local_rows(encoded: Encoded, candidates: Candidates) -> tuple[Encoded, Candidates]:
    """Gather the item rows of this step once into a small table and renumber the candidates.

    `base` keeps the tables as they were, for regularisers.
    """
    flat = torch.cat([candidates.targets, candidates.others.reshape(-1)])
    ids, inverse = torch.unique(flat, return_inverse=True)
    local = LocalItems(encoded.items.rows(ids), encoded.items.bias(ids))
    n = len(candidates.targets)
    slots = (inverse[:n], inverse[n:].view(candidates.others.shape))
    rows = encoded.queries
    queries = rows.take()[:, None] if isinstance(rows, Rows) else rows
    base = encoded.base or (rows, encoded.items)
    return replace(encoded, queries=queries, items=local, base=base), replace(candidates, slots=slots)


def score(encoded: Encoded, candidates: Candidates, batch: Batch, objective: Objective) -> Scored:
    """Scores of targets and candidates: (similarity + biases) / temperature; `log_rest` where asked for."""
    encoded = read_out(encoded, candidates.read[0], objective.similarity)
    against = _against_shared if candidates.shared else _against_own
    scores = against(encoded, candidates, objective)
    scales: tuple[float, ...] = getattr(objective, "scales", ())
    rest, rests = None, tuple(_rest(encoded, candidates.read[0], objective, None, c) for c in scales)
    if objective.catalogue and not scales:
        own = scores[:, 0] if getattr(objective, "mean_softmax", False) else None
        rest = _rest(encoded, candidates.read[0], objective, own)
    if encoded.query_bias is not None:
        scores = scores + encoded.query_bias[:, None] / objective.temperature
    return replace(_scored(scores, candidates, batch, rest), log_rests=rests)


def score_pairs(backbone: PairScorer, candidates: Candidates, batch: Batch, objective: Objective) -> Scored:
    """Scores of a backbone that is no inner product."""
    others = candidates.others.expand(len(batch), -1)
    ids = torch.cat([candidates.targets[:, None], others], 1)
    return _scored(backbone.score(batch.users, ids) / objective.temperature, candidates, batch, None)


def half_squared_norm(encoded: Encoded, candidates: Candidates) -> Float[Tensor, ""]:
    """Half the squared norms of the rows of this step, each occurrence counted, on the base tables."""
    queries, items = encoded.base or (encoded.queries, encoded.items)
    if isinstance(queries, Rows) and queries.half_squared_norm is not None:
        return queries.half_squared_norm
    vectors = queries.take() if isinstance(queries, Rows) else queries
    if encoded.base is not None and candidates.slots is not None:
        candidates = replace(candidates, slots=None)
    return (vectors.square().sum() + items.rows(candidates.joined).square().sum()) / 2


def _against_own(encoded: Encoded, candidates: Candidates, objective: Objective) -> Tensor:
    items, queries, ids = encoded.items, encoded.queries, candidates.joined
    cosine = objective.similarity == "cosine"
    if isinstance(items, TableItems):
        rows = ids + items.offset if items.offset else ids
        if isinstance(queries, Rows):
            scores = queries.dots(items.vectors, rows, cosine=cosine)
        else:
            scores, _ = gather_dot(queries[:, 0], items.vectors, torch.arange(len(ids)), rows, cosine=cosine)
    else:
        left = queries.take() if isinstance(queries, Rows) else queries[:, 0]
        right = items.rows(ids)
        if cosine:
            left, right = normalize(left, dim=-1), normalize(right, dim=-1)
        scores = torch.einsum("qd,qcd->qc", left, right)
    bias = items.bias(ids)
    scores = scores if bias is None else scores + bias
    return scores if objective.temperature == 1 else scores / objective.temperature


def _against_shared(encoded: Encoded, candidates: Candidates, objective: Objective) -> Tensor:
    queries = encoded.queries.take() if isinstance(encoded.queries, Rows) else encoded.queries[:, 0]
    ids = candidates.joined
    rows, bias = encoded.items.rows(ids), encoded.items.bias(ids)
    if objective.similarity == "cosine":
        queries, rows = normalize(queries, dim=-1), normalize(rows, dim=-1)
    scores = shared_dots(queries / objective.temperature, rows)
    if bias is None:
        return scores
    n = len(queries)
    biases = torch.cat([bias[:n, None], bias[n:].expand(n, -1)], 1)
    return scores + biases / objective.temperature


def _rest(
    encoded: Encoded, targets: Tensor, objective: Objective, own: Tensor | None, scale: float = 1.0
) -> Tensor:
    """Log-sum-exp over the catalogue without the targets; of scores times `scale`."""
    queries = encoded.queries.take() if isinstance(encoded.queries, Rows) else encoded.queries[:, 0]
    table, bias = encoded.items.table(), encoded.items.bias(None)
    if objective.similarity == "cosine":
        queries, table = normalize(queries, dim=-1), normalize(table, dim=-1)
    bias = None if bias is None else bias * (scale / objective.temperature)
    sharpness = scale / objective.temperature
    rest = log_rest(queries * sharpness, table, bias, targets, own=own)
    if encoded.query_bias is not None:
        rest = rest + encoded.query_bias * sharpness
    return rest


def _scored(scores: Tensor, candidates: Candidates, batch: Batch, rest: Tensor | None) -> Scored:
    """Columns that say the same of every query are views of one row, not copies."""
    n, m = len(scores), scores.shape[1] - 1
    row = scores.new_zeros(1, 1 + m)
    row_of_labels = row.clone()
    row_of_labels[0, 0] = 1
    if candidates.labels is not None or not bool((batch.labels == 1).all()):
        others = row[:, 1:].expand(n, m) if candidates.labels is None else candidates.labels
        labels = torch.cat([batch.labels[:, None].to(scores), others.to(scores)], 1)
    else:
        labels = row_of_labels.expand(n, 1 + m)
    first = row_of_labels.bool().expand(n, 1 + m)
    observed, log_weights = first, row.expand(n, 1 + m)
    if candidates.valid is not None:
        invalid = torch.cat([first[:, :1] & False, ~candidates.valid], 1)
        observed = first | invalid
        log_weights = torch.zeros_like(scores).masked_fill_(invalid, -torch.inf)
    if candidates.observed is not None:
        observed = observed | torch.cat([first[:, :1], candidates.observed], 1)
    if candidates.shared and candidates.target_log_q is None:
        log_q = torch.cat([row[0, :1], candidates.log_q.to(scores)]).expand(n, 1 + m)
    else:
        own = row[:, 0].expand(n) if candidates.target_log_q is None else candidates.target_log_q
        log_q = torch.cat([own[:, None].to(scores), candidates.log_q.expand(n, m).to(scores)], 1)
    return Scored(
        users=batch.users,
        rows=batch.rows,
        targets=candidates.targets,
        others=candidates.others,
        scores=scores,
        labels=labels,
        log_weights=log_weights,
        log_q=log_q,
        observed=observed,
        log_rest=rest,
    )
