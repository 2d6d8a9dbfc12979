"""A pool of synthetic images on disk, shared by all workers and processes that read it."""

from __future__ import annotations

import hashlib
import math
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaug.curation.cells import repeated, spread_over_groups
from ganaug.curation.drawing import FilteredDraws
from ganaug.curation.image_filters import ImageFilter
from ganaug.curation.pool_files import (
    FILES,
    HEADER,
    REMEDY,
    build_pool,
    holds_only_a_pool,
    join_with_one_seed,
    read_header,
)
from ganaug.data.files import user_path, write_atomically
from ganaug.data.groups import positions_of_groups
from ganaug.data.host_states import plain_states
from ganaug.data.images.pictures import class_grid, png_bytes
from ganaug.data.json_values import clip, whole
from ganaug.data.labels import class_positions
from ganaug.engine.devices import RandomStateLike
from ganaug.engine.distributed import current_context
from ganaug.generators.contract import Generator
from ganaug.generators.model_folder import labels_from_json, named_classes
from ganaug.metrics.sheets import as_pixels

__all__ = ["SyntheticPool"]

OPEN = "_descriptor"
MOST = 2**31
_seeking = threading.Lock()


class SyntheticPool:
    """Labelled synthetic images in a folder: the pixels class by class in one file, and ``pool.json``.

    The pixels are ``images.u8``, or ``images.f32`` of a generator that draws float32, whose values are kept to the bit.

    Images are read one by one when they are drawn, so a pool of any size takes no memory, and a pickled pool is a few
    bytes: it goes into the workers of a DataLoader whatever way they are started. It is also a dataset of
    ``(image, label)`` pairs.

    Parameters
    ----------
    path : path-like
        A folder written by :meth:`build` or ``ganaug sample --pool``.
    verify : bool, default=True
        Compare the checksum of the pixels, which reads all of them once. Their number is always checked.

    Attributes
    ----------
    path : Path
    classes : ndarray of shape (n_classes,)
        Sorted labels.
    class_names : dict
        Display names of classes that have one.
    image_shape : tuple of int
        Channels, height and width.
    dtype : {"uint8", "float32"}
        Of the images, as the generator's ``sample_spec_`` says.
    counts : ndarray of shape (n_classes,), int64
        Images of each class.
    cell_counts : DataFrame of shape (n_classes, n_groups), int64, or None
        Images of each class (index) in each group (columns), if the generator has groups.
    training_cell_counts : DataFrame of shape (n_classes, n_groups), int64, or None
        The same of the real images that the generator was trained on: where it is 0, the pool fills what they lack.
    provenance : dict
        Which model, seed and filters made the pool, and what share of each class each filter kept; with groups of each
        cell, the combinations of class and group.

    Raises
    ------
    ValueError
        If the folder is no pool, was truncated or edited, or was made by a newer version.

    See Also
    --------
    ganaug.SyntheticMix, ganaug.AugmentedDataset : What draws from a pool.

    Examples
    --------
    >>> import tempfile
    >>> from ganaug import ImageGAN, labelled_images
    >>> gan = ImageGAN(steps=2, random_state=0, verbose=False).fit(labelled_images("digits").subset(range(100)))
    >>> pool = SyntheticPool.build(gan, tempfile.mkdtemp(), per_class=5, random_state=0)
    >>> pool
    SyntheticPool(50 images of 1x8x8, 10 classes)
    >>> pool.draw([3, 3, 8]).shape
    torch.Size([3, 1, 8, 8])
    """

    def __init__(self, path: str | Path, *, verify: bool = True) -> None:
        self.path = user_path(path).absolute()
        header = read_header(self.path)
        try:
            self.classes: NDArray[Any] = labels_from_json(header["classes"])
            self.class_names = named_classes(self.classes, header["class_names"])
            channels, height, width = (whole(side, "image_shape", 1, MOST) for side in header["image_shape"])
            self.image_shape = (channels, height, width)
            self.dtype = str(header.get("dtype", "uint8"))
            self._file = self.path / FILES[self.dtype]
            counts = [whole(count, "counts", 0, MOST) for count in header["counts"]]
            self.counts: NDArray[np.int64] = np.array(counts, dtype=np.int64).reshape(len(self.classes))
            self.cell_counts, self.training_cell_counts = self._read_groups(header)
            self.provenance: dict[str, Any] = dict(header["provenance"])
            checksum = str(header["images_sha256"])
        except (LookupError, ValueError, TypeError) as error:
            raise ValueError(f"{self.path / HEADER} is damaged ({clip(str(error), 200)}); {REMEDY}") from None
        if not self.counts.any():
            raise ValueError(f"{self.path / HEADER} lists no images; {REMEDY}")
        self._ends = np.cumsum(self.counts)
        cells = self.counts if self.cell_counts is None else self.cell_counts.to_numpy()
        self._cell_ends = np.cumsum(cells).reshape(cells.shape)
        pixels = self._file
        self._size = math.prod(self.image_shape) * np.dtype(self.dtype).itemsize  # bytes of an image
        expected = int(self.counts.sum()) * self._size
        found = pixels.stat().st_size if pixels.is_file() else 0
        if found != expected:
            raise ValueError(f"{pixels} should hold {expected:,} bytes and holds {found:,}; {REMEDY}")
        self._state = _file_state(pixels)
        if verify:
            with pixels.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != checksum:
                    raise ValueError(f"{pixels} is damaged: its checksum differs from {HEADER}; {REMEDY}")

    def _read_groups(self, header: dict[str, Any]) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
        if "groups" not in header:
            return None, None
        groups = labels_from_json(header["groups"], "groups")
        shape = len(self.classes), len(groups)
        found = []
        for name in ("cell_counts", "training_cell_counts"):
            numbers = [[whole(count, name, 0, MOST) for count in row] for row in header[name]]
            cells = np.array(numbers, dtype=np.int64).reshape(shape)
            found.append(pd.DataFrame(cells, pd.Index(self.classes, name="class"), pd.Index(groups, name="group")))
        if (found[0].to_numpy().sum(1) != self.counts).any():
            raise ValueError("cell_counts do not add up to counts")
        return found[0], found[1]

    @classmethod
    def load(cls, path: str | Path, *, verify: bool = True) -> SyntheticPool:
        """Open a pool, as models are loaded: the same as ``SyntheticPool(path)``."""
        return cls(path, verify=verify)

    @classmethod
    @plain_states()
    def build(
        cls,
        gan: Generator,
        path: str | Path,
        *,
        per_class: int | Mapping[Any, int] | None = None,
        per_cell: int | Literal["balance"] | Mapping[tuple[Any, Any], int] | pd.DataFrame | None = None,
        real: Any = None,
        keep: Literal["auto"] | Iterable[ImageFilter] = "auto",
        max_draws: int = 10,
        random_state: RandomStateLike = None,
        distributed: bool = False,
        overwrite: bool = False,
    ) -> SyntheticPool:
        """Draw images, keep those that pass all filters, and write them.

        Parameters
        ----------
        gan : generator of images, such as ImageGAN
            Fitted.
        path : path-like
            A folder that is empty or does not exist yet.
        per_class : int or dict, optional
            Images of each class; a dict gives the number for each label, classes that are not in it get none. Those of
            a generator that has groups are in the proportions in which the groups occur with the class in training.
        per_cell : int, "balance", dict or DataFrame, optional
            In place of `per_class`, for a generator that has groups: images of each cell, a combination of class and
            group; as many as each has fewer training images than the largest; or numbers by (class, group), in a
            DataFrame with a row for each class and a column for each group, all others get none. Images of the unknown
            group are drawn only where such numbers ask for them.
        real : any source of labelled images, optional
            The images that the generator was trained on, never others that something is to be evaluated on: what
            filters compare with.
        keep : "auto" or sequence of filters, default="auto"
            Filters, applied in this order to the images of a class, and with groups to those of a cell. "auto" takes
            :class:`DiscriminatorRank`, :class:`ImageConsistency` and :class:`NoCopies` if `real` is given, and
            otherwise none.
        max_draws : int, default=10
            For each image that is asked for at most this many are drawn, for a cell at least 64 in all. A class that
            stays short is warned of.
        random_state : int, RandomState, Generator or None
        distributed : bool, default=False
            Whether the processes that ``torchrun`` started build it together, each drawing some of the classes with a
            generator on its own device. All call this with equal arguments; the pool is that of one process.
        overwrite : bool, default=False
            Replace a pool that is there, once the new one is complete; never a folder that holds anything else. A
            reader that has it open reads on, or raises that it must be opened again.

        Returns
        -------
        SyntheticPool

        Raises
        ------
        ValueError
            For a folder in use, a class or group that the generator does not know, `per_cell` and a generator without
            groups, a filter that needs `real`, or if not a single image passes.
        """
        path = user_path(path).resolve()
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            own = holds_only_a_pool(path)
            if not (own and overwrite):
                remedy = "pass overwrite=True to replace the pool in it" if own else "delete it"
                raise ValueError(f"{path} exists and is not an empty folder; choose another name or {remedy}")
        processes = current_context(distributed)
        if processes.count > 1:
            random_state = join_with_one_seed(gan, random_state, processes)
        draws = FilteredDraws(
            gan, per_class, per_cell, real=real, keep=keep, max_draws=max_draws, random_state=random_state
        )
        build_pool(draws, path, processes)
        if processes.first:
            draws.warn_of_short_classes()
        return cls(path, verify=False)

    def class_indices(self, labels: Any) -> NDArray[np.int64]:
        """Translate labels into positions in ``classes``; ``ValueError`` for one that is not among them."""
        return class_positions(labels, self.classes, "the pool holds the classes", self.class_names)

    def group_indices(self, groups: Any) -> NDArray[np.int64]:
        """Translate groups into positions in the columns of ``cell_counts``; ``ValueError`` for one that is not."""
        if self.cell_counts is None:
            raise ValueError(
                "the pool was built without groups; leave groups out, or build one of a generator with them"
            )
        return positions_of_groups(groups, self.cell_counts.columns.to_numpy(), "the pool holds the groups")

    def draw(self, labels: Any, generator: torch.Generator | None = None, *, groups: Any = None) -> Tensor:
        """Draw a random image for each label, with replacement.

        Parameters
        ----------
        labels : array-like of shape (n,)
        generator : Generator, optional
            On the CPU. By default torch's global one, which a DataLoader seeds in each of its workers.
        groups : array-like of shape (n,), optional
            Group of each image; by default any that the pool holds of its class.

        Returns
        -------
        Tensor of shape (n, channels, height, width), of the pool's dtype
        """
        positions = self.class_indices(labels)
        of = None if groups is None else self.group_indices(groups)
        if of is not None and len(of) != len(positions):
            raise ValueError(
                f"labels and groups must have the same length, got {len(positions)} labels and {len(of)} groups; pass "
                "a group for each label"
            )
        return self.draw_positions(positions, generator, of)

    def draw_positions(
        self,
        positions: NDArray[np.int64],
        generator: torch.Generator | None = None,
        groups: NDArray[np.int64] | None = None,
    ) -> Tensor:
        """As :meth:`draw`, for positions in ``classes`` and among the groups in place of labels and groups."""
        self.check_available(positions, groups)
        cells = positions if groups is None else (positions, groups)
        counts, ends = (self.counts, self._ends) if groups is None else (self._counts_of_cells(), self._cell_ends)
        shares = torch.rand(len(positions), generator=generator, dtype=torch.float64, device="cpu").numpy()
        return self.read(ends[cells] - counts[cells] + (shares * counts[cells]).astype(np.int64))

    def _counts_of_cells(self) -> NDArray[np.int64]:
        return self.counts if self.cell_counts is None else self.cell_counts.to_numpy()

    def check_available(self, positions: NDArray[np.int64], groups: NDArray[np.int64] | None = None) -> None:
        """Raise ``ValueError`` if there is no image of one of these classes or cells, given by their positions."""
        counts = self.counts[positions] if groups is None else self._counts_of_cells()[positions, groups]
        if len(counts) and counts.min() == 0:
            first = counts.argmin()
            empty = self._called(positions[first], None if groups is None else groups[first])
            kind = "class" if groups is None else "cell"
            raise ValueError(f"the pool holds no images of {empty}; {REMEDY} with some, or leave the {kind} out")

    def _called(self, position: int, group: int | None) -> str:
        called = f"class {self.class_name(self.classes[position].item())!r}"
        if group is None or self.cell_counts is None:
            return called
        return f"{called} in group {self.cell_counts.columns.tolist()[group]!r}"

    def first_of_each(self, positions: NDArray[np.int64], groups: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Indices of different images, one for each position in ``classes``: the first that there are.

        Those of a pool with groups come in the proportions in which it holds the groups of the class, unless positions
        of `groups` are given.

        Raises
        ------
        ValueError
            If there are not as many of some class or cell.
        """
        asked = np.bincount(positions, minlength=len(self.classes))
        if groups is not None:
            return self._first_of_cells(positions, groups)
        short = np.flatnonzero(asked > self.counts)
        if len(short):
            c = short[0]
            raise ValueError(
                f"the pool holds {self.counts[c]:,} images of {self._called(c, None)}, {asked[c]:,} are asked for; "
                "build a larger pool or ask for fewer"
            )
        if self.cell_counts is not None:
            spread = spread_over_groups(asked, self._counts_of_cells())
            order = np.argsort(positions, kind="stable")
            of = np.empty(len(positions), dtype=np.int64)
            of[order] = np.repeat(np.tile(np.arange(spread.shape[1]), len(spread)), spread.ravel())
            return self._first_of_cells(positions, of)
        indices = np.empty(len(positions), dtype=np.int64)
        for c in np.unique(positions):
            indices[positions == c] = self._ends[c] - self.counts[c] + np.arange(asked[c])
        return indices

    def _first_of_cells(self, positions: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
        indices, counts = np.empty(len(positions), dtype=np.int64), self._counts_of_cells()
        for c, g in np.unique(np.stack([positions, groups], 1), axis=0).tolist():
            chosen = (positions == c) & (groups == g)
            if chosen.sum() > counts[c, g]:
                raise ValueError(
                    f"the pool holds {counts[c, g]:,} images of {self._called(c, g)}, {chosen.sum():,} are asked for; "
                    "build a larger pool or ask for fewer"
                )
            indices[chosen] = self._cell_ends[c, g] - counts[c, g] + np.arange(chosen.sum())
        return indices

    def read(self, indices: Any) -> Tensor:
        """Return the images at these positions in the pool, (n, channels, height, width), of its dtype."""
        indices = np.asarray(indices, dtype=np.int64).reshape(-1)
        if len(indices) and not (indices.min() >= 0 and indices.max() < len(self)):
            raise IndexError(f"the pool holds images 0 to {len(self) - 1}, got {indices.min()} to {indices.max()}")
        descriptor, size = self._open(), self._size
        content = np.empty((len(indices), size), dtype=np.uint8)
        # Reads leave no trace in the memory of the process, unlike the pages of a memory map.
        for offset, image in zip((indices * size).tolist(), content, strict=True):
            if _read_at(descriptor, image, offset) != size:
                raise ValueError(f"{self._file} ends early; {REMEDY}")
        stored = content.view(np.dtype(self.dtype).newbyteorder("<")).astype(self.dtype, copy=False)
        return torch.from_numpy(stored.reshape(len(indices), *self.image_shape))

    @property
    def labels(self) -> NDArray[Any]:
        """Label of each image, in the order of the pool."""
        return np.repeat(self.classes, self.counts)

    @property
    def groups(self) -> NDArray[Any] | None:
        """Group of each image, in the order of the pool; None without groups."""
        if self.cell_counts is None:
            return None
        known = np.array(self.cell_counts.columns.tolist())
        return np.repeat(np.tile(known, len(self.classes)), self._counts_of_cells().ravel())

    def class_name(self, label: Any) -> str:
        """Display name of a class."""
        return self.class_names.get(label, str(label))

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        """Image (channels, height, width) and label."""
        if not 0 <= index < len(self):
            raise IndexError(f"the pool holds images 0 to {len(self) - 1}, got {index}")
        return self.read([index])[0], self.classes[np.searchsorted(self._ends, index, side="right")].item()

    def show(self, path: str | Path, *, columns: int = 8) -> Path:
        """Write a grid of the first images as PNG, a row per class; with groups a block of columns for each group.

        Parameters
        ----------
        path : path-like
            File to write.
        columns : int
            Images of each class, or of each cell of class and group; where there are fewer, the rest stays white.

        Returns
        -------
        Path
            The file written.
        """
        if columns < 1:
            raise ValueError(f"columns must be at least 1, got {columns}; pass how many images to show of each")
        counts = self._counts_of_cells().reshape(len(self.classes), -1)
        first = self._cell_ends.reshape(counts.shape) - counts
        shown = np.minimum(counts, columns)
        cells, places = repeated(shown)
        within = np.concatenate([np.arange(n) for n in shown.ravel()])
        (images,) = as_pixels(self.read(first[cells, places] + within).numpy())
        sheet = np.full((len(counts), counts.shape[1] * columns, *self.image_shape), 255, dtype=np.uint8)
        sheet[cells, places * columns + within] = images
        names = [self.class_name(label) for label in self.classes.tolist()]
        heading = "" if self.cell_counts is None else " | ".join(map(str, self.cell_counts.columns.tolist()))
        breaks = [columns * place for place in range(1, counts.shape[1])]
        path = user_path(path)
        rows = list(zip(names, sheet, strict=True))
        write_atomically(path, png_bytes(class_grid(rows, breaks=breaks, heading=heading)))
        return path

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        descriptor = self.__dict__.pop(OPEN, None)
        if descriptor is not None:
            os.close(descriptor)

    def _open(self) -> int:
        descriptor = self.__dict__.get(OPEN)
        if descriptor is None:
            pixels = self._file
            if not pixels.is_file() or _file_state(pixels) != self._state:
                raise ValueError(f"{pixels} was changed after the pool was opened; open it again")
            opened = os.open(pixels, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            descriptor = self.__dict__.setdefault(OPEN, opened)  # another thread may have been faster
            if descriptor != opened:
                os.close(opened)
        return descriptor

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != OPEN}

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.image_shape))
        kind = "" if self.dtype == "uint8" else f" {self.dtype}"
        groups = "" if self.cell_counts is None else f", {self.cell_counts.shape[1]} groups"
        return f"SyntheticPool({len(self):,} images of {shape}{kind}, {len(self.classes)} classes{groups})"


def _file_state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _read_at(descriptor: int, into: Any, offset: int) -> int:
    """Fill an array from a place in a file."""
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [into], offset)
    with _seeking:
        os.lseek(descriptor, offset, os.SEEK_SET)
        content = os.read(descriptor, into.nbytes)
    into.reshape(-1)[: len(content)] = np.frombuffer(content, dtype=np.uint8)
    return len(content)
