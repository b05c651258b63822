"""What a run learns from and is chosen by: the log, its validation part, and what an earlier run had seen."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tacit.data.audit import audit
from tacit.data.evidence import Evidence
from tacit.data.interactions import Interactions
from tacit.data.split import Split, validation
from tacit.data.splitfiles import beside, history_beside
from tacit.data.vocabulary import Vocabulary
from tacit.errors import DataError, OptionError
from tacit.run import Run
from tacit.sparse import CSR

Ids = tuple[Vocabulary, Vocabulary]
_log = logging.getLogger("tacit")


@dataclass(frozen=True)
class DataOptions:
    """Which columns hold what (None: guessed from their names, and said), and what counts as a yes."""

    user: str | None = None  # column of user ids
    item: str | None = None  # column of item ids
    time: str | None = None  # column of times: Unix seconds (ms, us, ns) or ISO 8601
    position: str | None = None  # column of the order of a user's events, where there is no clock
    rating: str | None = None  # column of ratings
    label: str | None = None  # column of 1 (a yes) and 0 (an explicit no)
    weight: str | None = None  # column of weights, at least 0
    shown: str | None = None  # column of 1 for rows that were shown without action
    threshold: float | None = None  # ratings from here on are a yes, below an explicit no
    impressions: str | None = None  # a file of items shown without action


@dataclass(frozen=True, eq=False)
class Material:
    """The parts of one run, under one vocabulary, and the facts that are kept with it."""

    train: Interactions
    valid: Interactions
    history: Interactions | None  # of people who are in valid alone
    whole: Interactions
    earlier: Evidence | None
    facts: dict[str, Any]


def as_split(part: Any, options: DataOptions) -> DataOptions:
    """The options, and where they name no column the one by which the split was made that a file is of."""
    said = beside(part).get("columns", {})
    named = {role: column for role, column in said.items() if getattr(options, role) is None}
    if named:
        _log.info(
            "columns as in the split: %s", ", ".join(f"{role} = {name}" for role, name in named.items())
        )
    return replace(options, **named)


def read(
    source: Any, options: DataOptions, ids: Ids | None = None, *, part: bool = False, collapse: bool = True
) -> Interactions:
    """A log as the options say, or as it is, under an extension of `ids`. Raises `DataError`."""
    if not isinstance(source, Interactions):
        return Interactions.read(source, **asdict(options), vocabulary=ids, part=part, collapse=collapse)
    return source if ids is None else source.under(*ids)


def gathered(
    train: Any,
    valid: Any,
    history: Any,
    options: DataOptions,
    seed: int,
    earlier: Run | None,
    *,
    sequences: bool = False,
    train_first: bool = False,
    keep_seen: bool = False,
) -> Material:
    """Read the parts, or hold one out to validate on. What the earlier run had seen validates nothing.

    For a backbone that reads `sequences` repeated pairs stay; with `train_first` the rows of train are the
    first of the whole, so that what is said of them by number holds there too. `keep_seen`: validation ranks
    what was had before too. Raises `DataError`, and `OptionError` for a history without a validation part.
    """
    if valid is None and history is not None:
        raise OptionError("valid_history goes with a validation part: give valid too")
    single = not sequences
    log = read(
        train, options, None if earlier is None else (earlier.user_ids, earlier.item_ids), collapse=single
    )
    seen = None if earlier is None else earlier.evidence.seen
    if valid is None:
        split, whole = _held_out(log, seed, seen, sequences), log
        if train_first:
            assert split.valid is not None
            whole = split.train.concat(split.valid)
        fingerprints: Any = log.fingerprint()
    else:
        columns = replace(options, threshold=log.threshold, impressions=None)
        ids = log.user_ids, log.item_ids
        given = {"train": log, "valid": read(valid, columns, ids, part=True, collapse=single)}
        if history is None and (history := history_beside(valid)) is not None:
            _log.info("histories of the validation users from %s", history)
        if history is not None:
            ids = given["valid"].user_ids, given["valid"].item_ids
            given["valid_history"] = read(history, columns, ids, part=True, collapse=single)
        split = _given(given, seen)
        assert split.valid is not None
        histories = () if split.valid_history is None else (split.valid_history,)
        whole = split.train.concat(*histories, split.valid)
        fingerprints = {name: part.fingerprint() for name, part in given.items()}
    for note in split.notes:
        _log.info("%s", note)
    said = beside(train)
    report = audit(split)
    leaks = replace(report, valid_pairs_in_train=None) if keep_seen else report
    for finding in leaks.findings():
        _log.info("audit: %s", finding)
    assert split.valid is not None
    return Material(
        train=split.train,
        valid=split.valid,
        history=split.valid_history,
        whole=whole,
        earlier=None if earlier is None else earlier.evidence,
        facts={
            "data": fingerprints,
            "split": {
                "kind": split.kind,
                "notes": list(split.notes),
                "threshold": log.threshold,
                "files": {"kind": said["kind"], "notes": said["notes"]} if said else None,
            },
            "audit": report.to_dict(),
        },
    )


def _held_out(log: Interactions, seed: int, seen: CSR | None, sequences: bool) -> Split:
    """A validation part cut from the rows of a log that an earlier run had not seen."""
    new = np.ones(len(log), bool) if seen is None else _unseen(log, seen)
    if not new.any():
        raise DataError(
            "the earlier run has seen every row of this log, so none can validate: "
            "add newer events, or train without start"
        )
    part, valid = validation(log if new.all() else log.select(new), seed, sequences=sequences)
    _log.info(
        "validation: %d %s events of %d users, held out to choose the number of steps",
        *(len(valid), "last" if log.clock is not None or sequences else "random"),
        int((valid.positives.degrees() > 0).sum()),
    )
    if new.all():
        return Split(part, valid, None, kind="validation")
    note = f"{int((~new).sum()):,} rows that the earlier run had seen are in no validation part"
    return Split(log.select(~new).concat(part), valid, None, kind="validation", notes=(note,))


def _given(given: dict[str, Interactions], seen: CSR | None) -> Split:
    """The parts as they came, less what an earlier run had seen of the validation part."""
    last = list(given.values())[-1]
    parts = {name: part.with_vocabulary(last.user_ids, last.item_ids) for name, part in given.items()}
    valid = parts["valid"]
    split = Split(parts["train"], valid, None, valid_history=parts.get("valid_history"))
    new = np.ones(len(valid), bool) if seen is None else _unseen(valid, seen)
    if new.all():
        return split
    if not (new & valid.yes).any():
        raise DataError(
            "the earlier run has seen every event of the validation part: give newer ones, "
            "or train without start"
        )
    note = f"{int((~new).sum()):,} of {len(new):,} validation rows left out: the earlier run had seen them"
    return replace(split, valid=valid.select(new), notes=(note,))


def _unseen(log: Interactions, seen: CSR) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """True for rows whose pair the matrix, of an earlier vocabulary, does not hold."""
    keys = log.users.astype(np.int64) * log.n_items + log.items
    known = np.repeat(np.arange(seen.n_rows), seen.degrees()) * log.n_items + seen.indices
    return ~np.isin(keys, known)
