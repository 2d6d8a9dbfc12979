"""Which images of a folder or a file are synthetic, as "ganaug augment" marks them."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug.data.files import read_regular
from ganaug.data.images.array_files import read_npz
from ganaug.data.images.labelled import LabelledImages
from ganaug.data.images.metadata import METADATA
from ganaug.data.synthetic_rows import SYNTHETIC, YES

__all__ = ["check_images_real", "marked_images"]


def check_images_real(source: Path, data: LabelledImages) -> None:
    """Raise ``ValueError`` if a folder, by its metadata.csv, or a file says that some of its images are synthetic."""
    if source.is_dir():
        marked = _marked_in_folder(source, data.files) if data.files else None
    else:
        marked = _marked(source, len(data))
    if marked is not None and marked.any():
        where = METADATA if source.is_dir() else SYNTHETIC
        raise ValueError(f"{source} holds {marked.sum():,} synthetic images already ({where}); pass real ones only")


def marked_images(source: Path, data: LabelledImages) -> NDArray[Any] | None:
    """Which images are synthetic, as the folder or file that they were read from says; None if it does not say."""
    marked = _marked_in_folder(source, data.files) if data.files else None
    return _marked(source, len(data)) if marked is None else marked


def _marked_in_folder(root: Path, files: Sequence[str]) -> NDArray[Any] | None:
    """Which images of a folder are synthetic by its metadata.csv; None if it does not say."""
    path = root / METADATA
    if path.is_dir() or not os.path.lexists(path):  # a class may have any name
        return None
    try:
        rows = csv.DictReader(io.StringIO(read_regular(path).decode("utf-8-sig"), newline=""))
        if not {"file_name", SYNTHETIC} <= set(rows.fieldnames or ()):
            return None
        synthetic = {row["file_name"] for row in rows if (row[SYNTHETIC] or "").casefold() in YES}
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as CSV ({error}); write it again") from None
    return np.array([name in synthetic for name in files], dtype=bool)


def _marked(path: Path, n: int) -> NDArray[Any] | None:
    """Which images of a file that ``ganaug augment images`` wrote are synthetic; None if it does not say."""
    if path.is_dir() and next(path.rglob(f"{SYNTHETIC.removeprefix('is_')}_*.png"), None):
        raise ValueError(f"{path} holds real and synthetic images; write them to an .npz or .parquet file, or apart")
    if path.suffix == ".npz":
        return _flags(path, read_npz(path, [SYNTHETIC], all_of_them=False).get(SYNTHETIC), n)
    if path.suffix == ".parquet":
        import pyarrow.parquet

        if SYNTHETIC in pyarrow.parquet.read_schema(path).names:
            return _flags(path, pyarrow.parquet.read_table(path, columns=[SYNTHETIC])[SYNTHETIC].to_numpy(), n)
    return None


def _flags(path: Path, marked: NDArray[Any] | None, n: int) -> NDArray[Any] | None:
    if marked is not None and (marked.dtype != bool or marked.shape != (n,)):
        raise ValueError(
            f"{path}: {SYNTHETIC} must hold {n:,} booleans, one for each image, got {marked.dtype} of shape "
            f"{marked.shape}; write it again"
        )
    return marked
