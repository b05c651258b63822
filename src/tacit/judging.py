"""How `api.evaluate` judges: the trained run and the reference models, on the same people and items."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tacit.data.audit import Audit
from tacit.data.evidence import Evidence, lengthened, padded, union, within
from tacit.data.interactions import Interactions
from tacit.errors import MissingExtra
from tacit.evaluation.evaluate import evaluate
from tacit.evaluation.report import Report
from tacit.evaluation.verdict import beaten, strangers
from tacit.kernels.topk import shared_with
from tacit.protocols import Queries, Recommender
from tacit.recommend.foldin import trained_rows
from tacit.references.cache import fitted
from tacit.references.ease import EASE
from tacit.references.graphfilter import GraphFilter
from tacit.references.ials import IALS
from tacit.references.itemknn import ItemKNN
from tacit.references.popular import Popular
from tacit.run import Run
from tacit.sparse import CSR, Sequences

EASE_LIMIT = 15_000
LATER = ("train_events_after_test_begins", "train_impressions_after_test_begins")
_log = logging.getLogger("tacit")


@dataclass(frozen=True, eq=False)
class Reference:
    """A reference model beside the run: its report and the seconds that its fit took."""

    report: Report
    fit_seconds: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The run's report, those of the reference models, what was skipped and why, and the audit."""

    report: Report
    references: dict[str, Reference]
    skipped: dict[str, str]
    audit: dict[str, Any]
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """One JSON object."""
        references = {
            name: {**reference.report.to_dict(), "fit_seconds": round(reference.fit_seconds, 3)}
            for name, reference in self.references.items()
        }
        skipped = {name: {"skipped": why} for name, why in self.skipped.items()}
        return {
            **self.report.to_dict(),
            "references": references | skipped,
            "audit": self.audit,
            "notes": list(self.notes),
        }


def judge(
    run: Run,
    test: Interactions,
    history: Interactions | None,
    *,
    ks: Sequence[int],
    metrics: Sequence[str] | None,
    references: bool,
    keep_seen: bool,
) -> Evaluation:
    """Evaluate on test pairs that share an extension of the run's vocabulary: its rows keep their numbers."""
    evidence = run.evidence
    n_users, n_items = test.n_users, test.n_items
    seen = padded(evidence.seen, n_users, n_items)
    exclude = padded(evidence.masked, n_users, n_items)
    if history is not None:
        more = padded(history.positives, n_users, n_items)
        seen, exclude = union(seen, more), union(exclude, more)
    events = None if evidence.events is None else _events(evidence, history, n_users)
    truth = test.positives
    if keep_seen:
        exclude = CSR.from_pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), n_users, n_items)
    options: dict[str, Any] = {
        "truth": truth,
        "seen": _narrow(seen, evidence.n_items),
        "exclude": exclude,
        "events": events,
        "ks": ks,
    }
    if metrics is not None:
        options["metrics"] = metrics
    known = _Known(run.recommender, evidence.positives)
    report = _identified(evaluate(known, **options), test)
    shown: dict[str, Reference] = {}
    skipped: dict[str, str] = {}
    for name, model in _models(evidence, skipped) if references else ():
        try:
            fit, seconds = fitted(name, model, evidence, run.folder)
        except MissingExtra as error:
            skipped[name] = str(error)
            continue
        started = time.perf_counter()
        shown[name] = Reference(
            _identified(evaluate(_Known(fit, evidence.positives), **options), test), seconds
        )
        judged = time.perf_counter() - started
        _log.info("reference %s: fitted in %.1f s, ranked in %.1f s", name, seconds, judged)
    audit = run.facts.get("audit", {}) | _leaks(evidence, test)
    cold_items = np.setdiff1d(np.unique(truth.indices), np.unique(evidence.positives.indices))
    audit |= {
        "test_pairs": len(truth.indices),
        "test_items_never_in_train": len(cold_items),
        "test_pairs_of_items_never_in_train": int(np.isin(truth.indices, cold_items).sum()),
    }
    notes: list[str | None] = [f"{n}: {why}" for n, why in skipped.items()]
    files = run.facts.get("split", {}).get("files") or {"notes": []}
    notes += [f"split of the files: {note}" for note in files["notes"]]
    later = {name: audit[name] for name in LATER}
    notes += Audit(**later).findings()
    given = seen.degrees() > 0
    users, items = np.flatnonzero(truth.degrees()), np.unique(truth.indices)
    for what, rows, n_known in (("users", users, evidence.n_users), ("items", items, evidence.n_items)):
        unknown = rows >= n_known
        audit[f"share_of_test_{what}_unknown"] = round(int(unknown.sum()) / max(len(rows), 1), 4)
        foreign = unknown & ~given[rows] if what == "users" else unknown
        notes.append(strangers(what, int(foreign.sum()), len(rows)))
    rivals = {name: reference.report for name, reference in shown.items()}
    notes.append(beaten(report, rivals, sequences=events is not None))
    return Evaluation(report, shown, skipped, audit, tuple(note for note in notes if note))


@dataclass(frozen=True, eq=False)
class _Known:
    """A recommender that answers people whom training did not see by their history."""

    model: Recommender
    trained: CSR

    @property
    def n_items(self) -> int:
        return self.model.n_items

    def _asked(self, queries: Queries) -> Queries:
        return replace(queries, users=trained_rows(queries.users, self.trained))

    def score(self, queries: Any) -> Any:
        return self.model.score(self._asked(queries))

    def recommend(self, queries: Any, k: int, *, exclude: CSR | None = None) -> Any:
        return self.model.recommend(self._asked(queries), k, exclude=exclude)


def _leaks(evidence: Evidence, test: Interactions) -> dict[str, int | None]:
    """What training knows of the test part, by the names of the audit."""
    truth, n_users, n_items = test.positives, test.n_users, test.n_items
    trained, seen = (padded(matrix, n_users, n_items) for matrix in (evidence.positives, evidence.seen))
    in_train, in_any = (int(shared_with(truth, matrix).sum()) for matrix in (trained, seen))
    tested, known = truth.degrees() > 0, trained.degrees() > 0
    later: list[int | None] = [None, None]
    if test.times is not None and test.n_yes:
        begins = int(test.times[test.yes].min())
        known_moments = (evidence.moments, evidence.shown_moments)
        later = [None if moments is None else moments.after(begins) for moments in known_moments]
    return {
        "test_pairs_in_train": in_train,
        "valid_pairs_in_test": in_any - in_train,
        **dict(zip(LATER, later, strict=True)),
        "test_users_without_train": int((tested & ~known).sum()),
        "users_without_test": int((known & ~tested).sum()),
        "repeated_test_rows": test.n_yes - len(truth.indices),
    }


def _identified(report: Report, test: Interactions) -> Report:
    """With the external ids of its people."""
    return replace(report, ids=np.asarray(test.user_ids.decode(report.rows)))


def _models(evidence: Evidence, skipped: dict[str, str]) -> list[tuple[str, Any]]:
    models: list[tuple[str, Any]] = [
        ("popular", Popular()),
        ("itemknn", ItemKNN()),
        ("ials", IALS()),
        ("graphfilter", GraphFilter()),
    ]
    if evidence.n_items <= EASE_LIMIT:
        models.append(("ease", EASE()))
    else:
        gigabytes = evidence.n_items**2 * 4 / 2**30
        skipped["ease"] = f"{evidence.n_items} items would need a matrix of {gigabytes:.1f} GiB to invert"
    return models


def _events(evidence: Evidence, history: Interactions | None, n_users: int) -> Sequences:
    """What everybody did, oldest first: what the run has seen, then their history; known items only."""
    assert evidence.events is not None
    events = lengthened(evidence.events, n_users)
    if history is None:
        return events
    twice = int(shared_with(history.positives, padded(evidence.positives, n_users, history.n_items)).sum())
    if twice:
        _log.warning(
            "%s events of the history are of pairs that the run has seen: they are read again, after what it "
            "knows; leave out what it was trained or validated on",
            f"{twice:,}",
        )
    return events.then(within(history.sequences, evidence.n_items))


def _narrow(matrix: CSR, n_items: int) -> CSR:
    """Histories restricted to items that the run knows."""
    rows = np.repeat(np.arange(matrix.n_rows), matrix.degrees())
    known = matrix.indices < n_items
    return CSR.from_pairs(rows[known], matrix.indices[known], matrix.n_rows, n_items)
