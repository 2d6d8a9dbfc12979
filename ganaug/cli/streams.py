"""What a command is started with: its streams, which may be closed or know few letters, and ``~`` in its arguments."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["at_home", "streams_that_take_all"]


@contextmanager
def streams_that_take_all() -> Iterator[None]:
    """Let nothing that is printed end a command: write letters that a stream lacks as escapes, and to closed ones not.

    A descriptor that is closed is opened, in order: otherwise the first file that the command writes would take its
    place, and what worker processes print would go into it.
    """
    opened = []
    closed = [(name, mode) for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")) if not _is_open(name)]
    for name, mode in closed:
        stream = open(os.devnull, mode)  # noqa: SIM115 - as long as the stream it stands for would be
        os.set_inheritable(stream.fileno(), True)  # for worker processes
        setattr(sys, name, stream)
        opened.append((name, stream))
    changed = []
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and _lacks_letters(stream):
            changed.append((stream, stream.errors))
            stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        for stream, errors in changed:
            stream.reconfigure(errors=errors)
        for name, stream in opened:
            setattr(sys, name, None)
            stream.close()


def _is_open(name: str) -> bool:
    return getattr(sys, name) is not None


def _lacks_letters(stream: io.TextIOWrapper) -> bool:
    # In the C locale, "surrogateescape" writes names of files as they are, and all that ASCII has not raises.
    return stream.errors == "strict" or (stream.errors == "surrogateescape" and stream.encoding.lower() != "utf-8")


def at_home(argument: str) -> str:
    """An argument in which ``~/`` at the beginning of a path is the user's home, after the ``=`` of an option too.

    Shells replace it at the beginning of a word only.

    Examples
    --------
    >>> at_home("--output=~/runs").startswith("--output=~"), at_home("~"), at_home("a~/b")
    (False, '~', 'a~/b')
    """
    option, path = re.fullmatch(r"(--[\w-]+=)?(.*)", argument, re.DOTALL).groups(default="")  # type: ignore[union-attr]
    return option + os.path.expanduser(path) if path.startswith("~/") else argument
