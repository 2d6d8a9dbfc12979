"""Memory that a training on the CPU frees in one step and needs again in the next."""

from __future__ import annotations

import ctypes
import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

__all__ = ["freed_memory_kept"]

TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4  # as malloc.h of the GNU C library numbers them
KEEP = {MMAP_MAX: 0, TRIM_THRESHOLD: 2**31 - 1}
# What the library itself comes to in a process that has freed 32 MiB at once, and its number of mappings.
ORDINARY = {MMAP_MAX: 65_536, MMAP_THRESHOLD: 32 * 2**20, TRIM_THRESHOLD: 64 * 2**20}


class _Contexts:
    """Counts the open ones, and sets what holds while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = 0

    def enter(self, library: Any) -> None:
        with self._lock:
            self._open += 1
            if self._open == 1:
                _set(library, KEEP)

    def leave(self, library: Any) -> None:
        with self._lock:
            self._open -= 1
            if self._open == 0:
                _set(library, ORDINARY)
                library.malloc_trim(ctypes.c_size_t(0))


_contexts = _Contexts()


@contextmanager
def freed_memory_kept(device: torch.device) -> Iterator[None]:
    """Let this process keep the memory that it frees until the end of the context.

    The GNU C library gives each large tensor pages of its own and returns them to the system when it is freed; the next
    one waits until as many have been filled with zeros. In a step of networks for images on a CPU that is a quarter of
    the time. At the end the library's settings are those that it comes to by itself in a process with large tensors,
    and what is free goes back to the system. Results are the same.

    Does nothing on another device, with another C library, or where an environment variable says how ``malloc`` is to
    work. Contexts may be nested and open in several threads.

    Parameters
    ----------
    device : torch.device
        Where the training runs.

    Examples
    --------
    >>> with freed_memory_kept(torch.device("cpu")):
    ...     total = torch.ones(2**20).sum()
    """
    library = _c_library() if device.type == "cpu" else None
    if library is None:
        yield
        return
    _contexts.enter(library)
    try:
        yield
    finally:
        _contexts.leave(library)


def _c_library() -> Any:
    chosen = any(name.startswith("MALLOC_") for name in os.environ) or "malloc" in os.environ.get("GLIBC_TUNABLES", "")
    if chosen or platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return None
    return ctypes.CDLL(None)


def _set(library: Any, options: dict[int, int]) -> None:
    for option, value in options.items():
        library.mallopt(option, value)
