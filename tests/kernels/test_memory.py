"""Blocks that are freed stay with the process, where its C library allows."""

import platform

from tacit.kernels.memory import keep_freed_memory


def test_takes_effect_exactly_on_glibc() -> None:
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")
