"""The generators of each split of the images of one dataset, and what is drawn from them."""

from __future__ import annotations

import contextlib
import functools
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug.bench.cases.case import global_states
from ganaug.bench.cases.image_keys import INNER, ImageKeys, part_of
from ganaug.bench.inputs.splits import copies
from ganaug.bench.methods.arms import find_filter
from ganaug.bench.methods.cells import Grouped, lacking_samples
from ganaug.bench.methods.making import make_generator
from ganaug.bench.records.store import Store
from ganaug.bench.suite.plugins import construct
from ganaug.bench.suite.schema import ImageArm, Suite
from ganaug.classifiers.batches import Labelled
from ganaug.curation.drawing import draw_filtered, draw_filtered_cells
from ganaug.curation.image_filters import ImageFilter
from ganaug.curation.inner_validation import inner_split
from ganaug.data import LabelledImages
from ganaug.engine.devices import resolve_device
from ganaug.generators import Generator
from ganaug.generators.contract import draw_images, group_indices

__all__ = ["ImageDraws"]


class ImageDraws(ImageKeys):
    """Generators fitted once per split, and their images drawn once for all arms."""

    def __init__(self, suite: Suite, index: int, store: Store) -> None:
        super().__init__(suite, index, store)
        self._synthetic: dict[tuple[int, str, tuple[str, ...]], Labelled] = {}  # of one split
        self._filling: dict[tuple[int, str, str], Grouped] = {}  # of one split

    def _training(self, split: int, part: str = "") -> LabelledImages:
        """The training images of a split, or those of them that its gate trains on."""
        chosen = self.splits.training[split]
        return self.data.subset(chosen[self._inner(split)[0]] if part.endswith(INNER) else chosen)

    def _inner(self, split: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return inner_split(self.data.labels[self.splits.training[split]], self.seed("inner split", split))

    def _new(self, name: str, **extra: Any) -> Any:
        """A generator that is not fitted yet."""
        extra = {"device": self.experiment.device, "verbose": False, **extra}
        return make_generator(self.experiment.generator(name), "images", **extra)

    def _fit(self, split: int, part: str) -> Generator:
        """Fit a generator, and save it where it can be."""
        seed = self.seed(f"gan {part}".strip(), split)
        gan = self._new(self._parts[part], random_state=seed)
        with global_states(seed, resolve_device(self.experiment.device)):
            gan.fit(self._training(split, part))
        if hasattr(gan, "save"):
            gan.save(self.store.gan_folder(self._gan_key(split, part)))
        return gan

    def _gan(self, split: int, part: str) -> Generator:
        """A fitted generator: the saved one, or the same fitted again."""
        self._made(split, part)
        params = self.experiment.generator(self._parts[part]).params
        made = self._new(self._parts[part])
        if hasattr(made, "save") and hasattr(made, "load"):
            read = functools.partial(type(made).load, self.store.gan_folder(self._gan_key(split, part)))
            # Its folder may have been deleted or damaged after it was finished.
            with contextlib.suppress(ValueError):
                return construct(read, {}, device=params.get("device", self.experiment.device))
        return self._fit(split, part)

    def _seconds_to_fit(self, split: int, arm: ImageArm) -> float:
        return float(sum(self._made(split, part_of(name))["fit_seconds"] for name in arm.sources))

    def _synthetic_images(self, split: int, arm: ImageArm, keep: tuple[ImageFilter, ...]) -> Labelled:
        """The synthetic images of a split that pass some filters, of all generators of an arm."""
        drawn = [self._of_generator(split, part_of(name), keep) for name in arm.sources]
        if len(drawn) == 1:
            return drawn[0]
        return np.concatenate([images for images, _ in drawn]), np.concatenate([labels for _, labels in drawn])

    def _fill(self, split: int, arm: ImageArm) -> Grouped | None:
        """Synthetic images of the cells that an arm fills, as many of each generator; None without such cells."""
        if arm.cells is None or self.groups is None or self.group_names is None:
            return None
        chosen = self.splits.training[split]
        counts = np.zeros((len(self.classes), len(self.group_names)), dtype=np.int64)
        np.add.at(counts, (self.targets[chosen], self.groups[chosen]), 1)
        cells = np.argwhere(lacking_samples(counts, arm.cells, arm.synthetic))
        if not len(cells):
            return None
        n = -(-self.experiment.synthetic_per_class // len(arm.sources))
        drawn = []
        for name in arm.sources:
            place = split, name, repr((arm.cells, arm.synthetic, arm.keep, n))
            if place not in self._filling:
                self._filling = {known: part for known, part in self._filling.items() if known[0] == split}
                keep = tuple(find_filter(named) for named in arm.keep)
                filling = self._drawn_of_cells(split, name, cells, n, keep)
                self._refuse_test_images(filling.images, split)
                self._filling[place] = filling
            drawn.append(self._filling[place])
        return Grouped(*(np.concatenate(parts) for parts in zip(*drawn, strict=True)))

    def _drawn_of_cells(
        self, split: int, name: str, cells: NDArray[np.int64], n: int, keep: tuple[ImageFilter, ...]
    ) -> Grouped:
        """Images by one generator, `n` for each cell, or fewer where too few candidates pass the filters."""
        assert self.group_names is not None
        gan, seed = self._gan(split, part_of(name)), self.seed("sample cells", split, name)
        if not keep:
            labels, groups = np.repeat(cells, n, axis=0).T
            of = group_indices(gan, self.group_names[groups])
            return Grouped(draw_images(gan, labels, groups=of, random_state=seed).numpy(), labels, groups)
        wanted = {(self.classes.tolist()[c], self.group_names.tolist()[g]): n for c, g in cells.tolist()}
        with warnings.catch_warnings(), global_states(seed, resolve_device(self.experiment.device)):
            warnings.simplefilter("ignore", UserWarning)  # cells that stay short are shown fewer
            images, positions, of_groups = draw_filtered_cells(
                gan, None, wanted, real=self._training(split), keep=keep, random_state=seed
            )
        groups = np.asarray(getattr(gan, "groups_", ()))[of_groups]
        return Grouped(images, positions, np.searchsorted(self.group_names, groups))

    def _of_generator(self, split: int, part: str, keep: tuple[ImageFilter, ...]) -> Labelled:
        place = split, part, tuple(str(step.describe()) for step in keep)
        if place not in self._synthetic:
            drawn = self._draw(self._gan(split, part), split, keep)
            self._synthetic = {known: images for known, images in self._synthetic.items() if known[0] == split}
            self._synthetic[place] = drawn
        return self._synthetic[place]

    def _draw(self, gan: Generator, split: int, keep: tuple[ImageFilter, ...]) -> Labelled:
        n, seed = self.experiment.synthetic_per_class, self.seed("sample", split)
        if keep:
            with warnings.catch_warnings(), global_states(seed, resolve_device(self.experiment.device)):
                warnings.simplefilter("ignore", UserWarning)  # classes that stay short are shown fewer
                images, labels = draw_filtered(gan, n, real=self._training(split), keep=keep, random_state=seed)
        else:
            labels = np.repeat(np.arange(len(self.classes)), n)
            images = draw_images(gan, labels, random_state=seed).numpy()
        self._refuse_test_images(images, split)
        return images, labels

    def _refuse_test_images(self, images: NDArray[np.uint8], split: int) -> None:
        # What stands in both parts of the data itself is no sign of a leak.
        test, training = self.data.images[self.splits.test[split]], self.data.images[self.splits.training[split]]
        leaked = copies(images, test) & ~copies(images, training)
        if leaked.any():
            raise RuntimeError(f"{leaked.sum()} of {len(images)} synthetic images are test images: the test set leaked")
