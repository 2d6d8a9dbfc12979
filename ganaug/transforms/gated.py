"""Synthetic images for a dataset, as many as inner validation says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from sklearn.base import clone
from torch import Tensor

from ganaug.curation import ImageGateDecision, choose_ratio
from ganaug.curation.drawing import draw_filtered_cells
from ganaug.data import LabelledImages
from ganaug.data.groups import groups_like
from ganaug.data.images.like import images_like
from ganaug.data.images.tensors import shared_tensor
from ganaug.engine.devices import seed_from
from ganaug.generators.contract import Generator, check_generator
from ganaug.transforms.source import Source

__all__ = ["gated_images"]


def gated_images(
    pairs: Any,
    source: Any,
    names: Sequence[str] | None,
    options: Mapping[str, Any],
    random_state: Any,
    groups: NDArray[Any] | None = None,
) -> tuple[Tensor, NDArray[Any], NDArray[Any] | None, ImageGateDecision]:
    """Ask the gate, and draw what it allows.

    Parameters
    ----------
    pairs : map-style dataset of (image, label)
        All real images, untransformed.
    source : generator of images, such as ImageGAN
        Fitted on these images, or not fitted: then it is fitted if anything is to be drawn.
    names : sequence of str or None
        Of the integer labels.
    options : mapping
        For :func:`ganaug.choose_ratio`.
    random_state : int, RandomState, Generator or None
    groups : ndarray of shape (n_real,), optional
        Of the real images.

    Returns
    -------
    images : Tensor of shape (n, channels, height, width), of the dtype of the real images
    labels : ndarray of shape (n,)
    groups : ndarray of shape (n,) or None
        None where the real images or the generator have none.
    decision : ImageGateDecision
    """
    reason = "per_class='auto' trains it on a part of the images, to validate on the others"
    check_generator(source, "source", "images", fitted=False, reason=reason)
    fitted = isinstance(source, Generator)
    resize = fitted and isinstance(pairs[0][0], Image)
    dtype = source.sample_spec_.dtype if fitted else None
    size = source.sample_spec_.shape[1:] if resize else None
    real = images_like(pairs, groups=groups, dtype=dtype, size=size, train=True)
    if fitted and real.images.dtype != dtype:
        raise ValueError(f"the real images are {real.images.dtype}, the generator draws {dtype}; convert them alike")
    if fitted and real.image_shape != source.sample_spec_.shape:
        raise ValueError(
            f"the real images have shape {real.image_shape}, the generator draws {source.sample_spec_.shape}"
        )
    seed = seed_from(random_state)
    decision = choose_ratio(source, real, **{"random_state": seed, **options})
    counts = dict(zip(*(part.tolist() for part in np.unique(real.labels, return_counts=True)), strict=True))
    wanted = decision.images_to_add(counts)
    if not any(wanted.values()):
        none = None if groups is None else groups[:0]
        return shared_tensor(real.images[:0]), real.labels[:0], none, decision
    if fitted:
        # The GAN may know the classes by other labels.
        positions = Source(source, names).positions(np.array(list(counts)))
        theirs = source.classes_[positions].tolist()
        gan, known = source, dict(zip(counts, theirs, strict=True))
        labels = np.array([known[label] for label in real.labels.tolist()])
        real = LabelledImages(real.images, labels, groups=real.groups, facts=real.facts)
    else:
        gan, known = clone(source).set_params(random_state=seed).fit(real), {label: label for label in counts}
    drawn, places, of = draw_filtered_cells(
        gan,
        {known[label]: n for label, n in wanted.items()},
        real=real if decision.keep else None,
        keep=decision.keep,
        random_state=seed,
    )
    ours = {theirs: label for label, theirs in known.items()}
    labels = np.array([ours[label] for label in gan.classes_[places].tolist()])
    new_groups = None if of is None or groups is None else groups_like(np.asarray(gan.groups_)[of], groups)
    return torch.from_numpy(drawn), labels, new_groups, decision
