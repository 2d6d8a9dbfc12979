"""Whether samples are of the group and the class that they were asked for, by classifiers of real samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from ganaug._text import visible
from ganaug.data.groups import has_group
from ganaug.data.labels import like_first, listed

__all__ = [
    "FEWEST",
    "GroupConsistency",
    "Grouped",
    "classify_rows",
    "group_consistency",
    "group_positions",
    "with_figures",
]

FEWEST = 10  # synthetic samples with which a cell is reported
APART = 3  # without a holdout, one of so many real samples of each cell is set aside
MOST = 20_000  # samples in all that a classifier is trained on
TOLD = 0.2  # by how much more often real samples of a group are recognised as it than others are: less is no evidence
FOLLOWED = 0.5  # of that difference, which samples that follow the group reach
ERRORS = 2  # standard errors by which a difference must exceed chance to count
SHOWN = 5

Classify = Callable[[NDArray[Any], NDArray[np.integer], NDArray[Any], int], NDArray[np.floating]]


@dataclass(frozen=True)
class Grouped:
    """Samples with their classes and groups.

    Attributes
    ----------
    inputs : ndarray of shape (n, ...)
        What a classifier sees.
    classes, groups : ndarray of shape (n,), int64
        Positions among all classes and groups.
    """

    inputs: NDArray[Any]
    classes: NDArray[np.int64]
    groups: NDArray[np.int64]

    def take(self, indices: NDArray[np.integer]) -> Grouped:
        """The samples at `indices`."""
        return Grouped(self.inputs[indices], self.classes[indices], self.groups[indices])

    def of_cell(self, c: int, g: int) -> NDArray[np.int64]:
        """Indices of the samples of a class and group."""
        return np.flatnonzero((self.classes == c) & (self.groups == g))


@dataclass(frozen=True)
class GroupConsistency:
    """How often samples are recognised as the group and the class that they were asked for.

    Attributes
    ----------
    groups : list of dict
        For each "group": "n" samples, the share "recognised" as this group, "others" that of samples asked for other
        groups, "real" and "real others" the same of real samples, and "follows", where the shares lie between those of
        samples that ignore the group, 0, and real ones, 1, with a standard "error", that of a half where it is less;
        both None where real samples of the group cannot be told from others, by two standard errors. All are means over
        classes that the group has real samples of.
    cells : list of dict
        For each "class" and "group" with enough samples: "n", "n real" of training, the shares "group recognised" and
        "class recognised", and "real class", that of real samples of the class: in all groups, or in this one if it is
        less there.
    remarks : list of str
        Sentences about groups that are ignored, and cells in which the class is not drawn.
    ignored : list
        Groups that samples do not follow, by two standard errors.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from ganaug.metrics import table_report
    >>> rng = np.random.default_rng(0)
    >>> y, site = np.repeat(["well", "ill"], 200), np.tile(["north", "south"], 200)
    >>> X = pd.DataFrame(rng.normal(size=(400, 2)), columns=["a", "b"])
    >>> X["a"] += 3 * (y == "ill")
    >>> X["b"] += 3 * (site == "south")
    >>> same = rng.permutation(400)  # as if a generator knew classes and ignored groups
    >>> same = same[np.argsort(y[same], kind="stable")]
    >>> order = np.argsort(y, kind="stable")
    >>> report = table_report(X, y, X.iloc[same] + 0.01, y[order], groups=(site, site[order]), random_state=0)
    >>> [remark.split(" are ")[0] for remark in report.remarks]
    ['samples asked for group north', 'samples asked for group south']
    """

    groups: list[dict[str, Any]]
    cells: list[dict[str, Any]]
    remarks: list[str]
    ignored: list[Any]

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        table = pd.DataFrame(self.groups).to_string(index=False, float_format="{:.2f}".format)
        return "\n".join(map(visible, [*table.split("\n"), *self.remarks]))


def classify_rows(
    inputs: NDArray[Any], labels: NDArray[np.integer], asked: NDArray[Any], n_classes: int
) -> NDArray[np.floating]:
    """Class probabilities (n_asked, n_classes) of encoded rows, by a logistic regression with balanced class weights.

    Examples
    --------
    >>> classify_rows(np.array([[0.0], [1.0]]), np.array([0, 1]), np.array([[3.0]]), 2).argmax(1).tolist()
    [1]
    """
    if n_classes == 1:
        return np.ones((len(asked), 1))
    model = LogisticRegression(class_weight="balanced", max_iter=1000).fit(inputs, labels)
    return model.predict_proba(asked)


def group_positions(sides: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], dict[str, NDArray[np.int64]]]:
    """Positions of the groups of all sides among those of the first.

    Parameters
    ----------
    sides : mapping of str to ndarray of shape (n,)
        Groups of each side under its name, which messages use.

    Returns
    -------
    groups : ndarray of shape (n_groups,)
        Sorted groups of the first side.
    positions : dict of ndarray of shape (n,), int64

    Raises
    ------
    ValueError
        For fewer than two known groups on the first side, and a group on another that the first lacks.

    Examples
    --------
    >>> groups, positions = group_positions({"real": np.array(["a", "b"]), "synthetic": np.array(["b"])})
    >>> groups.tolist(), positions["synthetic"].tolist()
    (['a', 'b'], [1])
    """
    sides = like_first(sides)
    first = next(iter(sides))
    groups = np.unique(sides[first])
    if has_group(groups).sum() < 2:
        raise ValueError(
            f"groups must be two known ones at least, got {listed(list(map(repr, groups.tolist())))} in {first}; leave "
            "groups out"
        )
    for name, own in sides.items():
        if len(strange := np.setdiff1d(own, groups)):
            raise ValueError(
                f"{name} holds group {strange[0].item()!r}, which {first} does not; its groups are "
                f"{listed(list(map(repr, groups.tolist())))}"
            )
    return groups, {name: np.searchsorted(groups, own) for name, own in sides.items()}


def group_consistency(
    real: Grouped,
    synthetic: Grouped,
    classes: Sequence[Any],
    groups: Sequence[Any],
    classify: Classify,
    *,
    holdout: Grouped | None = None,
    randomness: np.random.Generator,
) -> GroupConsistency:
    """Ask a classifier of groups, and one of classes, what samples were asked for.

    Both are trained on real samples in which all cells, the combinations of class and group that occur, are equally
    frequent, so that the class says little of the group. In groups that lack classes it still says something; therefore
    groups are judged by the classes that they have, and cells without real samples are listed beside.

    Parameters
    ----------
    real, synthetic : Grouped
        Training samples, and samples with what they were asked for.
    classes, groups : sequence
        What the positions stand for, at least two known groups. Samples of the unknown group are left out.
    classify : callable
        Takes inputs, their labels as positions, the inputs asked about and the number of labels; returns probabilities.
    holdout : Grouped, optional
        Other real samples, for what real ones reach; by default a third of each cell of `real`, which is not trained on
        then.
    randomness : Generator

    Returns
    -------
    GroupConsistency

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> classes, groups = np.arange(120) % 2, np.arange(120) % 3
    >>> rows = 9.0 * np.stack([classes, groups == 1, groups == 2], 1) + rng.normal(size=(120, 3))
    >>> real = Grouped(rows, classes, groups)
    >>> drawn = Grouped(rows, classes, np.where(groups == 2, rng.integers(3, size=120), groups))
    >>> found = group_consistency(real, drawn, ["a", "b"], ["x", "y", "z"], classify_rows, randomness=rng)
    >>> [round(row["recognised"], 1) for row in found.groups], found.ignored
    ([0.8, 0.8, 1.0], [])
    """
    known = has_group(np.asarray(groups))
    real, synthetic = (part.take(np.flatnonzero(known[part.groups])) for part in (real, synthetic))
    if holdout is None:
        parts = [randomness.permutation(real.of_cell(c, g)) for c, g in np.ndindex(len(classes), len(groups))]
        held = np.sort(np.concatenate([members[: len(members) // APART] for members in parts]))
        training, reference = real.take(np.setdiff1d(np.arange(len(real.groups)), held)), real.take(held)
    else:
        training, reference = real, holdout.take(np.flatnonzero(known[holdout.groups]))
    # Groups without training samples are none of those that a classifier knows.
    there, balanced = np.unique(training.groups), training.take(_balanced(training, randomness))
    asked = np.concatenate([reference.inputs, synthetic.inputs])
    n = len(reference.groups)
    of_group = there[classify(balanced.inputs, np.searchsorted(there, balanced.groups), asked, len(there)).argmax(1)]
    learnt = np.unique(balanced.classes)
    of_class = learnt[
        classify(balanced.inputs, np.searchsorted(learnt, balanced.classes), asked, len(learnt)).argmax(1)
    ]
    seen = np.zeros((len(classes), len(groups)), dtype=np.int64)
    np.add.at(seen, (real.classes, real.groups), 1)
    by_group = []
    for g in there.tolist():
        shares = [
            _share(samples, of_group[part] == g, seen[:, g] > 0, samples.groups == g if own else samples.groups != g)
            for samples, part in ((synthetic, slice(n, None)), (reference, slice(0, n)))
            for own in (True, False)
        ]
        by_group.append(_group_row(groups[g], int((synthetic.groups == g).sum()), *shares))
    by_cell = _cell_rows(synthetic, of_group[n:], of_class[n:], seen, classes, groups)
    right = of_class[:n] == reference.classes
    for row in by_cell:
        c, g = list(classes).index(row["class"]), list(groups).index(row["group"])
        # Where a group makes a class hard to recognise, samples that are as they should be are not recognised either.
        found = [right[own] for own in (reference.classes == c, reference.of_cell(c, g))]
        row["real class"] = min((float(each.mean()) for each in found if len(each)), default=None)
    ignored = [
        row["group"]
        for row in by_group
        if row["follows"] is not None and row["follows"] + ERRORS * row["error"] < FOLLOWED
    ]
    remarks = [_ignored(row, len(there)) for row in by_group if row["group"] in ignored]
    return GroupConsistency(by_group, by_cell, remarks + _wrong_classes(by_cell), ignored)


def with_figures(
    found: GroupConsistency,
    real: Grouped,
    synthetic: Grouped,
    classes: NDArray[Any],
    groups: NDArray[Any],
    compare: Callable[[NDArray[np.int64], NDArray[np.int64]], dict[str, float]],
    least: int,
    randomness: np.random.Generator,
) -> dict[str, list[dict[str, Any]]]:
    """Add figures that compare synthetic with real samples to the rows of groups and cells.

    Parameters
    ----------
    found : GroupConsistency
    real, synthetic : Grouped
    classes, groups : ndarray
        What their positions stand for.
    compare : callable
        Takes indices of real samples and of as many synthetic ones; returns figures by name.
    least : int
        Samples that a comparison needs on each side. Groups are compared by those of their cells that have as many.
    randomness : Generator

    Returns
    -------
    dict
        "groups" and "cells", each with "n compared" beside the figures where there are enough samples.
    """
    pairs = {}
    for c, g in np.ndindex(len(classes), len(groups)):
        members = [side.of_cell(c, g) for side in (real, synthetic)]
        n = min(map(len, members))
        if n >= least:
            pairs[classes[c].item(), groups[g].item()] = [
                np.sort(randomness.choice(own, n, replace=False)) for own in members
            ]

    def row(known: dict[str, Any], chosen: list[list[NDArray[np.int64]]]) -> dict[str, Any]:
        if not chosen:
            return {**known, "n compared": 0}
        first, second = (np.concatenate(part) for part in zip(*chosen, strict=True))
        return {**known, "n compared": len(first), **compare(first, second)}

    return {
        "groups": [row(each, [pair for (_, g), pair in pairs.items() if g == each["group"]]) for each in found.groups],
        "cells": [
            row(each, [pairs[cell]] if (cell := (each["class"], each["group"])) in pairs else [])
            for each in found.cells
        ],
    }


def _balanced(samples: Grouped, randomness: np.random.Generator) -> NDArray[np.int64]:
    """Indices among which all cells are equally frequent, by repetition."""
    cells = np.unique(np.stack([samples.classes, samples.groups], 1), axis=0)
    members = [randomness.permutation(samples.of_cell(c, g)) for c, g in cells]
    each = min(max(map(len, members)), max(1, MOST // len(cells)))
    return np.concatenate([np.resize(own, each) for own in members])


def _share(
    samples: Grouped, hit: NDArray[np.bool_], classes: NDArray[np.bool_], among: NDArray[np.bool_]
) -> tuple[float, float] | None:
    """Share of hits, the mean over classes, and its variance."""
    chosen = among & classes[samples.classes]
    found = [hit[chosen & (samples.classes == c)] for c in np.unique(samples.classes[chosen])]
    if not found:
        return None
    sizes, hits = (np.array([part(own) for own in found], dtype=float) for part in (len, np.sum))
    # With a hit and a miss more (Agresti and Caffo, The American Statistician 2000): all of a few are no certainty.
    smoothed = (hits + 1) / (sizes + 2)
    return float((hits / sizes).mean()), float((smoothed * (1 - smoothed) / (sizes + 2)).sum() / len(found) ** 2)


def _group_row(group: Any, n: int, *shares: tuple[float, float] | None) -> dict[str, Any]:
    """A row of the groups, from shares of synthetic samples asked for it and for others, and the same of real ones."""
    own, others, real, real_others = (None if share is None else share[0] for share in shares)
    follows = error = None
    known = np.array([share for share in shares if share is not None])
    if n >= FEWEST and len(known) == len(shares):
        (shown, told), (of_shown, of_told) = known[::2, 0] - known[1::2, 0], known[::2, 1] + known[1::2, 1]
        if told >= max(TOLD, ERRORS * np.sqrt(of_told)):
            follows = float(shown / told)
            # Of samples that just follow the group at least: of those that seem not to at all, it would leave out what
            # is not known of the difference between real ones.
            error = float(np.sqrt(of_shown + max(follows, FOLLOWED) ** 2 * of_told) / told)
    return {
        "group": group,
        "n": n,
        "recognised": own,
        "others": others,
        "real": real,
        "real others": real_others,
        "follows": follows,
        "error": error,
    }


def _cell_rows(
    samples: Grouped,
    of_group: NDArray[np.integer],
    of_class: NDArray[np.integer],
    seen: NDArray[np.int64],
    classes: Sequence[Any],
    groups: Sequence[Any],
) -> list[dict[str, Any]]:
    rows = []
    for c, g in np.ndindex(seen.shape):
        own = samples.of_cell(c, g)
        if len(own) >= FEWEST:
            rows.append(
                {
                    "class": classes[c],
                    "group": groups[g],
                    "n": len(own),
                    "n real": int(seen[c, g]),
                    "group recognised": float((of_group[own] == g).mean()),
                    "class recognised": float((of_class[own] == c).mean()),
                }
            )
    return rows


def _ignored(row: dict[str, Any], n_groups: int) -> str:
    return (
        f"samples asked for group {row['group']} are recognised as {row['group']} in {_percent(row['recognised'])} of "
        f"cases, and samples asked for other groups in {_percent(row['others'])}; chance is {_percent(1 / n_groups)}, "
        f"real ones are in {_percent(row['real'])}"
    )


def _wrong_classes(cells: list[dict[str, Any]]) -> list[str]:
    """Cells that are recognised as their class in fewer than half of the cases of real samples, the worst first."""
    wrong = [row for row in cells if row["real class"] and row["class recognised"] < FOLLOWED * row["real class"]]
    wrong.sort(key=lambda row: row["class recognised"])
    said = [
        f"samples asked for class {row['class']} in group {row['group']}"
        + ("" if row["n real"] else ", which has no real ones,")
        + f" are recognised as {row['class']} in {_percent(row['class recognised'])} of cases; real ones are "
        f"in {_percent(row['real class'])}"
        for row in wrong[:SHOWN]
    ]
    return said + ([f"{len(wrong) - SHOWN} more cells are not recognised as their class"] if len(wrong) > SHOWN else [])


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
