"""The studies' own measures: who is asked, by which score, and what counts as right."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch
from reproduce.labelled import auc, per_user, scores
from reproduce.truth import Judged

from helpers.tiny import random_data
from tacit.backbones.mf import MFConfig
from tacit.beliefs import BeliefTrace
from tacit.data.evidence import Evidence
from tacit.data.interactions import Interactions
from tacit.data.split import Split
from tacit.schemes.plain import bce, sampled_softmax
from tacit.training.step import Step


def test_auc_counts_ties_by_half():
    labels = np.array([True, False, True, False])
    assert auc(np.array([0.2, 0.9, 0.7, 0.1]), labels) == 0.5
    assert auc(np.zeros(4), labels) == 0.5
    assert np.isnan(auc(np.zeros(2), np.array([True, True])))


def test_users_whose_rows_are_all_alike_are_left_out():
    users, labels = np.array([5, 7, 5, 7]), np.array([True, True, False, True])
    rows, values = per_user(users, np.array([1.0, 0.0, 0.5, 0.2]), labels)
    assert rows.tolist() == [5]
    assert values["gauc"].tolist() == [1.0]


def test_pairs_are_scored_by_the_similarity_that_is_trained():
    data = random_data(0)
    backbone = MFConfig(dim=4).build(data, torch.Generator().manual_seed(0))
    users, items = torch.tensor([0, 1]), torch.tensor([2, 0])
    dots = (backbone.user_table[users] * backbone.item_table[items]).sum(1).detach()
    lengths = backbone.user_table[users].norm(dim=1) * backbone.item_table[items].norm(dim=1)
    by_dot = scores(Step(backbone, bce().bind(data)), users, items)
    by_cosine = scores(Step(backbone, sampled_softmax(negatives=2).bind(data)), users, items)
    assert by_dot == pytest.approx(dots.numpy(), abs=1e-6)
    assert by_cosine == pytest.approx((dots / lengths.detach()).numpy(), abs=1e-6)


def test_only_users_of_the_half_at_hand_are_judged():
    train = Interactions.read(pa.table({"user": [0, 1, 0, 1], "item": [0, 1, 2, 3]}))
    hidden = Interactions.read(pa.table({"user": [0], "item": [1]}), part=True)
    split = Split.given(train, None, hidden)
    trace = BeliefTrace(Evidence.of(train), train.user_ids, train.item_ids)
    trace.tables[1] = pa.table(
        {
            "epoch": pa.array([1, 1, 1], pa.int32()),
            "user": [0, 0, 1],
            "item": [1, 3, 0],
            "belief": [0.9, 0.1, 0.9],
            "score": [0.0, 1.0, 2.0],
        }
    )
    found = Judged(split, trace).found()
    assert found is not None
    assert (found["asked"], found["base"], found["taken"]) == (2, 0.5, 1)
    assert found["scheme"] == {"precision": 1.0, "recall": 1.0}
    assert found["highest_scored"] == {"precision": 0.0, "recall": 0.0}
