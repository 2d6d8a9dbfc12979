"""Labelled images and Hugging Face datasets as map-style datasets of pairs."""

from __future__ import annotations

from typing import Any

from torch.utils.data import ConcatDataset, Dataset, Subset

from ganaug.data import LabelledImages
from ganaug.data.images.datasets import image_and_label_columns, is_hugging_face
from ganaug.data.images.tensors import shared_tensor

__all__ = ["HuggingFacePairs", "LabelledPairs", "as_pairs"]


class LabelledPairs(Dataset[tuple[Any, Any]]):
    """Images (channels, height, width) with their labels and groups; the names of classes are a dict by label."""

    def __init__(self, data: LabelledImages) -> None:
        self._images = shared_tensor(data.images)
        self.targets: list[Any] = data.labels.tolist()
        self.groups: list[Any] | None = None if data.groups is None else data.groups.tolist()
        if data.class_names:
            self.classes = dict(data.class_names)

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Image and label; the image is a copy, which transforms may change in place."""
        return self._images[index].clone(), self.targets[index]


class HuggingFacePairs(Dataset[tuple[Any, Any]]):
    """The PIL images and the labels of a Hugging Face dataset."""

    def __init__(self, dataset: Any, image_column: str | None = None, label_column: str | None = None) -> None:
        from datasets import Dataset, Image

        if not isinstance(dataset, Dataset):
            remedy = (
                "pass one split, such as dataset['train']"
                if isinstance(dataset, dict)
                else "streams go through augment_dataset"
            )
            raise TypeError(f"real must be a map-style dataset, got {type(dataset).__name__}; {remedy}")
        if dataset.format["type"] == "custom":
            raise ValueError(
                "the real dataset has a transform of rows, which pairs of image and label cannot be passed through; "
                "take it off with with_format(None) and pass transform=, or use augment_dataset"
            )
        image_column, self._label = image_and_label_columns(dataset.features, image_column, label_column)
        rows = dataset.with_format(None).select_columns([image_column, self._label])
        self._image = image_column
        self._rows = rows.cast_column(image_column, Image(mode=getattr(rows.features[image_column], "mode", None)))
        self.targets: list[Any] = rows[self._label][:]
        names = getattr(dataset.features[self._label], "names", None)
        if names is not None:
            self.classes = list(names)

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Image and label."""
        return self._rows[index][self._image], self.targets[index]


def as_pairs(real: Any) -> Any:
    """Return a dataset of pairs in place of what holds labelled images in another form, also in subsets and sums."""
    if isinstance(real, LabelledImages):
        return LabelledPairs(real)
    if is_hugging_face(real):
        return HuggingFacePairs(real)
    if type(real) is Subset:
        inner: Any = as_pairs(real.dataset)
        return real if inner is real.dataset else Subset(inner, real.indices)
    if type(real) is ConcatDataset:
        parts = [as_pairs(part) for part in real.datasets]
        return real if all(a is b for a, b in zip(parts, real.datasets, strict=True)) else ConcatDataset(parts)
    return real
