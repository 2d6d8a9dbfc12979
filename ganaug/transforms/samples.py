"""Finding the image and the label in whatever a dataset or a DataLoader hands out, as torchvision does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors

__all__ = ["find_groups", "find_image", "find_label", "groups_finder", "label_finder"]


def label_finder(labels_getter: Any) -> Callable[[Any], Any]:
    """Check what a user passed as `labels_getter`."""
    if labels_getter == "default":
        return find_label
    if callable(labels_getter):
        return labels_getter
    if labels_getter is None:
        raise ValueError("labels_getter must find labels, got None: a synthetic image needs to know its class")
    raise ValueError(f"labels_getter must be 'default' or a callable, got {labels_getter!r}")


def find_label(sample: Any) -> Any:
    """Take the second item of a pair, or of a mapping "labels", "label", or else the first key that contains "label".

    Examples
    --------
    >>> find_label((None, 3)), find_label({"image": None, "label": 7})
    (3, 7)
    """
    if isinstance(sample, Sequence) and not isinstance(sample, str) and len(sample) > 1:
        sample = sample[1]
        if not isinstance(sample, Mapping):
            return sample
    if isinstance(sample, Mapping):
        keys = _keys_with("label", sample)
        if keys:
            return sample[keys[0]]
    raise ValueError(
        f"the labels cannot be found in a {type(sample).__name__}; pass images and labels, a mapping with a key "
        "'labels', or labels_getter="
    )


def groups_finder(groups_getter: Any) -> Callable[[Any], Any]:
    """Check what a user passed as `groups_getter`."""
    if groups_getter == "default":
        return find_groups
    if groups_getter is None:
        return _no_groups
    if callable(groups_getter):
        return groups_getter
    raise ValueError(f"groups_getter must be 'default', None or a callable, got {groups_getter!r}; pass one of these")


def find_groups(sample: Any) -> Any:
    """Take the third of three items if it may hold groups, or of a mapping "groups", "group", or a key with "group".

    Examples
    --------
    >>> find_groups((None, 3, ["old"])), find_groups({"label": 7, "group": ["new"]}), find_groups((None, 3))
    (['old'], ['new'], None)
    """
    if isinstance(sample, Sequence) and not isinstance(sample, str):
        if len(sample) == 3 and _may_be_groups(sample[2]):
            return sample[2]
        sample = sample[1] if len(sample) > 1 else None
    if isinstance(sample, Mapping):
        keys = _keys_with("group", sample)
        return sample[keys[0]] if keys else None
    return None


def _keys_with(word: str, sample: Mapping[Any, Any]) -> list[str]:
    """Keys that contain a word, its plural first, and then the word itself."""
    keys = [key for key in sample if isinstance(key, str) and word in key.lower()]
    return sorted(keys, key=lambda key: [f"{word}s", word, key.lower()].index(key.lower()))


def _no_groups(sample: Any) -> None:
    """Find none."""


def _may_be_groups(item: Any) -> bool:
    """Whether something is a row of integers, booleans or names, of which some may be missing."""
    if isinstance(item, Tensor):
        return item.ndim == 1 and not item.is_floating_point()
    if isinstance(item, np.ndarray):
        return item.ndim == 1 and item.dtype.kind in "biuUO"
    if not isinstance(item, list | tuple) or not any(group is not None for group in item):
        return False
    return all(group is None or isinstance(group, str | int | np.integer | np.bool_) for group in item)


def find_image(flat: list[Any], label: Any) -> int:
    """Position of the only image: a tv_tensors.Image or PIL image, else the first tensor that can be one."""
    others = [type(item).__name__ for item in flat if isinstance(item, tv_tensors.TVTensor)]
    others = [name for name in others if name != "Image"]
    if others:
        raise ValueError(f"a sample with {others[0]} is not supported: it would not fit a synthetic image")
    explicit = [i for i, item in enumerate(flat) if isinstance(item, tv_tensors.Image | Image.Image)]
    if len(explicit) > 1:
        raise ValueError(f"a sample must hold one image or batch of images, got {len(explicit)}")
    tensors = [i for i, item in enumerate(flat) if isinstance(item, Tensor) and item is not label]
    shaped = [i for i in tensors if flat[i].ndim >= 3]
    found = explicit or shaped or tensors
    if not found:
        raise ValueError("there is no image: pass a tensor, a tv_tensors.Image or a PIL image beside the label")
    return found[0]
