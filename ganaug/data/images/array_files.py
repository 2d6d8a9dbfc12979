"""Arrays out of ``.npy`` and ``.npz`` files that may come from anyone."""

from __future__ import annotations

import math
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ganaug.data.files import check_regular
from ganaug.data.images.memory import TooLittleMemory, check_memory
from ganaug.data.json_values import clip, short

__all__ = ["DAMAGED", "read_npy", "read_npz"]

METHODS = {
    zipfile.ZIP_STORED: 1,
    zipfile.ZIP_DEFLATED: 1032,
}  # of those that numpy writes, how much they make of a byte
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
# What zipfile, numpy, pyarrow, pandas and Pillow raise for damaged files; a RuntimeError for encrypted ones.
DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    SyntaxError,
)
DAMAGED_ARCHIVE = (*DAMAGED, zipfile.BadZipFile, zlib.error, tokenize.TokenError)


def read_npy(path: Path) -> NDArray[Any]:
    """Read the array of a ``.npy`` file.

    Raises
    ------
    ValueError
        As :func:`read_npz`.
    """
    check_regular(path)
    try:
        with open(path, "rb") as file:
            _check_header(file, path.stat().st_size, path.stat().st_size, path.name)
            return np.lib.format.read_array(file, allow_pickle=False)
    except TooLittleMemory:
        raise
    except (*DAMAGED, tokenize.TokenError) as error:
        reason = clip(str(error) or type(error).__name__, 200)
        raise ValueError(f"{path} cannot be read as .npy: {reason}; write a plain array with numpy.save") from None


def read_npz(path: Path, wanted: Sequence[str], *, all_of_them: bool = True) -> dict[str, NDArray[Any]]:
    """Read arrays by their names.

    Parameters
    ----------
    path : Path
    wanted : sequence of str
    all_of_them : bool
        Refuse a file in which one is missing.

    Returns
    -------
    dict of ndarray

    Raises
    ------
    ValueError
        If the file is damaged, holds Python objects, or arrays larger than it can hold or than there is memory.
    """
    check_regular(path)
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is not an .npz file, or is damaged; write it again with numpy.savez")
    try:
        with zipfile.ZipFile(path) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of files that Python 2 wrote
            names = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if all_of_them and not names.keys() >= set(wanted):
                raise ValueError(f"it must hold the arrays {' and '.join(map(repr, wanted))}, got {short(list(names))}")
            return {name: _read_array(archive, names[name]) for name in wanted if name in names}
    except TooLittleMemory:
        raise
    except MemoryError:
        raise ValueError(f"{path} holds arrays that do not fit into the memory; write smaller ones") from None
    except DAMAGED_ARCHIVE as error:
        reason = clip(str(error) or type(error).__name__, 200)
        raise ValueError(f"{path} cannot be read as .npz: {reason}; write plain arrays with numpy.savez") from None


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    if info.compress_type not in METHODS:
        raise ValueError(f"{short(info.filename)} is compressed by another method than numpy's")
    with archive.open(info) as file:
        most = METHODS[info.compress_type] * (info.compress_size + 1)
        _check_header(file, info.file_size, most, info.filename)
        return np.lib.format.read_array(file, allow_pickle=False)


def _check_header(file: IO[bytes], size: int, most: int, name: str) -> None:
    """Refuse an array that is not as large as its file: numpy takes the memory that its header asks for first."""
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"{short(name)} has format version {version}")
    shape, _, dtype = HEADERS[version](file)
    needed = math.prod(shape) * dtype.itemsize + file.tell()
    if dtype.hasobject:
        raise ValueError(f"{short(name)} holds Python objects, which could run code when they are read")
    if min(shape, default=0) < 0 or not needed == size <= most:
        raise ValueError(f"{short(name)} is not as large as its header says")
    check_memory(needed, f"the {math.prod(shape):,} values of {short(name)}", "write smaller arrays")
    file.seek(0)
