"""Writing files so that a crash leaves the old one or the new one, never half of one."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

__all__ = ["sha256_of", "umask", "write_atomically"]


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
