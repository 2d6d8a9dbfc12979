"""Reading and checking what is audited: synthetic, training and holdout samples, as images or as rows of a table."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
import torch
from numpy.typing import NDArray

from ganaug.data import LabelledImages, labelled_images
from ganaug.data.fingerprints import image_keys, row_keys
from ganaug.data.labels import label_matches, labels_from_array, listed
from ganaug.data.tables.columns.column import is_numeric
from ganaug.data.tables.containers import as_table, is_frame
from ganaug.generators.contract import Generator, check_generator, class_names
from ganaug.metrics.matching import check_synthetic_labels
from ganaug.metrics.nearest_neighbors import SMALLEST

__all__ = ["NO_LABEL", "Side", "audited_classes", "check_sides", "draw", "read_side", "with_keys"]

DRAWN = 2000  # samples that are drawn from a model, in all
FEWEST_TRAIN = 2  # of a class
NO_LABEL = "(no label)"  # in place of a class, for images labelled -1
LABELS = {"synthetic": "labels", "train": "train_labels", "holdout": "holdout_labels"}


@dataclass(frozen=True)
class Side:
    """Synthetic, training or holdout samples.

    Attributes
    ----------
    argument : str
        Which of the three, for messages.
    items : ndarray of shape (n, channels, height, width), uint8, or DataFrame
    names : ndarray of shape (n,), str
        Name of the class of each sample; ``NO_LABEL`` for images labelled -1.
    source : LabelledImages, optional
        What images were read from.
    has_labels : bool
        False where all samples were put into one class, for want of labels.
    keys : ndarray of shape (n,), int64
        Equal for equal samples, once :func:`with_keys` has set them.
    """

    argument: str
    items: Any
    names: NDArray[Any]
    source: LabelledImages | None = None
    has_labels: bool = True
    keys: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    @property
    def is_images(self) -> bool:
        """Whether these are images, not rows."""
        return isinstance(self.items, np.ndarray)

    def __len__(self) -> int:
        return len(self.names)

    def items_at(self, indices: NDArray[np.integer]) -> Any:
        """Images or rows at `indices`."""
        return self.items[indices] if self.is_images else self.items.iloc[indices].reset_index(drop=True)


def read_side(samples: Any, labels: Any, argument: str, names: dict[Any, str] | None = None) -> Side:
    """Read samples from whatever they are in.

    Parameters
    ----------
    samples : DataFrame, array, sparse matrix, or any source of labelled images
        Two dimensions are rows of a table.
    labels : array-like of shape (n,) or None
        Beside rows and arrays; None puts all into one class.
    argument : str
        For messages.
    names : dict, optional
        Display names of labels, where the source has none.

    Raises
    ------
    ValueError, TypeError
        For what cannot be read; the sentence begins with the argument.
    """
    try:
        if _is_table(samples):
            table, _ = as_table(samples)
            found = np.zeros(len(table), int) if labels is None else labels_from_array(labels, len(table), of="rows")
            _check_finite(table)
            named = np.array([_name(label, {}) for label in found.tolist()], dtype=object)
            return Side(argument, table, named, has_labels=labels is not None)
        has_labels = labels is not None or not isinstance(samples, np.ndarray | torch.Tensor)
        data = labelled_images(samples, labels if has_labels else np.zeros(len(samples), dtype=np.int64))
    except (ValueError, TypeError) as error:
        raise (TypeError if isinstance(error, TypeError) else ValueError)(f"{argument}: {error}") from None
    if not len(data):
        raise ValueError(f"{argument} holds no images; pass at least one")
    known = data.class_names or names or {}
    named = np.array([_name(label, known) for label in data.labels.tolist()], dtype=object)
    named[~data.has_label] = NO_LABEL
    return Side(argument, data.images, named, data, has_labels)


def draw(gan: Generator, train: Side, per_class: int | None, random_state: Any) -> Side:
    """Samples of a fitted generator, as many of each of its classes.

    Raises
    ------
    ValueError
        If it is not fitted, or draws something else than the training data hold.
    """
    check_generator(gan, "synthetic")
    if (gan.sample_spec_.kind == "images") != train.is_images:
        raise ValueError(
            f"synthetic is a {type(gan).__name__} and train holds {_kind(train)}; pass what it was fitted on"
        )
    if per_class is not None and per_class < SMALLEST:
        raise ValueError(f"per_class must be at least {SMALLEST}, got {per_class}")
    n = per_class or max(SMALLEST, DRAWN // len(gan.classes_))
    labels = np.repeat(gan.classes_, n)
    drawn = gan.sample(labels, random_state=random_state)
    return read_side(drawn, labels, "synthetic", {k: _name(k, class_names(gan)) for k in gan.classes_.tolist()})


def audited_classes(sides: list[Side]) -> tuple[list[str], list[str]]:
    """Name the classes that have synthetic samples, and the others of the training data.

    Raises
    ------
    ValueError
        For a class that is missing on one side, or has too few samples.
    """
    synthetic, train = sides[0], sides[1]
    known = set(train.names) - {NO_LABEL}
    for side in sides:
        strange = sorted(set(side.names) - known - {NO_LABEL})
        if strange:
            raise ValueError(
                f"{side.argument} holds class {strange[0]!r}, which train does not; its classes are "
                f"{listed(list(map(repr, sorted(known))))}"
            )
    classes = sorted(set(synthetic.names))
    for side in sides:
        fewest = FEWEST_TRAIN if side is train else SMALLEST
        counts = {name: int((side.names == name).sum()) for name in classes}
        rare = min(classes, key=lambda name: counts[name])
        if not counts[rare]:
            raise ValueError(
                f"{side.argument} holds no samples of class {rare!r}, of which there are synthetic ones; add some or "
                "leave the class out of synthetic"
            )
        if counts[rare] < fewest:
            raise ValueError(
                f"{side.argument} holds {counts[rare]} samples of class {rare!r}, at least {fewest} of each class are "
                "needed; add some or leave the class out"
            )
    return classes, sorted(known - set(classes))


def check_sides(sides: list[Side]) -> list[Side]:
    """Give classes the same names, and tables the same columns in the same order.

    Raises
    ------
    ValueError
        If some are images and others rows, if some have labels and others none, if shapes, columns or their kinds
        differ, or if values are missing in a column in which none are in the training data.
    """
    synthetic, train = sides[:2]
    for side in sides:
        if side.is_images != train.is_images:
            raise ValueError(f"{side.argument} holds {_kind(side)} and train {_kind(train)}; pass the same kind")
        if side.is_images and side.items.shape[1:] != train.items.shape[1:]:
            raise ValueError(
                f"{side.argument} holds images of shape {side.items.shape[1:]} and train of {train.items.shape[1:]} "
                "(channels, height, width); resize or convert them first"
            )
        if side.has_labels != train.has_labels:
            with_labels, without = (side, train) if side.has_labels else (train, side)
            raise ValueError(
                f"{with_labels.argument} has labels and {without.argument} has none; pass {LABELS[without.argument]}, "
                "or leave out those of all samples, which are then taken for one class"
            )
    check_synthetic_labels(synthetic.names != NO_LABEL)
    sides = [side if side is train else _named_as(train, side) for side in sides]
    return sides if train.is_images else [_with_columns_of(train, side) for side in sides]


def with_keys(sides: list[Side]) -> list[Side]:
    """Number the samples, equal ones alike, on all sides together."""
    numbered = (image_keys if sides[0].is_images else row_keys)(*(side.items for side in sides))
    return [replace(side, keys=keys) for side, keys in zip(sides, numbered, strict=True)]


def _named_as(train: Side, side: Side) -> Side:
    """Call classes as the training data do, where the same are written differently, such as 7 and "07"."""
    known = train.names != NO_LABEL
    labels = train.names if train.source is None else train.source.labels
    names = dict(zip(labels[known].tolist(), train.names[known].tolist(), strict=True))
    own = set(side.names.tolist()) - {NO_LABEL}
    found = label_matches(own, names, class_names=names)
    if len(found) < len(own):
        return side
    called = {name: names[label] for name, label in found.items()} | {NO_LABEL: NO_LABEL}
    return replace(side, names=np.array([called[name] for name in side.names.tolist()], dtype=object))


def _with_columns_of(train: Side, side: Side) -> Side:
    table, model = side.items, train.items
    if isinstance(table.columns, pd.RangeIndex) and table.shape[1] == model.shape[1]:
        table = table.set_axis(model.columns, axis=1)
    if set(table.columns) != set(model.columns):
        ours, theirs = (listed(list(map(repr, part.columns))) for part in (table, model))
        raise ValueError(f"{side.argument} has the columns {ours}, train has {theirs}; pass the same columns")
    table = table[model.columns]
    for name in model.columns:
        kinds = [_column_kind(part[name]) for part in (table, model)]
        if kinds[0] != kinds[1] and "nothing" not in kinds:
            raise ValueError(
                f"column {name!r} holds {kinds[0]} in {side.argument} and {kinds[1]} in train; convert one of them"
            )
        n_missing = int(table[name].isna().sum())
        if n_missing and not model[name].isna().any():
            raise ValueError(
                f"column {name!r} of {side.argument} holds NaN or other missing values in {n_missing} rows, that of "
                "train in none; remove these rows or fill them in"
            )
    return replace(side, items=table)


def _column_kind(series: pd.Series) -> str:
    if not series.notna().any():
        return "nothing"
    return "numbers or dates" if is_numeric(series) else "names"


def _check_finite(table: pd.DataFrame) -> None:
    for name in table.columns:
        if table[name].dtype.kind == "f" and np.isinf(table[name].to_numpy(dtype=float, na_value=np.nan)).any():
            raise ValueError(f"column {name!r} holds infinite values; remove or replace them first")


def _is_table(samples: Any) -> bool:
    if isinstance(samples, pd.DataFrame) or scipy.sparse.issparse(samples) or is_frame(samples):
        return True
    if isinstance(samples, list | tuple):
        return len(samples) > 0 and np.ndim(samples[0]) == 1
    return isinstance(samples, np.ndarray) and samples.ndim <= 2


def _kind(side: Side) -> str:
    return "images" if side.is_images else "rows of a table"


def _name(label: Any, names: dict[Any, str]) -> str:
    if label in names:
        return names[label]
    return str(int(label)) if isinstance(label, float) else str(label)
