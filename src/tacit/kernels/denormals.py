"""Numbers below the smallest normal one: a CPU computes with them many times slower.

Softmax weights of items far below the target, and the squares of gradients in the optimiser, become such
numbers when scores grow; they move no parameter, and flushed to zero they cost nothing.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch

SOFT = 1  # omp_pause_soft of OpenMP 5


@contextmanager
def flushing_denormals() -> Iterator[None]:
    """Count numbers below 1.2e-38 (of float32) as zero inside the block, where the CPU can."""
    before = flushed()
    try:
        _flush(True)
        yield
    finally:
        _flush(before)


def flushed() -> bool:
    """Whether they count as zero now."""
    return not torch.full((), torch.finfo(torch.float32).tiny).mul(0.5).item()


def _flush(wanted: bool) -> None:
    """Threads take the state over when they begin, so torch's own are ended: it begins others when needed."""
    torch.set_flush_denormal(wanted)
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libgomp.so.1").omp_pause_resource_all(SOFT)
