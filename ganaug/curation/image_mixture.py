"""Several generators of images as one, of which each draws an equal part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from torch import Tensor

from ganaug.data import labelled_images
from ganaug.data.json_values import short
from ganaug.engine.devices import seed_from, seeded
from ganaug.generators.contract import (
    SampleSpec,
    check_generator,
    class_indices,
    device_of,
    draw_images,
    group_indices,
    has_groups,
    takes,
)

__all__ = ["ImageMixture"]


class ImageMixture(BaseEstimator):
    """Draws every class, and every cell of class and group, in equal parts from several generators.

    What one of them draws badly another may draw well, and they err in different ways. It stands wherever a generator
    of images does: in pools, transforms, datasets and gates.

    Parameters
    ----------
    generators : sequence of generators of images
        Such as ImageGAN, ImageFlow or AdditiveTransfer, of which copies are fitted; all with groups, or none.
    random_state : int, RandomState, Generator or None, default=None
        Of the training of those that have none of their own.

    Attributes
    ----------
    generators_ : list of generators
        Fitted.
    classes_ : ndarray of shape (n_classes,)
        Labels as they were given, sorted.
    class_names_ : dict
        Display names of classes, where the first generator has any.
    groups_ : ndarray of shape (n_groups,) or None
    cell_counts_ : ndarray of shape (n_classes, n_groups), int64, or None
        As the first generator has them.
    sample_spec_ : SampleSpec
    device_ : torch.device
        Where it draws: a GPU if one of its generators does.

    Notes
    -----
    In cells of scanners and digits that the data lack, a classifier with images of a GAN and a flow together was right
    on 77 %, and on 71 and 70 % with those of one (``python benchmarks/run.py cells-scanners``).

    Examples
    --------
    >>> from ganaug import ImageFlow, ImageGAN, labelled_images
    >>> from ganaug.curation import ImageMixture
    >>> digits, pens = labelled_images("digits").subset(range(200)), ["thin", "thick"] * 100
    >>> quick = {"steps": 5, "device": "cpu", "verbose": False}
    >>> both = ImageMixture([ImageGAN(**quick), ImageFlow(**quick)], random_state=0).fit(digits, groups=pens)
    >>> both.sample([3, 3, 8], ["thin", "thin", "thick"], random_state=0).shape
    torch.Size([3, 1, 8, 8])
    """

    generators_: list[Any]
    classes_: NDArray[Any]
    class_names_: dict[Any, str]
    groups_: NDArray[Any] | None
    cell_counts_: NDArray[np.int64] | None
    sample_spec_: SampleSpec
    training_data_: dict[str, Any]

    def __init__(self, generators: Sequence[Any], *, random_state: Any = None) -> None:
        self.generators = generators
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, groups: Any = None) -> Self:
        """Fit a copy of each generator.

        Parameters
        ----------
        X, y, groups
            As for :meth:`ganaug.ImageGAN.fit`.

        Returns
        -------
        ImageMixture
            Itself, fitted.

        Raises
        ------
        ValueError, TypeError
            For no generators, one that is no generator of images or learns no groups where others do, generators that
            find other classes or groups in the same images, and bad input.
        """
        generators = list(self.generators)
        if not generators:
            raise ValueError("generators must hold at least one generator, got none; pass such as ImageGAN()")
        data = labelled_images(X, y, groups=groups, dtype="auto")
        for number, generator in enumerate(generators):
            check_generator(generator, f"generators[{number}]", "images", fitted=False)
            if data.groups is not None and not takes(generator.sample, "groups"):
                raise TypeError(
                    f"generators[{number}], a {type(generator).__name__}, draws no groups; pass another one, or "
                    "images without groups"
                )
        seeds = np.random.default_rng(seed_from(self.random_state)).integers(2**31, size=len(generators))
        self.generators_ = [
            seeded(clone(generator, safe=False), seed).fit(data)
            for generator, seed in zip(generators, seeds.tolist(), strict=True)
        ]
        if len({has_groups(each) for each in self.generators_}) > 1:
            without = next(each for each in self.generators_ if not has_groups(each))
            raise TypeError(f"all generators must learn groups or none, got a {type(without).__name__} without groups_")
        first = self.generators_[0]
        self._check_alike(first)
        self.classes_, self.sample_spec_ = first.classes_, first.sample_spec_
        self.class_names_ = dict(data.class_names)
        self.training_data_ = {**data.as_training_data(), **data.facts}
        self.groups_ = np.asarray(first.groups_) if has_groups(first) else None
        self.cell_counts_ = first.cell_counts_ if has_groups(first) else None
        return self

    def _check_alike(self, first: Any) -> None:
        """Refuse generators that know other classes or groups, or in another order: all draw by the same positions."""
        for name in ("classes_", *(["groups_"] if has_groups(first) else [])):
            known = np.asarray(getattr(first, name)).tolist()
            for each in self.generators_[1:]:
                if (own := np.asarray(getattr(each, name)).tolist()) != known:
                    raise ValueError(
                        f"all generators must have the same {name}, got {short(known)} of {type(first).__name__} and "
                        f"{short(own)} of {type(each).__name__}; pass others"
                    )

    @property
    def device_(self) -> torch.device:
        """Where it draws."""
        devices = [device_of(generator) for generator in self.generators_]
        return next((device for device in devices if device.type != "cpu"), devices[0])

    def sample(self, labels: Any, groups: Any = None, *, random_state: Any = None) -> Tensor:
        """Draw one image per label; of each class, or cell of class and group, as many by each generator.

        Parameters
        ----------
        labels : array-like of shape (n,)
            Classes among ``classes_``; may be empty.
        groups : array-like of shape (n,), optional
            Groups among ``groups_``; by default each generator draws them as in its training.
        random_state : int, RandomState, Generator or None

        Returns
        -------
        Tensor of shape (n, channels, height, width)
            In the dtype of the training images.

        Raises
        ------
        ValueError
            For a label or a group that was not in the training data, and another number of groups than of labels.
        """
        places = [class_indices(self, labels)]
        if groups is not None:
            places.append(group_indices(self, groups, len(places[0])))
        return self.sample_positions(*map(torch.from_numpy, places), random_state=random_state)

    def sample_positions(
        self,
        positions: Tensor,
        groups: Tensor | None = None,
        *,
        random_state: Any = None,
        device: str | torch.device = "cpu",
    ) -> Tensor:
        """As :meth:`sample`, for positions in ``classes_`` and ``groups_``, with the result on `device`."""
        randomness = np.random.default_rng(seed_from(random_state))
        places = [asked.cpu().numpy() for asked in (positions, groups) if asked is not None]
        # In turns within each cell, whatever the order of the labels.
        order = np.lexsort([randomness.random(len(places[0])), *places])
        by = np.empty(len(order), dtype=np.int64)
        by[order] = (np.arange(len(order)) + randomness.integers(len(self.generators_))) % len(self.generators_)
        dtype = getattr(torch, self.sample_spec_.dtype)
        drawn = torch.empty((len(order), *self.sample_spec_.shape), dtype=dtype, device=device)
        for number, generator in enumerate(self.generators_):
            own = np.flatnonzero(by == number)
            if not len(own):
                continue
            seed = int(randomness.integers(2**31))
            asked = [place[own] for place in places]
            drawn[torch.from_numpy(own)] = draw_images(generator, *asked, random_state=seed, device=device)
        return drawn
