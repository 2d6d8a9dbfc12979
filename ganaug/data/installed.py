"""Entry points of installed packages, read again only where the folders of packages have changed."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import sys
from typing import Any

__all__ = ["entry_points"]


def entry_points(**chosen: str) -> Any:
    """Entry points as :func:`importlib.metadata.entry_points` finds them, which reads a file of every package.

    Parameters
    ----------
    **chosen : str
        Such as ``group`` and ``name``.

    Returns
    -------
    importlib.metadata.EntryPoints

    Examples
    --------
    >>> found = entry_points(group="console_scripts")
    >>> found.names == importlib.metadata.entry_points(group="console_scripts").names
    True
    """
    return _all(tuple((folder, _state(folder)) for folder in sys.path)).select(**chosen)


def _state(folder: str) -> tuple[int, int] | None:
    """What differs once a package is added to a folder or taken from it."""
    try:
        found = os.stat(folder or ".")
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


@functools.lru_cache(maxsize=1)
def _all(path: tuple[tuple[str, tuple[int, int] | None], ...]) -> Any:
    """All of them; another `path` is one where other packages may be."""
    return importlib.metadata.entry_points()
