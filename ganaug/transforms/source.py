"""Where synthetic images come from: a pool on disk, or a GAN that draws them on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import get_worker_info

from ganaug.curation import SyntheticPool
from ganaug.data.labels import listed
from ganaug.gans import ImageGAN

__all__ = ["Source"]


class Source:
    """One face for pools and GANs.

    It draws from torch's global random state, as torchvision's transforms do: a DataLoader seeds that state in each of
    its workers, and repeats it for a seeded ``generator``.

    Parameters
    ----------
    origin : SyntheticPool or ImageGAN
        A fitted GAN is kept as it is, on its device.
    """

    def __init__(self, origin: SyntheticPool | ImageGAN) -> None:
        if not isinstance(origin, SyntheticPool | ImageGAN):
            raise TypeError(f"source must be a SyntheticPool or an ImageGAN, got {type(origin).__name__}")
        if isinstance(origin, ImageGAN) and not hasattr(origin, "generator_"):
            raise ValueError("source must be a fitted ImageGAN; call fit first, or load a saved one")
        self.origin = origin
        self.classes: NDArray[Any] = origin.classes if isinstance(origin, SyntheticPool) else origin.classes_
        self.image_shape = origin.image_shape if isinstance(origin, SyntheticPool) else origin.image_shape_

    def positions(self, labels: Any) -> NDArray[np.int64]:
        """Translate labels into positions in ``classes``.

        Tensors cannot hold strings: where classes are strings, integers are positions already, as torchvision's
        ``ImageFolder`` counts sorted folder names.
        """
        asked = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
        if self.classes.dtype.kind not in "UO" or asked.dtype.kind not in "iu":
            return self.origin.class_indices(asked)
        if len(asked) and not (asked.min() >= 0 and asked.max() < len(self.classes)):
            raise ValueError(
                f"integer labels count the {len(self.classes)} classes {listed(self.classes.tolist())} from 0, "
                f"got {asked.min()} to {asked.max()}"
            )
        return asked.astype(np.int64)

    def match(self, labels: NDArray[Any], names: Any) -> tuple[list[Any], dict[Any, int]]:
        """Find the distinct labels of a dataset among the classes: by name where integer labels have `names`.

        Returns
        -------
        labels : list
            As plain values.
        positions : dict
            Where each stands in ``classes``.
        """
        plain = labels.tolist()
        named = isinstance(names, Sequence) and not isinstance(names, str) and labels.dtype.kind in "iu"
        if not (named and self.classes.dtype.kind in "UO" and max(plain) < len(names)):
            return plain, dict(zip(plain, self.positions(labels).tolist(), strict=True))
        by_name = {name: position for position, name in enumerate(self.classes.tolist())}
        missing = [names[label] for label in plain if names[label] not in by_name]
        if missing:
            raise ValueError(f"the source has no class {missing[0]!r}; its classes are {listed(list(by_name))}")
        return plain, {label: by_name[names[label]] for label in plain}

    def draw(self, positions: NDArray[np.int64], device: torch.device | str = "cpu") -> Tensor:
        """Draw an image for each position: (n, channels, height, width), uint8, on `device`."""
        if isinstance(self.origin, SyntheticPool):
            return self.origin.draw_positions(positions).to(device)
        on = next(self.origin.generator_.parameters()).device
        if on.type == "cuda" and get_worker_info() is not None:
            raise RuntimeError(
                "a GAN on a GPU cannot draw inside a DataLoader worker; apply the transform to batches in the training "
                "loop, or pass a SyntheticPool built from the GAN"
            )
        seed = int(torch.randint(2**32, ()))
        return self.origin.sample_positions(torch.from_numpy(positions), random_state=seed, device=device)

    def __repr__(self) -> str:
        if isinstance(self.origin, SyntheticPool):
            return repr(self.origin)
        shape = "x".join(map(str, self.image_shape))
        return f"ImageGAN({shape}, {len(self.classes)} classes)"
