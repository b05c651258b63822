"""The one door to numba: cached compilation where a cache folder is writable, uncached otherwise."""

import logging
from collections.abc import Callable
from typing import Any

import numba
from numba import prange

__all__ = ["jit", "prange"]

_log = logging.getLogger("tacit")


def jit(parallel: bool = False, fastmath: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function without the interpreter; falls back to uncached where nothing can be written."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        options = {"nogil": True, "parallel": parallel, "fastmath": fastmath}
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:
            _log.info("no writable cache folder: %s is compiled anew in each process", function.__name__)
            return numba.njit(**options)(function)

    return decorate
