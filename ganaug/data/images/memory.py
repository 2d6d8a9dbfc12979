"""How much memory is left, known before it is asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

__all__ = ["TooLittleMemory", "available_memory", "check_memory"]

CGROUPS = Path("/sys/fs/cgroup")
UNLIMITED = 2**60  # what the first version of control groups says where there is no limit is about as much
SHARE = 0.75  # of what is left; the rest is for what is made of it, and for other programs
UNITS = (("GiB", 2**30), ("MiB", 2**20), ("bytes", 1))


class TooLittleMemory(ValueError):  # noqa: N818 - what is raised is a ValueError as any other
    """What is asked for does not fit into the memory that is left."""


def check_memory(needed: int, what: str, remedy: str) -> None:
    """Raise ``TooLittleMemory`` where more memory is needed than three quarters of what is left.

    Parameters
    ----------
    needed : int
        Bytes.
    what : str
        What needs them, in the plural.
    remedy : str

    Raises
    ------
    TooLittleMemory
        One sentence that names the memory needed, what there is of it, and the remedy.

    Examples
    --------
    >>> check_memory(2**30 // 1024, "the images", "resize them")
    """
    available = available_memory()
    if available is not None and needed > SHARE * available:
        share = _amount(int(SHARE * available))
        raise TooLittleMemory(
            f"{what} need {_amount(needed)} of memory, and three quarters of what is left are {share}; {remedy}"
        )


def _amount(size: int) -> str:
    name, unit = next((name, unit) for name, unit in UNITS if size >= unit or unit == 1)
    return f"{size / unit:.1f} {name}" if unit > 1 else f"{size} {name}"


def available_memory() -> int | None:
    """Bytes that this process can still take; None where the operating system does not say.

    The least of what the machine has, what the control groups of the process allow, such as those of a container, and
    what its own limits allow.

    Examples
    --------
    >>> left = available_memory()
    >>> left is None or left > 2**20
    True
    """
    return min((*_of_the_machine(), *_of_the_control_groups(), *_of_the_process()), default=None)


def _of_the_machine() -> Iterator[int]:
    with contextlib.suppress(OSError, ValueError, KeyError):
        said = _fields(Path("/proc/meminfo"))
        yield said["MemAvailable"] + said.get("SwapFree", 0)


def _of_the_control_groups() -> Iterator[int]:
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, kinds, group = line.split(":", 2)
            if kinds == "":
                folder, limit, used, reclaimable = CGROUPS, "memory.max", "memory.current", "inactive_file"
            elif "memory" in kinds.split(","):
                folder = CGROUPS / "memory"
                limit, used, reclaimable = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            else:
                continue
            # Inside a container the group's own folder may be mounted as the root.
            own = folder / group.strip("/")
            for place in (own, *(parent for parent in own.parents if parent.is_relative_to(folder))):
                with contextlib.suppress(OSError, ValueError):
                    allowed = int((place / limit).read_text())
                    if allowed < UNLIMITED:
                        cached = _words(place / "memory.stat").get(reclaimable, 0)
                        yield max(0, allowed - int((place / used).read_text()) + cached)


def _of_the_process() -> Iterator[int]:
    try:
        import resource
    except ImportError:  # on Windows
        return
    with contextlib.suppress(OSError, ValueError, KeyError):
        said = _fields(Path("/proc/self/status"))
        for limit, used in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
            allowed, _ = resource.getrlimit(limit)
            if allowed != resource.RLIM_INFINITY:
                yield max(0, allowed - said[used])


def _fields(path: Path) -> dict[str, int]:
    """Bytes of each line such as ``VmSize:  12 kB``."""
    lines = (line.split() for line in path.read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if len(words) == 3 and words[2] == "kB"}


def _words(path: Path) -> dict[str, int]:
    lines = (line.split() for line in path.read_text().splitlines())
    return {words[0]: int(words[1]) for words in lines if len(words) == 2}
