"""Samples that are equal to the last pixel or value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats
from numpy.typing import NDArray

from ganaug.data.kinds import Kind

__all__ = [
    "FAR_MORE",
    "ExactCopies",
    "array_keys",
    "check_holdout",
    "exact_copies",
    "far_more",
    "far_more_pairs",
    "repeats",
    "row_keys",
]

# p-value below which other rows repeat training rows more than these repeat each other: far smaller than for a test,
# since training rows that repeat each other come in groups.
FAR_MORE = 1e-6
MORE = 0.01  # the same where no training rows repeat each other
WIDTHS = 12  # standard deviations around the mean of a distribution, beyond which there is nothing


@dataclass(frozen=True)
class ExactCopies:
    """How many synthetic samples equal a training sample.

    Attributes
    ----------
    count, n : int
        Copies, and synthetic samples.
    rate, low, high : float
        Share, with its Wilson interval of 95 %.
    rate_real : float
        Share of real samples of the same classes that equal a training sample: of the holdout, or where there is none
        of the training samples, another one.
    p_value : float
        That synthetic samples do so more often than real ones of their class, by an exact test; with one class it is
        Fisher's.
    """

    count: int
    n: int
    rate: float
    low: float
    high: float
    rate_real: float
    p_value: float


def array_keys(*parts: NDArray[Any]) -> list[NDArray[np.int64]]:
    """A number for each sample of arrays of one dtype, the same for equal ones; one array for each that is given."""
    return _numbered([sample.tobytes() for part in parts for sample in part], list(map(len, parts)))


def row_keys(*parts: pd.DataFrame) -> list[NDArray[np.int64]]:
    """A number for each row, the same for equal ones; missing values are equal to each other.

    Where a column has single precision in one of the tables, it is compared in single precision.

    Examples
    --------
    >>> a, b = pd.DataFrame({"x": [1, 2]}), pd.DataFrame({"x": [2.0, 3.0]})
    >>> [keys.tolist() for keys in row_keys(a, b)]
    [[0, 1], [1, 2]]
    """
    codes = np.stack([_codes([part[name] for part in parts]) for name in parts[0].columns], axis=1)
    return _numbered([row.tobytes() for row in codes], list(map(len, parts)))


def _values_repeat(table: pd.DataFrame) -> bool:
    """Whether in each column at least half of the rows hold a value of another row: rows may be equal by chance."""
    return all(repeats(_codes([table[name]])).mean() >= 0.5 for name in table.columns)


def _codes(columns: list[pd.Series]) -> NDArray[np.int64]:
    single = any(column.dtype == np.float32 for column in columns)
    values: list[Any] = []
    for column in columns:
        floats = isinstance(column.dtype, np.dtype) and column.dtype.kind == "f"
        values.extend((column.astype(np.float32) if single and floats else column).astype(object))
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return pd.factorize(array, use_na_sentinel=True)[0].astype(np.int64)


def _numbered(content: list[bytes], lengths: list[int]) -> list[NDArray[np.int64]]:
    known: dict[bytes, int] = {}
    numbers = np.array([known.setdefault(key, len(known)) for key in content], dtype=np.int64)
    return np.split(numbers, np.cumsum(lengths)[:-1])


def check_holdout(
    synthetic: NDArray[np.int64],
    train: NDArray[np.int64],
    holdout: NDArray[np.int64],
    *,
    kind: Kind,
    rows: pd.DataFrame | None = None,
) -> None:
    """Raise ``ValueError`` if holdout samples are also in the training data or among the synthetic ones.

    Rows of a table may be equal by chance: where training rows repeat each other, a holdout passes that does not repeat
    them far more often, and is not the training data themselves. Where none do, it may repeat a few if all columns have
    values that repeat. Synthetic rows are refused if they are the holdout itself, or hit its rows far more often than
    they hit as many training rows.

    Parameters
    ----------
    synthetic, train, holdout : ndarray of shape (n,), int64
        Keys.
    kind : Kind
        Of the samples.
    rows : DataFrame of shape (n_train, n_columns), optional
        The training rows; without, those that do not repeat are not taken for equal by chance.
    """
    repeated = int(repeats(train).sum())
    known = int(np.isin(synthetic, holdout).sum())
    if known and (not kind.repeats or _same(synthetic, holdout) or _drawn_from(holdout, train, synthetic)):
        raise ValueError(
            f"{known} of {len(synthetic)} synthetic {kind.name} are also in the holdout; pass a holdout that the "
            "generator has not seen"
        )
    count = int(np.isin(holdout, train).sum())
    if not count:
        return
    if repeated:
        by_chance = not far_more(count, len(holdout), repeated, len(train))
    else:
        pairs = len(train) * (len(train) - 1) // 2
        by_chance = not far_more_pairs(count, len(train) * len(holdout), 0, pairs, alpha=MORE)
        by_chance = by_chance and rows is not None and _values_repeat(rows)
    if not kind.repeats or _same(train, holdout) or not by_chance:
        raise ValueError(
            f"{count} of {len(holdout)} holdout {kind.name} are also in the training data; remove them from one of the "
            "two, a holdout must not have been trained on"
        )


def exact_copies(
    copied: NDArray[np.bool_], real: NDArray[np.bool_], classes: NDArray[Any], real_classes: NDArray[Any]
) -> ExactCopies:
    """Count the synthetic samples that equal a training sample, and compare with real samples of the same classes.

    If synthetic samples are like the real ones of their class, the number of those that equal a training sample follows
    the hypergeometric distribution in each class, and is the sum over classes, in whatever number each was drawn.

    Parameters
    ----------
    copied : ndarray of shape (n,), bool
        Whether each synthetic sample does.
    real : ndarray of shape (n_real,), bool
        The same of real samples.
    classes, real_classes : ndarray of shape (n,) and (n_real,)
    """
    count, n = int(copied.sum()), len(copied)
    chances, first, rate = np.ones(1), 0, 0.0
    for name in np.unique(classes):
        own, others = copied[classes == name], real[real_classes == name]
        both, alike = len(own) + len(others), int(own.sum()) + int(others.sum())
        # Only where there is any probability, which matters for classes of many samples.
        middle = len(own) * alike / both
        variance = middle * (both - alike) / both * len(others) / max(1, both - 1)
        reach = WIDTHS * variance**0.5 + WIDTHS
        least = max(0, len(own) + alike - both, int(middle - reach))
        values = np.arange(least, min(len(own), alike, int(middle + reach) + 1) + 1)
        chances = np.convolve(chances, scipy.stats.hypergeom(both, alike, len(own)).pmf(values))
        first += least
        rate += len(own) / n * (others.mean() if len(others) else own.mean())
    interval = scipy.stats.binomtest(count, n).proportion_ci(method="wilson")
    p_value = min(1.0, float(chances[max(0, count - first) :].sum()))
    return ExactCopies(count, n, count / n, float(interval.low), float(interval.high), float(rate), p_value)


def repeats(keys: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which samples equal another one.

    Examples
    --------
    >>> repeats(np.array([7, 3, 7])).tolist()
    [True, False, True]
    """
    _, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return counts[place] > 1


def _drawn_from(holdout: NDArray[np.int64], train: NDArray[np.int64], synthetic: NDArray[np.int64]) -> bool:
    """Whether samples hit what is in the holdout alone far more often than what is in the training data alone."""
    own, other = np.setdiff1d(holdout, train), np.setdiff1d(train, holdout)
    # Each value counts once: a generator may return one and the same time and again.
    values = np.unique(synthetic)
    hits, misses = int(np.isin(values, own).sum()), int(np.isin(values, other).sum())
    if hits == 0:
        return False
    return far_more_pairs(hits, len(own), misses, len(other))


def _same(a: NDArray[np.int64], b: NDArray[np.int64]) -> bool:
    return np.array_equal(np.sort(a), np.sort(b))


def far_more(count: int, n: int, other: int, n_other: int) -> bool:
    """Whether `count` of `n` is far more often than `other` of `n_other`, by Fisher's exact test.

    Examples
    --------
    >>> far_more(30, 30, 1, 120), far_more(3, 30, 1, 120)
    (True, False)
    """
    table = [[count, n - count], [other, n_other - other]]
    return bool(scipy.stats.fisher_exact(table, alternative="greater").pvalue < FAR_MORE)


def far_more_pairs(count: int, n: int, other: int, n_other: int, *, alpha: float = FAR_MORE) -> bool:
    """As :func:`far_more` where counts are small beside `n` and `n_other`, which may be billions, by a binomial test.

    Examples
    --------
    >>> far_more_pairs(30, 10**8, 1, 10**8), far_more_pairs(30, 10**8, 20, 10**8)
    (True, False)
    """
    found = scipy.stats.binomtest(count, count + other, n / (n + n_other), alternative="greater")
    return float(found.pvalue) < alpha
