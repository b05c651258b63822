"""Schemes of the studies that are no preset of Tacit; apart, so that a cell names where they are."""

from __future__ import annotations

from dataclasses import dataclass

from reproduce.pairs import Preset
from tacit.parts.objectives import BCE
from tacit.parts.samplers import Nothing
from tacit.schemes.dli import DLI
from tacit.schemes.scheme import Scheme


@dataclass(frozen=True)
class Joined:
    """A scheme, and DLI beside it."""

    base: Preset
    part: DLI

    def build(self) -> Scheme:
        """Both."""
        return self.base.build().with_(self.part)


@dataclass(frozen=True)
class LabelledOnly:
    """Binary cross-entropy of the labelled pairs alone, no candidates."""

    def build(self) -> Scheme:
        """The scheme."""
        return Scheme(Nothing(), BCE())
