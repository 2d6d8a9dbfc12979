"""Files: read only where they are regular and not too large, written so that a crash never leaves half of one."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRandom, BufferedReader
from pathlib import Path
from types import FrameType

__all__ = [
    "MOST_TEXT",
    "MOST_WEIGHTS",
    "UnreadableFileError",
    "cache_folder",
    "check_regular",
    "open_regular",
    "opened_atomically",
    "read_regular",
    "sha256_of",
    "tidied_when_ended",
    "umask",
    "user_path",
    "write_atomically",
]

MOST_TEXT, MOST_WEIGHTS = 2**28, 2**32  # bytes that configurations, and weights, may have
MOST_LETTERS = 60  # of a name in that of its temporary file: they may take four bytes each of the 255 that there are
ENDING = ("SIGTERM", "SIGHUP")
KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


class UnreadableFileError(OSError, ValueError):
    """What is there is no regular file, or one that is larger than such a file can be."""


def check_regular(path: str | Path) -> None:
    """Refuse what is no regular file, before a library opens it: reading a pipe waits for ever, a device has no end.

    A link is as what it leads to.

    Raises
    ------
    UnreadableFileError
        For folders, pipes, sockets and devices.
    OSError
        As ``open`` does.

    Examples
    --------
    >>> check_regular("/dev/null")  # doctest: +SKIP
    Traceback (most recent call last):
    ganaug.data.files.UnreadableFileError: /dev/null is a device; put a regular file in its place
    """
    _check_mode(path, os.stat(path).st_mode)


def _check_mode(path: str | Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = KINDS.get(stat.S_IFMT(mode), "no file")
        raise UnreadableFileError(f"{path} is {kind}; put a regular file in its place")


def open_regular(path: str | Path) -> BufferedReader:
    """Open a regular file for reading; errors as of :func:`check_regular`."""
    check_regular(path)
    # Another may be in its place by now: opening a pipe must not wait.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        _check_mode(path, os.fstat(descriptor).st_mode)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str | Path, most: int = MOST_TEXT) -> bytes:
    """Content of a regular file.

    Parameters
    ----------
    path : path-like
    most : int
        Bytes that it may have.

    Raises
    ------
    UnreadableFileError
        For folders, pipes, sockets, devices, and files that are larger or do not fit into the memory.
    OSError
        As ``open`` does.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise UnreadableFileError(
                f"{path} has {size:,} bytes, and such a file has {most:,} at most; put the right one in its place"
            )
        try:
            content = file.read(size + 1)
        except MemoryError:
            raise UnreadableFileError(
                f"{path} has {size:,} bytes, which do not fit into the memory; free some"
            ) from None
    if len(content) > size:  # files of /proc have no size, nor an end
        raise UnreadableFileError(f"{path} is longer than the {size:,} bytes that it says; put a copy in its place")
    return content


def user_path(path: str | os.PathLike[str]) -> Path:
    """A path as users write it: ``~`` and ``~name`` at its beginning are their homes.

    Examples
    --------
    >>> user_path("~/data").is_absolute(), str(user_path("data/~"))
    (True, 'data/~')
    """
    return Path(os.path.expanduser(path))  # which, unlike Path.expanduser, leaves a user that there is none of alone


def write_atomically(path: str | Path, content: bytes | str) -> None:
    """Write `content` to a temporary file beside `path`, flush it to disk and rename it.

    Parameters
    ----------
    path : path-like
        Its folder is made if need be.
    content : bytes or str
        Text is encoded as UTF-8.
    """
    with opened_atomically(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def opened_atomically(path: str | Path) -> Iterator[BufferedRandom]:
    """Open a temporary file beside `path` to write to in parts; at the end it is flushed to disk and renamed.

    After an error in the block, `path` is as it was, and the temporary file is gone.

    Parameters
    ----------
    path : path-like
        Its folder is made if need be.

    Yields
    ------
    file
        Binary, to be written and read.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with opened_atomically(Path(folder) / "parts") as file:
    ...         _ = file.write(b"one, "), file.write(b"two")
    ...     (Path(folder) / "parts").read_text()
    'one, two'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:MOST_LETTERS]}.")
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files for the owner alone; give what an ordinary open would have given.
        os.chmod(temporary, 0o666 & ~umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def cache_folder() -> Path:
    """Where what can be made again is kept for this user: ``$XDG_CACHE_HOME/ganaug`` or ``~/.cache/ganaug``.

    Whoever has no home gets a place in which nothing is nor can be written, which is an ``OSError`` as on a full disk.
    """
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ganaug"
    except RuntimeError:
        return Path(os.devnull) / "ganaug"


class _EndedError(BaseException):
    """A signal came that ends the program."""


@contextmanager
def tidied_when_ended() -> Iterator[None]:
    """Where SIGTERM or SIGHUP would end the program at once, let it leave this block first, by an exception.

    What is to be tidied on the way out is. Signals that are ignored or handled otherwise are left alone, and all are in
    other threads than the main one, where Python handles none.
    """
    caught: list[int] = []

    def unwind(number: int, frame: FrameType | None) -> None:
        if not caught:
            caught.append(number)
            raise _EndedError

    numbers = [getattr(signal, name) for name in ENDING if hasattr(signal, name)]
    main = threading.current_thread() is threading.main_thread()
    own = [number for number in numbers if main and signal.getsignal(number) is signal.SIG_DFL]
    for number in own:
        signal.signal(number, unwind)
    try:
        yield
    except _EndedError:
        pass
    finally:
        for number in own:
            signal.signal(number, signal.SIG_DFL)
        if caught:
            signal.raise_signal(caught[0])


def umask() -> int:
    """Permissions that this process takes from new files."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sha256_of(content: bytes) -> str:
    """SHA-256 in hexadecimal.

    Examples
    --------
    >>> sha256_of(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(content).hexdigest()
