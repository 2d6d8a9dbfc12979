"""Training image classifiers: what augmentation and samples are measured with."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ganaug.classifiers.batches import batch_drawer, cell_drawer
from ganaug.classifiers.networks import NormedCNN, SmallCNN
from ganaug.classifiers.pixel_range import BYTES, PixelRange
from ganaug.data.host_states import plain_states
from ganaug.data.images.tensors import shared_tensor
from ganaug.data.labels import like_first, shared_classes
from ganaug.engine.config import PRECISIONS
from ganaug.engine.devices import auto_precision, random_generator, resolve_device
from ganaug.engine.host import computing_on, samples_at_once
from ganaug.engine.loop import cosine

__all__ = [
    "ClassifierConfig",
    "DynamicsClassifier",
    "ImageClassifier",
    "balanced_class_weight",
    "class_consistency",
    "classification_accuracy_score",
    "predict_proba",
    "prediction_batch",
    "train_classifier",
]

PREDICTION_BATCH = 1000
CHANNELS = 32  # of the first feature map, which is the largest
CLASSIFIER_PRECISIONS = (*PRECISIONS, "auto")


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
    precision : {"fp32", "bf16", "auto"}
        What the network computes in while it is trained, as ``RunOptions.precision`` is for generators: "auto" is
        bfloat16 where the processor or GPU multiplies it itself. Weights, loss and predictions are float32.
    threads : int or None
        Threads of the processor that it is trained by on a CPU, as ``RunOptions.threads`` is for generators; None
        leaves the number that torch has.

    Raises
    ------
    ValueError
        For another precision, or fewer than one thread.

    Examples
    --------
    >>> from ganaug.metrics import ClassifierConfig
    >>> ClassifierConfig(steps=100)
    ClassifierConfig(steps=100, batch_size=64, learning_rate=0.001, precision='fp32', threads=1)
    """

    steps: int = 400
    batch_size: int = 64
    learning_rate: float = 1e-3
    precision: str = "fp32"
    threads: int | None = 1

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be at least 1, or None for torch's, got {self.threads!r}")
        if self.precision not in CLASSIFIER_PRECISIONS:
            found = ", ".join(map(repr, CLASSIFIER_PRECISIONS))
            raise ValueError(f"precision must be one of {found}, got {self.precision!r}; leave it out for fp32")

    def dtype(self, device: torch.device | str) -> torch.dtype:
        """What a network on a device computes in while it is trained.

        Examples
        --------
        >>> ClassifierConfig(precision="bf16").dtype("cpu"), ClassifierConfig(precision="auto").dtype("meta")
        (torch.bfloat16, torch.float32)
        """
        return PRECISIONS[self.resolved(device)]

    def resolved(self, device: torch.device | str) -> str:
        """The precision, "fp32" or "bf16", that "auto" is on a device."""
        return auto_precision(torch.device(device)) if self.precision == "auto" else self.precision


@plain_states()
def train_classifier(
    draw_batch: Callable[[int], tuple[Tensor, ...]],
    image_shape: tuple[int, int, int],
    n_classes: int,
    config: ClassifierConfig,
    generator: torch.Generator,
    *,
    make_network: Callable[[tuple[int, int, int], int], nn.Module] = SmallCNN,
    class_weight: Tensor | None = None,
    device: torch.device | str = "cpu",
    after_step: Callable[[int, nn.Module], None] | None = None,
    pixel_range: PixelRange = BYTES,
) -> nn.Module:
    """Train a network from its own random start.

    Parameters
    ----------
    draw_batch : callable
        Takes a batch size; returns float images in [0, 1], and int64 class indices or class probabilities; and possibly
        the classes that the loss of each image compares, bool of shape (batch, n_classes), by default all.
    image_shape : tuple of int
    n_classes : int
    config : ClassifierConfig
    generator : torch.Generator
        On the CPU; draws the initial weights.
    make_network : callable
        Takes image shape and number of classes; returns a module from images to logits. If it has a method ``reset``,
        that draws the weights from `generator`; otherwise torch's global generator, seeded by it, does.
    class_weight : Tensor of shape (n_classes,), optional
        Of the loss.
    device : device
    after_step : callable, optional
        Called with the number of steps done and the network, in training mode.
    pixel_range : PixelRange
        What the batches were scaled by, which the network keeps for :func:`predict_proba`.

    Returns
    -------
    Module
        In evaluation mode, on `device`.
    """
    with torch.random.fork_rng(devices=[]):
        if not hasattr(make_network, "reset"):
            torch.default_generator.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        network = make_network(image_shape, n_classes)
    vars(network)["pixel_range"] = pixel_range
    reset = getattr(network, "reset", None)
    if reset is not None:
        reset(generator)
    network.to(device).train()
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    weight_of_class = class_weight.to(device) if class_weight is not None else None
    optimizer = torch.optim.Adam(weights, fused=True)
    dtype, on = config.dtype(device), torch.device(device).type
    with computing_on(device, config.threads):
        for step in range(config.steps):
            optimizer.param_groups[0]["lr"] = cosine(config.learning_rate, 0.0, step / config.steps)
            images, labels, *among = (part.to(device, non_blocking=True) for part in draw_batch(config.batch_size))
            optimizer.zero_grad()
            with nullcontext() if dtype == torch.float32 else torch.autocast(on, dtype, cache_enabled=False):
                logits = network(images)
            logits = logits.float()
            for compared in among:
                logits = logits.masked_fill(~compared, -torch.inf)
            F.cross_entropy(logits, labels, weight=weight_of_class).backward()
            optimizer.step()
            if after_step is not None:
                after_step(step + 1, network)
    return network.eval()


def balanced_class_weight(targets: NDArray[np.integer], n_classes: int) -> Tensor:
    """Weights of classes by their inverse frequency, one where all are of one size: shape (n_classes,).

    Examples
    --------
    >>> balanced_class_weight(np.array([0, 0, 0, 1]), 2).tolist()
    [0.6666666865348816, 2.0]
    """
    counts = np.bincount(targets, minlength=n_classes)
    return torch.from_numpy(len(targets) / (n_classes * counts)).float()


class ImageClassifier:
    """A :class:`SmallCNN` in scikit-learn's manner, trained on classes in equal shares.

    Where images have groups it is a :class:`NormedCNN`, trained on cells of class and group in equal shares, that no
    group shall mislead: an image is told from the classes that its group has alone, so that nothing is learnt of the
    classes that a group lacks. It is the restricted softmax of Li and Zhan, "FedRS: Federated Learning with Restricted
    Softmax for Label Distribution Non-IID Data", KDD 2021, with a scale of zero.

    Parameters
    ----------
    n_classes : int
    seed : int
    config : ClassifierConfig
    device : device
        Where it is trained.

    Attributes
    ----------
    network_ : Module

    Examples
    --------
    >>> images = np.zeros((20, 1, 8, 8), np.uint8)
    >>> images[10:] = 255
    >>> model = ImageClassifier(2, seed=0, config=ClassifierConfig(steps=20)).fit(images, np.repeat([0, 1], 10))
    >>> model.predict_proba(images).argmax(1)[[0, -1]].tolist()
    [0, 1]
    """

    def __init__(
        self,
        n_classes: int,
        seed: int,
        config: ClassifierConfig = ClassifierConfig(),
        device: torch.device | str = "cpu",
    ) -> None:
        self.n_classes = n_classes
        self.seed = seed
        self.config = config
        self.device = device

    @plain_states()
    def fit(self, images: NDArray[Any], labels: NDArray[np.integer], groups: NDArray[np.integer] | None = None) -> Self:
        """Train on images (n, channels, height, width), uint8 or float32, and their class and group indices.

        A negative group index stands for an unknown group, whose images are told from all classes.
        """
        generator = torch.Generator().manual_seed(self.seed)
        draw: Callable[[int], tuple[Tensor, ...]] = (
            batch_drawer((images, labels), generator, balanced=True)
            if groups is None
            else cell_drawer((images, labels), groups, self.n_classes, generator)
        )
        shape = (images.shape[1], images.shape[2], images.shape[3])
        self.network_ = train_classifier(
            draw,
            shape,
            self.n_classes,
            self.config,
            generator,
            make_network=SmallCNN if groups is None else NormedCNN,
            device=self.device,
            after_step=self._after_step,
            pixel_range=PixelRange.of(images),
        )
        return self

    def _after_step(self, step: int, network: nn.Module) -> None:
        """For those who look at the training."""

    def predict_proba(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Class probabilities: shape (n, n_classes)."""
        return predict_proba(self.network_, images)


class DynamicsClassifier(ImageClassifier):
    """A classifier that scores by its whole training: steady confidence counts, wavering does not.

    The score of an image and a class is the mean of the class's probability over ten checkpoints, less its standard
    deviation over them: the confidence and the variability of Swayamdipta et al., "Dataset Cartography: Mapping and
    Diagnosing Datasets with Training Dynamics", EMNLP 2020.

    Parameters
    ----------
    n_classes, seed, config, device
        As for :class:`ImageClassifier`.
    """

    checkpoints: ClassVar[int] = 10

    def fit(self, images: NDArray[Any], labels: NDArray[np.integer], groups: NDArray[np.integer] | None = None) -> Self:
        """Train, and keep the networks on the way."""
        self.networks_: list[nn.Module] = []
        return super().fit(images, labels, groups)

    def _after_step(self, step: int, network: nn.Module) -> None:
        # Evenly spread, the last one after the last step.
        steps, n = self.config.steps, self.checkpoints
        if step * n // steps > (step - 1) * n // steps:
            self.networks_.append(copy.deepcopy(network).eval())

    def predict_proba(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Scores: shape (n, n_classes), at most 1."""
        each = np.stack([predict_proba(network, images) for network in self.networks_])
        return each.mean(0) - each.std(0)


@plain_states()
@torch.no_grad()
def predict_proba(network: nn.Module, images: NDArray[Any], *, batch_size: int | None = None) -> NDArray[np.float32]:
    """Class probabilities of images (n, channels, height, width): shape (n, n_classes).

    Images are uint8, or of the dtype that the network was trained on. By default they are shown in batches of a size
    that the device is fast with.
    """
    device = next(network.parameters()).device
    scale: Any = getattr(network, "pixel_range", BYTES)
    batch = batch_size or prediction_batch(network, images)
    with computing_on(device, threads=None) if len(images) > batch else nullcontext():
        parts = [
            network(scale.unit(shared_tensor(images[start : start + batch]).to(device))).softmax(1).cpu()
            for start in range(0, len(images), batch)
        ]
    return torch.cat(parts).numpy()


def prediction_batch(network: nn.Module, images: NDArray[Any]) -> int:
    """How many images a network is shown at a time, by default."""
    if next(network.parameters()).device.type != "cpu":
        return PREDICTION_BATCH
    side = getattr(network, "side", None)  # which it resizes images to
    pixels = side**2 if side else images.shape[2] * images.shape[3]
    return min(PREDICTION_BATCH, samples_at_once(CHANNELS * pixels))


def class_consistency(
    network: nn.Module, images: NDArray[Any], labels: NDArray[np.integer], n_classes: int
) -> NDArray[np.float64]:
    """Share of each class's images that a classifier assigns to that class.

    Parameters
    ----------
    network : Module
        Trained on real images only.
    images : ndarray of shape (n, channels, height, width), uint8 or float32
    labels : ndarray of shape (n,), integer
        Class indices the images were sampled for; each class occurs.
    n_classes : int

    Returns
    -------
    ndarray of shape (n_classes,)
        In [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from ganaug.metrics import class_consistency
    >>> class Bright(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.gain = torch.nn.Parameter(torch.ones(1))
    ...     def forward(self, images):
    ...         light = self.gain * images.mean(dim=(1, 2, 3))
    ...         return torch.stack([-light, light], dim=1)  # logits of "dark" and "bright"
    ...
    >>> images = np.zeros((4, 1, 8, 8), np.uint8)
    >>> images[2] = 255
    >>> class_consistency(Bright(), images, np.array([0, 0, 1, 1]), 2)
    array([1. , 0.5])
    """
    hit = predict_proba(network, images).argmax(1) == labels
    return np.array([hit[labels == c].mean() for c in range(n_classes)])


@plain_states()
def classification_accuracy_score(
    synthetic: NDArray[Any],
    synthetic_labels: NDArray[Any],
    real: NDArray[Any],
    real_labels: NDArray[Any],
    *,
    config: ClassifierConfig | None = None,
    random_state: Any = 0,
    device: torch.device | str = "auto",
) -> NDArray[np.float64]:
    """Accuracy on real images of a classifier trained on synthetic images only (CAS), per class.

    Parameters
    ----------
    synthetic, real : ndarray of shape (n, channels, height, width), uint8 or float32
        Sizes, channels and dtypes are the same.
    synthetic_labels, real_labels : ndarray of shape (n,)
        Every class occurs on both sides.
    config : ClassifierConfig, optional
    random_state : int, RandomState, Generator or None, default=0
    device : str or device, default="auto"

    Returns
    -------
    ndarray of shape (n_classes,)
        Recall of each class, classes sorted, in [0, 1]. The mean is the score, with classes in equal shares.

    Raises
    ------
    ValueError
        For a class that is missing on one side, or images of different shapes.

    References
    ----------
    Ravuri and Vinyals, "Classification Accuracy Score for Conditional Generative Models", NeurIPS 2019.

    Examples
    --------
    >>> images = np.zeros((20, 1, 8, 8), np.uint8)
    >>> images[10:] = 255
    >>> labels = np.repeat(["dark", "light"], 10)
    >>> quick = ClassifierConfig(steps=20)
    >>> classification_accuracy_score(images, labels, images, labels, config=quick, device="cpu").tolist()
    [1.0, 1.0]
    """
    if synthetic.shape[1:] != real.shape[1:]:
        raise ValueError(
            f"synthetic and real images must have one shape, got {synthetic.shape[1:]} and {real.shape[1:]}; resize one"
        )
    sides = like_first({"real": real_labels, "synthetic": synthetic_labels})
    real_labels, synthetic_labels = sides["real"], sides["synthetic"]
    classes = shared_classes(sides)
    seed = random_generator(random_state, "classification accuracy score").initial_seed()
    model = ImageClassifier(len(classes), seed, config or ClassifierConfig(), resolve_device(device))
    model.fit(synthetic, np.searchsorted(classes, synthetic_labels))
    return class_consistency(model.network_, real, np.searchsorted(classes, real_labels), len(classes))
