"""Histogram matching between groups: the rival of scanners that differ in brightness and contrast."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug.curation.transfer import Transfer

__all__ = ["HistogramMatching"]

LEVELS = 256


class HistogramMatching(Transfer):
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

    def fit(self, X: Any, y: Any = None, groups: Any = None) -> HistogramMatching:
        """Keep the images, and count the levels of each cell; see :meth:`ganaug.curation.AdditiveTransfer.fit`.

        Raises
        ------
        TypeError
            For anything but images of bytes.
        """
        self._keep(X, y, groups)
        if self._samples.ndim != 4 or self._samples.dtype != np.uint8:
            raise TypeError(f"X must be uint8 images, got {self._samples.dtype}; convert it first")
        self.levels_ = np.zeros((*self.cell_counts_.shape, self._samples.shape[1], LEVELS))
        for c, g in np.argwhere(self.cell_counts_):
            for channel, pixels in enumerate(self._samples[(self._cells == (c, g)).all(1)].swapaxes(0, 1)):
                self.levels_[c, g, channel] = np.bincount(pixels.reshape(-1), minlength=LEVELS) / pixels.size
        return self

    def _moved(self, donors: NDArray[np.int64], sources: NDArray[np.int64], target: int) -> NDArray[Any]:
        moved = np.empty_like(self._samples[donors])
        for source in np.unique(sources):
            some = sources == source
            for channel, table in enumerate(self._tables(source, target)):
                moved[some, channel] = table[self._samples[donors[some], channel]]
        return moved

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
