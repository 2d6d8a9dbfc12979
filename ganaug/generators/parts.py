"""Drawing many rows in parts, so that memory does not grow with their number."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["part_seed", "rows_at_a_time"]

MOST_ROWS, MOST_CELLS = 2**17, 2**23  # of a part


def rows_at_a_time(gan: Any) -> int:
    """How many rows a part has: 131,072, and fewer of more than 64 columns.

    Parameters
    ----------
    gan : Generator
        Fitted; draws rows.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from ganaug.generators.contract import SampleSpec
    >>> [rows_at_a_time(SimpleNamespace(sample_spec_=SampleSpec("rows", (n,), "float64"))) for n in (15, 5000)]
    [131072, 1677]
    """
    return max(1, min(MOST_ROWS, MOST_CELLS // gan.sample_spec_.shape[0]))


def part_seed(seed: int | None, number: int) -> int | None:
    """The seed of a part, from that of all of them: the first has the same, others have their own.

    Parameters
    ----------
    seed : int or None
        None stands for a draw that is not to be repeated.
    number : int
        Of the part, from 0 on.

    Examples
    --------
    >>> part_seed(7, 0), part_seed(7, 1) != part_seed(7, 2), part_seed(None, 1)
    (7, True, None)
    """
    if seed is None or number == 0:
        return seed
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
