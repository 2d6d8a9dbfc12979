"""Tables whose structure is known, to find out where a generator draws what a Gaussian copula of each class cannot.

    pip install ".[bench]"
    python benchmarks/run.py benchmarks/known-structure.toml   # in which of_structure() makes the tables

A Gaussian copula has the margins of each column and one correlation matrix a class. The tables here go from what it is
right about to what it cannot hold.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["of_structure"]

ROWS, COLUMNS = 20_000, 8
LEVELS, COMBINATIONS = 6, 8
NOISE = 0.05  # labels that are drawn at random
Numbers = NDArray[np.float64]


def _one_mode(randomness: np.random.Generator, label: int, n: int) -> pd.DataFrame:
    """A normal distribution a class, with correlations of its own."""
    mixing = randomness.normal(size=(COLUMNS, COLUMNS)) / np.sqrt(COLUMNS)
    return pd.DataFrame(randomness.normal(size=(n, COLUMNS)) @ mixing + 0.5 * label)


def _modes(randomness: np.random.Generator, label: int, n: int) -> pd.DataFrame:
    """Ten clusters a class, of which all lie around the same centre."""
    centres = randomness.normal(size=(10, COLUMNS))
    return pd.DataFrame(centres[randomness.integers(10, size=n)] + 0.5 * randomness.normal(size=(n, COLUMNS)))


def _ring(randomness: np.random.Generator, label: int, n: int) -> pd.DataFrame:
    """A shell of another radius for each class in the first four columns, and noise in the others."""
    points = randomness.normal(size=(n, COLUMNS))
    shell = points[:, :4] / np.linalg.norm(points[:, :4], axis=1, keepdims=True)
    points[:, :4] = (1 + 0.5 * label) * shell + 0.15 * randomness.normal(size=(n, 4))
    return pd.DataFrame(points)


def _interactions(randomness: np.random.Generator, label: int, n: int) -> pd.DataFrame:
    """The class is the sign of a product of three columns; in pairs of columns both classes look the same."""
    points = randomness.normal(size=(n, COLUMNS))
    wanted = np.where(randomness.random(n) < NOISE, randomness.integers(2, size=n), label)
    points[:, 0] *= np.where((np.prod(points[:, :3], axis=1) > 0) == wanted, 1, -1)
    return pd.DataFrame(points)


def _mixed(randomness: np.random.Generator, label: int, n: int) -> pd.DataFrame:
    """Three columns of names in eight combinations a class, with numbers around a centre for each combination."""
    names = randomness.integers(LEVELS, size=(COMBINATIONS, 3))
    centres = randomness.normal(size=(COMBINATIONS, COLUMNS - 3))
    chosen = randomness.integers(COMBINATIONS, size=n)
    drawn = names[chosen]
    other = randomness.random(drawn.shape) < 0.2  # so that a name alone does not tell
    drawn = np.where(other, randomness.integers(LEVELS, size=drawn.shape), drawn)
    numbers = centres[chosen] + randomness.normal(size=(n, COLUMNS - 3))
    of_names = {f"name {j}": pd.Series(list("abcdef"))[drawn[:, j]].to_numpy() for j in range(3)}
    return pd.DataFrame({**of_names, **{f"number {j}": numbers[:, j] for j in range(COLUMNS - 3)}})


STRUCTURES: dict[str, Callable[[np.random.Generator, int, int], pd.DataFrame]] = {
    "one mode": _one_mode,
    "modes": _modes,
    "shells": _ring,
    "interactions": _interactions,
    "mixed": _mixed,
}


def of_structure(structure: str, seed: int = 0) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """A table of two classes.

    Parameters
    ----------
    structure : {"one mode", "modes", "shells", "interactions", "mixed"}
    seed : int

    Returns
    -------
    DataFrame of shape (20000, 8)
    ndarray of int
        Labels, 0 and 1, as many of each.

    Examples
    --------
    >>> X, y = of_structure("mixed")
    >>> X.shape, y.mean()
    ((20000, 8), 0.5)
    """
    randomness = np.random.default_rng(seed)
    parts = [STRUCTURES[structure](randomness, label, ROWS // 2).rename(columns=str) for label in (0, 1)]
    return pd.concat(parts, ignore_index=True), np.repeat([0, 1], ROWS // 2)
