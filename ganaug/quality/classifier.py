"""A small convolutional classifier: what augmentation is measured with, and what judges samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ganaug.training.labels import ClassBalancedSampler
from ganaug.training.layers import Conv2d, Linear, initialise
from ganaug.training.loop import cosine

__all__ = ["ClassifierConfig", "ImageClassifier", "SmallCNN", "class_consistency", "predict_proba", "train_classifier"]

PREDICTION_BATCH = 1000


@dataclass(frozen=True)
class ClassifierConfig:
    """How a classifier is trained.

    Attributes
    ----------
    steps : int
        Optimiser steps, the same for everything that is compared.
    batch_size : int
    learning_rate : float
        Of Adam, at the start of a cosine schedule that ends at zero.
    """

    steps: int = 400
    batch_size: int = 64
    learning_rate: float = 1e-3


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

    def forward(self, images: Tensor) -> Tensor:
        """Compute logits; shapes are in the notes of the class."""
        x = F.max_pool2d(F.relu(self.conv1(2 * images - 1)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.logits(F.relu(self.hidden(self.pool(x).flatten(1))))


def train_classifier(
    draw_batch: Callable[[int], tuple[Tensor, Tensor]],
    image_shape: tuple[int, int, int],
    n_classes: int,
    config: ClassifierConfig,
    generator: torch.Generator,
) -> SmallCNN:
    """Train a :class:`SmallCNN` from its own random start.

    Parameters
    ----------
    draw_batch : callable
        Takes a batch size; returns float images in [0, 1] and int64 class indices.
    image_shape : tuple of int
    n_classes : int
    config : ClassifierConfig
    generator : torch.Generator
        On the CPU; draws the initial weights.

    Returns
    -------
    SmallCNN
        In evaluation mode, on the CPU.
    """
    network = SmallCNN(image_shape, n_classes)
    initialise(network, generator, slope=0.0)
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    for step in range(config.steps):
        optimizer.param_groups[0]["lr"] = cosine(config.learning_rate, 0.0, step / config.steps)
        images, labels = draw_batch(config.batch_size)
        optimizer.zero_grad()
        F.cross_entropy(network(images), labels).backward()
        optimizer.step()
    return network.eval()


class ImageClassifier:
    """A :class:`SmallCNN` in scikit-learn's manner, trained on classes in equal shares.

    Parameters
    ----------
    n_classes : int
    seed : int
    config : ClassifierConfig

    Examples
    --------
    >>> images = np.zeros((20, 1, 8, 8), np.uint8)
    >>> images[10:] = 255
    >>> model = ImageClassifier(2, seed=0, config=ClassifierConfig(steps=20)).fit(images, np.repeat([0, 1], 10))
    >>> model.predict_proba(images).argmax(1)[[0, -1]].tolist()
    [0, 1]
    """

    def __init__(self, n_classes: int, seed: int, config: ClassifierConfig = ClassifierConfig()) -> None:
        self.n_classes = n_classes
        self.seed = seed
        self.config = config

    def fit(self, images: NDArray[np.uint8], labels: NDArray[np.integer]) -> ImageClassifier:
        """Train on uint8 images (n, channels, height, width) and their class indices."""
        generator = torch.Generator().manual_seed(self.seed)
        sampler = ClassBalancedSampler(labels, temperature=0.0)

        def draw(batch_size: int) -> tuple[Tensor, Tensor]:
            classes = sampler.draw_labels(batch_size, generator)
            chosen = sampler.draw_indices(classes, generator)
            return torch.from_numpy(images[chosen.numpy()]).float() / 255, classes

        shape = (images.shape[1], images.shape[2], images.shape[3])
        self.network_ = train_classifier(draw, shape, self.n_classes, self.config, generator)
        return self

    def predict_proba(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Class probabilities: shape (n, n_classes)."""
        return predict_proba(self.network_, images)


@torch.no_grad()
def predict_proba(network: nn.Module, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Class probabilities of uint8 images (n, channels, height, width): shape (n, n_classes)."""
    parts = [
        network(torch.from_numpy(images[start : start + PREDICTION_BATCH]).float() / 255).softmax(1)
        for start in range(0, len(images), PREDICTION_BATCH)
    ]
    return torch.cat(parts).numpy()


def class_consistency(
    network: nn.Module, images: NDArray[np.uint8], labels: NDArray[np.integer], n_classes: int
) -> NDArray[np.float64]:
    """Share of each class's images that a classifier assigns to that class.

    Parameters
    ----------
    network : Module
        Trained on real images only.
    images : ndarray of shape (n, channels, height, width), uint8
    labels : ndarray of shape (n,), integer
        Class indices the images were sampled for; each class occurs.
    n_classes : int

    Returns
    -------
    ndarray of shape (n_classes,)
        In [0, 1].
    """
    hit = predict_proba(network, images).argmax(1) == labels
    return np.array([hit[labels == c].mean() for c in range(n_classes)])
