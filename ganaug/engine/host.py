"""What computing on a CPU takes of the host: threads, and memory that one batch frees and the next one takes again."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock

import torch

__all__ = ["computing_on", "memory_kept", "samples_at_once", "threads_limited"]

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # as malloc.h has M_MMAP_THRESHOLD and M_TRIM_THRESHOLD
LARGEST_KEPT, MOST_KEPT = 2**30, 2**31 - 1  # bytes of a block, and of free memory that is not given back
LARGEST_USUAL = 2**25  # up to this glibc raises its threshold by itself
LARGEST_MAP = 2**21  # numbers in a feature map of a batch: memory for larger ones is taken from the system each time
LEAST_AT_ONCE = 16  # with fewer samples at a time products of matrices are slower than that
USERS_OWN = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_")

_lock = Lock()
_inside = 0


@contextmanager
def computing_on(device: torch.device | str, threads: int | None) -> Iterator[None]:
    """Compute on a CPU by so many threads, as :func:`threads_limited` has it, and with memory that is kept.

    On another device nothing is changed.

    Examples
    --------
    >>> with computing_on("cpu", 1):
    ...     print(torch.get_num_threads())
    1
    """
    if torch.device(device).type != "cpu":
        yield
        return
    with threads_limited(threads), memory_kept():
        yield


def samples_at_once(numbers: int) -> int:
    """How many samples a CPU is fast with at a time, by the numbers in the largest feature map of each.

    Examples
    --------
    >>> samples_at_once(32 * 32 * 32)
    64
    """
    return max(LEAST_AT_ONCE, LARGEST_MAP // numbers)


@contextmanager
def threads_limited(n: int | None) -> Iterator[None]:
    """Let torch compute by so many threads, and by as many as before at the end; None changes nothing.

    The number is that of the whole process.

    Examples
    --------
    >>> before = torch.get_num_threads()
    >>> with threads_limited(3):
    ...     print(torch.get_num_threads())
    3
    >>> torch.get_num_threads() == before
    True
    """
    before = torch.get_num_threads()
    if n is not None:
        torch.set_num_threads(n)
    try:
        yield
    finally:
        if n is not None:
            torch.set_num_threads(before)


@contextmanager
def memory_kept() -> Iterator[None]:
    """Have the C library keep what is freed for what is asked for next, and give it back at the end.

    By default glibc gives each block of more than 32 MiB back to the system as soon as it is free, and the next one of
    that size comes with pages that the system clears one by one as they are touched. A step of a training takes and
    frees the same dozens of feature maps each time; where they are that large, a third of its time can be spent so.
    With this they are reused, and the process holds some more memory meanwhile
    (``python benchmarks/speed/host_memory.py``).

    It applies to the process, may be nested and entered from several threads, and does nothing where the C library is
    not glibc, or the user has set its limits by ``MALLOC_...`` or ``GLIBC_TUNABLES`` in the environment.

    Examples
    --------
    >>> import numpy as np
    >>> with memory_kept():
    ...     total = sum(np.ones(10_000_000).sum() for _ in range(3))
    >>> int(total)
    30000000
    """
    libc = None if _set_by_user() else _glibc()
    if libc is None:
        yield
        return
    _entered(libc, +1)
    try:
        yield
    finally:
        _entered(libc, -1)


def _entered(libc: ctypes.CDLL, more: int) -> None:
    """Count who is inside; the first one in and the last one out set the limits."""
    global _inside
    with _lock:
        before, _inside = _inside, _inside + more
        if before == 0:
            libc.mallopt(MMAP_THRESHOLD, LARGEST_KEPT)
            libc.mallopt(TRIM_THRESHOLD, MOST_KEPT)
        elif _inside == 0:
            # Not what they were, which nothing tells, but what glibc would have raised them to by itself by now.
            libc.mallopt(MMAP_THRESHOLD, LARGEST_USUAL)
            libc.mallopt(TRIM_THRESHOLD, 2 * LARGEST_USUAL)
            libc.malloc_trim(0)


def _set_by_user() -> bool:
    return any(name in os.environ for name in USERS_OWN) or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "")


@cache
def _glibc() -> ctypes.CDLL | None:
    """The C library of this process, if it is glibc."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if all(hasattr(libc, name) for name in ("gnu_get_libc_version", "mallopt", "malloc_trim")) else None
