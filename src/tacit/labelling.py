"""Soft labels for a run: from an artifact, or made by its own backbone before it trains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize

from tacit.data.interactions import Interactions
from tacit.data.loaders import Loader
from tacit.data.softlabels import SoftLabels
from tacit.errors import DataError
from tacit.kernels.rows import Rows
from tacit.parts.objectives import CatalogueSoftmax
from tacit.parts.propagation import Propagation, soft_labels
from tacit.parts.samplers import Nothing
from tacit.parts.updates import Descent
from tacit.plan import Plan
from tacit.schemes.desorec import SoftCandidates
from tacit.schemes.scheme import Scheme
from tacit.scoring import read_out
from tacit.training.step import Step, evaluating
from tacit.types import Similarity


def wants_labels(scheme: Scheme) -> bool:
    """Whether the scheme is of soft labels and has none yet."""
    return isinstance(scheme.sampler, SoftCandidates) and scheme.sampler.labels is None


def labels_in(scheme: Scheme) -> SoftLabels | None:
    """The soft labels that the scheme has."""
    return scheme.sampler.labels if isinstance(scheme.sampler, SoftCandidates) else None


def with_labels(scheme: Scheme, labels: SoftLabels) -> Scheme:
    """The scheme with these labels."""
    assert isinstance(scheme.sampler, SoftCandidates)
    return replace(scheme, sampler=replace(scheme.sampler, labels=labels))


def with_given_labels(scheme: Scheme, train: Interactions, data: Any) -> Scheme:
    """The scheme with the labels of the artifact that it names, if it names one, or with those it has.

    `train`: the rows to train on; `data`: the fingerprint of the log that they come from, or those of the
    parts of it that were given. Raises `ArtifactError` for a folder without labels, and `DataError` for
    labels of another log or of another part of one.
    """
    sampler = scheme.sampler
    if not isinstance(sampler, SoftCandidates):
        return scheme
    labels = sampler.labels if sampler.file is None else SoftLabels.load(Path(sampler.file))
    if labels is None:
        return scheme
    bound = sampler.file is not None or labels.fingerprint != ""
    if bound and labels.fingerprint != fingerprint(train, data):
        raise DataError(
            f"{sampler.file or 'labels of the scheme'}: these soft labels were made of another log, or of "
            "another part of it: give the validation file that they were made with, or, where fit held it "
            "out, the same seed and start; make them anew; or leave scheme.labels out"
        )
    return with_labels(scheme, labels)


def fingerprint(train: Interactions, data: Any) -> str:
    """Of the rows to train on: of a training file as it is, or of what was left of a log."""
    return str(data["train"]) if isinstance(data, dict) else train.fingerprint()


def base_scheme(scheme: Scheme) -> Scheme:
    """What a backbone is trained by whose vectors tell which examples are alike: the catalogue's softmax.

    Regularisers and the bound of gradients are the scheme's own; a transform or a meta-step takes no part.
    """
    objective = CatalogueSoftmax(scheme.objective.temperature, scheme.objective.similarity)
    update = scheme.update if isinstance(scheme.update, Descent) else Descent()
    return Scheme(Nothing(), objective, regularisers=scheme.regularisers, update=update)


def labels_of(step: Step, examples: Loader, plan: Plan) -> SoftLabels:
    """Labels of the training examples of a plan by the vectors that a trained step has for them."""
    assert isinstance(plan.scheme.sampler, SoftCandidates)
    similarity, made = step.scheme.objective.similarity, plan.scheme.sampler.made
    found = labels_by(step.backbone, similarity, examples, len(plan.train), made, plan.seed)
    return replace(found, fingerprint=fingerprint(plan.train, plan.facts["data"]))


@torch.no_grad()
def labels_by(
    backbone: Any, similarity: Similarity, examples: Loader, n_rows: int, made: Propagation, seed: int
) -> SoftLabels:
    """Labels of the examples of one epoch, for the rows of their log; each example once.

    What scores by cosine is compared by direction alone.
    """
    rows, targets, vectors = [], [], []
    with evaluating(backbone):
        for batch in examples.epoch(0):
            queries = read_out(backbone(batch), batch.targets, similarity).queries
            rows.append(batch.rows.numpy())
            targets.append(batch.targets.numpy())
            found = queries.take() if isinstance(queries, Rows) else queries[:, 0]
            vectors.append(normalize(found, dim=1) if similarity == "cosine" else found)
    row = np.concatenate(rows)
    order = row.argsort()
    labels = soft_labels(
        torch.cat(vectors)[torch.from_numpy(order)],
        np.concatenate(targets)[order],
        made,
        seed=seed,
    )
    return labels.placed(row[order], n_rows, "")


def told(labels: SoftLabels) -> str:
    """The report of labels in a sentence."""
    report = labels.report()
    return (
        f"{int(report['examples']):,} examples, {100 * report['mass_on_target']:.1f} % of their mass on the "
        f"target, {report['items']:.1f} other items each, {100 * report['without_support']:.1f} % without any"
    )
