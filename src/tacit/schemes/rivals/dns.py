"""Dynamic negative sampling: of several uniform candidates only the highest-scored one is a negative.

Source: Zhang et al., "Optimizing Top-N Collaborative Filtering via Dynamic Negative Item Sampling", SIGIR
2013.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tacit.errors import OptionError
from tacit.parts.miners import HardestK
from tacit.parts.objectives import BPR
from tacit.parts.regularisers import EmbeddingNorm
from tacit.parts.samplers import Uniform
from tacit.schemes.scheme import Scheme, from_options


@dataclass(frozen=True)
class DNSScheme:
    """BPR against the hardest of the drawn candidates (SIGIR 2013).

    Raises `OptionError` where as many are kept as are drawn: that is BPR.
    """

    use: Literal["dns"] = "dns"
    negatives: int = 16  # candidates drawn for each pair
    kept: int = 1  # of those, the highest-scored ones that count
    l2: float = 1e-4  # strength of the squared norm of the batch's embeddings

    def __post_init__(self) -> None:
        if self.kept >= self.negatives > 1 or self.kept > self.negatives:
            raise OptionError(
                f"kept = {self.kept} of negatives = {self.negatives} keeps all: set it lower, or use bpr"
            )

    def build(self) -> Scheme:
        """The scheme of these options."""
        return Scheme(
            Uniform(self.negatives),
            BPR(),
            refiners=(HardestK(self.kept),),
            regularisers=(EmbeddingNorm(self.l2),) if self.l2 else (),
        )


def dns(**options: Any) -> Scheme:
    """Scheme of `DNSScheme(**options)`."""
    return from_options(DNSScheme, options)
