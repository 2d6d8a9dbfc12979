"""Labelled images with synthetic ones added to their classes, in one call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone

from ganaug.curation.class_counts import images_to_add
from ganaug.curation.drawing import draw_filtered
from ganaug.curation.image_filters import ImageFilter
from ganaug.curation.image_gate import ImageGateDecision, choose_ratio
from ganaug.data import LabelledImages, labelled_images
from ganaug.data.images.like import images_like
from ganaug.generators.contract import check_generator
from ganaug.generators.pseudo_labels import labelled_part

__all__ = ["AugmentedImages", "augment_images"]


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
    """

    images: NDArray[Any]
    labels: NDArray[Any]
    is_synthetic: NDArray[np.bool_]
    reason: str = ""


def augment_images(
    images: Any,
    labels: Any = None,
    *,
    generator: Any,
    per_class: float | str | Mapping[Any, int] | ImageGateDecision = "balance",
    keep: str | Iterable[ImageFilter] = "auto",
    prefit: bool = False,
    device: str | torch.device = "auto",
    random_state: Any = None,
) -> AugmentedImages:
    """Add synthetic images to the classes of labelled ones.

    Parameters
    ----------
    images, labels
        What :func:`ganaug.labelled_images` reads; images without a label are kept, and none are added to them.
    generator : Generator
        Of images. A copy is trained on these images, if any are to be added at all.
    per_class : int, float, "balance", "auto", dict or ImageGateDecision
        Images to add to each class: a number, a share of the real ones, as many as make all classes as large as the
        largest, a number by label, or as many as pay in inner validation, which may be none: "auto" for that of
        :func:`ganaug.choose_ratio` with its defaults, or what it returned.
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
        For a number of images that cannot be, and for ``per_class="auto"`` with filters or with images without a label.

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
    data = _read(images, labels, generator if prefit else None)
    known = labelled_part(data)
    counts = dict(zip(*(part.tolist() for part in np.unique(known.labels, return_counts=True)), strict=True))
    choice: Any = per_class
    if isinstance(choice, str) and choice == "auto":
        if keep != "auto":
            raise ValueError("per_class 'auto' chooses filters too; leave keep out, or pass a number")
        if len(known) < len(data):
            raise ValueError(
                f"per_class 'auto' validates with labels, which {len(data) - len(known)} images lack; pass a number, "
                "or leave these out"
            )
        choice = choose_ratio(generator, data, device=device, random_state=random_state)
    if decided := isinstance(choice, ImageGateDecision):
        keep = choice.keep if keep == "auto" else keep
    added = choice.images_to_add(counts) if decided else images_to_add(choice, counts)
    reason = choice.reason if decided else ""
    if not any(added.values()):
        return AugmentedImages(data.images, data.labels, np.zeros(len(data), dtype=bool), reason)
    gan = generator if prefit else clone(generator, safe=False).fit(data)
    filters = keep if isinstance(keep, str) else list(keep)
    real = data if filters else None
    drawn, positions = draw_filtered(gan, added, real=real, keep=filters, random_state=random_state)
    return AugmentedImages(
        np.concatenate([data.images, drawn]),
        np.concatenate([data.labels, np.asarray(gan.classes_)[positions]]),
        np.arange(len(data) + len(drawn)) >= len(data),
        reason,
    )


def _read(images: Any, labels: Any, fitted: Any) -> LabelledImages:
    """Images as ``fit`` reads them, or as those that a fitted generator draws."""
    if fitted is None:
        return labelled_images(images, labels, dtype="auto")
    spec = fitted.sample_spec_
    data = images_like(images, labels, dtype=spec.dtype)
    if (data.image_shape, str(data.images.dtype)) != (spec.shape, spec.dtype):
        raise ValueError(
            f"images are {data.images.dtype} of shape {data.image_shape}, the generator draws {spec.dtype} of shape "
            f"{spec.shape}; pass what it was trained on, read alike"
        )
    return data
