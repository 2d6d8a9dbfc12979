"""Writing files so that a crash leaves the old one or the new one, never half of one."""

from __future__ import annotations

import hashlib
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

__all__ = ["sha256_of", "tidied_when_ended", "umask", "user_path", "write_atomically"]

ENDING = ("SIGTERM", "SIGHUP")


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
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files for the owner alone; give what an ordinary open would have given.
        os.chmod(temporary, 0o666 & ~umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


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
