"""Transforms that replace real images by synthetic ones of the same class, in the manner of torchvision's CutMix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional
from PIL import Image
from torch import Tensor
from torch.utils import _pytree as pytree
from torchvision import tv_tensors
from torchvision.transforms import v2

from ganaug.curation import SyntheticPool
from ganaug.data.labels import listed
from ganaug.generators.contract import Generator
from ganaug.transforms.pixels import Pixels, as_fitted
from ganaug.transforms.samples import find_image, label_finder
from ganaug.transforms.source import Source

__all__ = ["RandomSynthetic", "SyntheticMix"]


class _Synthetic(v2.Transform):
    """What the transform of batches and that of single images share."""

    def __init__(
        self,
        source: SyntheticPool | Generator,
        p: float,
        mean: Any,
        std: Any,
        resize: bool,
        labels_getter: str | Callable[[Any], Any],
        classes: Sequence[str] | None,
        missing: str,
    ) -> None:
        super().__init__()
        if isinstance(p, str) or not 0.0 <= p <= 1.0:
            raise ValueError(f"p must be in [0, 1], got {p!r}")
        self.p = p
        # Neither is a Module: a generator's weights must not become parameters of a transform.
        self._source = Source(source, classes, missing=missing)
        self._source.check_names()
        self._pixels = Pixels(mean, std, resize=resize, dtype=self._source.dtype)
        self._find_label = label_finder(labels_getter)

    @property
    def source(self) -> SyntheticPool | Generator:
        """Where the images come from."""
        return self._source.origin

    def extra_repr(self) -> str:
        """What stands between the brackets of the repr."""
        options = {"mean": self._pixels.mean, "std": self._pixels.std, "resize": self._pixels.resize or None}
        given = [f"{name}={value}" for name, value in options.items() if value is not None]
        return ", ".join([f"{self._source!r}", super().extra_repr(), *given])

    def forward(self, *inputs: Any) -> Any:
        """Replace images in a sample or batch of any structure that holds one image and its labels."""
        if not inputs:
            raise ValueError("pass images and labels, or a sample that holds both")
        sample = inputs if len(inputs) > 1 else inputs[0]
        label = self._find_label(sample)
        flat, structure = pytree.tree_flatten(sample)
        where = find_image(flat, label)
        image, new_label = self._replace(flat[where], label)
        if new_label is not label:
            if not any(item is label for item in flat):
                raise ValueError("labels_getter must return an item of the sample itself for its labels to be changed")
            flat = [new_label if item is label else item for item in flat]
        flat[where] = image
        return pytree.tree_unflatten(flat, structure)

    def _replace(self, image: Any, label: Any) -> tuple[Any, Any]:
        raise NotImplementedError


class SyntheticMix(_Synthetic):
    """Replace images of a batch by synthetic ones of the same class.

    Called like :class:`torchvision.transforms.v2.CutMix`, in the training loop or in a ``collate_fn``, and before
    CutMix or MixUp where these are used too. Labels stay as they are: integers of shape (batch,), or one-hot rows.

    Parameters
    ----------
    source : SyntheticPool or generator of images, such as ImageGAN
        A GAN draws on its own device, all images of a batch at once.
    p : float in [0, 1], default=0.3
        Probability with which each image is replaced.
    balance : None, "uniform" or sequence of float, default=None
        None replaces an image by one of its class. Otherwise the classes of the synthetic images are drawn, all equally
        often or with these weights (of the source's classes in their order), and the labels change with them: batches
        of imbalanced data become less so.
    mean, std : sequence of float, optional
        What images were normalised with, if they were: see Notes.
    resize : bool, default=False
        Resize synthetic images whose size differs, in place of an error.
    labels_getter : "default" or callable, default="default"
        Finds the labels in the input, as for CutMix. By default the second of two inputs, or of a mapping the key
        "labels", else the first that contains "label". For workers that are spawned it must be a function of a module.
    classes : sequence of str, optional
        Names that the labels 0, 1, ... stand for, such as ``ImageFolder(...).classes``. They are found by name in the
        source; without it integer labels are the source's own, or count its classes where these are strings. That
        there are images of all of them is checked at once, and not only when a batch holds such a label.
    missing : {"error", "keep"}, default="error"
        What is done about a label that the source, such as a pool of rare classes only, holds no images of: "keep"
        leaves its images real. With `balance` such classes are never drawn.

    Raises
    ------
    ValueError
        When called with a label that the source does not have, soft labels, images of another size or number of
        channels, floats outside [0, 1] without `mean` and `std`, or uint8 images beside a source that draws floats.

    See Also
    --------
    RandomSynthetic : The same for one image.
    AugmentedDataset : Adds images to a dataset in place of replacing some.

    Notes
    -----
    Images are a tensor (batch, channels, height, width) or a ``tv_tensors.Image``: uint8, floating point in [0, 1], or
    normalised with `mean` and `std`. Of a source that draws float32 the values are not rescaled: images are then
    floating point, of the scale that the generator was trained on, before `mean` and `std` if these are given. Output
    has the input's type, dtype, size and device; the input is not changed.
    Random numbers come from torch's global state: workers of a DataLoader differ, and ``DataLoader(generator=...)``
    repeats what they do; in the main process ``torch.manual_seed`` does.

    Examples
    --------
    >>> from ganaug import ImageGAN, labelled_images
    >>> gan = ImageGAN(steps=2, random_state=0, verbose=False).fit(labelled_images("digits").subset(range(100)))
    >>> mix = SyntheticMix(gan, p=0.5)
    >>> images, labels = mix(torch.zeros(4, 1, 8, 8), torch.tensor([3, 1, 4, 1]))
    >>> images.shape, labels.tolist()
    (torch.Size([4, 1, 8, 8]), [3, 1, 4, 1])
    """

    def __init__(
        self,
        source: SyntheticPool | Generator,
        p: float = 0.3,
        balance: str | Sequence[float] | None = None,
        *,
        mean: Any = None,
        std: Any = None,
        resize: bool = False,
        labels_getter: str | Callable[[Any], Any] = "default",
        classes: Sequence[str] | None = None,
        missing: str = "error",
    ) -> None:
        super().__init__(source, p, mean, std, resize, labels_getter, classes, missing)
        if balance is not None and classes is not None:
            raise ValueError("balance and classes exclude each other; train the GAN on the labels of the data")
        self.balance = balance
        self._weights = _weights(balance, len(self._source.classes))
        if self._weights is not None and missing == "keep":
            self._weights = self._weights * torch.from_numpy(self._source.available())
            if not self._weights.any():
                raise ValueError(f"balance gives no weight to a class that there are images of, got {balance}")
        if self._weights is not None:
            self._source.check_available(np.flatnonzero(self._weights.numpy() > 0))

    def _replace(self, images: Any, labels: Any) -> tuple[Any, Any]:
        if isinstance(images, Image.Image):
            raise ValueError("SyntheticMix takes batches, got a PIL image; use RandomSynthetic for single images")
        if not isinstance(labels, Tensor):
            raise ValueError(f"the labels must be a tensor, got {type(labels).__name__}")
        if images.ndim != 4 or labels.ndim not in (1, 2) or len(images) != len(labels):
            raise ValueError(
                "SyntheticMix takes images (batch, channels, height, width) with labels (batch,) or (batch, classes), "
                f"got {tuple(images.shape)} with {tuple(labels.shape)}"
            )
        self._pixels.check(images, self._source.image_shape)
        hard = _hard(labels.detach().cpu())  # all that is asked about labels waits for a GPU once
        chosen = torch.nonzero(torch.rand(len(images), dtype=torch.float32, device="cpu") < self.p)[:, 0]
        new_labels = labels
        if self._weights is not None and len(chosen):
            drawn = torch.multinomial(self._weights, len(chosen), replacement=True)
            positions = drawn.numpy()
            new_labels = labels.clone()
            new_labels[chosen.to(labels.device)] = self._as_labels(drawn, labels)
        else:
            # All labels are looked at, so that a wrong one is found in the first batch that holds it.
            places = self._source.positions(hard)
            if self._source.missing == "keep":
                chosen = chosen[torch.from_numpy(places[chosen.numpy()] >= 0)]
            positions = places[chosen.numpy()]
        if len(chosen) == 0:
            return images, new_labels
        synthetic = self._pixels.like(self._source.draw(positions, images.device), images)
        mixed = images.clone()
        # numpy is faster here, but knows neither bfloat16 nor gradients.
        if mixed.device.type == "cpu" and mixed.dtype != torch.bfloat16 and not mixed.requires_grad:
            mixed.numpy()[chosen.numpy()] = synthetic.numpy()
        else:
            mixed[chosen.to(images.device)] = synthetic
        return tv_tensors.wrap(mixed, like=images) if isinstance(images, tv_tensors.Image) else mixed, new_labels

    def _as_labels(self, positions: Tensor, labels: Tensor) -> Tensor:
        """Positions among the source's classes as labels of the batch."""
        classes = self._source.classes
        values = positions if classes.dtype.kind in "UO" else torch.from_numpy(classes.astype(np.int64))[positions]
        if labels.ndim == 2:
            if int(values.max()) >= labels.shape[1]:
                raise ValueError(
                    f"labels have {labels.shape[1]} columns, too few for the source's classes {listed(classes)}"
                )
            values = torch.nn.functional.one_hot(values, labels.shape[1])
        return values.to(labels.device, labels.dtype)


class RandomSynthetic(_Synthetic):
    """Replace an image by a synthetic one of the same class, at random.

    Called on a pair ``(image, label)``, or on any sample that holds one image and its label. Most torchvision datasets
    show a transform the image only: for these there is :class:`AugmentedDataset`.

    Parameters
    ----------
    source : SyntheticPool or generator of images, such as ImageGAN
        In workers of a DataLoader a pool, or a small GAN on the CPU.
    p : float in [0, 1], default=0.3
        Probability with which the image is replaced.
    mean, std, resize, labels_getter, classes, missing
        As for :class:`SyntheticMix`.

    Notes
    -----
    Images are PIL images, tensors (channels, height, width) or ``tv_tensors.Image``, and come out as they went in,
    except that all are what ``fit`` makes of them, replaced or not, so that batches can be made of them: PIL images
    upright and grey or RGB, with palettes and transparency resolved, and grey images in RGB where the source's are.
    Random numbers come from torch's global state.

    Examples
    --------
    >>> from PIL import Image
    >>> from ganaug import ImageGAN, labelled_images
    >>> gan = ImageGAN(steps=2, random_state=0, verbose=False).fit(labelled_images("digits").subset(range(100)))
    >>> image, label = RandomSynthetic(gan, p=1.0)(Image.new("L", (8, 8)), 5)
    >>> image.mode, image.size, label
    ('L', (8, 8), 5)
    """

    def __init__(
        self,
        source: SyntheticPool | Generator,
        p: float = 0.3,
        *,
        mean: Any = None,
        std: Any = None,
        resize: bool = False,
        labels_getter: str | Callable[[Any], Any] = "default",
        classes: Sequence[str] | None = None,
        missing: str = "error",
    ) -> None:
        super().__init__(source, p, mean, std, resize, labels_getter, classes, missing)

    def _replace(self, image: Any, label: Any) -> tuple[Any, Any]:
        one = (label.detach().cpu() if isinstance(label, Tensor) else np.asarray(label)).reshape(-1)
        if len(one) != 1:
            raise ValueError(
                f"RandomSynthetic takes one image and its label, got {len(one)} numbers; for batches there is "
                "SyntheticMix, and a one-hot row is no label here"
            )
        position = self._source.positions(one)
        image = as_fitted(image, self._source.image_shape[0], self._source.dtype)
        if torch.rand((), dtype=torch.float32, device="cpu") >= self.p or position[0] < 0:
            return image, label
        return self._pixels.one_like(self._source.draw(position)[0], image), label


def _hard(labels: Tensor) -> Tensor:
    """Class indices of labels (batch,) or one-hot rows."""
    if labels.ndim == 1 and not labels.is_floating_point():
        return labels
    one_hot = (
        labels.ndim == 2
        and labels.shape[1] > 1
        and bool((((labels == 0) | (labels == 1)).all()) and (labels.sum(1) == 1).all())
    )
    if not one_hot:
        raise ValueError(
            "labels must be integer class indices (batch,) or one-hot rows (batch, classes), got others of shape "
            f"{tuple(labels.shape)}, {labels.dtype}; soft labels come later: place SyntheticMix before CutMix or MixUp"
        )
    return labels.argmax(1)


def _weights(balance: Any, n_classes: int) -> Tensor | None:
    if balance is None:
        return None
    if isinstance(balance, str):
        if balance != "uniform":
            raise ValueError(f"balance must be None, 'uniform' or a weight for each class, got {balance!r}")
        return torch.ones(n_classes, dtype=torch.float32, device="cpu")
    if not isinstance(balance, Sequence | Tensor | np.ndarray):
        raise ValueError(f"balance must be None, 'uniform' or a weight for each class, got {balance!r}")
    weights = torch.as_tensor(balance, dtype=torch.float64, device="cpu")
    if (
        not bool(weights.isfinite().all())
        or weights.shape != (n_classes,)
        or not bool((weights >= 0).all())
        or not weights.sum() > 0
    ):
        raise ValueError(
            f"balance must hold a weight for each of the {n_classes} classes, none negative, got {balance}"
        )
    return weights
