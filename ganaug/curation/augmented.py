"""Labelled images with synthetic ones added to their classes, in one call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import clone

from ganaug.curation.cells import cells_to_add, check_cells
from ganaug.curation.class_counts import images_to_add
from ganaug.curation.drawing import draw_filtered_cells
from ganaug.curation.image_filters import ImageFilter
from ganaug.curation.image_gate import ImageGateDecision, choose_ratio
from ganaug.data import LabelledImages, labelled_images
from ganaug.data.groups import cell_counts, check_groups, groups_from_array, groups_like, ignore_classes_in_one_group
from ganaug.data.images.labelled import UNLABELLED
from ganaug.data.images.like import images_like
from ganaug.engine.devices import RandomStateLike
from ganaug.generators.contract import check_generator, takes
from ganaug.generators.pseudo_labels import labelled_part

__all__ = ["AugmentedImages", "augment_images", "check_all_have_labels"]


@dataclass(frozen=True)
class AugmentedImages:
    """Real images, in their order, and synthetic ones after them.

    Attributes
    ----------
    images : ndarray of shape (n, channels, height, width), uint8 or float32
    labels : ndarray of shape (n,)
    is_synthetic : ndarray of shape (n,), bool
    reason : str
        Why as many were added, where that was chosen by validation; otherwise empty.
    groups : ndarray of shape (n,), optional
        Where the real images have groups; unknown ones of synthetic images whose generator has none.

    Examples
    --------
    >>> from ganaug import ImageGAN, labelled_images
    >>> from ganaug.curation import augment_images
    >>> digits = labelled_images("digits").subset(range(100))
    >>> gan = ImageGAN(steps=2, random_state=0, verbose=False).fit(digits)
    >>> more = augment_images(digits, generator=gan, prefit=True, per_class=2, keep=[], random_state=0)
    >>> more.images.shape, int(more.is_synthetic.sum())
    ((120, 1, 8, 8), 20)
    """

    images: NDArray[Any]
    labels: NDArray[Any]
    is_synthetic: NDArray[np.bool_]
    reason: str = ""
    groups: NDArray[Any] | None = None


def augment_images(
    images: Any,
    labels: Any = None,
    *,
    groups: Any = None,
    generator: Any,
    per_class: float | Literal["balance", "auto"] | Mapping[Any, int] | ImageGateDecision | None = None,
    per_cell: int | Literal["balance"] | Mapping[tuple[Any, Any], int] | pd.DataFrame | None = None,
    keep: Literal["auto"] | Iterable[ImageFilter] = "auto",
    prefit: bool = False,
    device: str | torch.device = "auto",
    random_state: RandomStateLike = None,
) -> AugmentedImages:
    """Add synthetic images to the classes of labelled ones.

    Parameters
    ----------
    images, labels, groups
        What :func:`ganaug.labelled_images` reads; images without a label are kept, and none are added to them.
    generator : Generator
        Of images. A copy is trained on these images, if any are to be added at all.
    per_class : int, float, "balance", "auto", dict or ImageGateDecision, optional
        By default "balance", unless there is `per_cell`. Images to add to each class: a number, a share of the real
        ones, as many as make all classes as large as the largest, a number by label, or as many as pay in inner
        validation, which may be none: "auto" for that of :func:`ganaug.choose_ratio` with its defaults, or what it
        returned.
    per_cell : int, "balance", dict or DataFrame, optional
        In place of `per_class`, where images have groups and the generator learns them: images to add to each cell, a
        combination of class and group, also to those without real ones; as many as make all as large as the largest;
        or numbers by (class, group), in a DataFrame with a row for each class and a column for each group. The unknown
        group gets images only where such numbers ask for them.
    keep : "auto" or sequence of filters
        What synthetic images must pass: by default the filters of the decision, where `per_class` is one, and otherwise
        those that drop copies of real images and what is untypical of its class.
    prefit : bool
        Whether the generator is used as it is, trained on these images before.
    device : str
        Where the classifiers of the validation are trained.
    random_state : int, RandomState, Generator or None

    Returns
    -------
    AugmentedImages

    Raises
    ------
    ValueError
        For a number of images that cannot be, for `per_cell` without groups or with a generator that has none, and for
        ``per_class="auto"`` with filters or with images without a label.

    Examples
    --------
    >>> from ganaug import ImageGAN, labelled_images
    >>> digits = labelled_images("digits").subset(range(60))
    >>> gan = ImageGAN(steps=2, random_state=0, device="cpu", verbose=False)
    >>> more = augment_images(digits, generator=gan, per_class=2, keep=[], random_state=0)
    >>> more.images.shape, int(more.is_synthetic.sum())
    ((80, 1, 8, 8), 20)
    """
    check_generator(generator, "generator", "images", fitted=prefit)
    data = _read(images, labels, groups, generator if prefit else None)
    known = labelled_part(data)
    if per_cell is not None:
        if per_class is not None:
            raise ValueError("per_class and per_cell exclude each other, got both; pass one of them")
        _check_cells(generator, known, prefit)
        table = cells_to_add(per_cell, cell_counts(known.labels, known.groups), known.class_names)
        # A fitted generator need not know classes and groups that get nothing, such as the unknown one.
        table = table.loc[table.any(axis=1), table.any(axis=0)]
        return _augmented(data, None, table, generator, keep, prefit, random_state)
    counts = dict(zip(*(part.tolist() for part in np.unique(known.labels, return_counts=True)), strict=True))
    choice: Any = "balance" if per_class is None else per_class
    if isinstance(choice, str) and choice == "auto":
        if keep != "auto":
            raise ValueError("per_class 'auto' chooses filters too; leave keep out, or pass a number")
        check_all_have_labels(data.labels)
        choice = choose_ratio(generator, data, device=device, random_state=random_state)
    if decided := isinstance(choice, ImageGateDecision):
        keep = choice.keep if keep == "auto" else keep
    added = choice.images_to_add(counts) if decided else images_to_add(choice, counts)
    reason = choice.reason if decided else ""
    return _augmented(data, added, None, generator, keep, prefit, random_state, reason)


def check_all_have_labels(labels: NDArray[Any], n_missing: int = 0) -> None:
    """Raise ``ValueError`` for ``per_class="auto"`` where labels are -1, or so many more are missing."""
    n_without = n_missing + (int((labels == UNLABELLED).sum()) if labels.dtype.kind == "i" else 0)
    if n_without:
        lack = "1 image lacks" if n_without == 1 else f"{n_without:,} images lack"
        raise ValueError(
            f"per_class 'auto' validates with labels, which {lack}; pass a number, or leave out what has no label"
        )


def _augmented(
    data: LabelledImages,
    added: Mapping[Any, int] | None,
    per_cell: pd.DataFrame | None,
    generator: Any,
    keep: Literal["auto"] | Iterable[ImageFilter],
    prefit: bool,
    random_state: Any,
    reason: str = "",
) -> AugmentedImages:
    """Train the generator if anything is to be added, and draw that by class or by cell."""
    numbers = list((added or {}).values()) if per_cell is None else per_cell.to_numpy()
    if not np.any(numbers):
        return AugmentedImages(data.images, data.labels, np.zeros(len(data), dtype=bool), reason, data.groups)
    gan = generator if prefit else clone(generator, safe=False).fit(data)
    filters = keep if isinstance(keep, str) else list(keep)
    real = data if filters else None
    drawn, positions, of = draw_filtered_cells(gan, added, per_cell, real=real, keep=filters, random_state=random_state)
    groups = None
    if data.groups is not None:
        new = [None] * len(drawn) if of is None else groups_like(np.asarray(gan.groups_)[of], data.groups).tolist()
        groups = groups_from_array([*data.groups.tolist(), *new], len(data) + len(drawn))
    return AugmentedImages(
        np.concatenate([data.images, drawn]),
        np.concatenate([data.labels, np.asarray(gan.classes_)[positions]]),
        np.arange(len(data) + len(drawn)) >= len(data),
        reason,
        groups,
    )


def _read(images: Any, labels: Any, groups: Any, fitted: Any) -> LabelledImages:
    """Images as ``fit`` reads them, or as those that a fitted generator draws."""
    if fitted is None:
        return labelled_images(images, labels, groups=groups, dtype="auto")
    spec = fitted.sample_spec_
    data = images_like(images, labels, dtype=spec.dtype, groups=groups)
    if (data.image_shape, str(data.images.dtype)) != (spec.shape, spec.dtype):
        raise ValueError(
            f"images are {data.images.dtype} of shape {data.image_shape}, the generator draws {spec.dtype} of shape "
            f"{spec.shape}; pass what it was trained on, read alike"
        )
    return data


def _check_cells(generator: Any, known: LabelledImages, prefit: bool) -> None:
    """Find out before any training that there are cells, and that the generator learns or knows them."""
    if known.groups is None:
        raise ValueError("per_cell needs the group of each image, got none; pass groups=")
    if prefit:
        check_cells(generator)
    elif not takes(generator.fit, "groups"):
        raise ValueError(
            f"per_cell needs a generator that learns groups, and the fit of {type(generator).__name__} takes none; "
            "pass per_class, or another generator"
        )
    with nullcontext() if prefit else ignore_classes_in_one_group():  # `fit` warns of them
        check_groups(known.labels, known.groups, use="conditioning")
