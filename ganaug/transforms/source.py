"""Where synthetic images come from: a pool on disk, or a generator that draws them on the spot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import get_worker_info

from ganaug.curation import SyntheticPool
from ganaug.curation.cells import check_cells, training_cells
from ganaug.data.labels import listed
from ganaug.generators.contract import (
    Generator,
    check_generator,
    class_indices,
    class_names,
    device_of,
    draw_images,
    group_indices,
    has_groups,
)

__all__ = ["Source"]


MISSING = ("error", "keep")
KEEP = "pass missing='keep' to do without synthetic images of it"


class Source:
    """One face for pools and generators.

    It draws from torch's global random state, as torchvision's transforms do: a DataLoader seeds that state in each of
    its workers, and repeats it for a seeded ``generator``.

    Parameters
    ----------
    origin : SyntheticPool or generator of images
        A fitted generator is kept as it is, on its device.
    names : sequence or mapping of str, optional
        What the integer labels 0, 1, ..., or the keys, of the user's data are called: they are then found by name.
    missing : {"error", "keep"}
        What is done about labels of which there are no synthetic images.

    Attributes
    ----------
    classes, groups : ndarray
        Sorted; `groups` is None where the origin knows none.
    cell_counts : ndarray of shape (n_classes, n_groups), int64, or None
        Proportions in which the groups of a class come where none are asked for.
    training_cell_counts : ndarray of shape (n_classes, n_groups), int64, or None
        Real images that the origin was trained on.
    """

    def __init__(
        self, origin: SyntheticPool | Generator, names: Any = None, *, missing: Literal["error", "keep"] = "error"
    ) -> None:
        if not isinstance(origin, SyntheticPool):
            check_generator(origin, "source", "images", reason="pass a SyntheticPool or a fitted ImageGAN")
        if missing not in MISSING:
            raise ValueError(f"missing must be 'error' or 'keep', got {missing!r}")
        self.origin = origin
        self.missing = missing
        self.classes: NDArray[Any]
        self.image_shape: tuple[int, ...]
        self.dtype: str
        if isinstance(origin, SyntheticPool):
            self.classes, self.image_shape, known = origin.classes, origin.image_shape, origin.class_names
            self.dtype = origin.dtype
        else:
            self.classes, self.image_shape = np.asarray(origin.classes_), origin.sample_spec_.shape
            self.dtype = origin.sample_spec_.dtype
            known = class_names(origin)
        self.groups, self.cell_counts, self.training_cell_counts = self._cells()
        self._called = {label: known.get(label, str(label)) for label in self.classes.tolist()}
        self._available = self.available()
        self._any_empty = not self._available.all()
        has_names = bool(known) or self.classes.dtype.kind in "UO"
        self._by_name = {name: place for place, name in enumerate(self._called.values())}
        if isinstance(names, Sequence) and not isinstance(names, str):
            names = dict(enumerate(names))
        self._names: dict[int, str] | None = None
        self._expected: list[int] = []
        if isinstance(names, Mapping) and names and all(isinstance(label, Integral) for label in names):
            written = {int(label): str(name) for label, name in names.items()}
            self._expected = list(written)
            if (has_names or self._are_numbers(written)) and not self._numbers_will_do(written):
                self._names = written
        self._table = self._direct()  # a batch is looked up at each step of a training

    def _cells(self) -> tuple[NDArray[Any] | None, NDArray[np.int64] | None, NDArray[np.int64] | None]:
        if isinstance(self.origin, SyntheticPool):
            held, trained = self.origin.cell_counts, self.origin.training_cell_counts
        else:
            held = trained = training_cells(self.origin) if has_groups(self.origin) else None
        if held is None or trained is None:
            return None, None, None
        return np.array(held.columns.tolist()), held.to_numpy(), trained.to_numpy()

    def check_cells(self, argument: str = "per_cell", remedy: str = "pass per_class") -> None:
        """Raise ``ValueError`` if the origin knows no groups, which `argument` asks for."""
        if not isinstance(self.origin, SyntheticPool):
            check_cells(self.origin, argument, remedy)
        elif self.groups is None:
            raise ValueError(
                f"{argument} needs groups, and the pool was built without; {remedy}, or build one of a generator that "
                "was fitted with groups"
            )

    def group_positions(self, groups: Any) -> NDArray[np.int64]:
        """Translate groups into positions in ``groups``; with ``missing="keep"`` -1 for those that are not there."""
        try:
            return self._group_indices(groups)
        except ValueError as error:
            if self.missing == "error" or self.groups is None:
                raise ValueError(f"{error}; {KEEP}") from None
        asked = np.asarray(groups).tolist()
        place = {group: self._place_of_group(group) for group in dict.fromkeys(asked)}
        return np.array([place[group] for group in asked], dtype=np.int64)

    def _group_indices(self, groups: Any) -> NDArray[np.int64]:
        if isinstance(self.origin, SyntheticPool):
            return self.origin.group_indices(groups)
        return group_indices(self.origin, groups)

    def _place_of_group(self, group: Any) -> int:
        """The position of a group, as it would be found among others that are all there; -1 if it is not there."""
        try:
            return int(self._group_indices([group])[0])
        except ValueError:
            return -1

    def holds(self, positions: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Of which cells, given by their positions, there are images."""
        if not isinstance(self.origin, SyntheticPool) or self.cell_counts is None:
            return np.ones(len(positions), dtype=bool)
        return self.cell_counts[positions, groups] > 0

    def _numbers_will_do(self, names: dict[int, str]) -> bool:
        """Whether some names are of several classes, and the same on both sides: labels are the same numbers then."""
        repeated = [name for each in (self._called, names) for name, n in Counter(each.values()).items() if n > 1]
        if not repeated:
            return False
        numbered = self.classes.dtype.kind in "iu"
        if not numbered or any(self._called.get(label, name) != name for label, name in names.items()):
            raise ValueError(
                f"classes are found by name, and {repeated[0]!r} is what several are called; name them differently, or "
                "train on the labels without names"
            )
        return True

    def _are_numbers(self, names: dict[int, str]) -> bool:
        """Whether names are this source's integer classes written out, as folders "0", "1", ... are."""
        if self.classes.dtype.kind not in "iu" or not all(name in self._by_name for name in names.values()):
            return False
        by_label = [label for label, name in names.items() if str(label) != name]
        if by_label and set(map(str, names)) == set(names.values()):
            raise ValueError(
                f"it is unclear whether the label {by_label[0]} means the class {by_label[0]} of the source or, as "
                f"the dataset calls it, {names[by_label[0]]!r}; train the GAN on the dataset itself, or on the names"
            )
        return True

    def _direct(self) -> NDArray[np.int64] | None:
        """Positions by label, where the names are those of 0, 1, ... and all of them known."""
        if self._names is None or list(self._names) != list(range(len(self._names))):
            return None
        places = [self._by_name.get(name, -1) for name in self._names.values()]
        return None if -1 in places else np.array(places, dtype=np.int64)

    def check_names(self) -> None:
        """Find out before any label is seen whether there are images of all classes that have been named."""
        if self._expected and self.missing == "error":
            self.positions(np.array(self._expected))

    def positions(self, labels: Any, *, all_classes: bool = False) -> NDArray[np.int64]:
        """Translate labels into positions in ``classes``; with ``missing="keep"`` -1 where there are no images.

        With `all_classes` those that a pool holds no images of have positions too.

        Tensors cannot hold strings: where classes are strings and there are no `names`, integers are positions already,
        as torchvision's ``ImageFolder`` counts sorted folder names.

        Raises
        ------
        ValueError
            For a label or a name that the source does not have or a pool has no image of, and for integers beside
            classes such as "10" and "2", whose order as names is not that of the numbers.
        """
        asked = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
        places = self._places(asked)
        if self._any_empty and len(places) and not all_classes:
            empty = (places >= 0) & ~self._available[places]
            if empty.any() and self.missing == "error":
                lacking = dict.fromkeys(self.classes[places[empty]].tolist())
                called = [repr(self._called[label]) for label in lacking]
                raise ValueError(
                    f"the pool holds no images of class {listed(called)}; build the pool again with some, or {KEEP}"
                )
            places = np.where(empty, -1, places)
        return places

    def _places(self, asked: NDArray[Any]) -> NDArray[np.int64]:
        integers = asked.dtype.kind in "iu"
        if integers and self._names is not None:
            return self._found_by_name(asked, self._names)
        if not integers or self.classes.dtype.kind not in "UO":
            return self._found(asked)
        written = self.classes.tolist()
        numbers = all(str(name).isdecimal() for name in written)
        if numbers and [int(name) for name in written] != list(range(len(written))):
            raise ValueError(
                f"it is unclear whether integer labels mean the classes {listed(written)} or their places; pass "
                "classes=, the names that labels 0, 1, ... stand for"
            )
        there = (asked >= 0) & (asked < len(written))
        if not there.all() and self.missing == "error":
            raise ValueError(
                f"integer labels count the {len(written)} classes {listed(written)} from 0, "
                f"got {asked.min()} to {asked.max()}"
            )
        return np.where(there, asked, -1).astype(np.int64)

    def _found(self, asked: NDArray[Any]) -> NDArray[np.int64]:
        try:
            if isinstance(self.origin, SyntheticPool):
                return self.origin.class_indices(asked)
            return class_indices(self.origin, asked)
        except ValueError as error:
            if asked.ndim != 1:
                raise
            if self.missing == "error":
                raise ValueError(f"{error}; {KEEP}") from None
        known = dict(zip(self.classes.tolist(), range(len(self.classes)), strict=True))
        if self.classes.dtype.kind not in "UO":  # strings are then names
            known = {**self._by_name, **known}
        return np.array([known.get(label, -1) for label in asked.tolist()], dtype=np.int64)

    def _found_by_name(self, asked: NDArray[Any], names: dict[int, str]) -> NDArray[np.int64]:
        if self._table is not None and len(asked) and asked.min() >= 0 and asked.max() < len(self._table):
            return self._table[asked]
        distinct, inverse = np.unique(asked, return_inverse=True)
        unnamed = [label for label in distinct.tolist() if label not in names]
        if unnamed and self.missing == "error":
            raise ValueError(
                f"labels must be {min(names)} to {max(names)}, as many as there are names, got {listed(unnamed)}"
            )
        missing = sorted({names[label] for label in distinct.tolist() if label in names} - set(self._by_name))
        if missing and self.missing == "error":
            raise ValueError(
                f"the source has no class {missing[0]!r}; its classes are {listed(list(self._by_name))}; {KEEP}"
            )
        places = [self._by_name.get(names[label], -1) if label in names else -1 for label in distinct.tolist()]
        return np.array(places, dtype=np.int64)[inverse.reshape(-1)]

    def labels(self) -> NDArray[np.int64]:
        """Integer label of each of ``classes`` in the user's data, as :meth:`positions` finds it; -1 for none."""
        if self._names is not None:
            known = {name: label for label, name in self._names.items()}
            return np.array([known.get(name, -1) for name in self._called.values()], dtype=np.int64)
        return np.arange(len(self.classes)) if self.classes.dtype.kind in "UO" else self.classes.astype(np.int64)

    def check_available(self, positions: NDArray[np.int64]) -> None:
        """Raise ``ValueError`` if a pool holds no image of one of these classes."""
        if isinstance(self.origin, SyntheticPool):
            self.origin.check_available(positions)

    def available(self) -> NDArray[np.bool_]:
        """Of which classes there are images."""
        if isinstance(self.origin, SyntheticPool):
            return self.origin.counts > 0
        return np.ones(len(self.classes), dtype=bool)

    def draw(
        self,
        positions: NDArray[np.int64],
        device: torch.device | str = "cpu",
        groups: NDArray[np.int64] | None = None,
    ) -> Tensor:
        """Draw an image for each position, of groups at these positions: (n, channels, height, width), on `device`."""
        if isinstance(self.origin, SyntheticPool):
            return self.origin.draw_positions(positions, groups=groups).to(device)
        if device_of(self.origin).type == "cuda" and get_worker_info() is not None:
            raise RuntimeError(
                "a generator on a GPU cannot draw inside a DataLoader worker; apply the transform to batches in the "
                "training loop, or pass a SyntheticPool built from it"
            )
        seed = int(torch.randint(2**32, (), device="cpu"))
        return draw_images(self.origin, positions, groups, random_state=seed, device=device)

    def __repr__(self) -> str:
        if isinstance(self.origin, SyntheticPool):
            return repr(self.origin)
        shape = "x".join(map(str, self.image_shape))
        return f"{type(self.origin).__name__}({shape}, {len(self.classes)} classes)"
