"""Hugging Face datasets with synthetic images behind the real ones."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ganaug.curation import SyntheticPool
from ganaug.curation.augmented import check_all_have_labels
from ganaug.data.groups import groups_from_array, has_group
from ganaug.data.images.datasets import image_and_label_columns
from ganaug.data.images.labelled import UNLABELLED
from ganaug.data.images.pictures import png_bytes
from ganaug.data.labels import labels_from_array, listed
from ganaug.engine.devices import RandomStateLike
from ganaug.generators.contract import Generator, draw_images
from ganaug.transforms.gated import gated_images
from ganaug.transforms.new_samples import NewSamples, new_samples
from ganaug.transforms.pairs import HuggingFacePairs
from ganaug.transforms.pixels import CONVERT, Pixels, as_fitted, channels_of, is_grey
from ganaug.transforms.source import Source

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["augment_dataset"]

BATCH = 1000
SPLIT = "train"
Data = TypeVar("Data")  # Dataset, DatasetDict, IterableDataset or IterableDatasetDict


def augment_dataset(
    dataset: Data,
    source: SyntheticPool | Generator,
    per_class: float | Literal["balance", "auto"] | Mapping[Any, int] | None = None,
    *,
    per_cell: int | Literal["balance"] | Mapping[tuple[Any, Any], int] | pd.DataFrame | None = None,
    group_column: str | None = None,
    random_state: RandomStateLike = 0,
    gate: Mapping[str, Any] | None = None,
    missing: Literal["error", "keep"] = "error",
    image_column: str | None = None,
    label_column: str | None = None,
    flag_column: str = "is_synthetic",
    fill_values: Mapping[str, Any] | None = None,
    resize: bool = False,
) -> Data:
    """Add synthetic images to a Hugging Face dataset.

    Parameters
    ----------
    dataset : Dataset, IterableDataset, DatasetDict or IterableDatasetDict
        With a column of images and one of labels; beside a source that draws float32 a column of arrays (Array2D or
        Array3D, channels first or last), or of images of mode F. Of several splits only "train" is augmented, the other
        splits get the flag alone. Of a streaming dataset the labels are read once, to count them. Rows with the label
        -1 or None have none: they are kept, and none are added to them; ``per_class="auto"`` refuses them.
    source : SyntheticPool or generator of images, such as ImageGAN
        Of a pool the first images of each class are taken, none twice.
    per_class, per_cell, random_state, gate, missing
        As for :class:`AugmentedDataset`; keys of a dict are labels or their names, and "auto" does not take streams.
    group_column : str, optional
        Column of the group of each image, which `per_cell` needs: it is filled for synthetic images, with None where
        their group is unknown.
    image_column, label_column : str, optional
        Needed only where there is not exactly one column of each kind, and for one of arrays.
    flag_column : str, default="is_synthetic"
        Column to add: False for real images, True for synthetic ones.
    fill_values : dict, optional
        What other columns hold for synthetic images.
    resize : bool, default=False
        Resize synthetic images to the size of the first real one, in place of an error where they differ.

    Returns
    -------
    Dataset, IterableDataset, DatasetDict or IterableDatasetDict
        As what came in: the same columns, features, and format or transform, which sees real and synthetic images;
        originals first, then synthetic images. Originals are unchanged, unless ``fit`` converts them (palettes,
        transparency, CMYK, 16 bits, grey among colour): then they are what it makes of them, as PNG.

    Raises
    ------
    ValueError, TypeError
        For columns that cannot be identified or filled, a class that the source lacks, or a pool that is too small.

    Examples
    --------
    >>> from datasets import ClassLabel, Dataset, Features, Image
    >>> from ganaug import ImageGAN, labelled_images
    >>> from ganaug.data.images.pictures import picture
    >>> digits = labelled_images("digits").subset(range(95))
    >>> columns = {"image": [picture(image) for image in digits.images], "label": digits.labels}
    >>> features = Features({"image": Image(), "label": ClassLabel(num_classes=10)})
    >>> dataset = Dataset.from_dict(columns, features=features)
    >>> gan = ImageGAN(steps=2, random_state=0, verbose=False).fit(dataset)
    >>> augmented = augment_dataset(dataset, gan)
    >>> sum(augmented["is_synthetic"]), set(np.bincount(augmented["label"]).tolist())
    (15, {11})
    """
    from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict

    if isinstance(dataset, DatasetDict | IterableDatasetDict):
        if SPLIT not in dataset:
            raise ValueError(f"only the split {SPLIT!r} is augmented, there are {', '.join(dataset)}; pass one of them")
        for name, split in dataset.items():
            _check_split(split, flag_column, f"split {name!r}: ")
        options: dict[str, Any] = {
            "per_cell": per_cell,
            "group_column": group_column,
            "random_state": random_state,
            "gate": gate,
            "missing": missing,
            "image_column": image_column,
            "label_column": label_column,
            "flag_column": flag_column,
            "fill_values": fill_values,
            "resize": resize,
        }
        return type(dataset)(
            {
                name: augment_dataset(split, source, per_class, **options)
                if name == SPLIT
                else _in_format(_flagged(_plain(split), flag_column), split, flag_column)
                for name, split in dataset.items()
            }
        )
    if not isinstance(dataset, Dataset | IterableDataset):
        raise TypeError(f"a dataset of the package datasets is needed, got {type(dataset).__name__}")
    _check_split(dataset, flag_column)
    if group_column is not None and group_column not in dataset.features:
        raise ValueError(
            f"group_column must be a column of the dataset, got {group_column!r}; its columns are "
            f"{listed(dataset.features)}"
        )
    others = {name: feature for name, feature in dataset.features.items() if name != group_column}
    image_column, label_column = image_and_label_columns(others, image_column, label_column)
    fill = dict(fill_values or {})
    _check_columns(dataset.features, (image_column, label_column, group_column), fill)
    gated = isinstance(per_class, str) and per_class == "auto" and per_cell is None
    if gate is not None and not gated:
        raise ValueError("gate holds arguments for per_class='auto' only; leave it out")
    plain = _plain(dataset)
    labels, labelled = _labels(plain, label_column)
    names = getattr(dataset.features[label_column], "names", None)
    groups = None if group_column is None else _groups(plain, group_column, len(labelled))
    if gated:
        if not isinstance(dataset, Dataset):
            raise ValueError("per_class='auto' takes a Dataset, got a stream; pass a number")
        check_all_have_labels(labels, len(labelled) - len(labels))
        pairs = HuggingFacePairs(plain, image_column, label_column)
        drawn, new_labels, new_groups, _ = gated_images(pairs, source, names, gate or {}, random_state, groups)
        shape, images = tuple(drawn.shape[1:]), iter(drawn)
        dtype = str(drawn.dtype).removeprefix("torch.")
    else:
        where = Source(source, names, missing=missing)
        called = dict(enumerate(names or ()))
        of_labels = None if groups is None else groups[labelled]
        new = new_samples(per_class, per_cell, labels, of_labels, where, called, remedy="pass group_column=")
        new_labels, new_groups = new.labels, new.groups
        shape, images = where.image_shape, _drawn(where, new, random_state)
        dtype = where.dtype
    if len(new_labels) == 0:
        return _in_format(_flagged(plain, flag_column), dataset, flag_column)
    example = _example(plain, image_column, shape, dtype)
    pixels = Pixels(resize=resize, dtype=dtype)
    rows = {
        image_column: [_cell(pixels.one_like(image, example)) for image in images],
        label_column: new_labels.tolist(),
        **{name: [value] * len(new_labels) for name, value in fill.items()},
        **({} if group_column is None else {group_column: _written(new_groups, len(new_labels), plain, group_column)}),
        flag_column: [True] * len(new_labels),
    }
    # Originals beside floats are left as they are: there is nothing that ``fit`` converts.
    converted = _is_image(dataset.features[image_column]) and dtype == "uint8"
    real = _flagged(plain, flag_column, *((image_column, shape[0]) if converted else ()))
    return _in_format(_joined(real, rows), dataset, flag_column)


def _check_split(dataset: Any, flag_column: str, where: str = "") -> None:
    """Find out whether a column of flags can be added."""
    if dataset.features is None:
        raise ValueError(f"{where}the streaming dataset does not declare its columns; cast it to its features first")
    if flag_column in dataset.features:
        raise ValueError(f"{where}the dataset has a column {flag_column!r} already; rename it or pass flag_column=")


def _check_columns(features: Mapping[str, Any], filled: tuple[str | None, ...], fill: Mapping[str, Any]) -> None:
    """Find out whether synthetic images have a value for every column."""
    strange = [name for name in fill if name not in features or name in filled]
    if strange:
        raise ValueError(f"fill_values are for columns beside images, labels and groups, got {strange[0]!r}")
    unfilled = [name for name in features if name not in (*filled, *fill)]
    if unfilled:
        raise ValueError(
            f"synthetic images have no value for the column {unfilled[0]!r}; pass fill_values= or remove the column"
        )


def _plain(dataset: Any) -> Any:
    """A dataset without its format or transform, which would change what is read of it."""
    return dataset.with_format(None)


def _in_format(dataset: Any, like: Any, flag_column: str) -> Any:
    """Give a dataset the format or transform of another, which may not have the flag yet."""
    from datasets import Dataset

    if not isinstance(like, Dataset):
        return dataset.with_format(getattr(getattr(like, "_formatting", None), "format_type", None))
    shown = like.format
    columns = shown["columns"]
    return dataset.with_format(
        shown["type"],
        columns=None if columns is None else [*columns, flag_column],
        output_all_columns=shown["output_all_columns"],
        **shown["format_kwargs"],
    )


def _labels(plain: Any, column: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Labels, and of which rows they are: of all, -1 standing for none, or, where they are text, of those with one."""
    labels = [label for batch in plain.select_columns([column]).iter(BATCH) for label in batch[column]]
    if not labels:
        raise ValueError("the dataset is empty")
    if any(isinstance(label, list | dict) for label in labels):
        raise ValueError(f"column {column!r} must hold one label per image")
    known = labels_from_array([label for label in labels if label is not None], len(labels) - labels.count(None))
    if not len(known):
        raise ValueError(f"column {column!r} holds no labels")
    if len(known) < len(labels) and known.dtype.kind == "i":
        known = np.array([UNLABELLED if label is None else label for label in labels])
    every = len(known) == len(labels)
    return known, np.array([every or label is not None for label in labels])


def _groups(plain: Any, column: str, n: int) -> NDArray[Any]:
    """Groups of all rows, by the names of their classes where it is a ClassLabel."""
    values = [group for batch in plain.select_columns([column]).iter(BATCH) for group in batch[column]]
    names = getattr(plain.features[column], "names", None)
    if names is not None:
        values = [None if group is None or group < 0 else names[group] for group in values]
    return groups_from_array(values, n)


def _written(groups: NDArray[Any] | None, n: int, plain: Any, column: str) -> list[Any]:
    """Groups as the column holds them, None for unknown ones."""
    if groups is None:
        return [None] * n
    values = [group if known else None for group, known in zip(groups.tolist(), has_group(groups), strict=True)]
    names = getattr(plain.features[column], "names", None)
    if names is None:
        return values
    if strange := [group for group in dict.fromkeys(values) if group is not None and group not in names]:
        raise ValueError(
            f"the column {column!r} has no name for group {strange[0]!r} of the source, it has {listed(names)}; cast "
            "it to a ClassLabel with that name, or remove it"
        )
    return [None if group is None else names.index(group) for group in values]


def _example(plain: Any, column: str, shape: tuple[int, ...], dtype: str) -> Any:
    """Return the first real image as ``fit`` sees it, which synthetic ones are made like.

    One of a column of arrays is a tensor where its channels come first, otherwise an array.
    """
    feature = _decoding(plain.features[column])
    found = (row[column] for row in plain.select_columns([column]).cast_column(column, feature))
    example = next((image for image in found if image is not None), None)
    if example is None:
        raise ValueError(f"no row of column {column!r} holds an image")
    if not isinstance(example, Image.Image):
        array = np.asarray(example, dtype=getattr(plain.features[column], "dtype", None))
        return torch.from_numpy(array) if array.ndim == 3 and len(array) == shape[0] else array
    return as_fitted(example, shape[0], dtype)


def _cell(image: Any) -> Any:
    """An image as a dataset holds it: a file as bytes, or an array."""
    if not isinstance(image, Image.Image):
        return np.asarray(image)
    if image.mode != "F":
        return {"bytes": png_bytes(image), "path": None}
    buffer = io.BytesIO()
    image.save(buffer, format="TIFF")  # PNG has no floats
    return {"bytes": buffer.getvalue(), "path": None}


def _drawn(source: Source, new: NewSamples, random_state: Any) -> Iterator[Tensor]:
    """Synthetic images, one after the other."""
    batches: Iterable[Tensor]
    if isinstance(source.origin, SyntheticPool):
        pool, indices = source.origin, source.origin.first_of_each(new.positions, new.group_positions)
        batches = (pool.read(indices[i : i + BATCH]) for i in range(0, len(indices), BATCH))
    else:
        batches = [draw_images(source.origin, new.positions, new.group_positions, random_state=random_state)]
    return (image for batch in batches for image in batch)


def _decoding(feature: Any) -> Any:
    """The feature of a column of images, such that they come decoded."""
    return type(feature)(mode=feature.mode) if hasattr(feature, "mode") else feature


def _encoded(feature: Any) -> Any:
    return type(feature)(mode=feature.mode, decode=False)


def _flagged(plain: Any, column: str, image_column: str | None = None, channels: int | None = None) -> Any:
    """A dataset with a column that says that nothing in it is synthetic, and images as ``fit`` sees them."""
    from datasets import Dataset, Features, Value

    features = Features({**plain.features, column: Value("bool")})
    feature = plain.features[image_column] if image_column is not None else None
    if not isinstance(plain, Dataset):
        # Images that were decoded would be encoded anew, JPEG with a loss; and a map with features decodes nothing.
        change = {"column": column, "image_column": image_column, "channels": channels, "feature": feature}
        return _with_encoded_images(plain).map(_real_row, fn_kwargs=change).cast(features)
    if image_column is not None and channels is not None:
        encoded = plain.select_columns([image_column]).cast_column(image_column, _encoded(feature))
        forms = {_form(row[image_column], feature, channels) for row in encoded}
        if channels > 1 and forms == {GREY}:
            raise ValueError(f"images have 1 channels, synthetic ones {channels}; {CONVERT}")
        if forms - {None, AS_FITTED}:
            change = {"column": image_column, "feature": feature, "channels": channels}
            plain = plain.cast_column(image_column, _encoded(feature)).map(_converted, fn_kwargs=change)
            plain = plain.cast_column(image_column, feature)
    return plain.add_column(column, np.zeros(len(plain), dtype=bool))


def _with_encoded_images(stream: Any) -> Any:
    """A stream whose images are not decoded."""
    from datasets import Features

    encoded = {name: _encoded(kind) for name, kind in stream.features.items() if _is_image(kind)}
    return stream.cast(Features({**stream.features, **encoded}))


def _is_image(feature: Any) -> bool:
    from datasets import Image as ImageFeature

    return isinstance(feature, ImageFeature)


AS_FITTED, GREY, OTHER = "as fitted", "grey", "other"


def _form(value: Any, feature: Any, channels: int) -> str | None:
    """Whether an encoded image has the form that ``fit`` gives it, by its header alone where that is at hand."""
    if value is None:
        return None
    if feature.mode is not None:
        image = Image.new(feature.mode, (1, 1))
    elif value["bytes"] is not None:
        image = Image.open(io.BytesIO(value["bytes"]))
    elif Path(value["path"]).is_file():
        with Image.open(value["path"]) as image:
            pass
    else:
        image = _decoding(feature).decode_example(value)
    if channels_of(image) == channels:
        return AS_FITTED
    return GREY if is_grey(image) else OTHER


def _converted(row: dict[str, Any], column: str, feature: Any, channels: int) -> dict[str, Any]:
    """A row whose image, an encoded one, is what ``fit`` sees."""
    value = row[column]
    if _form(value, feature, channels) in (None, AS_FITTED):
        return row
    image = as_fitted(_decoding(feature).decode_example(value), channels)
    return {**row, column: {"bytes": png_bytes(image), "path": value["path"]}}


def _real_row(
    row: dict[str, Any], column: str, image_column: str | None, feature: Any, channels: int | None
) -> dict[str, Any]:
    if image_column is not None and channels is not None:
        row = _converted(row, image_column, feature, channels)
    return {**row, column: False}


def _joined(real: Any, rows: dict[str, list[Any]]) -> Any:
    from datasets import Dataset, concatenate_datasets

    synthetic = Dataset.from_dict({name: rows[name] for name in real.features}, features=real.features)
    if not isinstance(real, Dataset):
        # Streams must be of one kind, as that of real rows is: of one that is not mapped, beside one that is, a worker
        # that has nothing else yields a single row.
        stream = _with_encoded_images(synthetic.to_iterable_dataset()).map(_same)
        return concatenate_datasets([real, stream.cast(real.features)])
    joined = concatenate_datasets([real, synthetic])
    return Dataset(joined.data, info=joined.info, split=real.split)


def _same(row: dict[str, Any]) -> dict[str, Any]:
    return row
