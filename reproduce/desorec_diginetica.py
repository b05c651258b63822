"""DeSoRec on Diginetica, in its authors' protocol, beside softmax, label smoothing and labels of no use.

    python -m reproduce.desorec_diginetica [CELL ...]

One example a session: its third event from the end, on at most 20 that came before it. Options are the
authors' (GRU4Rec with four layers and a second table for scoring, batches of 256, at most 20 epochs, 16
clusters) but in two things: the temperature of distances is the usual distance to the nearest, and the
neighbours of an example are the 64 nearest of its cluster, where theirs are all of it: a label of some two
thousand items would cost more than the softmax over 43,229.
"""

from __future__ import annotations

from functools import partial

from reproduce.cells import chosen_cells
from reproduce.ordered import OrderedContest, leave_two_out, soft_targets
from reproduce.pairs import Work
from tacit.backbones.gru4rec import GRU4RecConfig
from tacit.backbones.sasrec import SASRecConfig
from tacit.training.options import TrainingOptions

STUDY = "desorec_diginetica"
TRAINING = TrainingOptions(epochs=20, batch_size=256, patience=2, metric="ndcg@10")
GRU4REC = GRU4RecConfig(
    dim=128, hidden=128, layers=4, dropout=0.1, bias=False, tied=False, length=20, queries="newest"
)
SASREC = SASRecConfig(dim=128, length=20, queries="newest")


def contests(study: str, data: str) -> dict[str, Work]:
    """Points, seeds and the comparison, backbone by backbone."""
    found: dict[str, Work] = {}
    for name, backbone in {"gru4rec": GRU4REC, "sasrec": SASREC}.items():
        contest = OrderedContest(
            study,
            name,
            partial(leave_two_out, data),
            soft_targets(backbone, TRAINING),
            seeds=range(3),
            ks=(10, 20),
            chosen_by="ndcg@10",
            candidates=("desorec",),
            rivals=("softmax", "label-smoothing", "even-labels"),
        )
        found |= contest.cells()
    return found


if __name__ == "__main__":
    chosen_cells(contests(STUDY, "diginetica"), STUDY)
