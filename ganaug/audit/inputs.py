"""Reading and checking what is audited: synthetic, training and holdout samples, of whatever kind."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug.data.groups import groups_from_array
from ganaug.data.labels import label_matches, listed
from ganaug.generators.contract import (
    Generator,
    check_generator,
    class_indices,
    class_names,
    draw_images,
    group_indices,
    has_groups,
)
from ganaug.metrics.matching import check_synthetic_labels
from ganaug.metrics.modalities import Modality, Samples, modality_for, modality_of
from ganaug.metrics.nearest_neighbors import SMALLEST

__all__ = ["NO_LABEL", "Side", "audited_classes", "check_sides", "draw", "read_side", "sampled", "with_keys"]

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
    modality : Modality
        Of their kind.
    samples : Samples
        As they were read.
    items : Any
        All of them, in the form of the training data once :func:`check_sides` has seen to it.
    names : ndarray of shape (n,), str
        Name of the class of each sample; ``NO_LABEL`` for images labelled -1.
    keys : ndarray of shape (n,), int64
        Equal for equal samples, once :func:`with_keys` has set them.
    groups : ndarray of shape (n,) or None
        Where they are known.
    """

    argument: str
    modality: Modality
    samples: Samples
    items: Any
    names: NDArray[Any]
    keys: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    groups: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def items_at(self, indices: NDArray[np.integer]) -> Any:
        """Samples at `indices`."""
        return self.modality.take(self.items, indices)


def read_side(
    samples: Any,
    labels: Any,
    argument: str,
    like: Side | None = None,
    *,
    names: Any = None,
    dtype: str | None = None,
    groups: Any = None,
) -> Side:
    """Read samples from whatever they are in.

    Parameters
    ----------
    samples : DataFrame, array, sparse matrix, or any source of labelled images
        Two dimensions are rows of a table.
    labels : array-like of shape (n,) or None
        Beside rows and arrays; None puts all into one class.
    argument : str
        For messages.
    like : Side, optional
        The training data, by whose display names labels are called where their source has none.
    names : dict, optional
        Display names in place of those of the training data.
    dtype : str, optional
        That a generator draws, in place of that of the training data.
    groups : array-like of shape (n,), optional
        Beside rows and arrays.

    Raises
    ------
    ValueError, TypeError
        For what cannot be read; the sentence begins with the argument.
    """
    modality = modality_of(samples)
    try:
        found = modality.read(samples, labels, dtype or (None if like is None else like.samples.dtype))
        if groups is not None:
            groups = groups_from_array(groups, len(found.labels), of=modality.kind.name)
    except (ValueError, TypeError) as error:
        raise (TypeError if isinstance(error, TypeError) else ValueError)(f"{argument}: {error}") from None
    if not len(found.labels):
        raise ValueError(f"{argument} holds no {modality.kind.name}; pass at least one")
    if names is None and like is not None:
        names = like.samples.class_names
    called = {} if found.class_names is None else found.class_names or names or {}
    named = np.array([_name(label, called) for label in found.labels.tolist()], dtype=object)
    named[~found.has_label] = NO_LABEL
    return Side(argument, modality, found, found.items, named, groups=found.groups if groups is None else groups)


def draw(gan: Generator, train: Side, per_class: int | None, random_state: Any) -> Side:
    """Samples of a fitted generator, as many of each of its classes.

    Raises
    ------
    ValueError
        If it is not fitted, or draws something else than the training data hold.
    """
    check_generator(gan, "synthetic")
    if modality_for(gan.sample_spec_.kind) is not train.modality:
        raise ValueError(
            f"synthetic is a {type(gan).__name__} and train holds {train.modality.kind.described}; pass what it was "
            "fitted on"
        )
    if per_class is not None and per_class < SMALLEST:
        raise ValueError(f"per_class must be at least {SMALLEST}, got {per_class}")
    n = per_class or max(SMALLEST, DRAWN // len(gan.classes_))
    labels = np.repeat(gan.classes_, n)
    groups = _groups_as_trained(gan, n, random_state) if has_groups(gan) and train.groups is not None else None
    drawn = sampled(gan, labels, groups, random_state)
    names = {label: _name(label, class_names(gan)) for label in gan.classes_.tolist()}
    return read_side(drawn, labels, "synthetic", train, names=names, groups=groups)


def sampled(gan: Generator, labels: NDArray[Any], groups: NDArray[Any] | None, random_state: Any) -> Any:
    """What a generator draws of these classes, and of groups if they are given; images are checked, as a tensor."""
    if gan.sample_spec_.kind != "images":
        return gan.sample(labels, *([] if groups is None else [groups]), random_state=random_state)
    of = None if groups is None else group_indices(gan, groups)
    return draw_images(gan, class_indices(gan, labels), of, random_state=random_state)


def _groups_as_trained(gan: Any, n: int, random_state: Any) -> NDArray[Any]:
    """Groups for so many samples of each class, as often as the class has them in the training data."""
    randomness = np.random.default_rng(random_state)
    shares = gan.cell_counts_ / gan.cell_counts_.sum(1, keepdims=True)
    return np.asarray(gan.groups_)[np.concatenate([randomness.choice(len(row), n, p=row) for row in shares])]


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
    """Give classes the same names, and samples the form of the training data.

    Raises
    ------
    ValueError
        If they are of different kinds, if some have labels and others none, or if their form differs, such as shapes
        or columns.
    """
    synthetic, train = sides[:2]
    kind = train.modality.kind
    for side in sides:
        if side.modality is not train.modality:
            raise ValueError(
                f"{side.argument} holds {side.modality.kind.described} and train {kind.described}; pass the same kind"
            )
        if side.samples.has_labels != train.samples.has_labels:
            with_labels, without = (side, train) if side.samples.has_labels else (train, side)
            raise ValueError(
                f"{with_labels.argument} has labels and {without.argument} has none; pass {LABELS[without.argument]}, "
                "or leave out those of all samples, which are then taken for one class"
            )
    check_synthetic_labels(synthetic.names != NO_LABEL)
    items = [train.modality.aligned(side.items, train.items, side.argument) for side in sides]
    named = [side if side is train else _named_as(train, side) for side in sides]
    return [replace(side, items=part) for side, part in zip(named, items, strict=True)]


def with_keys(sides: list[Side]) -> list[Side]:
    """Number the samples, equal ones alike, on all sides together."""
    numbered = sides[0].modality.keys(*(side.items for side in sides))
    return [replace(side, keys=keys) for side, keys in zip(sides, numbered, strict=True)]


def _named_as(train: Side, side: Side) -> Side:
    """Call classes as the training data do, where the same are written differently, such as 7 and "07"."""
    known = train.names != NO_LABEL
    labels = train.names if train.samples.class_names is None else train.samples.labels
    names = dict(zip(labels[known].tolist(), train.names[known].tolist(), strict=True))
    own = set(side.names.tolist()) - {NO_LABEL}
    found = label_matches(own, names, class_names=names)
    if len(found) < len(own):
        return side
    called = {name: names[label] for name, label in found.items()} | {NO_LABEL: NO_LABEL}
    return replace(side, names=np.array([called[name] for name in side.names.tolist()], dtype=object))


def _name(label: Any, names: dict[Any, str]) -> str:
    if label in names:
        return names[label]
    return str(int(label)) if isinstance(label, float) else str(label)
