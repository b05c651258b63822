"""One's own objective is a plain class: a hinge on the difference of target and candidate."""

import tacit
from tacit.parts.samplers import Uniform
from tacit.types import Losses, Scored


class Hinge:
    slot, needs, catalogue = "objective", frozenset(), False
    temperature, similarity = 1.0, "dot"

    def bind(self, data):
        return self

    def __call__(self, scored: Scored) -> Losses:
        margin = 1 - scored.scores[:, :1] + scored.scores[:, 1:]
        return Losses((margin.clamp(min=0) * scored.log_weights[:, 1:].exp()).mean(1))

    def logits(self, scored: Scored):
        return scored.scores


if __name__ == "__main__":
    log = tacit.Interactions.read(tacit.simulate("small", seed=0).to_arrow())
    run = tacit.fit(log, scheme=tacit.Scheme(Uniform(4), Hinge()), training=tacit.TrainingOptions(epochs=5))
    print(run.recommend(["u0"] if log.user_ids.kind == "str" else [0], k=5).items)
