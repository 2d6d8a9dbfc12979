"""Images of large files, decoded once for all processes and runs."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from pathlib import Path

import numpy as np

from ganaug.data import LabelledImages, labelled_images
from ganaug.data.files import cache_folder, user_path, write_atomically
from ganaug.data.images.array_files import read_npz

__all__ = ["decoded_images"]

FORMAT = 2  # to be raised where the same file would be decoded to something else
LEAST, MOST = 2**20, 2**31  # bytes of pixels that are kept of one file
ROOM = 2**32  # bytes of all that is kept
PREFIX = "images-"


def decoded_images(source: str, size: int | tuple[int, int] | None = None, groups: str | None = None) -> LabelledImages:
    """Read images as ``ganaug fit images`` does; those of a large parquet file are kept decoded.

    Decoding CIFAR-10 takes half a minute, and each process of a benchmark needs it. What is kept lies in the user's
    cache folder under the SHA-256 of the file, so that an edited file is decoded anew. Processes may write at the same
    time; the oldest files are removed once all take more than 4 GiB, and one that is damaged is made again.

    Parameters
    ----------
    source : str
    size : int or (height, width), optional
    groups : str, optional

    Returns
    -------
    LabelledImages
    """
    file_path = user_path(source)
    if not (source.endswith(".parquet") and file_path.is_file()):
        return labelled_images(source, size=size, groups=groups, dtype="auto")
    with open(file_path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(repr((FORMAT, size, *([] if groups is None else [groups]))).encode())
    path = cache_folder() / f"{PREFIX}{digest.hexdigest()[:32]}.npz"
    with contextlib.suppress(OSError, ValueError, TypeError):
        return _read(path, groups is not None)
    data = labelled_images(source, size=size, groups=groups, dtype="auto")
    if LEAST <= data.images.nbytes <= MOST:
        with contextlib.suppress(OSError):
            _write(path, data)
            _make_room(path)
    return data


def _read(path: Path, with_groups: bool) -> LabelledImages:
    if not path.is_file():
        raise FileNotFoundError(path)
    found = read_npz(path, ("images", "labels", "names", *(["groups"] if with_groups else [])))
    os.utime(path)  # used last
    names = dict(json.loads(str(found["names"])))
    return LabelledImages(found["images"], found["labels"], names, groups=found.get("groups"))


def _write(path: Path, data: LabelledImages) -> None:
    buffer = io.BytesIO()
    names = json.dumps(list(data.class_names.items()))
    groups = {} if data.groups is None else {"groups": data.groups}
    np.savez(buffer, allow_pickle=False, images=data.images, labels=data.labels, names=np.array(names), **groups)
    write_atomically(path, buffer.getvalue())


def _make_room(kept: Path) -> None:
    """Remove the files that were used longest ago."""
    sizes = {}
    for path in kept.parent.glob(f"{PREFIX}*.npz"):
        with contextlib.suppress(OSError):  # another process may have removed it
            status = path.stat()
            sizes[path] = (status.st_mtime, status.st_size)
    taken = sum(size for _, size in sizes.values())
    for path in sorted(sizes, key=lambda path: sizes[path]):
        if taken <= ROOM or path == kept:
            return
        path.unlink(missing_ok=True)
        taken -= sizes[path][1]
