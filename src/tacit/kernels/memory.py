"""Memory that a training loop frees and asks for again at every step."""

from __future__ import annotations

import ctypes
import logging
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT = 2**30
_log = logging.getLogger("tacit")


def keep_freed_memory() -> bool:
    """Let this process keep blocks of up to 1 GiB that it frees, instead of handing them back to the system.

    Fresh pages for each step's temporaries of a few MiB cost more than the arithmetic on them. Process-wide;
    glibc only, elsewhere nothing happens. Returns whether it took effect.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    kept = bool(mallopt(M_MMAP_THRESHOLD, KEPT)) and bool(mallopt(M_TRIM_THRESHOLD, KEPT))
    if kept:
        _log.debug("freed memory of up to 1 GiB a block stays with this process")
    return kept
