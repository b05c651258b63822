"""ComiRec, MIND and YouTubeDNN, by the worked examples R6, R8 and R10 of the specification."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from helpers.sequences import history_of, last_of
from helpers.tiny import batch_of, random_data, seeded
from longhand import capsules as longhand
from tacit.backbones.comirec import ComiRecDRConfig, ComiRecSAConfig
from tacit.backbones.mind import MINDConfig
from tacit.backbones.youtubednn import YouTubeDNNConfig
from tacit.errors import OptionError
from tacit.parts.objectives import SampledSoftmax
from tacit.schemes.remi import InterestAware, RoutingVariance
from tacit.scoring import LocalItems, read_out, score
from tacit.types import Candidates, Clock, Encoded


def built(config):
    return config.build(random_data(0), seeded()).eval().double()


def of(values):
    return torch.tensor(values, dtype=torch.float64)


def close(found, expected):
    torch.testing.assert_close(found, of(expected), rtol=0, atol=1e-6)


def attentive():
    """R6: items 0, 1 and 2 are (1, 0), (0, 1) and (2, 2)."""
    backbone = built(ComiRecSAConfig(dim=2, length=3, interests=2, hidden=2))
    with torch.no_grad():
        backbone.items[:3] = of([[1, 0], [0, 1], [2, 2]])
        backbone.positions.copy_(of([[0.1, 0], [0, 0.1], [0.3, 0.3]]))
        backbone.widen.copy_(of([[1, 0.5], [-0.5, 1]]))
        backbone.choose.copy_(of([[1, -1], [2, 0.5]]))
    return backbone


def test_self_attention_of_the_worked_example():
    encoded = attentive().encode(last_of([[0, 1]], width=3, padding=2))
    close(encoded.routing.weights[0], [[0.668423, 0.331577], [0.189846, 0.810154]])
    close(encoded.queries[0], [[0.668423, 0.331577], [0.189846, 0.810154]])
    assert encoded.routing.mask.tolist() == [[True, True]]


def test_the_interest_that_scores_the_target_highest_is_read_out():
    encoded = attentive().encode(last_of([[0, 1]]))
    target = LocalItems(of([[0.2, 0.9]]))
    close(encoded.queries[0] @ of([0.2, 0.9]), [0.432104, 0.767108])
    read = read_out(Encoded(encoded.queries, target), torch.tensor([0]))
    close(read.queries[0], [[0.189846, 0.810154]])


@pytest.mark.parametrize(
    ("hardness", "options", "expected"),
    [
        (0.0, None, 0.929627),
        (1.0, None, 1.046150),
        (10.0, None, 1.184914),
        (1.0, {"strength": 0.5}, 1.066266),
        (1.0, {"strength": 100.0, "scaling": "authors", "slots": 3}, 5.516883),
    ],
)
def test_the_whole_loss_of_the_worked_example(hardness, options, expected):
    """R6, end to end: three negatives, with routing regularisation and without."""
    encoded = attentive().encode(last_of([[0, 1]]))
    items = LocalItems(of([[0.2, 0.9], [1, 0], [0, -1], [0.5, 0.5]]))
    encoded = replace(encoded, items=items)
    batch = batch_of([0], [0])
    candidates = Candidates(batch.targets, torch.tensor([1, 2, 3]), torch.zeros(3))
    objective = SampledSoftmax(correction=False)
    scored = score(encoded, candidates, batch, objective)
    found = objective(InterestAware(hardness)(scored, objective, Clock(0, 1, 0, 1))).labelled[0]
    if options is not None:
        found = found + RoutingVariance(**options)(encoded, batch, candidates)
    close(found, expected)


def test_attention_over_interests_of_the_worked_example():
    """R8, its three powers of a score, and the hard form."""
    interests, target = of([[[0.386154, -0.031515], [0.351922, 0.280947]]]), LocalItems(of([[0.6, 0.8]]))
    for readout, power, expected in (
        ("power", 1.0, [0.367083, 0.142560]),
        ("power", 2.0, [0.367779, 0.136209]),
        ("power", 0.0, [0.369038, 0.124716]),
        ("attention", 1.0, [0.367083, 0.142560]),
        ("attention", 0.0, [0.369038, 0.124716]),
        ("hard", 1.0, [0.351922, 0.280947]),
    ):
        encoded = Encoded(interests, target, readout=readout, power=power)
        close(read_out(encoded, torch.tensor([0])).queries[0, 0], expected)


def test_votes_of_mind_are_one_map_of_the_items():
    backbone = built(MINDConfig(dim=2, length=3, interests=2, adaptive=False))
    with torch.no_grad():
        backbone.items[:2] = of([[1, 0], [0, 1]])
        backbone.bilinear.copy_(of([[1, 0.5], [-0.5, 1]]))
        backbone.start.copy_(of([[0.3, -0.1], [-0.2, 0.4], [0, 0]]))
    encoded = backbone.encode(last_of([[0, 1]], width=3, padding=7))
    close(encoded.routing.weights[0], [[0.66, 0.26531], [0.34, 0.73469]])
    close(encoded.queries[0], [[0.386154, -0.031515], [0.351922, 0.280947]])


def test_short_histories_have_fewer_interests():
    backbone = built(MINDConfig(dim=2, length=100, interests=4))
    lists = [[1] * length for length in (1, 2, 5, 20, 100)]
    assert backbone.encode(last_of(lists)).active.sum(1).tolist() == [1, 1, 2, 4, 4]


def test_interests_not_in_use_are_not_read_out():
    backbone = built(MINDConfig(dim=2, length=4, interests=3, readout="attention"))
    encoded = backbone.encode(last_of([[1]]))
    read = read_out(encoded, torch.tensor([4]))
    torch.testing.assert_close(read.queries[0, 0], encoded.queries[0, 0])


def test_the_start_of_routing_is_drawn_afresh_in_training_alone():
    backbone = built(MINDConfig(dim=2, length=4, interests=3)).float()
    history = last_of([[1, 2, 3]])
    assert torch.equal(backbone.encode(history).queries, backbone.encode(history).queries)
    backbone.train()
    torch.manual_seed(0)
    assert not torch.equal(backbone.encode(history).queries, backbone.encode(history).queries)


def test_pooling_of_the_worked_example():
    """R10: the masked mean, then the tower."""
    backbone = built(YouTubeDNNConfig(dim=2, length=3))
    with torch.no_grad():
        backbone.items[:3] = of([[1, 2], [3, -1], [9, 9]])
        backbone.tower[0].weight.copy_(of([[1, 0.5], [0, -1]]))
    found = backbone.encode(last_of([[0, 1]], width=3, padding=2)).queries
    close(found[0], [[2.25, -0.5]])


def test_every_position_is_pooled_from_what_was_before_it():
    backbone = built(YouTubeDNNConfig(dim=2, length=3, queries="all"))
    with torch.no_grad():
        backbone.tower[0].weight.copy_(torch.eye(2))
    found = backbone.encode(history_of([[3, 4, 5], [6]])).queries[:, 0]
    items = backbone.items.detach()
    expected = [items[[3]].mean(0), items[[3, 4]].mean(0), items[[3, 4, 5]].mean(0), items[6]]
    torch.testing.assert_close(found, torch.stack(expected))


def test_dynamic_routing_maps_each_place_by_a_matrix_of_its_own():
    backbone = built(ComiRecDRConfig(dim=2, length=3, interests=2, iterations=1))
    encoded = backbone.encode(last_of([[4, 5]]))
    matrices = backbone.votes.detach().view(3, 2, 2, 2)  # place, from, interest, to
    votes = torch.stack(
        [backbone.items[item].detach() @ matrices[at, :, 1] for at, item in enumerate((4, 5))]
    )
    mixed = votes.sum(0) / 2
    length = mixed.norm()
    torch.testing.assert_close(encoded.queries[0, 1], mixed * length / (1 + length**2), rtol=0, atol=1e-8)


@pytest.mark.parametrize("axis", ["interests", "positions", "padded-positions"])
@pytest.mark.parametrize("iterations", [1, 3])
def test_dynamic_routing_equals_its_longhand_twin(axis, iterations):
    """Of five places; the padded ones among them have votes of 0."""
    backbone = built(ComiRecDRConfig(dim=2, length=5, interests=2, iterations=iterations, axis=axis))
    with torch.no_grad():
        backbone.items.copy_(torch.randn(backbone.items.shape, generator=seeded(1), dtype=torch.float64))
    lists = [[3, 1, 4], [1, 5]]
    matrices = backbone.votes.detach().view(5, 2, 2, 2)  # place, from, interest, to
    votes = torch.zeros(2, 5, 2, 2, dtype=torch.float64)
    for row, items in enumerate(lists):
        for at, item in enumerate(items):
            votes[row, at] = torch.einsum("f,fkt->kt", backbone.items[item].detach(), matrices[at])
    capsules, weights = longhand.route(votes.tolist(), [[0.0] * 2] * 5, [3, 2], iterations, axis)
    encoded = backbone.encode(last_of(lists))
    torch.testing.assert_close(encoded.queries, of(capsules), rtol=0, atol=1e-9)
    torch.testing.assert_close(encoded.routing.weights, of(weights)[..., :3], rtol=0, atol=1e-9)


def test_without_positions_self_attention_knows_no_order():
    for positions in (False, True):
        backbone = built(ComiRecSAConfig(dim=4, length=5, interests=2, positions=positions, scale=1.0))
        ahead, back = (backbone.encode(last_of([items])).queries for items in ([1, 2, 3], [3, 2, 1]))
        assert torch.allclose(ahead, back) != positions


def test_with_relu_interests_of_mind_are_not_negative():
    plain, layered = (
        built(MINDConfig(dim=6, length=5, relu=relu)).encode(last_of([[1, 2, 3]])).queries
        for relu in (False, True)
    )
    assert plain.min() < 0
    assert layered.min() == 0


def test_in_training_equal_histories_start_from_different_routings():
    backbone = built(MINDConfig(dim=4, length=4, interests=3)).float().train()
    torch.manual_seed(0)
    found = backbone.encode(last_of([[1, 2, 3], [1, 2, 3]])).queries
    assert not torch.allclose(found[0], found[1])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ComiRecSAConfig(interests=0), "backbone.interests"),
        (lambda: ComiRecSAConfig(hidden=0), "backbone.hidden"),
        (lambda: ComiRecDRConfig(iterations=0), "backbone.iterations"),
        (lambda: ComiRecDRConfig(iterations=1, attached=True), "raise iterations, or set attached = false"),
        (lambda: MINDConfig(iterations=1, attached=True), "raise iterations, or set attached = false"),
        (lambda: MINDConfig(power=float("inf")), 'set backbone.readout = "hard"'),
        (lambda: MINDConfig(power=-1.0), "backbone.power"),
        (lambda: MINDConfig(readout="power", power=1.5), "no meaning for scores below 0"),
        (lambda: YouTubeDNNConfig(hidden=(4, 0)), "backbone.hidden"),
    ],
)
def test_refuses_options_out_of_range(make, said):
    with pytest.raises(OptionError, match=said):
        make()
