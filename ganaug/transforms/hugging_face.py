"""Hugging Face datasets with synthetic images behind the real ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganaug.curation import SyntheticPool
from ganaug.data.datasets import image_and_label_columns
from ganaug.data.pictures import png_bytes
from ganaug.gans import ImageGAN
from ganaug.transforms.pixels import Pixels
from ganaug.transforms.source import Source

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, IterableDataset

__all__ = ["augment_dataset"]

BATCH = 1000
SPLIT = "train"


def augment_dataset(
    dataset: Dataset | DatasetDict | IterableDataset,
    source: SyntheticPool | ImageGAN,
    *,
    sampling_strategy: Any = "auto",
    seed: int | None = 0,
    image_column: str | None = None,
    label_column: str | None = None,
    flag_column: str = "is_synthetic",
    fill_values: Mapping[str, Any] | None = None,
    resize: bool = False,
) -> Any:
    """Add synthetic images to a Hugging Face dataset.

    Parameters
    ----------
    dataset : Dataset, IterableDataset, DatasetDict or IterableDatasetDict
        With a column of images and one of labels. Of several splits only "train" is augmented, the other splits get
        the flag alone. Of a streaming dataset the labels are read once, to count them.
    source : SyntheticPool or ImageGAN
        Of a pool the first images of each class are taken, none twice.
    sampling_strategy : float, str, dict or callable, default="auto"
        What imbalanced-learn means by it: "auto" fills every class up to the largest; a dict gives the number of
        images, real and synthetic, that a class (a label or its name) shall have.
    seed : int, optional
        For a GAN.
    image_column, label_column : str, optional
        Needed only where there is not exactly one column of each kind.
    flag_column : str, default="is_synthetic"
        Column to add: False for real images, True for synthetic ones.
    fill_values : dict, optional
        What other columns hold for synthetic images.
    resize : bool, default=False
        Resize synthetic images to the size of the first real one, in place of an error where they differ.

    Returns
    -------
    Dataset, IterableDataset, DatasetDict or IterableDatasetDict
        As what came in: the same columns, features and format, originals first and unchanged, then synthetic images. A
        stream comes back without a format.

    Raises
    ------
    ValueError, TypeError
        For columns that cannot be told or filled, a class that the source lacks, or a pool that is too small.

    Examples
    --------
    >>> from datasets import ClassLabel, Dataset, Features, Image
    >>> from ganaug import ImageGAN, labelled_images
    >>> from ganaug.data.pictures import picture
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
    from imblearn.utils import check_sampling_strategy

    if isinstance(dataset, DatasetDict | IterableDatasetDict):
        if SPLIT not in dataset:
            raise ValueError(f"only the split {SPLIT!r} is augmented, there are {', '.join(dataset)}; pass one of them")
        options: dict[str, Any] = {
            "sampling_strategy": sampling_strategy,
            "seed": seed,
            "image_column": image_column,
            "label_column": label_column,
            "flag_column": flag_column,
            "fill_values": fill_values,
            "resize": resize,
        }
        return type(dataset)(
            {
                name: augment_dataset(split, source, **options) if name == SPLIT else _flagged(split, flag_column)
                for name, split in dataset.items()
            }
        )
    if not isinstance(dataset, Dataset | IterableDataset):
        raise TypeError(f"a dataset of the package datasets is needed, got {type(dataset).__name__}")
    if dataset.features is None:
        raise ValueError("the streaming dataset does not say what its columns are; cast it to its features first")
    image_column, label_column = image_and_label_columns(dataset.features, image_column, label_column)
    if flag_column in dataset.features:
        raise ValueError(f"the dataset has a column {flag_column!r} already; rename it or pass flag_column=")
    fill = dict(fill_values or {})
    strange = [name for name in fill if name not in dataset.features or name in (image_column, label_column)]
    if strange:
        raise ValueError(f"fill_values are for columns beside images and labels, got {strange[0]!r}")
    unfilled = [name for name in dataset.features if name not in (image_column, label_column, *fill)]
    if unfilled:
        raise ValueError(
            f"synthetic images have no value for the column {unfilled[0]!r}; pass fill_values= or remove the column"
        )
    labels = _labels(dataset, label_column)
    names = getattr(dataset.features[label_column], "names", None)
    where = Source(source, names)
    if names is not None and isinstance(sampling_strategy, Mapping):
        by_name = {name: index for index, name in enumerate(names)}
        sampling_strategy = {by_name.get(key, key): n for key, n in sampling_strategy.items()}
    added = check_sampling_strategy(sampling_strategy, labels, "over-sampling")
    new_labels = np.repeat(np.array(list(added), dtype=labels.dtype), list(added.values()))
    if len(new_labels) == 0:
        return _flagged(dataset, flag_column)
    chosen = where.positions(new_labels)
    if not getattr(dataset.features[image_column], "decode", True):
        raise ValueError(f"column {image_column!r} is not decoded; cast it to Image() first")
    example = next(iter(dataset.select_columns([image_column]).with_format(None)))[image_column]
    rows = {
        image_column: [{"bytes": content, "path": None} for content in _pictures(where, chosen, seed, example, resize)],
        label_column: new_labels.tolist(),
        **{name: [value] * len(chosen) for name, value in fill.items()},
        flag_column: [True] * len(chosen),
    }
    return _joined(_flagged(dataset, flag_column), rows)


def _labels(dataset: Any, column: str) -> NDArray[Any]:
    batches = dataset.select_columns([column]).with_format(None).iter(BATCH)
    labels = np.array([label for batch in batches for label in batch[column]])
    if len(labels) == 0:
        raise ValueError("the dataset is empty")
    if labels.ndim != 1:
        raise ValueError(f"column {column!r} must hold one label per image")
    if labels.dtype == object or (labels.dtype.kind in "iu" and labels.min() < 0):
        raise ValueError(f"column {column!r} holds unlabelled rows; filter them out first")
    return labels


def _pictures(
    source: Source, positions: NDArray[np.int64], seed: int | None, example: Any, resize: bool
) -> Iterator[bytes]:
    """Synthetic images as PNG, in the mode of a real one."""
    pixels = Pixels(resize=resize)
    if isinstance(source.origin, SyntheticPool):
        indices = source.origin.first_of_each(positions)
        batches = (source.origin.read(indices[i : i + BATCH]) for i in range(0, len(indices), BATCH))
    else:
        drawn = source.origin.sample_positions(torch.from_numpy(positions), random_state=seed)
        batches = (part for part in drawn.split(BATCH) if len(part))
    return (png_bytes(pixels.one_like(image, example)) for batch in batches for image in batch)


def _flagged(dataset: Any, column: str) -> Any:
    """A dataset with a column that says that nothing in it is synthetic."""
    from datasets import Dataset, Features, Value

    if isinstance(dataset, Dataset):
        return dataset.add_column(column, np.zeros(len(dataset), dtype=bool))
    features = Features({**dataset.features, column: Value("bool")})
    return dataset.with_format(None).map(_not_synthetic, fn_kwargs={"column": column}, features=features)


def _not_synthetic(row: dict[str, Any], column: str) -> dict[str, Any]:
    return {**row, column: False}


def _unchanged(row: dict[str, Any]) -> dict[str, Any]:
    return row


def _joined(real: Any, rows: dict[str, list[Any]]) -> Any:
    from datasets import Dataset, concatenate_datasets

    synthetic = Dataset.from_dict({name: rows[name] for name in real.features}, features=real.features)
    if not isinstance(real, Dataset):
        # Behind a stream that is mapped, images of one that is not would come undecoded.
        stream = synthetic.to_iterable_dataset().map(_unchanged, features=real.features)
        return concatenate_datasets([real, stream])
    shown = real.format
    joined = concatenate_datasets([real.with_format(None), synthetic])
    joined = Dataset(joined.data, info=joined.info, split=real.split)
    return joined.with_format(
        shown["type"],
        columns=shown["columns"],
        output_all_columns=shown["output_all_columns"],
        **shown["format_kwargs"],
    )
