"""Whether filling empty cells pays, learnt from cells that do have samples: withheld in turn, and scored."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug._text import visible
from ganaug.curation.gate import GateDecision, decide
from ganaug.data.groups import check_groups, has_group
from ganaug.metrics.paired import FEWEST_SPLITS

__all__ = ["FEWEST_ROUNDS", "CellGateDecision", "Cells", "Round", "cell_decision", "refusal"]

FEWEST_OF_CELL = 5  # samples with which a cell is withheld
FEWEST_ROUNDS = FEWEST_SPLITS  # with which the gate can see anything
SEEN_PARTS = 5  # one of so many samples of the other cells of their groups is set aside, too
MOST_AT_ONCE = 4  # at most one of so many cells
ENOUGH = 30  # validation samples with which a class or a group is decided on by itself

Cell = tuple[int, int]  # positions of class and group


@dataclass(frozen=True)
class Round:
    """What is trained on, and what is scored.

    Attributes
    ----------
    withheld : tuple of (int, int)
        Cells without training samples: positions of class and group, of each at most one.
    train, test : ndarray of int64
        Sorted indices. The test set holds the withheld cells, and a fifth of each other cell of their groups.
    """

    withheld: tuple[Cell, ...]
    train: NDArray[np.int64]
    test: NDArray[np.int64]


class Cells:
    """The cells of class and group of a data set.

    Parameters
    ----------
    labels, groups : ndarray of shape (n,)

    Attributes
    ----------
    classes, groups : ndarray of shape (n_classes,), (n_groups,)
        Sorted.
    class_of, group_of : ndarray of shape (n,), int64
        Positions in these.

    Examples
    --------
    >>> cells = Cells(np.repeat([0, 1, 0, 1, 0], 6), np.repeat(["a", "a", "b", "b", "c"], 6))
    >>> cells.empty, cells.level(np.arange(30))
    ([(1, 2)], 6)
    >>> [each.withheld for each in cells.rounds(2, 0)]
    [((1, 1),), ((1, 0),)]
    """

    def __init__(self, labels: NDArray[Any], groups: NDArray[Any]) -> None:
        self.classes, self.class_of = np.unique(labels, return_inverse=True)
        self.groups, self.group_of = np.unique(groups, return_inverse=True)
        self._known = has_group(self.groups)

    def __len__(self) -> int:
        return len(self.class_of)

    def counts(self, indices: NDArray[np.integer]) -> NDArray[np.int64]:
        """Samples of each cell among those at `indices`: int64 of shape (n_classes, n_groups)."""
        counts = np.zeros((len(self.classes), len(self.groups)), dtype=np.int64)
        np.add.at(counts, (self.class_of[indices], self.group_of[indices]), 1)
        return counts

    def empty_among(self, indices: NDArray[np.integer]) -> list[Cell]:
        """Cells of known groups that have no sample at `indices`."""
        return [(c, g) for c, g in np.argwhere(self.counts(indices) == 0).tolist() if self._known[g]]

    @property
    def empty(self) -> list[Cell]:
        """Cells of known groups without a sample."""
        return self.empty_among(np.arange(len(self)))

    def level(self, indices: NDArray[np.integer]) -> int:
        """Median size of the cells that have samples at `indices`."""
        counts = self.counts(indices)
        return int(np.median(counts[counts > 0]))

    def smallest_step(self, part: Round) -> float:
        """What one sample more that is recognised, of the smallest withheld cell, changes in the score of a round."""
        counts = self.counts(part.test)
        return float(1 / (2 * len(part.withheld) * min(counts[cell] for cell in part.withheld)))

    def label(self, cell: Cell) -> tuple[Any, Any]:
        """Class and group of a cell, as they were given."""
        return self.classes.tolist()[cell[0]], self.groups.tolist()[cell[1]]

    def rounds(self, most: int, seed: int) -> list[Round]:
        """Withhold cells that have samples, several at once, each in one round at most.

        Cells of a round differ in class and in group. Of what is left, every class and every group keep samples, and
        :func:`ganaug.data.groups.check_groups` still accepts it for conditioning.

        Parameters
        ----------
        most : int
            Rounds; fewer where no other cell can be withheld.
        seed : int

        Returns
        -------
        list of Round
        """
        randomness = np.random.default_rng(seed)
        everything = np.arange(len(self))
        counts = self.counts(everything)
        waiting = [(c, g) for c, g in np.argwhere(counts >= FEWEST_OF_CELL).tolist() if self._known[g]]
        waiting = [waiting[i] for i in randomness.permutation(len(waiting))]
        at_once = max(1, int((counts > 0).sum()) // MOST_AT_ONCE)
        rounds: list[Round] = []
        while len(rounds) < most:
            chosen: list[Cell] = []
            left = counts.copy()
            for c, g in waiting:
                apart = all(c != other and g != group for other, group in chosen)
                if len(chosen) < at_once and apart and _learnable(_without(left, c, g)):
                    chosen.append((c, g))
                    left = _without(left, c, g)
            if not chosen:
                break
            waiting = [cell for cell in waiting if cell not in chosen]
            rounds.append(self._round(chosen, randomness))
        return rounds

    def _round(self, withheld: list[Cell], randomness: np.random.Generator) -> Round:
        apart = []
        for g in {group for _, group in withheld}:
            for c in range(len(self.classes)):
                members = np.flatnonzero((self.class_of == c) & (self.group_of == g))
                whole = (c, g) in withheld
                apart.append(members if whole else randomness.permutation(members)[: len(members) // SEEN_PARTS])
        test = np.sort(np.concatenate(apart))
        return Round(tuple(withheld), np.setdiff1d(np.arange(len(self)), test), test)


def _without(counts: NDArray[np.int64], c: int, g: int) -> NDArray[np.int64]:
    left = counts.copy()
    left[c, g] = 0
    return left


def _learnable(counts: NDArray[np.int64]) -> bool:
    """Whether classes and groups can be told apart by the cells that have samples."""
    if (counts.sum(1) < 2).any() or not counts.sum(0).all():
        return False
    classes, groups = np.repeat(np.argwhere(counts), 2, axis=0).T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes in one group, which are learnt from others
        try:
            check_groups(classes, groups, use="conditioning")
        except ValueError:
            return False
    return True


@dataclass(frozen=True)
class CellGateDecision:
    """Which empty cells the gate fills.

    Attributes
    ----------
    ratio : float
        Synthetic samples of a filled cell per sample of a median cell; 0 means that none should be filled.
    per_cell : dict
        Synthetic samples by (class, group), for the cells to be filled.
    left_out : dict
        Why by (class, group), for the empty cells that are not.
    decision : GateDecision
        The rule's own account: the gain seen, the smallest that could have been, and the reason in words.
    candidates : tuple of str
        What was compared, the first being nothing.
    scores : tuple of float
        Mean score of each candidate over the rounds.
    withheld : tuple of dict
        For each cell that was withheld its "class", "group" and "round", and of each candidate the share of its samples
        ("withheld") and of other cells of its group ("seen") that were recognised, and the mean of both ("score").

    Examples
    --------
    >>> from ganaug.curation import CellGateDecision, GateDecision
    >>> rule = GateDecision(1.0, 1.0, 3.1, 0.9, "1 gains 3.1 points, more than its standard error of 0.9")
    >>> decision = CellGateDecision(
    ...     1.0, {("eight", "north"): 20}, {("nine", "north"): "no gain"}, rule, ("nothing", "1"), (60.2, 63.3), ()
    ... )
    >>> print(decision)
    1 gains 3.1 points, more than its standard error of 0.9
    filled: class eight in group north, 20 samples
    not filled, no gain: class nine in group north
    """

    ratio: float
    per_cell: dict[tuple[Any, Any], int]
    left_out: dict[tuple[Any, Any], str]
    decision: GateDecision
    candidates: tuple[str, ...]
    scores: tuple[float, ...]
    withheld: tuple[dict[str, Any], ...]

    @property
    def reason(self) -> str:
        """The decision in a sentence."""
        return self.decision.reason

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            **asdict(self.decision),
            "per_cell": [{"class": c, "group": g, "n": n} for (c, g), n in self.per_cell.items()],
            "left_out": [{"class": c, "group": g, "reason": why} for (c, g), why in self.left_out.items()],
            "candidates": list(self.candidates),
            "scores": list(self.scores),
            "withheld": [dict(row) for row in self.withheld],
        }

    def __str__(self) -> str:
        lines = [self.reason]
        if self.withheld:
            lines.append(f"withheld in turn, recognised with {' / '.join(self.candidates)}:")
        for row in self.withheld:
            found = " / ".join(f"{share:.2f}" for share in row["withheld"])
            lines.append(f"  class {row['class']} in group {row['group']}: {found}")
        lines += [f"filled: class {c} in group {g}, {n} samples" for (c, g), n in self.per_cell.items()]
        for reason in dict.fromkeys(self.left_out.values()):
            named = [f"class {c} in group {g}" for (c, g), why in self.left_out.items() if why == reason]
            lines.append(f"not filled, {reason}: {', '.join(named)}")
        return "\n".join(map(visible, lines))


def refusal(cells: Cells, rounds: Sequence[Round], ratios: Sequence[float], fewest: int) -> str | None:
    """Why nothing can be decided, before anything is trained; None if it can."""
    n_samples = len(np.unique(np.concatenate([each.test for each in rounds]))) if rounds else 0
    if not cells.empty:
        return "every class occurs in every group, so that there is no cell to fill"
    if not any(ratios):
        return "there is no ratio but 0 to choose"
    if len(rounds) < FEWEST_ROUNDS:
        return (
            f"in {len(rounds)} rounds cells can be withheld so that every class and every group can still be learnt "
            f"from the others; at least {FEWEST_ROUNDS}, of cells of {FEWEST_OF_CELL} samples, are needed to see a gain"
        )
    if n_samples < fewest:
        return f"{n_samples} validation samples are too few to see any gain; at least {fewest} are needed"
    return None


def cell_decision(
    cells: Cells,
    rounds: Sequence[Round],
    hits: Sequence[NDArray[np.float64]],
    ratios: Sequence[float],
    *,
    amounts: Mapping[tuple[Any, Any], int] | None = None,
    overlap: bool = True,
    refused: str | None = None,
) -> CellGateDecision:
    """Decide from what was recognised in each round.

    The score of a withheld cell is the mean of two shares, each of cells weighed alike: of its own samples that are
    recognised, and of those of the other cells of its group, which filling may harm. The rule of
    :func:`ganaug.curation.gate.decide` is applied to their means over the cells of each round: these share a generator
    and its classifiers, which err together. Classes and groups that were recognised more seldom than
    without filling, by more than a standard error, are not filled.

    Parameters
    ----------
    cells : Cells
    rounds : sequence of Round
    hits : sequence of ndarray of shape (n_test, n_candidates)
        For each round how often each sample of its test set was recognised, in [0, 1].
    ratios : sequence of float
        Of the candidates, ascending; the first is 0.
    amounts : mapping, optional
        Samples of a ratio of 1 by (class, group), for the empty cells that may be filled; by default the size of a
        median cell, for all of them.
    overlap : bool, default=True
        Whether the standard error is enlarged for training samples that rounds share.
    refused : str, optional
        Why nothing was tried; then `hits` is empty.

    Returns
    -------
    CellGateDecision
    """
    names = tuple("nothing" if ratio == 0 else f"ratio {ratio:g}" for ratio in ratios)
    if refused is not None:
        decision = GateDecision(0.0, 0.0, 0.0, float("nan"), refused)
        return CellGateDecision(0.0, {}, _all_left(cells, "as validation cannot decide"), decision, names, (), ())
    rows, of_rounds, steps = [], [], []
    for number, (each, found) in enumerate(zip(rounds, hits, strict=True)):
        for cell in each.withheld:
            own, others = _shares(cells, each, found, cell)
            label, group = cells.label(cell)
            rows.append(
                {
                    "class": label,
                    "group": group,
                    "round": number,
                    "withheld": own.tolist(),
                    "seen": None if others is None else others.tolist(),
                    "score": (own if others is None else (own + others) / 2).tolist(),
                }
            )
        of_rounds.append(np.mean([row["score"] for row in rows[-len(each.withheld) :]], axis=0))
        steps.append(cells.smallest_step(each))
    share = float(np.mean([len(each.test) for each in rounds])) / len(cells) if overlap else 0.0
    decision = decide(of_rounds, ratios, share, names=names, few=True, resolution=float(np.mean(steps)))
    per_cell, left_out = {}, _all_left(cells, "as it did not pay")
    if decision.position:
        level = cells.level(np.arange(len(cells)))
        wanted = dict.fromkeys(map(cells.label, cells.empty), level) if amounts is None else amounts
        harmed = _harmed(cells, rounds, hits, decision.position)
        why = {cells.label(cell): harmed(cell) for cell in cells.empty if cells.label(cell) in wanted}
        left_out = _all_left(cells, "as no samples of it were asked for") | why
        left_out = {cell: reason for cell, reason in left_out.items() if reason}
        per_cell = {cell: max(1, round(decision.ratio * wanted[cell])) for cell, reason in why.items() if not reason}
    return CellGateDecision(
        decision.ratio if per_cell else 0.0,
        per_cell,
        left_out,
        decision,
        names,
        tuple(np.mean(of_rounds, axis=0).tolist()),
        tuple(rows),
    )


def _all_left(cells: Cells, reason: str) -> dict[tuple[Any, Any], str]:
    return {cells.label(cell): reason for cell in cells.empty}


def _shares(
    cells: Cells, each: Round, hits: NDArray[np.float64], cell: Cell
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Recognised samples of a withheld cell, and of the other cells of its group, for each candidate."""
    classes, in_group = cells.class_of[each.test], cells.group_of[each.test] == cell[1]
    own = hits[in_group & (classes == cell[0])].mean(0)
    others = [hits[in_group & (classes == c)].mean(0) for c in np.unique(classes[in_group]) if c != cell[0]]
    return own, np.mean(others, axis=0) if others else None


def _harmed(
    cells: Cells, rounds: Sequence[Round], hits: Sequence[NDArray[np.float64]], position: int
) -> Callable[[Cell], str]:
    """A function that says why a cell is left out, or ""."""
    better = np.concatenate([found[:, position] - found[:, 0] for found in hits])
    test = np.concatenate([each.test for each in rounds])

    def worse(members: NDArray[np.bool_]) -> bool:
        values = better[members]
        if len(values) < ENOUGH:
            return False
        return bool(values.mean() + values.std(ddof=1) / np.sqrt(len(values)) < 0)

    classes = [worse(cells.class_of[test] == c) for c in range(len(cells.classes))]
    groups = [worse(cells.group_of[test] == g) for g in range(len(cells.groups))]

    def why(cell: Cell) -> str:
        if classes[cell[0]]:
            return "as the class is recognised more seldom with synthetic samples"
        return "as the group is recognised more seldom with synthetic samples" if groups[cell[1]] else ""

    return why
