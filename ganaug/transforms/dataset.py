"""A dataset and synthetic images behind it, as one map-style dataset."""

from __future__ import annotations

import bisect
import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, Subset
from torchvision.datasets.vision import StandardTransform

from ganaug.curation import ImageGateDecision, SyntheticPool
from ganaug.curation.augmented import check_all_have_labels
from ganaug.data.groups import groups_from_array
from ganaug.data.images.datasets import names_of_classes
from ganaug.data.labels import labels_from_array
from ganaug.engine.devices import RandomStateLike
from ganaug.generators.contract import Generator, draw_images
from ganaug.transforms.gated import gated_images
from ganaug.transforms.new_samples import joined_groups, new_samples
from ganaug.transforms.pairs import LabelledPairs, as_pairs
from ganaug.transforms.pixels import CONVERT, Pixels, as_fitted, channels_of, is_grey
from ganaug.transforms.source import Source

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AugmentedDataset"]

CHECKED = 16  # real images whose values are looked at


class AugmentedDataset(Dataset[tuple[Any, Any]]):
    """Real ``(image, label)`` pairs, followed by synthetic ones.

    Works with map-style datasets of PIL images or tensors, such as torchvision's ``ImageFolder`` and ``CIFAR10``, whose
    transforms see no labels, with subsets of them, and with several put together. Synthetic images pass through the
    same transforms as real ones: those that the real dataset has now, then `transform`. Classes are matched by name
    where both sides have names. Real images are handed out as ``fit`` sees them, so that batches can be made of both:
    PIL images upright, grey or RGB, and grey images among colour ones in colour.

    Parameters
    ----------
    real : Dataset, LabelledImages or datasets.Dataset
        Map-style, of ``(image, label)`` pairs; or labelled images as :func:`ganaug.labelled_images` returns them, or a
        Hugging Face dataset, of which the image and the label column are taken, without its format. Images with the
        integer label -1 have none: they are kept, and none are added to them; ``per_class="auto"`` refuses them.
    source : SyntheticPool or generator of images, such as ImageGAN
        Of a pool the first images of each class are taken, none twice. A GAN draws all images now and keeps them.
    per_class : int, float, "balance", "auto" or dict, optional
        By default "balance", unless there is `per_cell`. Synthetic images of each class: a number; a share of the real
        ones (a float); as many as the class has fewer than the largest; a number for each label or name of a class; or
        "auto", as many as inner validation says, which may be none (:func:`ganaug.choose_ratio`). That trains a clone
        of the GAN on a part of the images; `source` is then an ImageGAN, fitted on the real images or not fitted.
    per_cell : int, "balance", dict or DataFrame, optional
        In place of `per_class`, where the real images and the source have groups: synthetic images of each cell, a
        combination of class and group, also of those without real ones; as many as each has fewer than the largest; or
        numbers by (class, group), in a DataFrame with a row for each class and a column for each group. The unknown
        group gets images only where such numbers ask for them.
    groups : array-like of shape (n_images,), optional
        Group of each real image: speaker, scanner, site. Not needed for labelled images that hold them. Without
        `per_cell`, groups of synthetic images come as often as in the source, and are unknown where it has none.
    transform : callable, optional
        Applied to every image, real or synthetic, after the real dataset's own.
    mean, std : sequence of float, optional
        What the images of a dataset without a transform of its own are normalised with, if they are.
    random_state : int, RandomState, Generator or None
        For a GAN.
    gate : dict, optional
        More arguments of :func:`ganaug.choose_ratio`, such as ``{"classifier": "resnet18", "cv": 5}``.
    missing : {"error", "keep"}, default="error"
        What is done about a class that shall get synthetic images and that the source holds none of: "keep" adds none.

    Attributes
    ----------
    decision : ImageGateDecision or None
        What the gate chose, with ``per_class="auto"``.
    groups : list or None
        Group of every item, where those of the real images are known.
    targets : list
        Label of every item, for samplers such as ``torch.utils.data.WeightedRandomSampler``.
    classes : list of str
        Names of the classes, where the real dataset has them.

    Raises
    ------
    ValueError
        If the pool is too small, or lacks a class or cell; for `per_cell` without groups, and groups that nothing can
        be learnt from, such as one that equals the label; if images have other channels than the source's, or are uint8
        beside a source that draws floats; or if transformed real and synthetic images are not of one size.

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
        source: SyntheticPool | Generator,
        per_class: float | Literal["balance", "auto"] | Mapping[Any, int] | None = None,
        *,
        per_cell: int | Literal["balance"] | Mapping[tuple[Any, Any], int] | pd.DataFrame | None = None,
        groups: Any = None,
        transform: Callable[[Any], Any] | None = None,
        mean: Any = None,
        std: Any = None,
        random_state: RandomStateLike = None,
        gate: Mapping[str, Any] | None = None,
        missing: Literal["error", "keep"] = "error",
    ) -> None:
        real = as_pairs(real)
        if not hasattr(real, "__len__") or not hasattr(real, "__getitem__"):
            raise TypeError(f"real must be a map-style dataset, got {type(real).__name__}, which is none")
        if len(real) == 0:
            raise ValueError("the real dataset is empty")
        self.real = self._reading = real
        self.transform = transform
        chain = _chain(real)
        self._transforms = _transforms(chain)
        names = names_of_classes(real)
        if isinstance(names, Sequence) and not isinstance(names, str):
            self.classes = list(names)
        self._first, self._example, self._label_example = _first(chain, len(real))
        self._pixels = Pixels(mean, std)
        self._images: Tensor | None = None
        self._pool: SyntheticPool | None = None
        self.decision: ImageGateDecision | None = None
        self.targets = _targets(real)
        groups = _groups(real) if groups is None else groups
        known_groups = None if groups is None else groups_from_array(groups, len(real))
        gated = isinstance(per_class, str) and per_class == "auto" and per_cell is None
        if gate is not None and not gated:
            raise ValueError("gate holds arguments for per_class='auto' only; leave it out")
        labels = labels_from_array(self.targets, len(real))
        if gated:
            self._shown = "the gate"
            check_all_have_labels(labels)
            self._images, new_labels, new_groups, self.decision = gated_images(
                _Untransformed(chain, len(real), names), source, names, gate or {}, random_state, known_groups
            )
            shape = tuple(self._images.shape[1:])
            self._pixels.dtype = str(self._images.dtype).removeprefix("torch.")
        else:
            where = Source(source, names, missing=missing)
            self._shown, shape = repr(where), where.image_shape
            self._pixels.dtype = where.dtype
            new = new_samples(per_class, per_cell, labels, known_groups, where, _by_label(names))
            new_labels, new_groups = new.labels, new.groups
            if isinstance(source, SyntheticPool):
                self._pool, self._indices = source, source.first_of_each(new.positions, new.group_positions)
            else:
                self._images = draw_images(source, new.positions, new.group_positions, random_state=random_state)
        joined = joined_groups(known_groups, new_groups, len(new_labels))
        self.groups: list[Any] | None = None if joined is None else joined.tolist()
        self.targets = [*self.targets, *new_labels.tolist()]
        self._channels: int | None = None
        if gated or len(new_labels):
            self._read_as_fitted(shape[0])
        if len(new_labels):
            self._check_fit(shape, chain)
        elif gated:
            self._channels = channels_of(
                self._transformed(torch.zeros(shape, dtype=getattr(torch, self._pixels.dtype)))
            )

    def _read_as_fitted(self, channels: int) -> None:
        """Have real images pass through what `fit` does with them before they pass through their own transforms."""
        self._example = self._as_fitted(self._example, channels)
        as_read = functools.partial(as_fitted, channels=channels, dtype=self._pixels.dtype)
        self._reading = _passed_through(self.real, as_read)

    def _check_fit(self, shape: tuple[int, ...], chain: list[Any]) -> None:
        """Find out now, and not in a worker, whether synthetic images fit."""
        found = (image for index in range(len(self.real)) if (image := _raw(chain, index)[0]) is not None)
        if shape[0] > 1 and all(map(is_grey, found)):  # in most cases the first decides
            raise ValueError(f"images have 1 channels, synthetic ones {shape[0]}; {CONVERT}")
        for index in np.linspace(0, len(self.real) - 1, min(len(self.real), CHECKED)).astype(int).tolist():
            example = self._as_fitted(_raw(chain, index)[0], shape[0])
            if isinstance(example, Tensor) and example.ndim == 3:
                self._pixels.check(example, shape, same_size=False)
        with torch.random.fork_rng(devices=[]):  # transforms may be random
            self._channels = channels_of(self._synthetic(0))
            real, again, synthetic = (self[index][0] for index in (self._first, self._first, len(self.real)))
        if not all(isinstance(image, Tensor) for image in (real, again, synthetic)) or real.shape != again.shape:
            return
        if synthetic.shape != real.shape:
            raise ValueError(
                f"transformed, a real image has shape {tuple(real.shape)} and a synthetic one "
                f"{tuple(synthetic.shape)}; resize them in the transform"
            )

    def _as_fitted(self, image: Any, channels: int) -> Any:
        return as_fitted(image, channels, self._pixels.dtype)

    def is_synthetic(self, index: int) -> bool:
        """Whether the item at `index` is synthetic, here or in a dataset inside."""
        index = self._position(index)
        return index >= len(self.real) or _is_synthetic(self.real, index)

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Image, transformed, and label."""
        index = self._position(index)
        if index < len(self.real):
            image, label = self._reading[index]
            image = image if self._channels is None else self._as_fitted(image, self._channels)
        else:
            image, label = self._synthetic(index - len(self.real)), self.targets[index]
            like = self._label_example  # a batch is made of labels of one type
            if isinstance(like, Tensor):
                label = torch.tensor(label, dtype=like.dtype, device=like.device).reshape(like.shape)
            elif isinstance(like, np.ndarray):
                label = np.full_like(like, label)
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
            assert self._pool is not None
            pixels = self._pool.read([self._indices[number]])[0]
        return self._transformed(pixels)

    def _transformed(self, pixels: Tensor) -> Any:
        """Turn synthetic pixels into what the real dataset would make of them."""
        image = self._pixels.one_like(pixels, self._example, same_size=False)
        for transform in self._transforms:
            image = transform(image)
        return image

    def __repr__(self) -> str:
        n = len(self) - len(self.real)
        return f"AugmentedDataset({len(self.real):,} real and {n:,} synthetic images from {self._shown})"


def _by_label(names: Any) -> Mapping[Any, str]:
    """Names of classes by their labels, as far as they have some."""
    if isinstance(names, Sequence) and not isinstance(names, str):
        return dict(enumerate(map(str, names)))
    return names if isinstance(names, Mapping) else {}


def _first(chain: list[Any], length: int) -> tuple[int, Any, Any]:
    """Index, image and label of the first item that has an image."""
    for index in range(length):
        image, label = _raw(chain, index)
        if image is not None:
            return index, image, label
    raise ValueError(f"none of the {length} items of the real dataset holds an image; leave them out")


def _chain(dataset: Any) -> list[Any]:
    """A dataset and those that it is made of, from the outermost to the innermost."""
    chain = [dataset]
    while True:
        if isinstance(dataset, AugmentedDataset):
            dataset = dataset.real
        elif isinstance(dataset, ConcatDataset):
            parts = [[link.transform for link in _chain(part) if _own(link)] for part in dataset.datasets]
            if any(part != parts[0] for part in parts):
                raise ValueError(
                    "the datasets put together have different transforms, and it is unclear which is for synthetic "
                    "images; leave them out and pass transform="
                )
            dataset = dataset.datasets[0]
        elif isinstance(dataset, Subset):
            dataset = dataset.dataset
        else:  # what other wrappers do with an image is theirs to know
            return chain
        chain.append(dataset)


def _own(dataset: Any) -> bool:
    """Whether a dataset transforms images by itself."""
    if getattr(dataset, "target_transform", None) is not None:
        raise ValueError(
            "the real dataset has a target_transform, which synthetic labels would not pass through; leave it out and "
            "change labels in the training loop"
        )
    transform, joint = getattr(dataset, "transform", None), getattr(dataset, "transforms", None)
    if transform is None and joint is not None:
        raise ValueError(
            "the real dataset has a joint transforms=, which synthetic images cannot be passed through; leave it out "
            "and pass transform="
        )
    return transform is not None


def _transforms(chain: list[Any]) -> list[Callable[[Any], Any]]:
    """Transforms of all datasets of a chain, in the order in which an image passes them."""
    return [link.transform for link in reversed(chain) if _own(link)]


def _unchanged(*images: Any, **named: Any) -> Any:
    if named or len(images) != 1:
        raise ValueError(
            "the real dataset calls its transform in a way of its own, not as transform(image), so that synthetic "
            "images cannot be passed through it; leave it out and pass transform="
        )
    return images[0]


@dataclass(frozen=True)
class _Then:
    """One function of an image after another."""

    first: Callable[[Any], Any]
    second: Callable[[Any], Any]

    def __call__(self, image: Any) -> Any:
        return self.second(self.first(image))


def _with_transform(dataset: Any, transform: Callable[[Any], Any]) -> Any:
    """A copy of a dataset with another transform in the place of its own."""
    copied = copy.copy(dataset)
    copied.transform = transform
    # Some of torchvision's datasets, and wrap_dataset_for_transforms_v2, apply it by way of this object.
    if getattr(getattr(dataset, "transforms", None), "transform", None) is dataset.transform:
        copied.transforms = StandardTransform(transform)
    return copied


def _passed_through(dataset: Any, function: Callable[[Any], Any]) -> Any:
    """A dataset whose images pass through a function before they pass through its own transform, if it has one."""
    copied: Any
    if isinstance(dataset, ConcatDataset):
        copied = copy.copy(dataset)
        copied.datasets = [_passed_through(part, function) for part in dataset.datasets]
        return copied
    if isinstance(dataset, Subset):
        copied = copy.copy(dataset)
        copied.dataset = _passed_through(dataset.dataset, function)
        return copied
    if isinstance(dataset, AugmentedDataset) or getattr(dataset, "transform", None) is None:
        return dataset
    return _with_transform(dataset, _Then(function, dataset.transform))


def _raw(chain: list[Any], index: int) -> tuple[Any, Any]:
    """An item of the real dataset before any transform."""
    for link in chain[:-1]:
        if isinstance(link, ConcatDataset):
            index = min(index, link.cumulative_sizes[0] - 1)
        elif isinstance(link, Subset):
            index = link.indices[index]
        elif isinstance(link, AugmentedDataset):
            index = min(index, len(link.real) - 1)
    innermost = chain[-1]
    if getattr(innermost, "transform", None) is not None:
        innermost = _with_transform(innermost, _unchanged)
    try:
        item = innermost[index]
    except LookupError as error:
        raise TypeError(
            f"real must hold (image, label) pairs at 0 to len - 1, got a {type(innermost).__name__} without {error}"
        ) from None
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise TypeError(
            f"real must hold (image, label) pairs, got items of type {type(item).__name__}"
            + ("; for Hugging Face datasets there is augment_dataset" if isinstance(item, Mapping) else "")
        )
    return item[0], item[1]


class _Untransformed:
    """The items of a dataset before any transform, in its order."""

    def __init__(self, chain: list[Any], length: int, names: Any) -> None:
        if any(isinstance(link, ConcatDataset | AugmentedDataset) for link in chain):
            raise ValueError(
                "per_class='auto' takes one dataset or a subset of it, not several put together; call choose_ratio on "
                "their images and pass its ratio as per_class"
            )
        self._chain = chain
        self._length = length
        if isinstance(names, Sequence) and not isinstance(names, str):
            self.classes = list(names)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return _raw(self._chain, index)


def _groups(dataset: Any) -> list[Any] | None:
    """Group of every item, where the dataset knows it."""
    if isinstance(dataset, ConcatDataset):
        parts = [_groups(part) for part in dataset.datasets]
        return None if any(part is None for part in parts) else [group for part in parts for group in part or ()]
    if isinstance(dataset, Subset):
        inner = _groups(dataset.dataset)
        return None if inner is None else [inner[index] for index in dataset.indices]
    return dataset.groups if isinstance(dataset, LabelledPairs | AugmentedDataset) else None


def _is_synthetic(dataset: Any, index: int) -> bool:
    """Whether an item comes from an augmented dataset, and is synthetic there."""
    if isinstance(dataset, ConcatDataset):
        part = bisect.bisect_right(dataset.cumulative_sizes, index)
        before = dataset.cumulative_sizes[part - 1] if part else 0
        return _is_synthetic(dataset.datasets[part], index - before)
    if isinstance(dataset, Subset):
        return _is_synthetic(dataset.dataset, dataset.indices[index])
    return isinstance(dataset, AugmentedDataset) and dataset.is_synthetic(index)


def _targets(dataset: Any) -> list[Any]:
    """Label of every item, without loading images where the dataset knows its labels."""
    return [label[0] if isinstance(label, list) and len(label) == 1 else label for label in _as_written(dataset)]


def _as_written(dataset: Any) -> list[Any]:
    if isinstance(dataset, ConcatDataset):
        return [label for part in dataset.datasets for label in _as_written(part)]
    if isinstance(dataset, Subset):
        inner = _as_written(dataset.dataset)
        return [inner[index] for index in dataset.indices]
    for name in ("targets", "labels"):
        known = getattr(dataset, name, None)
        if known is not None and len(known) == len(dataset):
            return known.tolist() if isinstance(known, Tensor | np.ndarray) else list(known)
    if isinstance(dataset, torch.utils.data.TensorDataset) and len(dataset.tensors) > 1:
        return dataset.tensors[1].tolist()
    labels = [_raw([dataset], index)[1] for index in range(len(dataset))]
    return [label.tolist() if isinstance(label, Tensor | np.generic | np.ndarray) else label for label in labels]
