"""Where in a suite something is, for messages."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["SourceLocation"]

MOST_LINES = 1000  # of a file in which lines are looked for
Keys = tuple[str | int, ...]


@dataclass(frozen=True)
class SourceLocation:
    r"""A place in a suite; as a string the file, the line if it is known, and what is said of it.

    Attributes
    ----------
    name : str
        Of the file.
    text : str
        What the file holds; empty for a suite that is from none.
    keys : tuple of str or int
        Of tables and arrays, from the outermost in.
    said : str

    Examples
    --------
    >>> str(SourceLocation("my.toml", "[a]\nx = 1\n[b]\nx = 2").at("b", "x"))
    'my.toml, line 4'
    """

    name: str
    text: str = ""
    keys: Keys = ()
    said: str = ""

    def at(self, *keys: str | int) -> SourceLocation:
        """A place within this one."""
        return replace(self, keys=self.keys + keys)

    def saying(self, said: str) -> SourceLocation:
        """The same place, with more that is said of it."""
        return replace(self, said=f"{self.said}: {said}")

    def __str__(self) -> str:
        line = self._line()
        return self.name + (f", line {line}" if line else "") + self.said

    def _line(self) -> int | None:
        lines = self.text.split("\n")
        if len(lines) > MOST_LINES:
            return None
        keys = self.keys
        while keys and not _holds(_parsed(lines), keys):
            keys = keys[:-1]
        if not keys:
            return None
        start, end = _statement(lines, keys)
        inline = [
            n for n in range(start, end) if re.search(rf"[{{,\s][\"']?{re.escape(str(keys[-1]))}[\"']?\s*=", lines[n])
        ]
        return (inline[0] if len(inline) == 1 else start) + 1


def _statement(lines: list[str], keys: Keys) -> tuple[int, int]:
    """First line of the statement that some keys are from, and the one after its last.

    The first lines of a file are TOML by themselves, unless a statement goes on: the keys are from the first statement
    with which they are there.
    """
    start, low, high = 0, 0, len(lines)
    while high - low > 1:
        middle = whole = (low + high) // 2
        while whole > start and (parsed := _parsed(lines[:whole])) is None:
            whole -= 1
        if whole > start and _holds(parsed, keys):
            high = whole
        else:
            start, low = max(start, whole), middle
    return start, high


def _parsed(lines: list[str]) -> Any:
    try:
        return tomllib.loads("\n".join(lines))
    except (ValueError, RecursionError):
        return None


def _holds(tree: Any, keys: Keys) -> bool:
    for key in keys:
        there = (
            key < len(tree)
            if isinstance(tree, list) and isinstance(key, int)
            else isinstance(tree, dict) and key in tree
        )
        if not there:
            return False
        tree = tree[key]
    return True
