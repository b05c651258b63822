"""How many threads torch and numba compute with: training repeats bit for bit per count of torch's."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import numba
import torch

_log = logging.getLogger("tacit")


def counts() -> dict[str, int]:
    """Threads of "torch" and of "numba" now."""
    return {"torch": torch.get_num_threads(), "numba": numba.get_num_threads()}


@contextmanager
def computing_with(wanted: dict[str, int]) -> Iterator[None]:
    """Compute with these counts inside the block, and say so where they are others than now.

    numba takes no more than it was started with; its kernels give the same bits with fewer.
    """
    before = counts()
    wanted = {**before, **wanted}
    if wanted["torch"] != before["torch"]:
        _log.info("threads of the checkpoint: %d instead of %d", wanted["torch"], before["torch"])
    try:
        _use(wanted)
        yield
    finally:
        _use(before)


def _use(wanted: dict[str, int]) -> None:
    torch.set_num_threads(wanted["torch"])
    most: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    numba.set_num_threads(min(wanted["numba"], most))
