"""Images that a suite names, with their groups and the columns of their splits."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ganaug.bench.inputs.datasets.sources import SPLIT_COLUMNS, called, check_keys, is_module, split_columns
from ganaug.bench.inputs.decoded import decoded_images
from ganaug.bench.suite.plugins import Plugin
from ganaug.data import LabelledImages, labelled_audio, labelled_images
from ganaug.data.audio.sources import holds_sounds
from ganaug.data.files import user_path
from ganaug.data.images.sources import EMBEDDED
from ganaug.data.images.synthetic_marks import check_images_real
from ganaug.data.json_values import short

__all__ = ["image_split_columns", "load_images"]

OF_SOUNDS = ("sample_rate", "duration", "mel")


def load_images(source: Plugin) -> LabelledImages:
    """Read labelled images.

    Parameters
    ----------
    source : Plugin
        What :func:`ganaug.labelled_images` reads from a string, with the parameters `size`, `groups` and
        `split_columns`; a folder of sounds, with `sample_rate`, `duration`, `mel` and `groups` of
        :func:`ganaug.labelled_audio` and `split_columns`; or the import path of a function, whose result it reads, with
        its groups. `origin` is what its images come from, as two datasets that are cut from one must say.

    Returns
    -------
    LabelledImages

    Raises
    ------
    ValueError
        If there are no such images, a GAN cannot be trained on them, or they say that some are synthetic.
    """
    module = source.target.rpartition(".")[0]
    if source.target not in EMBEDDED and not user_path(source.target).exists() and is_module(module):
        return labelled_images(called(source, source.params), train=True)
    check_keys(source, "groups", SPLIT_COLUMNS, *(OF_SOUNDS if holds_sounds(source.target) else ("size",)))
    groups = source.params.get("groups")
    if not isinstance(groups, str | None):
        raise ValueError(
            f"dataset {source.name!r}: groups must be a column, 'folder' or a pattern, got {short(groups)}"
        )
    data = _images_of(source, groups)
    data.check_trainable()
    check_images_real(user_path(source.target), data)
    return data


def _images_of(source: Plugin, groups: str | None) -> LabelledImages:
    """Images of files or sounds, with the groups that a column, a folder or a pattern gives them."""
    if holds_sounds(source.target):
        how = {key: value for key, value in source.params.items() if key in OF_SOUNDS}
        return labelled_audio(source.target, groups=groups, **how)
    size = source.params.get("size")
    return decoded_images(source.target, tuple(size) if isinstance(size, list) else size, groups)


def image_split_columns(source: Plugin) -> dict[str, NDArray[Any]]:
    """Read the columns that say which images of a dataset are trained and tested on, as its groups are read.

    Parameters
    ----------
    source : Plugin
        As for :func:`load_images`; its parameter `split_columns` names them.

    Returns
    -------
    dict of str to ndarray of shape (n_images,)
        By name; empty where none is named.

    Raises
    ------
    ValueError
    """
    found = {}
    for name in split_columns(source):
        try:
            groups = _images_of(source, name).groups
        except (ValueError, TypeError) as error:
            raise ValueError(f"dataset {source.name!r}: split column {name!r}, read as groups are: {error}") from None
        assert groups is not None
        found[name] = groups
    return found
