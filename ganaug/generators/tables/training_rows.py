"""Encoded rows that a generator of tables is trained on, in memory or in a file."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug.data.counting_sort import parts, positions_by_class
from ganaug.data.tables.containers import Container
from ganaug.data.tables.encoder import Encoder
from ganaug.engine.label_embedding import cells_of
from ganaug.generators.grouping import Grouping

__all__ = ["TrainingRows", "fingerprint_of", "parts_of", "shown_first"]

PART = 2**20  # numbers that are looked at at a time
MOST_SHOWN = 2**25  # numbers of rows in a file that networks are shown before they are trained
FEW_SHOWN = 100  # rows of each cell, beyond its share of them


@dataclass(frozen=True)
class TrainingRows:
    """Encoded rows with what they are trained on beside them."""

    encoder: Encoder
    container: Container
    rows: NDArray[np.float32]
    classes: NDArray[Any]
    indices: NDArray[np.integer]
    grouping: Grouping | None
    fingerprint: str


def shown_first(
    rows: NDArray[np.float32],
    classes: NDArray[np.integer],
    groups: NDArray[np.integer] | None,
    without: NDArray[np.integer] | None = None,
    most_numbers: int = MOST_SHOWN,
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64] | None]:
    """What networks are shown before they are trained: all rows, but of those in a file a sample of each cell.

    Rows at the positions `without`, which are not trained on, are left out.
    """
    without = np.empty(0, dtype=np.int64) if without is None else without
    most = max(1, most_numbers // rows.shape[1])
    if not isinstance(rows, np.memmap) or len(rows) <= most:
        if len(without):
            kept = np.setdiff1d(np.arange(len(rows)), without)
            rows, classes, groups = rows[kept], classes[kept], None if groups is None else groups[kept]
        return (
            rows,
            classes.astype(np.int64, copy=False),
            None if groups is None else groups.astype(np.int64, copy=False),
        )
    cells = classes if groups is None else cells_of(np.stack([classes, groups], 1))[1]
    order, counts = positions_by_class(cells)
    ends, randomness, chosen = np.cumsum(counts[counts > 0]), np.random.default_rng(0), []
    for start, end in itertools.pairwise([0, *ends.tolist()]):
        size = min(end - start, max(FEW_SHOWN, most * (end - start) // len(rows)))
        chosen.append(order[start + randomness.choice(end - start, size, replace=False, shuffle=False)])
    positions = np.setdiff1d(np.concatenate(chosen), without)
    of_groups = None if groups is None else groups[positions].astype(np.int64)
    return np.asarray(rows[positions]), classes[positions].astype(np.int64), of_groups


def parts_of(names: NDArray[Any], positions: NDArray[np.integer]) -> Iterator[NDArray[Any]]:
    """What is at positions among names, part by part."""
    return (names[positions[part]] for part in parts(len(positions)))


def fingerprint_of(
    rows: NDArray[np.float32], labels: Iterable[NDArray[Any]], groups: Iterable[NDArray[Any]] | None
) -> str:
    """SHA-256 over encoded rows, labels and groups where there are any, the same in every process."""
    digest = hashlib.sha256(f"({rows.shape!r}, ".encode())
    _digest_list(digest, labels)
    digest.update(b")")
    at_a_time = max(1, PART // rows.shape[1])
    for start in range(0, len(rows), at_a_time):
        digest.update(np.ascontiguousarray(rows[start : start + at_a_time]).tobytes())
    if groups is not None:
        _digest_list(digest, groups)
    return digest.hexdigest()


def _digest_list(digest: Any, of_parts: Iterable[NDArray[Any]]) -> None:
    """Take in what ``repr`` says of the list of all values as text."""
    before = "["
    for part in of_parts:
        digest.update((before + repr([str(value) for value in part])[1:-1]).encode())
        before = ", "
    digest.update(b"]")
