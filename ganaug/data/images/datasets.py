"""Labelled images from torch, torchvision and Hugging Face datasets."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset, Subset

from ganaug.data.groups import groups_from_array
from ganaug.data.images.decoding import UNREADABLE, array_from_image, open_image
from ganaug.data.images.labelled import MIN_SIDE, UNLABELLED, LabelledImages
from ganaug.data.images.remarks import Remarks
from ganaug.data.images.stacking import stack_images
from ganaug.data.labels import labels_from_array, listed

__all__ = [
    "NOT_EMBEDDED",
    "check_rows",
    "column_of_groups",
    "image_and_label_columns",
    "is_hugging_face",
    "labels_of_column",
    "names_of_classes",
    "read_hugging_face",
    "read_map_dataset",
]

COMPARED = 8  # items of a dataset with those of one that it is wrapped around
# Not every module called "datasets" is theirs: many projects have one of their own.
HUGGING_FACE_MODULES = frozenset({"datasets.arrow_dataset", "datasets.iterable_dataset", "datasets.dataset_dict"})
HUGGING_FACE_DATASETS = frozenset({"Dataset", "DatasetDict", "IterableDataset", "IterableDatasetDict"})
NOT_EMBEDDED = (  # files that data from elsewhere name are not opened
    "names a file and does not hold it, and a .parquet file is read by itself; write it with the files in it, "
    "which dataset.with_format('arrow').map(datasets.table.embed_table_storage, batched=True) puts there"
)


def is_hugging_face(source: Any) -> bool:
    """Whether `source` is a dataset of the package ``datasets``, and not a column of one, without importing it."""
    return any(
        cls.__module__ in HUGGING_FACE_MODULES and cls.__name__ in HUGGING_FACE_DATASETS for cls in type(source).__mro__
    )


def read_map_dataset(
    dataset: Any, *, size: int | tuple[int, int] | None = None, dtype: str = "uint8"
) -> LabelledImages:
    """Read every ``(image, label)`` pair of a map-style dataset.

    Parameters
    ----------
    dataset : Dataset
        Has ``__len__`` and ``__getitem__``. Images are PIL images, tensors (channels, height, width) or
        arrays (height, width[, channels]); uint8 or floating point. Its own transform is applied
        once: leave random augmentation and normalisation out of it.
    size : int or (height, width), optional
        Resize PIL images to this size.
    dtype : {"uint8", "float32", "auto"}
        As for :func:`ganaug.labelled_images`.

    Returns
    -------
    LabelledImages
        With the names in ``dataset.classes``, where there are any.
    """
    if len(dataset) == 0:
        raise ValueError("the dataset is empty; pass one with at least two images of each class")
    labels: list[Any] = []
    remarks = Remarks()

    def arrays() -> Iterator[NDArray[Any]]:
        kept = dtype
        for index in range(len(dataset)):
            image, label = _pair(dataset, index)
            labels.append(label.tolist() if isinstance(label, torch.Tensor) else label)
            array = array_from_image(image, size, dtype=kept)
            kept = str(array.dtype)  # the first image decides on all
            if isinstance(image, Image.Image):
                remarks.add(image, array, f"at index {index}")
            yield array

    images = stack_images(arrays(), len(dataset), lambda index: f"at index {index}")
    remarks.warn("the dataset")
    names = names_of_classes(dataset)
    return LabelledImages(
        images,
        labels_from_array(labels, len(images)),
        dict(enumerate(map(str, names))) if isinstance(names, list | tuple) else {},
    )


def names_of_classes(dataset: Any) -> Any:
    """What the labels of a dataset are called, as it or what it is made of says; None where its labels are others.

    Parameters
    ----------
    dataset : Dataset
        A target_transform makes other labels. So may a dataset that is wrapped around another: it has the names of that
        one if it has as many items, with the same labels as far as some show.

    Returns
    -------
    sequence, mapping or None
        ``classes`` of the dataset, of what it is a subset of, or of the first of several put together.
    """
    while getattr(dataset, "target_transform", None) is None:
        if (names := getattr(dataset, "classes", None)) is not None:
            return names
        if isinstance(dataset, ConcatDataset):
            dataset = dataset.datasets[0]
        elif isinstance(dataset, Subset) or _has_labels_of(dataset, getattr(dataset, "dataset", None)):
            dataset = dataset.dataset
        else:
            return None
    return None


def _has_labels_of(dataset: Any, inner: Any) -> bool:
    if not isinstance(inner, Dataset) or not hasattr(inner, "__len__") or len(inner) != len(dataset):
        return False
    places = np.linspace(0, len(inner) - 1, min(len(inner), COMPARED)).astype(int).tolist()
    return all(np.array_equal(_pair(dataset, place)[1], _pair(inner, place)[1]) for place in places)


def _pair(dataset: Any, index: int) -> tuple[Any, Any]:
    try:
        item = dataset[index]
    except KeyError as error:
        raise TypeError(
            f"a map-style dataset has items 0 to len - 1, got a {type(dataset).__name__} without item {index}; "
            "pass arrays and labels, or a dataset of (image, label) pairs"
        ) from error
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise TypeError(f"dataset items must be (image, label) pairs, got {type(item).__name__} at index {index}")
    return item[0], item[1]


def read_hugging_face(
    dataset: Any,
    *,
    size: int | tuple[int, int] | None = None,
    dtype: str = "uint8",
    group_column: str | None = None,
    embedded_only: bool = False,
) -> LabelledImages:
    """Read a Hugging Face ``Dataset`` with one Image and one ClassLabel column.

    Without an Image column, one of arrays (Array2D or Array3D) holds the images, channels first or last: the side of
    less than eight.

    Parameters
    ----------
    dataset : datasets.Dataset
        The labels stay the integers that the dataset holds, -1 for rows without one; the names of its ClassLabel
        become class names.
    size : int or (height, width), optional
        Resize every image to this size.
    dtype : {"uint8", "float32", "auto"}
        As for :func:`ganaug.labelled_images`.
    group_column : str, optional
        Column of groups; the names of its classes become groups where it is a ClassLabel.
    embedded_only : bool
        For files that may come from anyone: follow no paths or addresses in the dataset, and decode only the formats
        that folders are read in.

    Returns
    -------
    LabelledImages

    Raises
    ------
    TypeError
        For a ``DatasetDict`` or a streaming dataset.
    ValueError
        Unless exactly one column of each kind is there, for an image that is missing or cannot be read, and for images
        that differ in size or do not fit into the memory.
    """
    check_rows(dataset)
    array_column = _array_column(dataset.features)
    groups = None if group_column is None else column_of_groups(dataset, group_column)
    features = {name: feature for name, feature in dataset.features.items() if name != group_column}
    image_column, label_column = image_and_label_columns(features, array_column)
    rows = dataset.select_columns([image_column, label_column]).with_format(None)
    labels = labels_of_column(rows, label_column)
    remarks = Remarks()

    def arrays() -> Iterator[NDArray[Any]]:
        kept = dtype
        if array_column is not None:
            decoded = _arrays(rows, array_column)
        else:
            decoded = _decoded(rows, image_column, embedded_only)
        for index, image in enumerate(decoded):
            array = array_from_image(image, size, dtype=kept)
            kept = str(array.dtype)  # the first image decides on all
            if array_column is None:
                remarks.add(image, array, f"in row {index}")
            yield array

    images = stack_images(arrays(), len(rows), lambda index: f"in row {index}")
    remarks.warn("the dataset")
    return LabelledImages(images, labels, dict(enumerate(dataset.features[label_column].names)), groups=groups)


def check_rows(dataset: Any) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless a dataset of Hugging Face is one split, in memory or on disk."""
    from datasets import Dataset

    if not isinstance(dataset, Dataset):
        remedy = "load it without streaming"
        if isinstance(dataset, dict):
            shown = "such as dataset['train']" if "train" in dataset else f"one to train on, of {listed(dataset)}"
            remedy = f"choose one split, {shown}"
        raise TypeError(f"a datasets.Dataset is needed, got {type(dataset).__name__}; {remedy}")


def labels_of_column(rows: Any, column: str) -> NDArray[Any]:
    """Integers of a ClassLabel column, -1 for rows without one; ``ValueError`` for others and for no rows."""
    if len(rows) == 0:
        raise ValueError("the dataset is empty; pass one with at least two images of each class")
    labels = labels_from_array(rows[column][:], len(rows))
    if (labels < UNLABELLED).any():
        raise ValueError(
            f"column {column!r} holds the label {labels.min()}; labels count its names from 0, and -1 marks "
            "rows without one"
        )
    return labels


def _array_column(features: Any) -> str | None:
    """The one column of arrays, where none is of images."""
    from datasets import Array2D, Array3D
    from datasets import Image as ImageFeature

    found = [name for name, feature in features.items() if isinstance(feature, Array2D | Array3D)]
    has_images = any(isinstance(feature, ImageFeature) for feature in features.values())
    return found[0] if len(found) == 1 and not has_images else None


def column_of_groups(dataset: Any, column: str) -> NDArray[Any]:
    """Groups out of a column of a Hugging Face dataset; of a ClassLabel the names."""
    from datasets import ClassLabel

    if column not in dataset.features:
        raise ValueError(f"the dataset has no column {column!r} of groups; its columns are {listed(dataset.features)}")
    values = list(dataset.with_format(None)[column][:])
    feature = dataset.features[column]
    if isinstance(feature, ClassLabel):
        values = [None if value is None or value < 0 else feature.names[value] for value in values]
    return groups_from_array(values, len(dataset))


def _arrays(rows: Any, column: str) -> Iterator[Any]:
    for row in rows.with_format("numpy"):
        array = np.asarray(row[column])
        channels_first = array.ndim == 3 and array.shape[0] < MIN_SIDE <= array.shape[2]
        yield torch.from_numpy(array) if channels_first else array


def image_and_label_columns(
    features: Any, image_column: str | None = None, label_column: str | None = None
) -> tuple[str, str]:
    """Find the Image and the ClassLabel column of a Hugging Face dataset, unless they are named.

    Raises
    ------
    ValueError
        Unless exactly one column of each kind is there, or a column that is named is missing.
    """
    from datasets import ClassLabel
    from datasets import Image as ImageFeature

    columns = []
    for kind, named in ((ImageFeature, image_column), (ClassLabel, label_column)):
        if named is not None and named not in features:
            raise ValueError(f"the dataset has no column {named!r}; its columns are {listed(list(features))}")
        found = [named] if named else [name for name, feature in features.items() if isinstance(feature, kind)]
        if len(found) != 1:
            raise ValueError(
                f"the dataset must have exactly one {kind.__name__} column, got {found or 'none'} among "
                f"{list(features)}; name it, where a column can be named, or use select_columns, cast_column or "
                "class_encode_column"
            )
        columns.append(found[0])
    return columns[0], columns[1]


def _decoded(rows: Any, column: str, embedded_only: bool) -> Iterator[Image.Image]:
    rows = rows.cast_column(column, type(rows.features[column])(decode=not embedded_only))
    for index in range(len(rows)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                image = rows[index][column]
                if embedded_only and image is not None and image["bytes"]:
                    image = open_image(io.BytesIO(image["bytes"]))
        except UNREADABLE as error:
            raise ValueError(
                f"the image in row {index} of column {column!r} cannot be read ({error}); remove that row"
            ) from None
        if image is None or isinstance(image, dict):
            said = NOT_EMBEDDED if image and image["path"] else "holds no image data; remove that row"
            raise ValueError(f"row {index} of column {column!r} {said}")
        yield image
