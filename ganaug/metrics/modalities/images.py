"""Images as a kind of samples: of uint8, or of float32 with values of any scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ganaug.classifiers.image_classifier import ClassifierConfig, ImageClassifier
from ganaug.data.fingerprints import array_keys
from ganaug.data.images.labelled import SPECTROGRAM
from ganaug.data.images.like import images_like
from ganaug.data.images.pictures import class_grid
from ganaug.data.kinds import KINDS
from ganaug.metrics.modalities.protocol import Differences, Prepared, Samples, Training
from ganaug.metrics.pairwise_distances import image_distances, image_points
from ganaug.metrics.sheets import as_pixels

__all__ = ["Images"]


class Images:
    """Images, held as an array (n, channels, height, width); see :class:`~ganaug.metrics.modalities.Modality`.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.metrics.modalities import Images
    >>> images = Images()
    >>> samples = images.read(np.zeros((3, 8, 8), np.uint8), [0, 1, 1])
    >>> samples.items.shape, images.take(samples.items, np.array([2])).shape
    ((3, 1, 8, 8), (1, 1, 8, 8))
    """

    kind = KINDS["images"]
    makes_pictures = True

    def claims(self, samples: Any) -> bool:
        """All that no other kind claims: images come in the most forms."""
        return True

    def read(self, samples: Any, labels: Any, dtype: str | None = None) -> Samples:
        """Read any source of labelled images, and labels beside arrays."""
        has_labels = labels is not None or not isinstance(samples, np.ndarray | torch.Tensor)
        known = labels if has_labels else np.zeros(len(samples), dtype=np.int64)
        data = images_like(samples, known, dtype=dtype)
        read = Samples(
            data.images,
            data.labels,
            has_labels,
            data.has_label,
            str(data.images.dtype),
            data.class_names,
            partial(data.fingerprint, groups=False),
        )
        return replace(read, groups=data.groups, mirrors=SPECTROGRAM not in data.facts)

    def take(self, items: NDArray[Any], indices: NDArray[np.integer]) -> NDArray[Any]:
        """Images at `indices`."""
        return items[indices]

    def aligned(self, items: NDArray[Any], train: NDArray[Any], argument: str) -> NDArray[Any]:
        """Images of the size, channels and dtype of the training images."""
        if items.shape[1:] != train.shape[1:]:
            raise ValueError(
                f"{argument} holds images of shape {items.shape[1:]} and train of {train.shape[1:]} "
                "(channels, height, width); resize or convert them first"
            )
        if items.dtype != train.dtype:
            raise ValueError(
                f"{argument} holds images of {items.dtype} and train of {train.dtype}, whose values are not of one "
                "scale; read both with one dtype"
            )
        return items

    def keys(self, *parts: NDArray[Any]) -> list[NDArray[np.int64]]:
        """A number for each image, the same for those of equal pixels."""
        # A sum turns -0.0 into 0.0, which it is equal to.
        return array_keys(*(part if part.dtype == np.uint8 else part + np.float32(0) for part in parts))

    def prepare(
        self, parts: Sequence[NDArray[Any]], categorical_features: Any = None, device: str | torch.device = "cpu"
    ) -> Prepared:
        """Average large images down; distances are the least over shifts by a pixel and the mirror image."""
        distances = partial(image_distances, device=device)
        return Prepared(
            [image_points(part) for part in parts], list(parts), distances, partial(distances, mirrored=False)
        )

    def probabilities(
        self, inputs: NDArray[Any], labels: NDArray[np.integer], asked: NDArray[Any], n_classes: int, training: Training
    ) -> NDArray[np.floating]:
        """By a small network."""
        config = ClassifierConfig(steps=training.steps)
        return (
            ImageClassifier(n_classes, training.seed, config, training.device).fit(inputs, labels).predict_proba(asked)
        )

    def differences(self, made: NDArray[Any], real: NDArray[Any]) -> Differences:
        """No words: pictures show what differs."""
        return lambda i, origin: ()

    def unit(self, items: NDArray[Any]) -> str:
        """Of uint8 images grey levels."""
        return "grey levels" if items.dtype == np.uint8 else ""

    def sheet(
        self, rows: Sequence[tuple[str, NDArray[Any]]], *, breaks: Sequence[int] = (), heading: str = ""
    ) -> Image.Image:
        """Draw one row of images per name; floats are scaled by the range of all of them."""
        shown = as_pixels(*(images for _, images in rows))
        named = [(name, images) for (name, _), images in zip(rows, shown, strict=True)]
        return class_grid(named, breaks=breaks, heading=heading)
