"""Drawing synthetic images until enough of each class have passed the filters."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug.curation.image_filters import ImageFilter, filters_for
from ganaug.data import LabelledImages
from ganaug.data.images.like import images_like
from ganaug.data.labels import listed
from ganaug.engine.devices import seed_from
from ganaug.generators.contract import Generator, check_generator, class_indices, class_name, class_names, draw_images

__all__ = ["FilteredDraws", "NothingPassedError", "draw_filtered"]

MIN_BATCH, MAX_BATCH = 64, 4096  # candidates drawn at a time


class NothingPassedError(ValueError):
    """The filters let no image through."""


class FilteredDraws:
    """Images of a generator that pass all filters, class by class.

    Parameters
    ----------
    gan, per_class, real, keep, max_draws, random_state
        As for :meth:`ganaug.SyntheticPool.build`.

    Attributes
    ----------
    seed : int
    filters : list of filters
        Fitted.
    records : list of dict
        Of each class that was drawn so far: how many were asked for, drawn and kept, and what each filter let through.
    """

    def __init__(
        self,
        gan: Generator,
        per_class: int | Mapping[Any, int],
        *,
        real: Any = None,
        keep: str | Iterable[ImageFilter] = "auto",
        max_draws: int = 10,
        random_state: Any = None,
    ) -> None:
        check_generator(gan, kind="images")
        self.gan = gan
        self.wanted = _wanted(gan, per_class)
        if max_draws < 1:
            raise ValueError(f"max_draws must be at least 1, got {max_draws}")
        self.max_draws = max_draws
        self.seed = seed_from(random_state)
        data = None if real is None else _training_images(gan, real)
        self.filters = filters_for(keep, gan, data, np.random.default_rng(self.seed))
        self.records: list[dict[str, Any]] = []

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Batches of images (n, channels, height, width), in the order of the classes.

        Raises
        ------
        NothingPassedError
            At the end, if not a single image has passed.
        """
        self.records = []
        for position in range(len(self.wanted)):
            yield from self.of_class(position)
        self.check_any_kept()

    def check_any_kept(self) -> None:
        """Raise ``NothingPassedError`` if none of the classes drawn so far has an image."""
        if not any(record["kept"] for record in self.records):
            self.warn_of_short_classes()
            raise NothingPassedError("not a single image passed the filters; train the GAN longer, or keep more")

    def warn_of_short_classes(self) -> None:
        """Warn the caller of the function that calls this of classes that could not be filled."""
        short = [record for record in self.records if record["kept"] < record["asked"]]
        if not short:
            return
        if len(short) == 1:
            record = short[0]
            message = (
                f"class {record['class']!r} could not be filled: of {record['drawn']:,} images drawn "
                f"{record['kept']:,} passed the filters, {record['asked']:,} were asked for (passed: "
                f"{', '.join(f'{name} {share}' for name, share in record['passed'].items())})"
            )
        else:
            each = [f"{r['class']!r} ({r['kept']:,} of {r['asked']:,}, {r['drawn']:,} drawn)" for r in short]
            message = (
                f"{len(short)} classes could not be filled, as too few of the images drawn passed the filters: "
                f"{listed(each)}"
            )
        warnings.warn(message, UserWarning, stacklevel=4)

    def of_class(self, position: int) -> Iterator[NDArray[Any]]:
        """Batches of images of one class: the same whichever others are drawn."""
        randomness = np.random.default_rng([self.seed, position])
        wanted = int(self.wanted[position])
        most = wanted * self.max_draws
        drawn = kept = 0
        seen, passed = (np.zeros(len(self.filters), dtype=int) for _ in range(2))
        while kept < wanted and drawn < most:
            rate = max(kept / drawn, 0.05) if drawn else 1.0
            n = min(max(int((wanted - kept) / rate) + 1, MIN_BATCH), MAX_BATCH, most - drawn)
            images = draw_images(self.gan, np.full(n, position), random_state=randomness).numpy()
            drawn += n
            for number, step in enumerate(self.filters):
                accepted = step.accepts(images, position) if len(images) else None
                if accepted is not None:
                    seen[number] += len(images)
                    images = images[accepted]
                    passed[number] += len(images)
            images = images[: wanted - kept]
            kept += len(images)
            yield images
        rates = {
            step.name: round(float(p / s), 4) if s else None
            for step, p, s in zip(self.filters, passed, seen, strict=True)
        }
        name = class_name(self.gan, self.gan.classes_[position].item())
        self.records.append({"class": name, "asked": wanted, "drawn": drawn, "kept": kept, "passed": rates})


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
    return images, np.repeat(np.arange(len(gan.classes_)), [record["kept"] for record in draws.records])


def _wanted(gan: Generator, per_class: int | Mapping[Any, int]) -> NDArray[np.int64]:
    """Images to keep of each of the generator's classes."""
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
