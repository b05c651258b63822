"""The one door to numba: cached compilation where a cache folder is writable, uncached otherwise."""

import logging
from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir  # type: ignore[import-untyped]
from numba import prange
from numba.core import cgutils, types
from numba.extending import intrinsic

__all__ = ["jit", "prange", "prefetch_row"]

_log = logging.getLogger("tacit")


def jit(parallel: bool = False, fastmath: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function without the interpreter; falls back to uncached where nothing can be written."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        options: dict[str, Any] = {"nogil": True, "parallel": parallel, "fastmath": fastmath}
        compiled: Callable[..., Any]
        try:
            compiled = numba.njit(cache=True, **options)(function)
        except RuntimeError:
            _log.info("no writable cache folder: %s is compiled anew in each process", function.__name__)
            compiled = numba.njit(**options)(function)
        return compiled

    return decorate


@intrinsic
def _prefetch(context: Any, address: Any) -> Any:
    """Emit LLVM's prefetch of the cache line at an address (read, keep)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, *[ir.IntType(32)] * 3])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")  # type: ignore[no-untyped-call]
        builder.call(function, [pointer, *(ir.IntType(32)(value) for value in (0, 3, 1))])
        return context.get_dummy_value()

    return types.void(types.intp), generate


@numba.njit(nogil=True, inline="always")
def prefetch_row(base: int, row: int, size: int) -> None:
    """Ask for the row of `size` bytes at base + row * size: look-ups are bound by latency, not bandwidth."""
    start = base + row * size
    for line in range(0, size, 64):
        _prefetch(start + line)  # type: ignore[call-arg]
