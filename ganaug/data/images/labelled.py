"""Labelled images in memory: the one form in which images travel through the package."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganaug._text import visible
from ganaug.data.groups import check_group_array, has_group
from ganaug.data.labels import listed, same_labels

__all__ = ["DTYPES", "SPECTROGRAM", "LabelledImages", "images_from_array"]

MIN_SIDE = 8
UNLABELLED = -1  # scikit-learn's mark
MAX_SIDE = 128
FEW_VALUES = 16  # of the 256 of pixels: floats between fewer would lose their differences to rounding
ROUNDED = 0.01  # of what the floats of a channel span
MOST_NAMED = 10  # classes
DTYPES = ("uint8", "float32", "auto")  # that images can be read as
SPECTROGRAM = "spectrogram"  # the fact of images of sounds: parameters of ganaug.MelSpectrogram, in JSON


@dataclass(frozen=True)
class LabelledImages:
    """Images of one size with one label each.

    Attributes
    ----------
    images : ndarray of shape (n_images, channels, height, width), uint8 or float32
        Pixels from 0 to 255, or finite numbers of any range, such as those of spectrograms and maps.
    labels : ndarray of shape (n_images,)
        Whatever the user calls the classes: integers, strings, booleans.
    class_names : dict
        Display name of each class, for sources that have names beside integer labels.
    skipped : tuple of str
        Files that could not be read as images and were left out.
    files : tuple of str
        Of images read from a folder, where each lies in it; empty otherwise, also of a subset.
    groups : ndarray of shape (n_images,), optional
        Speaker, scanner, site or whatever else each image comes from: strings, integers or booleans. "unknown" among
        strings and -1 among numbers mark images whose group is not known, which is a group of its own.
    facts : dict of str to str, number or bool
        What generators keep of them in ``training_data_`` and in the folder of the model: of sounds the parameters of
        their spectrograms.

    Examples
    --------
    >>> import numpy as np
    >>> data = LabelledImages(np.zeros((4, 1, 8, 8), np.uint8), np.array([0, 0, 1, 1]))
    >>> len(data), data.image_shape, data.classes.tolist()
    (4, (1, 8, 8), [0, 1])
    >>> data
    LabelledImages(4 images of 1 x 8 x 8, uint8, 2 classes (0: 2, 1: 2))
    """

    images: NDArray[Any]
    labels: NDArray[Any]
    class_names: dict[Any, str] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    groups: NDArray[Any] | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("images", "labels"):
            if not isinstance(getattr(self, name), np.ndarray):
                kind = type(getattr(self, name)).__name__
                raise TypeError(f"{name} must be a numpy array, got {kind}; use ganaug.labelled_images to convert it")
        if self.images.dtype not in (np.uint8, np.float32) or self.images.ndim != 4:
            raise ValueError(
                "images must be uint8 or float32 of shape (n, channels, height, width), got "
                f"{self.images.dtype} of shape {self.images.shape}; use ganaug.labelled_images to convert them"
            )
        if self.labels.shape != (len(self.images),):
            raise ValueError(
                "labels must have shape (n,) and the length of images, got shape "
                f"{self.labels.shape} beside {len(self.images)} images"
            )
        if self.groups is not None:
            check_group_array(self.groups, len(self.images))

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.image_shape))
        labels, counts = np.unique(self.labels, return_counts=True)
        named = [f"{visible(self.name(label))}: {n:,}" for label, n in zip(labels.tolist(), counts, strict=True)]
        more = [f"{len(named) - MOST_NAMED} more"] if len(named) > MOST_NAMED else []
        groups = "" if self.groups is None else f", {len(np.unique(self.groups))} groups"
        skipped = f", {len(self.skipped)} files skipped" if self.skipped else ""
        return (
            f"LabelledImages({len(self):,} images of {shape}, {self.images.dtype}, {len(named)} "
            f"class{'es' if len(named) != 1 else ''} ({', '.join(named[:MOST_NAMED] + more)}){groups}{skipped})"
        )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    @property
    def classes(self) -> NDArray[Any]:
        """Sorted distinct labels."""
        return np.unique(self.labels)

    @property
    def has_label(self) -> NDArray[np.bool_]:
        """Which images have a label: integer labels of -1 mark those that have none, as in scikit-learn."""
        return self.labels != UNLABELLED if self.labels.dtype.kind == "i" else np.ones(len(self), dtype=bool)

    @property
    def has_group(self) -> NDArray[np.bool_]:
        """Which images have a known group."""
        return np.zeros(len(self), dtype=bool) if self.groups is None else has_group(self.groups)

    def labelled(self) -> LabelledImages:
        """The images that have a label."""
        return self if self.has_label.all() else self.subset(np.flatnonzero(self.has_label))

    def name(self, label: Any) -> str:
        """Display name of a class."""
        return self.class_names.get(label, str(label))

    def subset(self, indices: Sequence[int] | NDArray[np.integer]) -> LabelledImages:
        """Return the images at `indices`, in that order."""
        groups = None if self.groups is None else self.groups[indices]
        return LabelledImages(
            self.images[indices], self.labels[indices], self.class_names, groups=groups, facts=self.facts
        )

    def relabelled(self, classes: NDArray[Any], class_names: dict[Any, str]) -> LabelledImages:
        """Return the images with the labels of a model or of other data, where it is clear which they are.

        Parameters
        ----------
        classes : ndarray of shape (n_classes,)
            Labels there.
        class_names : dict
            Their display names there.

        Returns
        -------
        LabelledImages
            This one where the labels need no change, or where the meaning of some is unclear.

        Examples
        --------
        >>> data = LabelledImages(np.zeros((2, 1, 8, 8), np.uint8), np.array(["0", "1"]))
        >>> data.relabelled(np.array([0, 1]), {}).labels.tolist()
        [0, 1]
        """
        known = self.has_label
        own = self.labels[known]
        labels = same_labels(own, classes, label_names=self.class_names, class_names=class_names)
        if labels is own or not (known.all() or classes.dtype.kind == "i"):
            return self
        found = labels
        if not known.all():
            found = np.full(len(self), UNLABELLED, classes.dtype)
            found[known] = labels
        return LabelledImages(self.images, found, dict(class_names), self.skipped, groups=self.groups, facts=self.facts)

    def fingerprint(self, *, groups: bool = True) -> str:
        """SHA-256 over pixels, labels and, unless `groups` is False, groups, the same in every process."""
        digest = hashlib.sha256(repr((self.images.shape, [str(v) for v in self.labels])).encode())
        digest.update(np.ascontiguousarray(self.images).tobytes())
        if groups and self.groups is not None:
            digest.update(repr([str(group) for group in self.groups]).encode())
        return digest.hexdigest()

    def as_training_data(self) -> dict[str, Any]:
        """What a generator keeps of the images that it was trained on: their number and fingerprints."""
        with_groups = {} if self.groups is None else {"sha256_with_groups": self.fingerprint()}
        return {"n_images": len(self), "sha256": self.fingerprint(groups=False), **with_groups}

    def check_trainable(self) -> None:
        """Raise ``ValueError`` unless a class-conditional GAN can be trained on these images."""
        _, height, width = self.image_shape
        if min(height, width) < MIN_SIDE or max(height, width) > MAX_SIDE:
            raise ValueError(
                f"images must measure {MIN_SIDE} to {MAX_SIDE} pixels a side, got {height} x {width}; resize "
                "them first, files with labelled_images(path, size=...) or --size"
            )
        classes, counts = np.unique(self.labels, return_counts=True)
        if self.labels.dtype.kind == "i" and UNLABELLED in classes:
            raise ValueError(
                "label -1 marks images without a label, as in scikit-learn, which only ImageGAN.fit and 'ganaug fit "
                "images' can use; leave them out, or rename the class"
            )
        if len(classes) < 2:
            raise ValueError(
                f"images of at least two classes are needed, got only class {self.name(classes[0])!r} ({len(self)} "
                "images); if they came from a folder, check that it holds one folder per class and is not one level "
                "too high or too deep"
            )
        if counts.min() < 2:
            rare = self.name(classes[counts.argmin()])
            raise ValueError(
                f"every class needs at least two images, class {rare!r} has {counts.min()}; add images or leave "
                "the class out"
            )


def images_from_array(images: Any, dtype: str = "uint8") -> NDArray[Any]:
    """Convert a stack of images to an array of shape (n_images, channels, height, width).

    Parameters
    ----------
    images : ndarray of shape (n, height, width[, channels]) or Tensor of shape (n[, channels], height, width)
        uint8, or floating point. As everywhere in Python, numpy arrays carry their channels last and torch tensors
        first.
    dtype : {"uint8", "float32", "auto"}
        "uint8" makes pixels of floats in [0, 1] and refuses others. "float32" keeps the values of any number, up to
        single precision. "auto" keeps floats that leave [0, 1], or that span less than 16 of the 256 values of pixels
        and are none of them, and makes pixels of others.

    Returns
    -------
    ndarray of shape (n, channels, height, width), uint8 or float32

    Raises
    ------
    ValueError
        For another number of dimensions, NaN, infinite values, and floats outside [0, 1] where pixels are asked for.
    TypeError
        For another dtype.

    Examples
    --------
    >>> import numpy as np
    >>> images_from_array(np.ones((2, 8, 9, 3)))[0, 0, 0, 0], images_from_array(np.ones((2, 8, 9, 3))).shape
    (np.uint8(255), (2, 3, 8, 9))
    >>> images_from_array(np.full((2, 8, 9), -7.5), "float32")[0, 0, 0, 0]
    np.float32(-7.5)
    """
    channels_last = not isinstance(images, torch.Tensor)
    if isinstance(images, torch.Tensor):
        images = images.detach().cpu()
        images = images.float() if images.dtype == torch.bfloat16 else images  # numpy has no such type
    array = np.asarray(images)
    if array.dtype == object:
        sizes = {np.shape(image) for image in array}
        if len(sizes) > 1:
            raise ValueError(f"all images must have the same size, got {listed(sizes)}; resize them first")
        array = np.stack([np.asarray(image) for image in array])
    if array.ndim not in (3, 4):
        layout = (
            "(n, height, width) or (n, height, width, channels)" if channels_last else "(n, channels, height, width)"
        )
        raise ValueError(f"images must have shape {layout}, got {array.shape}")
    if array.size == 0:
        raise ValueError(f"images must hold at least one image of at least one pixel, got shape {array.shape}")
    if channels_last and array.ndim == 4 and array.shape[1] < MIN_SIDE <= array.shape[3]:
        raise ValueError(
            f"numpy images must have their channels last, got {array.shape}, which looks like channels first; "
            "pass torch.from_numpy(images) or images.transpose(0, 2, 3, 1)"
        )
    if not channels_last and array.ndim == 4 and array.shape[3] < MIN_SIDE <= array.shape[1]:
        raise ValueError(
            f"torch images must have their channels first, got {tuple(array.shape)}, which looks like channels last; "
            "pass images.permute(0, 3, 1, 2)"
        )
    if array.ndim == 3:
        array = array[:, None]
    elif channels_last:
        array = array.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(_converted(array, dtype))


def _converted(array: NDArray[Any], dtype: str) -> NDArray[Any]:
    if dtype == "float32":
        return _to_float32(array)
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255)
    if not np.issubdtype(array.dtype, np.floating):
        raise TypeError(
            f"images must be uint8, or floating point in [0, 1], got {array.dtype}; convert them first, or keep their "
            "values with labelled_images(..., dtype='float32')"
        )
    _check_finite(array)
    low, high = float(array.min()), float(array.max())
    if low >= 0 and high <= 1 and not (dtype == "auto" and _lost_as_pixels(array)):
        return np.rint(array * 255).astype(np.uint8)
    if dtype == "auto":
        return _to_float32(array)
    raise ValueError(
        f"floating-point images must have values in [0, 1], got [{low:g}, {high:g}]; undo the normalisation, convert "
        "to uint8 if the values run from 0 to 255, or keep them with labelled_images(..., dtype='float32')"
    )


def _lost_as_pixels(array: NDArray[Any]) -> bool:
    """Whether floats in [0, 1] of a channel lie between so few of the 256 values of pixels that these would be others.

    The array is of shape (n, channels, height, width).
    """
    spans = 255 * np.ptp(array, axis=(0, 2, 3))
    for channel in np.flatnonzero((spans > 0) & (spans < FEW_VALUES)):
        values = 255 * array[:, channel]
        if (np.abs(values - np.rint(values)) > ROUNDED * spans[channel]).any():
            return True
    return False


def _to_float32(array: NDArray[Any]) -> NDArray[np.float32]:
    if array.dtype.kind not in "biuf":
        raise TypeError(f"images must be real numbers, got {array.dtype}; convert them first")
    with np.errstate(over="ignore"):
        converted = array.astype(np.float32)
    _check_finite(converted)
    return converted


def _check_finite(array: NDArray[Any]) -> None:
    if not np.isfinite(array).all():
        raise ValueError("images contain NaN or infinite pixels; remove or fill them first")
