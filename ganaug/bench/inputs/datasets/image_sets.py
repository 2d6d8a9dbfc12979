"""Sets of images that suites name by these functions: joined files, files of a folder of data, made scanners."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from ganaug.bench.inputs.decoded import decoded_images
from ganaug.classifiers.features import features
from ganaug.data import LabelledImages, labelled_images
from ganaug.data.files import cache_folder, check_regular, user_path, write_atomically
from ganaug.data.images.array_files import read_npz

__all__ = ["grouped_digits", "image_features", "images_of_folder", "images_with_groups", "joined_images", "resized"]

DATA_FOLDER = "GANAUG_DATA"


def joined_images(files: Sequence[str], size: int | None = None) -> LabelledImages:
    """Read several files as one set of labelled images, such as the training and test files of a dataset.

    Parameters
    ----------
    files : sequence of str
        What :func:`ganaug.labelled_images` reads.
    size : int, optional
        Height and width that images are resized to.

    Returns
    -------
    LabelledImages

    Raises
    ------
    ValueError
        If they cannot be joined: images differ in shape.
    """
    parts = [decoded_images(file, size) for file in files]
    shapes = sorted({part.image_shape for part in parts})
    if len(shapes) != 1:
        raise ValueError(f"files must hold images of one shape, got {shapes}; pass size")
    images = np.concatenate([part.images for part in parts])
    labels = np.concatenate([[part.name(label) for label in part.labels.tolist()] for part in parts])
    return LabelledImages(images, labels)


def images_with_groups(file: str, folder: str | None = None, size: int | None = None) -> LabelledImages:
    """Read an ``.npz`` file with groups out of a folder of data that are kept outside of a project.

    Parameters
    ----------
    file : str
        Its name. It holds `images`, `labels` and `groups`, and may hold `group_names`, which `groups` are positions in.
    folder : str, optional
        By default the one that the environment variable ``GANAUG_DATA`` names.
    size : int, optional
        Height and width that images are resized to, by :func:`resized`.

    Returns
    -------
    LabelledImages

    Raises
    ------
    ValueError
        Without such a folder or file.
    """
    path = _in_folder(file, folder)
    data = labelled_images(path, groups="groups")
    if size is not None:
        data = replace(data, images=resized(data.images, size))
    names = read_npz(path, ("group_names",), all_of_them=False).get("group_names")
    return data if names is None else replace(data, groups=names[data.groups])


def resized(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resize images so that each pixel is the mean of those that it covers.

    Parameters
    ----------
    images : ndarray of shape (n, channels, height, width), uint8
    size : int
        Height and width in pixels.

    Returns
    -------
    ndarray of shape (n, channels, size, size), uint8

    Examples
    --------
    >>> resized(np.array([[[[0, 100], [10, 50]]]], np.uint8), 1)
    array([[[[40]]]], dtype=uint8)
    """
    return F.interpolate(torch.from_numpy(images).float(), size=(size, size), mode="area").round().byte().numpy()


def images_of_folder(file: str, folder: str | None = None) -> LabelledImages:
    """Read a file of labelled images, without groups, out of a folder of data that are kept outside of a project.

    Parameters
    ----------
    file : str
        Its name: what :func:`ganaug.labelled_images` reads, such as an ``.npz`` file with `images` and `labels`.
    folder : str, optional
        By default the one that the environment variable ``GANAUG_DATA`` names.

    Returns
    -------
    LabelledImages

    Raises
    ------
    ValueError
        Without such a folder or file.
    """
    return labelled_images(_in_folder(file, folder))


def _in_folder(file: str, folder: str | None) -> Path:
    root = folder or os.environ.get(DATA_FOLDER)
    if not root:
        raise ValueError(f"{file} is looked for in the folder that {DATA_FOLDER} names, which is not set; set it")
    path = user_path(root) / file
    if not path.is_file():
        raise ValueError(f"there is no {file} in {root}; make it, or set {DATA_FOLDER} to the folder that holds it")
    return path


def grouped_digits() -> LabelledImages:
    """The digits of scikit-learn in the style of one of four made scanners each: plain, inverted, faint or blurred.

    Which scanner a digit comes from is random; nothing but the style tells them apart.

    Returns
    -------
    LabelledImages
        1,797 images of 8x8 pixels, in the groups "blurred", "faint", "inverted" and "plain".

    Examples
    --------
    >>> data = grouped_digits()
    >>> len(data), sorted(set(data.groups.tolist()))
    (1797, ['blurred', 'faint', 'inverted', 'plain'])
    """
    data = labelled_images("digits")
    names = np.array(["blurred", "faint", "inverted", "plain"])
    groups = names[np.random.default_rng(0).integers(len(names), size=len(data))]
    styled = {
        "blurred": scipy.ndimage.uniform_filter(data.images, (0, 0, 3, 3)),
        "faint": data.images // 3 + 40,
        "inverted": 255 - data.images,
        "plain": data.images,
    }
    chosen = np.select([(groups == name)[:, None, None, None] for name in names], [styled[name] for name in names])
    return LabelledImages(chosen, data.labels, groups=groups)


def image_features(
    files: Sequence[str], per_class: int | None = None, size: int | None = None
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Read images as a table of their features: 1,280 of EfficientNet-lite0 with ImageNet weights.

    They are kept in the user's cache folder, ``$XDG_CACHE_HOME/ganaug`` or ``~/.cache/ganaug``, for the next process.

    Parameters
    ----------
    files : sequence of str
        As for :func:`joined_images`.
    per_class : int, optional
        Take the first images of each class only.
    size : int, optional
        As for :func:`joined_images`.

    Returns
    -------
    features : ndarray of shape (n, 1280), float32
    labels : ndarray of shape (n,)
    """
    data = joined_images(files, size)
    if per_class is not None:
        first = [np.flatnonzero(data.labels == label)[:per_class] for label in data.classes]
        data = data.subset(np.sort(np.concatenate(first)))
    path = cache_folder() / f"efficientnet-lite0-{data.fingerprint()[:20]}.npy"
    try:
        check_regular(path)
        kept = np.load(path, allow_pickle=False)
        if kept.shape == (len(data), 1280):
            return kept, data.labels
    except (OSError, ValueError):
        pass
    found = features(data.images)
    buffer = io.BytesIO()
    np.save(buffer, found)
    with contextlib.suppress(OSError):
        write_atomically(path, buffer.getvalue())
    return found, data.labels
