"""What every part promises. A suite names its part; the tests come by inheritance."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, ClassVar, get_args

import pytest
import torch

from helpers.tiny import Tiny, batch_from, batch_of, random_data, scored_of, seeded
from tacit.errors import OptionError
from tacit.parts.objectives import BPR
from tacit.protocols import (
    CandidateObjective,
    Objective,
    Refiner,
    Regulariser,
    Sampler,
    Transform,
    UpdateRule,
)
from tacit.scoring import TableItems, local_rows, score
from tacit.types import Candidates, Clock, Encoded, Need, Slot, Terms

CLOCK = Clock(0, 10, 5, 7)


class PartContract:
    """Promises of any part: `part` is unbound, `protocol` what it fills."""

    part: ClassVar[Any]
    protocol: ClassVar[Any]
    data: ClassVar[Tiny] = random_data(0)

    @property
    def bound(self) -> Any:
        return self.part.bind(self.data)

    def test_keeps_its_protocol(self):
        assert isinstance(self.part, self.protocol)

    def test_names_a_slot_and_known_needs(self):
        assert self.part.slot in get_args(Slot)
        assert self.part.needs <= set(get_args(Need))

    def test_binding_gives_a_part_of_the_same_kind_and_options(self):
        assert type(self.bound) is type(self.part)
        assert self.bound == self.part

    def test_binding_leaves_the_part_as_it_was(self):
        before = copy.deepcopy(self.part)
        self.part.bind(self.data)
        assert self.part == before

    def test_options_cannot_be_changed_in_place(self):
        name = next(iter(vars(self.part)), None)
        if name is None or isinstance(self.part, torch.nn.Module):
            return
        with pytest.raises(AttributeError):
            setattr(self.part, name, None)


class SamplerContract(PartContract):
    """A sampler: legal items, honest log q, chance from the generator alone."""

    protocol = Sampler
    drawn: ClassVar[bool] = True  # False: the same candidates whatever the generator
    binds: ClassVar[bool] = True  # False: works without data

    @property
    def batch(self):
        return batch_from(self.data, 40)

    def candidates(self, seed: int = 0):
        return self.bound(self.batch, seeded(seed))

    def mask(self, candidates):
        shape = (len(self.batch), candidates.others.shape[-1])
        return torch.ones(shape, dtype=torch.bool) if candidates.valid is None else candidates.valid

    def test_targets_are_the_batchs(self):
        assert torch.equal(self.candidates().targets, self.batch.targets)

    def test_candidates_are_rows_of_the_catalogue(self):
        others = self.candidates().others
        assert others.dtype == torch.int64
        assert ((others >= 0) & (others < self.data.n_items)).all()

    def test_log_q_is_finite_and_has_the_shape_of_the_candidates(self):
        candidates = self.candidates()
        assert candidates.log_q.shape == candidates.others.shape
        assert candidates.log_q.isfinite().all()

    @pytest.mark.parametrize("seed", range(5))
    def test_unobserved_candidates_are_unknown_to_their_user(self, seed):
        candidates = self.candidates(seed)
        mask = self.mask(candidates)
        if candidates.observed is not None:
            mask = mask & ~candidates.observed
        others = candidates.others.expand(mask.shape)
        for user, row, kept in zip(self.batch.users.tolist(), others, mask, strict=True):
            assert not set(row[kept].tolist()) & set(self.data.known.row(user).tolist())

    def test_observed_candidates_are_explicit_noes(self):
        candidates = self.candidates()
        if candidates.observed is None:
            return
        for user, row, kept in zip(
            self.batch.users.tolist(), candidates.others, candidates.observed, strict=True
        ):
            assert set(row[kept].tolist()) <= set(self.data.noes.row(user).tolist())

    def test_no_valid_candidate_is_the_target(self):
        candidates = self.candidates()
        hits = candidates.others.expand(len(self.batch), -1) == candidates.targets[:, None]
        assert not (hits & self.mask(candidates)).any()

    def test_the_same_generator_gives_the_same_candidates(self):
        first, second = self.candidates(3), self.candidates(3)
        assert torch.equal(first.others, second.others)
        assert torch.equal(first.log_q, second.log_q)

    def test_another_generator_gives_other_candidates(self):
        assert torch.equal(self.candidates(1).others, self.candidates(2).others) is not self.drawn

    def test_the_global_generator_is_left_alone(self):
        state = torch.random.get_rng_state()
        self.candidates()
        assert torch.equal(torch.random.get_rng_state(), state)

    def test_one_example_is_enough(self):
        candidates = self.bound(batch_from(self.data, 1), seeded())
        assert candidates.joined.numel() >= 1

    def test_no_example_is_no_error(self):
        assert len(self.bound(batch_of([], []), seeded()).targets) == 0

    def test_unbound_it_says_what_to_do(self):
        if not self.binds:
            return
        with pytest.raises(OptionError, match=r"call bind\(data\) first"):
            self.part(self.batch, seeded())


class TransformContract(PartContract):
    """A transform: new vectors in the same places, differentiable, the old ones untouched."""

    protocol = Transform

    def pieces(self):
        table = torch.randn(6, 3, generator=seeded(1)).requires_grad_()
        queries = torch.randn(4, 1, 3, generator=seeded(2)).requires_grad_()
        batch = batch_of([0, 1, 2, 3], [0, 1, 2, 3])
        others = torch.tensor([[4, 5], [5, 0], [4, 4], [0, 1]])
        candidates = Candidates(batch.targets, others, torch.zeros(4, 2))
        local, renumbered = local_rows(Encoded(queries, TableItems(table)), candidates)
        return local, renumbered, batch, (queries, table)

    def test_vectors_stay_in_their_places(self):
        local, candidates, batch, _ = self.pieces()
        changed = self.bound(local, batch, candidates)
        assert changed.queries.shape == local.queries.shape
        assert changed.items.table().shape == local.items.table().shape

    def test_the_old_vectors_stay_as_they_were(self):
        local, candidates, batch, _ = self.pieces()
        before = local.queries.clone(), local.items.table().clone()
        self.bound(local, batch, candidates)
        assert torch.equal(local.queries, before[0])
        assert torch.equal(local.items.table(), before[1])

    def test_scores_and_gradients_are_finite(self):
        local, candidates, batch, leaves = self.pieces()
        scored = score(self.bound(local, batch, candidates), candidates, batch, BPR())
        assert scored.scores.isfinite().all()
        for gradient in torch.autograd.grad(scored.scores.tanh().sum(), leaves):
            assert gradient.to_dense().isfinite().all()

    def test_the_same_vectors_give_the_same_result(self):
        found = []
        for _ in range(2):
            local, candidates, batch, _ = self.pieces()
            found.append(self.bound(local, batch, candidates).queries)
        assert torch.equal(*found)


class ObjectiveContract(PartContract):
    """An objective: a loss per example, finite, differentiable, blind to the order of candidates."""

    protocol = Objective
    ranks: ClassVar[bool] = True  # False: candidates do not enter
    pushes_all: ClassVar[bool] = True  # False: some candidates cost nothing, or are to be liked a little

    def scores(self, queries: int = 5, columns: int = 4) -> torch.Tensor:
        return torch.randn(queries, columns, generator=seeded(1), dtype=torch.float64).requires_grad_()

    def scored(self, scores: torch.Tensor, **more: Any):
        if self.part.catalogue:
            more["log_rest"] = scores[:, 1:].logsumexp(1)
        return scored_of(scores, **more)

    def loss(self, scores: torch.Tensor, **more: Any) -> torch.Tensor:
        return sum(part for _, part in self.bound(self.scored(scores, **more)).items())

    def test_gives_one_finite_loss_per_example(self):
        loss = self.loss(self.scores())
        assert loss.shape == (5,)
        assert loss.isfinite().all()

    def test_queries_do_not_see_each_other(self):
        scores = self.scores().detach()
        order = torch.tensor([3, 0, 4, 2, 1])
        torch.testing.assert_close(self.loss(scores[order]), self.loss(scores)[order])

    def test_the_order_of_candidates_does_not_matter(self):
        scores = self.scores().detach()
        torch.testing.assert_close(self.loss(scores[:, [0, 3, 1, 2]]), self.loss(scores))

    def test_passes_the_gradient_check(self):
        assert torch.autograd.gradcheck(self.loss, (self.scores(3),))

    def test_pulls_the_target_up_and_candidates_down(self):
        scores = self.scores()
        (gradient,) = torch.autograd.grad(self.loss(scores).sum(), scores)
        assert (gradient[:, 0] < 0).all()
        if self.pushes_all:
            assert (gradient[:, 1:] > 0).all() if self.ranks else (gradient[:, 1:] == 0).all()

    def test_padding_changes_nothing(self):
        scores = self.scores().detach()
        padded = torch.cat([scores, torch.full((5, 2), 50.0)], 1)
        weights, observed = torch.zeros_like(padded), torch.zeros(padded.shape, dtype=torch.bool)
        weights[:, 4:], observed[:, 4:], observed[:, 0] = -torch.inf, True, True
        rest = scores[:, 1:].logsumexp(1)
        found = self.bound(scored_of(padded, log_weights=weights, observed=observed, log_rest=rest))
        torch.testing.assert_close(sum(part for _, part in found.items()), self.loss(scores))

    @pytest.mark.parametrize("columns", [1, 4])
    def test_dropping_every_candidate_leaves_finite_gradients(self, columns):
        scores = self.scores(columns=columns)
        weights = torch.full(scores.shape, -torch.inf, dtype=torch.float64)
        weights[:, 0] = 0.0
        loss = self.loss(scores, log_weights=weights)
        (gradient,) = torch.autograd.grad(loss.sum(), scores)
        assert loss.isfinite().all()
        assert gradient.isfinite().all() or self.part.catalogue

    @pytest.mark.parametrize("size", [1e3, -1e3])
    def test_large_scores_stay_finite(self, size):
        scores = (size * self.scores().detach()).requires_grad_()
        loss = self.loss(scores)
        (gradient,) = torch.autograd.grad(loss.sum(), scores)
        assert loss.isfinite().all()
        assert gradient.isfinite().all()

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_keeps_the_precision_of_the_scores(self, dtype):
        assert self.loss(self.scores().detach().to(dtype)).dtype == dtype

    def test_logits_are_scores_without_log_q(self):
        scores = self.scores()
        assert torch.equal(self.part.logits(self.scored(scores, log_q=scores.detach() + 1)), scores)

    @pytest.mark.parametrize("temperature", [0.0, -1.0])
    def test_a_temperature_must_be_positive(self, temperature):
        if "temperature" not in vars(self.part):
            return
        with pytest.raises(OptionError, match="temperature"):
            replace(self.part, temperature=temperature)


class CandidateObjectiveContract(ObjectiveContract):
    """An objective that knows what each candidate would cost under either label."""

    protocol = CandidateObjective

    def test_under_gives_a_loss_of_the_same_shape(self):
        scores = self.scores()
        assert self.part.under(scores, 0).shape == self.part.under(scores, 1).shape == scores.shape

    def test_under_falls_with_the_score_for_a_yes_and_rises_for_a_no(self):
        at = torch.linspace(-5, 5, 20)
        assert (self.part.under(at, 1).diff() < 0).all()
        assert (self.part.under(at, 0).diff() > 0).all()

    @pytest.mark.parametrize("label", [0, 1])
    def test_under_is_what_the_loss_charges(self, label):
        scores = self.scores().detach()
        changed = scores.clone()
        changed[0, 2] += 1
        labels = torch.zeros_like(scores)
        labels[:, 0], labels[0, 2] = 1, label
        both = [self.loss(at, labels=labels).sum() for at in (scores, changed)]
        under = [self.part.under(at[0, 2], label) for at in (scores, changed)]
        share = 5 / scores.numel()
        torch.testing.assert_close(both[1] - both[0], share * (under[1] - under[0]))


class RefinerContract(PartContract):
    """A refiner: changes labels, weights or columns; never scores, targets, or what was seen."""

    protocol = Refiner
    objective: ClassVar[Any] = BPR()
    trusts_targets: ClassVar[bool] = True  # False: may weigh or drop the target
    attached: ClassVar[bool] = False  # True: gradients go through what it writes

    def before(self):
        scores = torch.randn(4, 8, generator=seeded(2)).requires_grad_()
        weights, observed = torch.zeros(4, 8), torch.zeros(4, 8, dtype=torch.bool)
        observed[:, 0] = True
        weights[:, 3], observed[:, 3] = -torch.inf, True
        return scored_of(scores, log_weights=weights, observed=observed)

    def after(self, clock: Clock = CLOCK):
        return self.bound(self.before(), self.objective, clock)

    def test_the_target_stays_in_front(self):
        before, after = self.before(), self.after()
        for name in ("scores", "labels", "observed", *(("log_weights",) if self.trusts_targets else ())):
            assert torch.equal(getattr(after, name)[:, 0], getattr(before, name)[:, 0])
        assert torch.equal(after.targets, before.targets)

    def test_all_fields_keep_one_shape(self):
        after = self.after()
        fields = (after.scores, after.labels, after.log_weights, after.log_q, after.observed, after.items)
        assert len({field.shape for field in fields}) == 1

    def test_columns_come_from_the_columns_before(self):
        before, after = self.before(), self.after()
        for query in range(4):
            assert set(after.others[query].tolist()) <= set(before.others[query].tolist())

    def test_scores_stay_those_of_their_items(self):
        before, after = self.before(), self.after()
        for query in range(4):
            known = dict(zip(before.items[query].tolist(), before.scores[query].tolist(), strict=True))
            found = zip(after.items[query].tolist(), after.scores[query].tolist(), strict=True)
            assert all(known[item] == score for item, score in found)

    def test_dropped_candidates_stay_dropped(self):
        before, after = self.before(), self.after()
        gone = before.items[:, 3]
        hits = after.items == gone[:, None]
        assert (after.log_weights[hits] == -torch.inf).all()

    def test_labels_stay_in_range_and_weights_are_never_nan(self):
        after = self.after()
        assert ((after.labels >= 0) & (after.labels <= 1)).all()
        assert not after.log_weights.isnan().any()

    def test_gradients_pass_through_what_it_writes_only_where_it_says_so(self):
        after = self.after()
        assert not after.labels.requires_grad
        assert after.log_weights.requires_grad == self.attached

    def test_the_same_scores_give_the_same_choice(self):
        first, second = self.after(), self.after()
        assert torch.equal(first.items, second.items)
        assert torch.equal(first.log_weights, second.log_weights)

    def test_no_candidates_are_no_error(self):
        bare = scored_of(torch.zeros(3, 1))
        assert self.bound(bare, self.objective, CLOCK).scores.shape == (3, 1)


class RegulariserContract(PartContract):
    """A regulariser: a finite, differentiable scalar with a name."""

    protocol = Regulariser

    def value(self, scale: float = 1.0):
        table = (scale * torch.randn(6, 3, generator=seeded(1))).requires_grad_()
        queries = (scale * torch.randn(4, 1, 3, generator=seeded(2))).requires_grad_()
        batch = batch_of([0, 1, 2, 3], [0, 1, 2, 3])
        candidates = Candidates(batch.targets, torch.tensor([[4], [5], [4], [0]]), torch.zeros(4, 1))
        value = self.bound(Encoded(queries, TableItems(table)), batch, candidates)
        return value, table, queries

    def test_has_a_name(self):
        assert self.part.name

    def test_is_a_finite_scalar(self):
        value, *_ = self.value()
        assert value.shape == ()
        assert value.isfinite()

    @pytest.mark.parametrize("scale", [0.0, 1.0])
    def test_has_finite_gradients(self, scale):
        value, *tensors = self.value(scale)
        for gradient in torch.autograd.grad(value, tensors, allow_unused=True):
            assert gradient is None or gradient.to_dense().isfinite().all()


class UpdateRuleContract(PartContract):
    """An update rule: one step of the optimiser it was given, nothing left displaced."""

    protocol = UpdateRule

    def updates(self, rate: float, steps: int = 1):
        parameter = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
        optimizer = torch.optim.SGD([parameter], lr=rate)
        values = []
        for step in range(steps):
            terms = self.bound(
                lambda: Terms({"loss": parameter.square()}, {}),
                (lambda: Terms({"loss": parameter.square()}, {})) if self.part.needs_meta else None,
                Clock(0, 1, step, steps),
                [parameter],
                optimizer,
            )
            values.append(terms.values()["loss"])
        return parameter.detach(), values

    def test_goes_downhill(self):
        _, values = self.updates(0.1, 20)
        assert values == sorted(values, reverse=True)
        assert values[-1] < 0.1 * values[0]

    def test_without_a_rate_every_bit_stays(self):
        parameter, _ = self.updates(0.0, 3)
        assert parameter.tolist() == [3.0, -2.0]

    def test_reports_the_loss_before_the_step(self):
        assert self.updates(0.1)[1] == pytest.approx([13.0])
