"""Whether samples follow their groups, and which groups and cells are copied from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganaug.audit.copying import near_counts
from ganaug.audit.inputs import NO_LABEL, Side, read_side, sampled
from ganaug.data.groups import has_group
from ganaug.generators.contract import Generator, class_name
from ganaug.metrics.group_consistency import FEWEST, GroupConsistency, Grouped, group_consistency, group_positions
from ganaug.metrics.modalities import Training
from ganaug.metrics.nearest_neighbors import Nearness

__all__ = ["copies_by_group", "draw_cells", "follows_groups"]

DRAWN, MOST_OF_CELL = 2000, 50  # samples that are drawn from a model: in all, and of a cell at most
CLASSIFIER_STEPS = 400


def draw_cells(gan: Generator, train: Side, random_state: Any) -> Side:
    """Samples of a generator that was trained with groups, as many of each combination of class and group."""
    groups: NDArray[Any] = np.asarray(gan.groups_)  # type: ignore[attr-defined]
    known = groups[has_group(groups)]
    n = max(FEWEST, min(MOST_OF_CELL, DRAWN // (len(gan.classes_) * max(1, len(known)))))
    labels = np.repeat(gan.classes_, len(known) * n)
    asked = np.tile(np.repeat(known, n), len(gan.classes_))
    names = {label: class_name(gan, label) for label in gan.classes_.tolist()}
    drawn = sampled(gan, labels, asked, random_state)
    return read_side(drawn, labels, "synthetic", train, names=names, groups=asked)


def follows_groups(
    sides: list[Side], categorical_features: Any, device: torch.device, seed: int, randomness: np.random.Generator
) -> GroupConsistency:
    """Classify the groups and classes of synthetic samples, as those of training samples.

    Parameters
    ----------
    sides : list of Side
        Synthetic and training samples with groups, and holdout samples, which may have some.
    categorical_features, device, seed
        As for :func:`ganaug.audit.audit`.
    randomness : Generator

    Returns
    -------
    GroupConsistency
    """
    used = [side for side in sides if side.groups is not None]
    modality = used[0].modality
    inputs = modality.prepare([side.items for side in used], categorical_features, device).inputs
    _, train = used[:2]
    groups, positions = group_positions(
        {side.argument: np.asarray(side.groups) for side in (train, used[0], *used[2:])}
    )
    classes = np.unique(train.names[train.names != NO_LABEL])
    grouped = []
    for side, seen in zip(used, inputs, strict=True):
        known = np.flatnonzero(np.isin(side.names, classes))
        own = np.searchsorted(classes, side.names[known])
        grouped.append(Grouped(seen[known], own, positions[side.argument][known]))
    training = Training(CLASSIFIER_STEPS, device, seed)

    def classify(
        inputs: NDArray[Any], labels: NDArray[np.integer], asked: NDArray[Any], n_classes: int
    ) -> NDArray[np.floating]:
        return modality.probabilities(inputs, labels, asked, n_classes, training)

    return group_consistency(
        grouped[1],
        grouped[0],
        classes.tolist(),
        groups.tolist(),
        classify,
        holdout=grouped[2] if len(grouped) > 2 else None,
        randomness=randomness,
    )


def copies_by_group(synthetic: Side, train: Side, found: Nearness | None) -> list[dict[str, Any]]:
    """Copies in each group, and in each of its classes, that has enough synthetic samples.

    Parameters
    ----------
    synthetic, train : Side
        With groups, and keys of their samples.
    found : Nearness or None
        Of the same sides; None without a holdout.

    Returns
    -------
    list of dict
        For each "group", and each "class" in it (None for all of them), "n" samples and "copies" among them; with a
        holdout the share of "near" copies of those that were asked about, and that of fresh real ones, "near expected".
    """
    groups = synthetic.groups
    if groups is None:
        return []
    copied = np.isin(synthetic.keys, train.keys)
    rows = []
    for group in np.unique(groups).tolist():
        for name in (None, *np.unique(synthetic.names[groups == group]).tolist()):
            own = (groups == group) & (True if name is None else synthetic.names == name)
            if own.sum() < FEWEST:
                continue
            row = {"class": name, "group": group, "n": int(own.sum()), "copies": int(copied[own].sum())}
            if found is not None and own[found.asked].sum() >= FEWEST:
                counts = near_counts(_among(found, own[found.asked]))
                row |= {"near": float(counts.near.mean()), "near expected": counts.expected}
            rows.append(row)
    return rows


def _among(found: Nearness, chosen: NDArray[np.bool_]) -> Nearness:
    """The same for some of the synthetic samples."""
    names = ("asked", "synthetic", "nearest_train", "nearest_holdout", "synthetic_to_train", "synthetic_to_holdout")
    return replace(found, **{name: getattr(found, name)[chosen] for name in names})
