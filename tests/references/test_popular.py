import numpy as np

from helpers.tiny import tiny
from tacit.protocols import Queries
from tacit.references.popular import Popular


def test_ranks_by_the_number_of_events() -> None:
    data = tiny([(0, 2), (1, 2), (2, 2), (0, 1), (1, 1), (2, 3)], 3, 4)
    best = Popular().fit(data).recommend(Queries(np.array([0, -1])), 4)
    assert best.items.tolist() == [[2, 1, 3, 0]] * 2
    assert best.scores[0].tolist() == [3, 2, 1, 0]


def test_leaves_out_what_was_seen() -> None:
    data = tiny([(0, 2), (1, 2), (1, 0)], 2, 3)
    best = (
        Popular().fit(data).recommend(Queries(np.array([0])), 1, exclude=data.positives.select(np.array([0])))
    )
    assert best.items.tolist() == [[0]]
