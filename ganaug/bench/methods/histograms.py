"""Histogram matching between groups: the rival of scanners that differ in brightness and contrast."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ganaug.curation import AdditiveTransfer
from ganaug.data.labels import class_positions
from ganaug.engine.devices import seed_from

__all__ = ["HistogramMatching"]

LEVELS = 256


class HistogramMatching(AdditiveTransfer):
    """Gives real images of a class from one group the histogram of another group, channel by channel.

    The level of a pixel becomes the one of the same rank in the other group (Gonzalez and Woods, "Digital Image
    Processing", section 3.3). Histograms of two groups are means over the classes that both have, so that what one
    lacks makes no difference.

    Examples
    --------
    >>> X = np.repeat(np.array([10, 60, 110, 160], np.uint8), 64).reshape(4, 1, 8, 8)
    >>> transfer = HistogramMatching().fit(X, ["a", "a", "b", "b"], ["old", "new", "old", "new"])
    >>> transfer.sample(["a"], ["new"], random_state=0).unique().tolist()
    [60]
    """

    def fit(self, X: Any, y: Any = None, groups: Any = None, **options: Any) -> HistogramMatching:
        """Keep the images, and count the levels of each cell; see :meth:`AdditiveTransfer.fit`.

        Raises
        ------
        TypeError
            For anything but images of bytes.
        """
        super().fit(X, y, groups, **options)
        if self._samples.ndim != 4 or self._samples.dtype != np.uint8:
            raise TypeError(f"X must be uint8 images, got {self._samples.dtype}; convert it first")
        self.levels_ = np.zeros((*self.cell_counts_.shape, self._samples.shape[1], LEVELS))
        for c, g in np.argwhere(self.cell_counts_):
            for channel, pixels in enumerate(self._samples[(self._cells == (c, g)).all(1)].swapaxes(0, 1)):
                self.levels_[c, g, channel] = np.bincount(pixels.reshape(-1), minlength=LEVELS) / pixels.size
        return self

    def sample_with_donors(
        self, labels: Any, groups: Any = None, *, random_state: Any = None
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """As :meth:`AdditiveTransfer.sample_with_donors`, with matched histograms."""
        check_is_fitted(self)
        randomness = np.random.default_rng(seed_from(random_state))
        classes = class_positions(labels, self.classes_, "there are the classes")
        if groups is None:
            of = self._draw_groups(classes, randomness)
        else:
            of = class_positions(groups, self.groups_, "there are the groups", what="group")
        drawn = np.empty((len(classes), *self._samples.shape[1:]), np.uint8)
        donors = np.empty(len(classes), dtype=np.int64)
        for c, g in np.unique(np.stack([classes, of], 1), axis=0):
            chosen = np.flatnonzero((classes == c) & (of == g))
            donors[chosen], sources = self._draw_donors(c, g, len(chosen), randomness)
            for h in np.unique(sources):
                some = chosen[sources == h]
                for channel, table in enumerate(self._tables(h, g)):
                    drawn[some, channel] = table[self._samples[donors[some], channel]]
        return drawn, donors

    def _tables(self, source: int, target: int) -> NDArray[np.uint8]:
        """The level that each level of one group becomes in another, of each channel."""
        both = (self.cell_counts_[:, [source, target]] > 0).all(1)
        shares = self.levels_[:, [source, target]]
        if both.any():
            means = shares[both].mean(0)
        else:
            there = (self.cell_counts_[:, [source, target]] > 0)[:, :, None, None]
            means = shares.sum(0) / there.sum(0)
        ranks = means.cumsum(-1) - means / 2  # of the middle of a level
        matched = [np.interp(old, new, np.arange(LEVELS)) for old, new in zip(*ranks, strict=True)]
        return np.rint(matched).astype(np.uint8)
