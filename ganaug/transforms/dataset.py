"""A dataset and synthetic images behind it, as one map-style dataset."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ganaug.curation import SyntheticPool, images_to_add
from ganaug.data.labels import labels_from_array
from ganaug.gans import ImageGAN
from ganaug.transforms.pixels import Pixels
from ganaug.transforms.source import Source

__all__ = ["AugmentedDataset"]


class AugmentedDataset(Dataset[tuple[Any, Any]]):
    """Real ``(image, label)`` pairs, followed by synthetic ones.

    Works with every map-style dataset, also with torchvision's ``ImageFolder`` and ``CIFAR10``, whose transforms see no
    labels. Synthetic images pass through the same transform as real ones: that of the real dataset, then `transform`.

    Parameters
    ----------
    real : Dataset
        Map-style, of ``(image, label)`` pairs.
    source : SyntheticPool or ImageGAN
        Of a pool the first images of each class are taken, none twice. A GAN draws all images now and keeps them.
    per_class : int, float, "balance" or dict, default="balance"
        Synthetic images of each class: a number; a share of the real ones (a float); as many as the class has fewer
        than the largest; or a number for each label.
    transform : callable, optional
        Applied to every image, real or synthetic, after the real dataset's own transform.
    mean, std : sequence of float, optional
        What the images of a dataset without a transform of its own are normalised with, if they are.
    random_state : int, RandomState, Generator or None
        For a GAN.

    Attributes
    ----------
    targets : list
        Label of every item, for samplers such as ``torch.utils.data.WeightedRandomSampler``.
    classes : list of str
        Names of the classes, where the real dataset has them.

    Raises
    ------
    ValueError
        If the pool is too small, or lacks a class; if images have other channels than the source's; or if transformed
        real and synthetic images are not of one size.

    See Also
    --------
    SyntheticMix : Replaces images of a batch, so that an epoch stays as long as it was.

    Examples
    --------
    >>> from torch.utils.data import TensorDataset
    >>> from ganaug import ImageGAN, labelled_images
    >>> digits = labelled_images("digits").subset(range(100))
    >>> real = TensorDataset(torch.from_numpy(digits.images), torch.from_numpy(digits.labels))
    >>> gan = ImageGAN(steps=2, random_state=0, verbose=False).fit(digits)
    >>> dataset = AugmentedDataset(real, gan, per_class=5, random_state=0)
    >>> len(dataset), dataset.is_synthetic(99), dataset.is_synthetic(100), dataset.targets[100]
    (150, False, True, 0)
    """

    def __init__(
        self,
        real: Any,
        source: SyntheticPool | ImageGAN,
        per_class: float | str | Mapping[Any, int] = "balance",
        *,
        transform: Callable[[Any], Any] | None = None,
        mean: Any = None,
        std: Any = None,
        random_state: Any = None,
    ) -> None:
        if len(real) == 0:
            raise ValueError("the real dataset is empty")
        self.real = real
        self.transform = transform
        self._source = Source(source)
        real_targets = _targets(real)
        names = _attribute(real, "classes")
        if isinstance(names, Sequence) and not isinstance(names, str):
            self.classes = list(names)
        labels, positions = self._source.match(np.unique(labels_from_array(real_targets, len(real))), names)
        counts = {
            label: int(n) for label, n in zip(*np.unique(np.array(real_targets), return_counts=True), strict=True)
        }
        added = images_to_add(per_class, {label: counts[label] for label in labels})
        chosen = np.repeat([positions[label] for label in added], list(added.values())).astype(np.int64)
        self.targets = [*real_targets, *np.repeat(np.array(list(added)), list(added.values())).tolist()]
        self._own_transform = _attribute(real, "transform")
        self._example, self._label_example = _raw_example(real)
        self._pixels = Pixels(mean, std)
        self._images: Tensor | None = None
        self._indices: NDArray[np.int64] | None = None
        if isinstance(source, SyntheticPool):
            self._indices = source.first_of_each(chosen)
        else:
            self._images = source.sample_positions(torch.from_numpy(chosen), random_state=random_state)
        if len(chosen):
            # Images that do not fit are found now and not in a worker.
            shapes = [tuple(self[index][0].shape) for index in (0, len(real)) if isinstance(self[index][0], Tensor)]
            if len(set(shapes)) > 1:
                raise ValueError(
                    f"transformed, a real image has shape {shapes[0]} and a synthetic one {shapes[1]}; resize them in "
                    "the transform"
                )

    def is_synthetic(self, index: int) -> bool:
        """Whether the item at `index` is synthetic."""
        return self._position(index) >= len(self.real)

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Image, transformed, and label."""
        index = self._position(index)
        if index < len(self.real):
            image, label = self.real[index]
        else:
            image, label = self._synthetic(index - len(self.real)), self.targets[index]
            if isinstance(self._label_example, Tensor):  # a batch is made of labels of one type
                label = torch.tensor(label, dtype=self._label_example.dtype).reshape(self._label_example.shape)
        return (image if self.transform is None else self.transform(image)), label

    def _position(self, index: int) -> int:
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"the dataset holds {len(self)} items, got index {index}")
        return position

    def _synthetic(self, number: int) -> Any:
        if self._images is not None:
            pixels = self._images[number]
        else:
            assert self._indices is not None
            pixels = self._source.origin.read([self._indices[number]])[0]
        image = self._pixels.one_like(pixels, self._example, same_size=False)
        return image if self._own_transform is None else self._own_transform(image)

    def __repr__(self) -> str:
        n = len(self) - len(self.real)
        return f"AugmentedDataset({len(self.real):,} real and {n:,} synthetic images from {self._source!r})"


def _attribute(dataset: Any, name: str) -> Any:
    """An attribute of a dataset, or of the one that it is a subset of."""
    while not hasattr(dataset, name) and hasattr(dataset, "dataset"):
        dataset = dataset.dataset
    return getattr(dataset, name, None)


def _targets(dataset: Any) -> list[Any]:
    """Label of every item, without loading images where the dataset knows its labels."""
    if hasattr(dataset, "indices") and hasattr(dataset, "dataset"):  # torch.utils.data.Subset
        inner = _targets(dataset.dataset)
        return [inner[index] for index in dataset.indices]
    for name in ("targets", "labels"):
        known = getattr(dataset, name, None)
        if known is not None and len(known) == len(dataset):
            return known.tolist() if isinstance(known, Tensor | np.ndarray) else list(known)
    if isinstance(dataset, torch.utils.data.TensorDataset):
        return dataset.tensors[1].tolist()
    labels = [dataset[index][1] for index in range(len(dataset))]
    return [label.item() if isinstance(label, Tensor | np.generic) else label for label in labels]


def _raw_example(dataset: Any) -> tuple[Any, Any]:
    """An image of a dataset as it is before the dataset's own transform, and its label."""
    index = 0
    while hasattr(dataset, "indices") and hasattr(dataset, "dataset"):
        index, dataset = dataset.indices[index], dataset.dataset
    if getattr(dataset, "transform", None) is not None:
        dataset = copy.copy(dataset)
        dataset.transform = None
        if hasattr(dataset, "transforms"):  # torchvision keeps it twice
            dataset.transforms = None
    return dataset[index]
