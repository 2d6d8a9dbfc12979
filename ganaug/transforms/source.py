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
    names : sequence of str, optional
        What the integer labels 0, 1, ... of the user's data are called: they are then found by name.
    """

    def __init__(self, origin: SyntheticPool | ImageGAN, names: Any = None) -> None:
        if not isinstance(origin, SyntheticPool | ImageGAN):
            raise TypeError(f"source must be a SyntheticPool or an ImageGAN, got {type(origin).__name__}")
        if isinstance(origin, ImageGAN) and not hasattr(origin, "generator_"):
            raise ValueError("source must be a fitted ImageGAN; call fit first, or load a saved one")
        self.origin = origin
        self.classes: NDArray[Any] = origin.classes if isinstance(origin, SyntheticPool) else origin.classes_
        self.image_shape = origin.image_shape if isinstance(origin, SyntheticPool) else origin.image_shape_
        known = origin.class_names if isinstance(origin, SyntheticPool) else origin.class_names_
        self._has_names = bool(known) or self.classes.dtype.kind in "UO"
        self._by_name = {origin.class_name(label): place for place, label in enumerate(self.classes.tolist())}
        plain = isinstance(names, Sequence) and not isinstance(names, str)
        self._names = [str(name) for name in names] if plain and self._has_names else None

    def positions(self, labels: Any) -> NDArray[np.int64]:
        """Translate labels into positions in ``classes``.

        Tensors cannot hold strings: where classes are strings and there are no `names`, integers are positions already,
        as torchvision's ``ImageFolder`` counts sorted folder names.

        Raises
        ------
        ValueError
            For a label or a name that the source does not have, and for integers beside classes such as "10" and "2",
            whose order as names is not that of the numbers.
        """
        asked = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
        integers = asked.dtype.kind in "iu"
        if integers and self._names is not None:
            return self._found_by_name(asked, self._names)
        if not integers or self.classes.dtype.kind not in "UO":
            return self.origin.class_indices(asked)
        written = self.classes.tolist()
        numbers = all(str(name).isdecimal() for name in written)
        if numbers and [int(name) for name in written] != list(range(len(written))):
            raise ValueError(
                f"it cannot be told whether integer labels mean the classes {listed(written)} or their places; pass "
                "classes=, the names that labels 0, 1, ... stand for"
            )
        if len(asked) and not (asked.min() >= 0 and asked.max() < len(written)):
            raise ValueError(
                f"integer labels count the {len(written)} classes {listed(written)} from 0, "
                f"got {asked.min()} to {asked.max()}"
            )
        return asked.astype(np.int64)

    def _found_by_name(self, asked: NDArray[Any], names: list[str]) -> NDArray[np.int64]:
        if len(asked) and not (asked.min() >= 0 and asked.max() < len(names)):
            raise ValueError(f"labels must be 0 to {len(names) - 1}, as many as there are names, got {listed(asked)}")
        missing = sorted({names[label] for label in np.unique(asked)} - set(self._by_name))
        if missing:
            raise ValueError(f"the source has no class {missing[0]!r}; its classes are {listed(list(self._by_name))}")
        places = np.array([self._by_name.get(name, -1) for name in names], dtype=np.int64)
        return places[asked]

    def check_available(self, positions: NDArray[np.int64]) -> None:
        """Raise ``ValueError`` if a pool holds no image of one of these classes."""
        if isinstance(self.origin, SyntheticPool):
            self.origin.check_available(positions)

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
        seed = int(torch.randint(2**32, (), device="cpu"))
        return self.origin.sample_positions(torch.from_numpy(positions), random_state=seed, device=device)

    def __repr__(self) -> str:
        if isinstance(self.origin, SyntheticPool):
            return repr(self.origin)
        shape = "x".join(map(str, self.image_shape))
        return f"ImageGAN({shape}, {len(self.classes)} classes)"
