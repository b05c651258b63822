"""A trained run: everything that recommending needs, in memory or in a folder.

The folder is self-sufficient: it loads without the training data and knows its users' and items' ids.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch.nn.functional import normalize

from tacit.data.columns import ROLES
from tacit.data.evidence import Evidence
from tacit.data.interactions import Interactions
from tacit.data.sources import open_source
from tacit.data.vocabulary import Vocabulary
from tacit.errors import ArtifactError, OptionError
from tacit.presets import BackboneConfig, by_name, options_of
from tacit.protocols import PairScorer, Queries
from tacit.recommend.foldin import trained_rows
from tacit.recommend.request import Catalogue, Diversity, Recommendations
from tacit.recommend.serving import Served, recommender_of
from tacit.storage import (
    MANIFEST,
    json_bytes,
    lock,
    parquet_bytes,
    read_artifact,
    read_json,
    read_tensors,
    remove,
    tensor_bytes,
    write_artifact,
    write_bytes,
)
from tacit.types import Similarity

KIND, VERSION = "tacit-run", 1
FACTS = ("split", "audit", "data")  # of the split, its leaks, fingerprints of the logs
NOTED = ("log.jsonl", "beliefs/epoch-*.parquet")
Id = int | str
_log = logging.getLogger("tacit")


@dataclass(frozen=True, eq=False)
class Run:
    """A trained recommender with its ids, its evidence and its configuration."""

    backbone: Any
    similarity: Similarity
    user_ids: Vocabulary
    item_ids: Vocabulary
    evidence: Evidence
    config: dict[str, Any]
    facts: dict[str, Any] = field(default_factory=dict)  # by the names of FACTS
    folder: Path | None = None

    def __repr__(self) -> str:
        parts = [self.config.get(part, {}) for part in ("backbone", "scheme")]
        names = [str(part.get("use", part.get("class", "?"))).rpartition(".")[2] for part in parts]
        size = f"{len(self.user_ids):,} users, {len(self.item_ids):,} items"
        return f"Run({', '.join(names)}, {size}{'' if self.folder is None else f', {str(self.folder)!r}'})"

    @cached_property
    def recommender(self) -> Served:
        """What scores the catalogue for people by row or by history."""
        return recommender_of(self.backbone, self.similarity, self.evidence.item_counts)

    @cached_property
    def catalogue(self) -> Catalogue:
        """What answers requests by external ids."""
        evidence = self.evidence
        return Catalogue(
            self.recommender,
            self.user_ids,
            self.item_ids,
            evidence.positives,
            evidence.seen,
            evidence.masked,
            evidence.item_counts,
            folds=not isinstance(self.backbone, PairScorer),
            events=evidence.events,
        )

    @property
    def columns(self) -> dict[str, Any]:
        """Columns that were named for training (None: guessed) and what counts as a yes: options of
        `Interactions.read`.
        """
        threshold = self.facts.get("split", {}).get("threshold")
        return {**self.config.get("data", {}), "threshold": threshold, "impressions": None}

    def read(self, source: Any, **columns: Any) -> Interactions:
        """A log, from a file, a frame or `Interactions`, under the run's ids with new ones appended.

        `columns`: as for `Interactions.read`. What they do not say is as it was for training; columns named
        then that this log lacks are guessed anew, or done without. Raises `DataError`, and `OptionError` for
        columns of `Interactions`.
        """
        ids, single = (self.user_ids, self.item_ids), self.backbone.reads != "sequences"
        if isinstance(source, Interactions):
            if columns:
                raise OptionError(f"{', '.join(columns)}: these Interactions have been read; name no columns")
            log = source.under(*ids)
            return log.collapsed() if single else log
        opened, usual = open_source(source), self.columns
        lacking = [role for role in ROLES if usual.get(role) not in (None, *opened.names)]
        if absent := [str(usual.pop(role)) for role in lacking if role not in columns]:
            _log.info("%s: without %s, which training was told of", opened.label, ", ".join(absent))
        return Interactions.read(opened, **{**usual, **columns}, vocabulary=ids, part=True, collapse=single)

    def recommend(
        self,
        users: Sequence[Id] | None = None,
        *,
        history: Sequence[Id] | None = None,
        histories: Any = None,
        append: bool = False,
        k: int = 10,
        allow: Iterable[Id] | None = None,
        deny: Iterable[Id] | None = None,
        keep_seen: bool = False,
        diversity: Diversity | None = None,
    ) -> Recommendations:
        """The k best items for known users, for one person known by a history of items, oldest first, or
        for everybody in a log, known or not: `histories`, a file or frame as `read` takes it.

        What the log says of somebody is read alone, and what the run knows of them neither read nor left out;
        with `append` it stands after what the run knows. What they have seen, so read, is left out unless
        `keep_seen`. With `diversity` an item gives way to others of
        its category, the more the more of these are chosen already, among the 10 k best. Raises `UnknownId`,
        `DataError` for a bad log, and `OptionError` for a bad k, for `append` without `histories` and where
        not exactly one of `users`, `history` and `histories` is given.
        """
        options: dict[str, Any] = {
            "allow": allow,
            "deny": deny,
            "keep_seen": keep_seen,
            "diversity": diversity,
        }
        if isinstance(users, str) or isinstance(history, str):
            raise OptionError("users and history are lists of ids: put a single one into a list")
        if sum(choice is not None for choice in (users, history, histories)) != 1:
            raise OptionError("recommend for whom? Give exactly one of users, history and histories")
        if append and histories is None:
            raise OptionError("append goes with histories: name a log of new events")
        if users is not None:
            return self.catalogue.for_users(users, k, **options)
        if histories is not None:
            return self.catalogue.for_log(self.read(histories), k, append=append, **options)
        assert history is not None
        return self.catalogue.for_history([history], k, **options)

    def similar_items(self, item: Id, k: int = 10) -> list[tuple[Id, float]]:
        """The k items nearest to an item by cosine, best first.

        Raises `UnknownId`, and `OptionError` for a k below 1 and where the backbone scores pairs and has no
        item vectors.
        """
        if k < 1:
            raise OptionError(f"k must be at least 1, not {k}")
        if isinstance(self.backbone, PairScorer):
            name = type(self.backbone).__name__
            raise OptionError(f"{name} scores pairs and has no item vectors: use a backbone that has")
        vectors = self.backbone.vectors().items
        unit = normalize(vectors, dim=1)
        row = self.item_ids.row(item)
        scores = unit @ unit[row]
        scores[row] = -torch.inf
        best = scores.topk(min(k, len(scores) - 1))
        ids = self.item_ids.decode(best.indices.numpy())
        return [(_plain(i), float(s)) for i, s in zip(ids, best.values, strict=True)]

    def score(self, users: Sequence[Id], items: Sequence[Id]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Score of each (user, item) pair, float32; higher is better. Raises `UnknownId`."""
        evidence = self.evidence
        rows = self.user_ids.rows(users)
        columns = self.item_ids.rows(items)
        queries = Queries(
            trained_rows(rows, evidence.positives),
            evidence.seen.select(rows),
            None if evidence.events is None else evidence.events.select(rows),
        )
        return self.recommender.pairs(queries, columns)

    def save(self, folder: str | Path) -> None:
        """Write the run as an artifact, whole or not at all; a run that the folder holds is replaced.

        What training noted in another folder (log.jsonl, beliefs) is copied. Raises `StorageError`, and
        `RunFolderError` where another process is writing to the folder.
        """
        with lock(Path(folder)):
            self.write(Path(folder))
            self._copy_notes(Path(folder))

    def _copy_notes(self, folder: Path) -> None:
        home = self.folder
        if home is not None and home.resolve() == folder.resolve():
            return
        for pattern in NOTED:
            for stale in folder.glob(pattern):
                remove(stale)
            if home is not None:
                for file in home.glob(pattern):
                    write_bytes(folder / file.relative_to(home), file.read_bytes())

    def write(self, folder: Path) -> None:
        """As `save`, for who holds the lock of the folder."""
        ids = pa.table({"users": _one(self.user_ids), "items": _one(self.item_ids)})
        serving = {"similarity": self.similarity}
        write_artifact(
            folder,
            {
                "config.json": json_bytes({**self.config, "serving": serving}),
                "model.safetensors": lambda: tensor_bytes(self.backbone.state_dict()),
                "vocabulary.parquet": lambda: parquet_bytes(ids),
                "seen.safetensors": lambda: tensor_bytes(self.evidence.to_arrays()),
                **{f"{name}.json": json_bytes(self.facts.get(name, {})) for name in FACTS},
            },
            KIND,
            VERSION,
        )


def load(folder: str | Path, *, backbone: Any = None) -> Run:
    """A saved run. `backbone`: the object or configuration, where the run was trained with one's own class;
    other runs know theirs.

    Raises `ArtifactError` where the folder is damaged, cut short, of another version, or not a run, and where
    one's own class is missing or does not fit.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ArtifactError(f"{folder}: no such folder; name the folder of a run")
    if not (folder / MANIFEST).exists():
        unfinished = (folder / "checkpoints").exists()
        said = "an unfinished run: finish it by fit with resume" if unfinished else "not a run folder"
        raise ArtifactError(f"{folder}: {said} (it holds no {MANIFEST})")
    files = read_artifact(folder, KIND, VERSION)
    config, facts = _described(files)
    similarity = config.pop("serving")["similarity"]
    seen = read_tensors(files["seen.safetensors"])
    evidence = Evidence.from_arrays({name: tensor.numpy() for name, tensor in seen.items()})
    trained: Mapping[str, Any] = config["backbone"]
    if "use" in trained:
        options = {name: tuple(v) if isinstance(v, list) else v for name, v in trained.items()}
        backbone = by_name(BackboneConfig, trained["use"], "backbone")(**options)
    elif backbone is None:
        raise ArtifactError(
            f"{folder}: trained with the backbone {trained.get('class')}, never imported from an artifact: "
            "pass the object, load(folder, backbone=...); on the line, --config with its [backbone]"
        )
    given = options_of(backbone)
    if hasattr(backbone, "build"):
        backbone = backbone.build(evidence, torch.Generator())
    try:
        backbone.load_state_dict(read_tensors(files["model.safetensors"]))
    except RuntimeError as error:
        raise ArtifactError(
            f"{folder}: its parameters do not fit the backbone {given}; it was trained with {dict(trained)}"
        ) from error
    backbone.eval()
    ids = pq.read_table(files["vocabulary.parquet"])
    users, items = (ids[name].combine_chunks().flatten() for name in ("users", "items"))
    return Run(backbone, similarity, Vocabulary(users), Vocabulary(items), evidence, config, facts, folder)


def described(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Configuration and facts of a saved run, without the run. Raises `ArtifactError` as `load`."""
    return _described(read_artifact(folder, KIND, VERSION))


def _described(files: Mapping[str, Path]) -> tuple[dict[str, Any], dict[str, Any]]:
    facts = {name: read_json(files[f"{name}.json"]) for name in FACTS if f"{name}.json" in files}
    return read_json(files["config.json"]), facts


def _one(ids: Vocabulary) -> pa.Array:
    """All ids as the single entry of a list column: users and items may differ in number and type."""
    array = ids.to_arrow()
    return pa.LargeListArray.from_arrays(pa.array([0, len(array)], pa.int64()), array)


def _plain(value: Any) -> Id:
    return value.item() if isinstance(value, np.generic) else value  # type: ignore[no-any-return]
