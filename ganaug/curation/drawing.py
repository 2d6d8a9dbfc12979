"""Drawing synthetic images until enough of each class or cell have passed the filters."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from numbers import Integral
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ganaug.curation.cells import cells_to_add, check_cells, spread_over_groups, training_cells
from ganaug.curation.image_filters import ImageFilter, NoCopies, filters_for
from ganaug.data import LabelledImages
from ganaug.data.images.like import images_like
from ganaug.data.labels import listed
from ganaug.engine.devices import seed_from
from ganaug.generators.contract import (
    Generator,
    check_generator,
    class_indices,
    class_name,
    class_names,
    draw_images,
    has_groups,
    takes,
)

__all__ = ["FilteredDraws", "NothingPassedError", "draw_filtered", "draw_filtered_cells"]

MIN_BATCH, MAX_BATCH = 64, 4096  # candidates drawn at a time
REMEDY = "train the GAN longer, or keep more"


class NothingPassedError(ValueError):
    """The filters let no image through."""


class FilteredDraws:
    """Images of a generator that pass all filters, class by class, and of one that has groups cell by cell.

    Parameters
    ----------
    gan, per_class, per_cell, real, keep, max_draws, random_state
        As for :meth:`ganaug.SyntheticPool.build`.

    Attributes
    ----------
    cells : list of tuple
        Position of a class, in ``classes_``, and of a group, in ``groups_``; None without groups.
    wanted : ndarray of shape (n_cells,), int64
        Images of each cell.
    seed : int
    filters : list of filters
        Fitted.
    records : list of dict
        Of each class or cell that was drawn so far: how many were asked for, drawn and kept, and what each filter let
        through; with groups also their number in the training data.
    """

    def __init__(
        self,
        gan: Generator,
        per_class: int | Mapping[Any, int] | None,
        per_cell: Any = None,
        *,
        real: Any = None,
        keep: Literal["auto"] | Iterable[ImageFilter] = "auto",
        max_draws: int = 10,
        random_state: Any = None,
    ) -> None:
        check_generator(gan, kind="images")
        self.gan = gan
        wanted = _wanted(gan, per_class, per_cell)
        groups = range(wanted.shape[1]) if wanted.ndim > 1 else [None]
        self.cells = [(c, g) for c in range(len(wanted)) for g in groups]
        self.wanted = wanted.reshape(-1)
        if max_draws < 1:
            raise ValueError(f"max_draws must be at least 1, got {max_draws}")
        self.max_draws = max_draws
        self.seed = seed_from(random_state)
        data = None if real is None else _training_images(gan, real)
        self.filters = filters_for(keep, gan, data, np.random.default_rng(self.seed))
        self.records: list[dict[str, Any]] = []

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Batches of images (n, channels, height, width), in the order of ``cells``.

        Raises
        ------
        NothingPassedError
            At the end, if not a single image has passed.
        """
        self.records = []
        for number in range(len(self.cells)):
            yield from self.of_cell(number)
        self.check_any_kept()

    def check_any_kept(self) -> None:
        """Raise ``NothingPassedError`` if nothing that was drawn so far has an image."""
        if not any(record["kept"] for record in self.records):
            self.warn_of_short_classes()
            raise NothingPassedError(f"not a single image passed the filters{self._strictest()}")

    def _strictest(self) -> str:
        """Which filter refused most of what it saw, and what to do about it."""
        rates: dict[str, list[float]] = {}
        for record in self.records:
            for name, rate in record["passed"].items():
                if rate is not None:
                    rates.setdefault(name, []).append(rate)
        if not rates:
            return f"; {REMEDY}"
        name = min(rates, key=lambda each: np.mean(rates[each]))
        copies = name == NoCopies.name
        remedy = "it copies training images, of which more help, and fewer steps" if copies else REMEDY
        return f', of which "{name}" let {np.mean(rates[name]):.0%} pass; {remedy}'

    def warn_of_short_classes(self) -> None:
        """Warn the caller of the function that calls this of classes or cells that could not be filled."""
        short = [record for record in self.records if record["kept"] < record["asked"]]
        if not short:
            return
        if len(short) == 1:
            record = short[0]
            message = (
                f"class {_called(record)} could not be filled: of {record['drawn']:,} images drawn "
                f"{record['kept']:,} passed the filters, {record['asked']:,} were asked for (passed: "
                f"{', '.join(f'{name} {share}' for name, share in record['passed'].items())})"
            )
        else:
            each = [f"{_called(r)} ({r['kept']:,} of {r['asked']:,}, {r['drawn']:,} drawn)" for r in short]
            message = (
                f"{len(short)} {'cells' if 'group' in short[0] else 'classes'} could not be filled, as too few of the "
                f"images drawn passed the filters: {listed(each)}"
            )
        warnings.warn(message, UserWarning, stacklevel=4)

    def of_cell(self, number: int) -> Iterator[NDArray[Any]]:
        """Batches of images of one class or cell: the same whichever others are drawn."""
        position, group = self.cells[number]
        randomness = np.random.default_rng([self.seed, position, *([] if group is None else [group])])
        wanted = int(self.wanted[number])
        most = wanted * self.max_draws
        if group is not None and wanted:
            # A cell may want a single image, of which ten candidates say little; unfiltered ones are all kept.
            most = max(most, MIN_BATCH) if self.filters else wanted
        drawn = kept = 0
        seen, passed = (np.zeros(len(self.filters), dtype=int) for _ in range(2))
        while kept < wanted and drawn < most:
            rate = max(kept / drawn, 0.05) if drawn else 1.0
            n = min(max(int((wanted - kept) / rate) + 1, MIN_BATCH), MAX_BATCH, most - drawn)
            groups = None if group is None else np.full(n, group)
            images = draw_images(self.gan, np.full(n, position), groups, random_state=randomness).numpy()
            drawn += n
            for index, step in enumerate(self.filters):
                asked = {"group": group} if group is not None and takes(step.accepts, "group") else {}
                accepted = step.accepts(images, position, **asked) if len(images) else None
                if accepted is not None:
                    seen[index] += len(images)
                    images = images[accepted]
                    passed[index] += len(images)
            images = images[: wanted - kept]
            kept += len(images)
            yield images
        rates = {
            step.name: round(float(p / s), 4) if s else None
            for step, p, s in zip(self.filters, passed, seen, strict=True)
        }
        record: dict[str, Any] = {"class": class_name(self.gan, self.gan.classes_[position].item())}
        if group is not None:
            trained = training_cells(self.gan)
            record |= {"group": str(trained.columns[group]), "real": int(trained.iat[position, group])}
        self.records.append({**record, "asked": wanted, "drawn": drawn, "kept": kept, "passed": rates})

    def positions(self) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
        """Position of the class and of the group of each image that was kept; None without groups."""
        kept = [record["kept"] for record in self.records]
        classes, groups = [c for c, _ in self.cells], [g for _, g in self.cells if g is not None]
        return np.repeat(classes, kept), np.repeat(groups, kept) if groups else None

    def kept(self) -> NDArray[np.int64]:
        """How many images were kept, of shape (n_classes,) or (n_classes, n_groups)."""
        kept = np.array([record["kept"] for record in self.records], dtype=np.int64)
        return kept if self.cells[0][1] is None else kept.reshape(len(self.gan.classes_), -1)


def draw_filtered(
    gan: Generator, per_class: int | Mapping[Any, int], **options: Any
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Draw images that pass all filters into memory.

    Parameters
    ----------
    gan, per_class, **options
        As for :class:`FilteredDraws`.

    Returns
    -------
    images : ndarray of shape (n, channels, height, width), of the dtype of the generator's images
        Class by class.
    positions : ndarray of shape (n,), int64
        Class of each, as position in the generator's ``classes_``.
    """
    draws = FilteredDraws(gan, per_class, **options)
    images = np.concatenate(list(draws))
    draws.warn_of_short_classes()
    return images, draws.positions()[0]


def draw_filtered_cells(
    gan: Generator, per_class: int | Mapping[Any, int] | None, per_cell: Any = None, **options: Any
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64] | None]:
    """As :func:`draw_filtered`, with the group of each image, as position in ``groups_``; None without groups."""
    draws = FilteredDraws(gan, per_class, per_cell, **options)
    images = np.concatenate(list(draws))
    draws.warn_of_short_classes()
    return (images, *draws.positions())


def _called(record: Mapping[str, Any]) -> str:
    return repr(record["class"]) + (f" in group {record['group']!r}" if "group" in record else "")


def _wanted(gan: Generator, per_class: int | Mapping[Any, int] | None, per_cell: Any) -> NDArray[np.int64]:
    """Images to keep of each class, (n_classes,), or with groups of each cell, (n_classes, n_groups)."""
    if (per_class is None) == (per_cell is None):
        raise ValueError(
            f"per_class or per_cell is needed, got {'neither' if per_class is None else 'both'}; pass one of them"
        )
    if per_cell is None:
        wanted = _wanted_of_classes(gan, per_class)
        return spread_over_groups(wanted, training_cells(gan).to_numpy()) if has_groups(gan) else wanted
    check_cells(gan)
    wanted = cells_to_add(per_cell, training_cells(gan), class_names(gan)).to_numpy()
    if wanted.max() < 1:
        raise ValueError(f"per_cell must ask for at least one image, got none by {per_cell!r}; ask for more")
    return wanted


def _wanted_of_classes(gan: Generator, per_class: Any) -> NDArray[np.int64]:
    wanted = np.zeros(len(gan.classes_), dtype=np.int64)
    numbers = list(per_class.values()) if isinstance(per_class, Mapping) else [per_class]
    if not all(isinstance(n, Integral) for n in numbers):
        raise ValueError(f"per_class must be a whole number, or a dict of them, got {per_class!r}")
    if isinstance(per_class, Mapping):
        labels = list(per_class)
        wanted[class_indices(gan, labels)] = [int(per_class[label]) for label in labels]
    else:
        wanted[:] = per_class
    if wanted.min() < 0 or wanted.max() < 1:
        raise ValueError(f"per_class must ask for at least one image and for no negative number, got {per_class}")
    return wanted


def _training_images(gan: Generator, real: Any) -> LabelledImages:
    names = class_names(gan)
    data = images_like(real, dtype=gan.sample_spec_.dtype).relabelled(gan.classes_, names)
    if data.images.dtype != gan.sample_spec_.dtype:
        raise ValueError(
            f"the real images are {data.images.dtype}, the generator draws {gan.sample_spec_.dtype}; pass what it was "
            "trained on, read with the same dtype"
        )
    if data.image_shape != gan.sample_spec_.shape:
        raise ValueError(f"the real images have shape {data.image_shape}, the generator draws {gan.sample_spec_.shape}")
    known = data.labelled()
    class_indices(gan, known.labels)
    for label in known.classes.tolist():
        if label in data.class_names and names.get(label, data.name(label)) != data.name(label):
            raise ValueError(
                f"label {label!r} is {data.name(label)!r} in real and {class_name(gan, label)!r} for the generator"
            )
    missing = sorted(set(gan.classes_.tolist()) - set(known.labels.tolist()))
    if missing:
        raise ValueError(f"real holds no images of class {listed(missing)}; pass what the generator was trained on")
    trained_on = getattr(gan, "training_data_", None)
    if trained_on is not None and data.fingerprint(groups=False) != trained_on.get("sha256"):
        warnings.warn(
            "real is not what the generator was trained on: copies of its training images will not be found",
            UserWarning,
            stacklevel=3,
        )
    return data
