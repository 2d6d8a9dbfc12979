"""What a ``metadata.csv`` says of the images beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from ganaug.data.files import check_regular
from ganaug.data.groups import groups_from_array
from ganaug.data.images.array_files import DAMAGED
from ganaug.data.json_values import clip, short
from ganaug.data.labels import listed

__all__ = ["METADATA", "groups_from_metadata"]

METADATA, FILE = "metadata.csv", "file_name"


def groups_from_metadata(root: Path, files: Sequence[str], column: str) -> NDArray[Any]:
    """Find the group of each image in the ``metadata.csv`` of its folder or of one above it, up to `root`.

    Parameters
    ----------
    root : Path
        Folder of all classes.
    files : sequence of str
        Images, as paths below `root` with forward slashes.
    column : str
        Column of groups; ``file_name`` holds the path of each image below the folder of the table, as for the package
        datasets. Images that no table names have an unknown group.

    Returns
    -------
    ndarray of shape (n_files,)

    Raises
    ------
    ValueError
        If there is no table, one lacks the column or cannot be read, and if none names any of the images.
    """
    folders = {folder for file in files for folder in Path(file).parents}
    tables = [root / folder / METADATA for folder in sorted(folders) if (root / folder / METADATA).exists()]
    if not tables:
        raise ValueError(
            f"groups is {short(column)}, but there is no {METADATA} in {root}; add one with this column, pass 'folder' "
            "for class/group/file, or a pattern with the group in parentheses"
        )
    known: dict[str, Any] = {}
    for path in tables:
        table = _read(path, column)
        folder = path.parent.relative_to(root)
        names = [(folder / name).as_posix() for name in table[FILE].astype(str)]
        known.update(zip(names, table[column].tolist(), strict=True))
    groups = [known.get(file) for file in files]
    if not known.keys() & set(files):
        raise ValueError(f"{tables[0]} names none of the {len(files)} images; its {FILE} are paths below its folder")
    return groups_from_array(groups, len(files))


def _read(path: Path, column: str) -> pd.DataFrame:
    check_regular(path)
    try:
        table = pd.read_csv(path, keep_default_na=False, na_values={column: [""]})
    except DAMAGED as error:
        reason = clip(str(error) or type(error).__name__, 200)
        raise ValueError(f"{path} cannot be read: {reason}; write it again with to_csv") from None
    if missing := [name for name in (FILE, column) if name not in table]:
        raise ValueError(f"{path} has no column {missing[0]!r}; there are {listed(list(table))}")
    return table
