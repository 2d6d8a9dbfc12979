"""What rules of the gate by cells decide: where filling pays, where it does not, and where groups mean nothing.

    export GANAUG_DATA=FOLDER
    python benchmarks/cell_gate.py random:30 digit_scans:6 fsdd:6 deeppcb:6 --output benchmarks/results/cell-gate.md

random:N are N draws of scikit-learn's digits, each digit in one of four groups at random, 15 a cell. Other names are
those of npz files in FOLDER with their number of splits; their images are resized to 16x16, and there are 20 a cell.
Half of the classes are withheld in half of the groups. Cells are filled by `AdditiveTransfer`, or by an `ImageGAN` of
so many steps where a third number says so, as in fsdd:3:750.

`choose_cells` withholds other cells in turn, in up to eight rounds, and each rule decides by what was recognised in
these. What filling changes is measured whatever a rule says, on other images of the groups that lack classes: points of
accuracy on the unseen cells and on all, of two classifiers trained with and two trained without. All are shown the
classes equally often, and the cells of a class. Where a rule fills nothing, its effect is zero.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug import ImageGAN, LabelledImages, labelled_images
from ganaug.bench.inputs.datasets import images_with_groups
from ganaug.bench.inputs.group_splits import cell_splits
from ganaug.classifiers.image_classifier import ClassifierConfig, ImageClassifier
from ganaug.curation import AdditiveTransfer, choose_cells
from ganaug.curation.gate import decide
from ganaug.curation.withheld_cells import Cells
from ganaug.data.files import write_atomically

ROUNDS = 8
SIDE = 16  # pixels that images of files are resized to
SHOWN = 5  # times the size of a median cell: synthetic images of a filled cell, and how often the others are shown
STARTS = (0, 1)


@dataclass(frozen=True)
class Case:
    """What rules need to know of a split, and what filling changes.

    Attributes
    ----------
    scores : list of ndarray of shape (n_cells, 2)
        Of each round the scores of the cells that were withheld, without and with filling.
    shares, steps : ndarray of shape (n_rounds,)
        Share of the images that is validated on, and smallest step between two scores of a round.
    unseen, every : float
        What filling changes, in points.
    """

    scores: list[NDArray[np.float64]]
    shares: NDArray[np.float64]
    steps: NDArray[np.float64]
    unseen: float
    every: float


def rule_of_rounds(most: int, overlap: bool) -> Callable[[Case], bool]:
    """The rule of `choose_cells` after so many rounds, with or without the correction for images that they share."""

    def fills(case: Case) -> bool:
        rounds = np.array([each.mean(0) for each in case.scores[:most]])
        share = float(case.shares[:most].mean()) if overlap else 0.0
        return bool(decide(rounds, [0, 1], share, few=True, resolution=float(case.steps[:most].mean())).ratio)

    return fills


def more_than_nothing(case: Case) -> bool:
    """Whether filling helped in the mean."""
    means = np.mean([each.mean(0) for each in case.scores], axis=0)
    return bool(means[1] > means[0])


def rule_of_cells(case: Case) -> bool:
    """One standard error over cells, whichever round they were withheld in."""
    return bool(decide(np.concatenate(case.scores), [0, 1], 0.0).ratio)


RULES: dict[str, Callable[[Case], bool]] = {
    "always": lambda case: True,
    "four rounds, overlap": rule_of_rounds(4, True),
    "four rounds": rule_of_rounds(4, False),
    "eight rounds, overlap": rule_of_rounds(ROUNDS, True),
    "eight rounds": rule_of_rounds(ROUNDS, False),
    "eight rounds, over cells": rule_of_cells,
    "eight rounds, better in the mean": more_than_nothing,
}


def with_random_groups(seed: int) -> LabelledImages:
    """Digits in groups that mean nothing."""
    data = labelled_images("digits")
    return LabelledImages(data.images, data.labels, groups=np.random.default_rng(seed).choice([*"abcd"], len(data)))


def case_of(
    data: LabelledImages, seed: int, split: int, n_per_cell: int, make: Callable[[], Any], config: ClassifierConfig
) -> Case:
    """Let the gate withhold cells of a split, and measure what filling its empty ones changes."""
    splits = cell_splits(data.labels, data.groups, split + 1, seed, n_per_cell=n_per_cell)
    real, test = data.subset(splits.training[split]), data.subset(splits.test[split])
    gate = {"ratios": [0, 1], "training": config, "rounds": ROUNDS, "device": "cpu", "random_state": split}
    choice = choose_cells(make(), real, **gate)
    cells = Cells(real.labels, real.groups)
    parts = cells.rounds(ROUNDS, split)
    change = 100 * changes(real, test, make(), cells, config)
    return Case(
        [np.array([row["score"] for row in choice.withheld if row["round"] == n]) for n in range(len(parts))],
        np.array([len(part.test) for part in parts]) / len(real),
        np.array([cells.smallest_step(part) for part in parts]),
        float(change[splits.unseen[split]].mean()),
        float(change.mean()),
    )


def changes(
    real: LabelledImages, test: LabelledImages, generator: Any, cells: Cells, config: ClassifierConfig
) -> NDArray[np.float64]:
    """How much oftener each test image is recognised where the empty cells are filled."""
    n = SHOWN * cells.level(np.arange(len(real)))
    asked = np.repeat(np.array(cells.empty), n, axis=0)
    drawn = generator.fit(real).sample(cells.classes[asked[:, 0]], cells.groups[asked[:, 1]], random_state=0)
    targets = np.searchsorted(cells.classes, test.labels)

    def right(images: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.float64]:
        models = [ImageClassifier(len(cells.classes), start, config).fit(images, labels) for start in STARTS]
        return np.mean([model.predict_proba(test.images).argmax(1) == targets for model in models], axis=0)

    # Classes are shown equally often, with and without filling, and cells within a class.
    there = cells.counts(np.arange(len(real))) > 0
    times = len(cells.groups) / there.sum(1)
    members = [(c, np.flatnonzero((cells.class_of == c) & (cells.group_of == g))) for c, g in np.argwhere(there)]

    def shown(times: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.concatenate([np.resize(of_cell, round(n * times[c])) for c, of_cell in members])

    without, beside = shown(times), shown(np.ones(len(times)))
    filled = right(
        np.concatenate([real.images[beside], np.asarray(drawn)]),
        np.concatenate([cells.class_of[beside], asked[:, 0]]),
    )
    return filled - right(real.images[without], cells.class_of[without])


def cases(asked: str) -> list[Case]:
    """All cases of a name with its numbers."""
    name, n, *gan = asked.split(":")

    def make_of(seed: int) -> Callable[[], Any]:
        if not gan:
            return AdditiveTransfer
        return lambda: ImageGAN(preset="tiny", steps=int(gan[0]), random_state=seed, device="cpu", verbose=False)

    if name == "random":
        config = ClassifierConfig(steps=100)
        return [case_of(with_random_groups(seed), seed, 0, 15, make_of(seed), config) for seed in range(int(n))]
    data, config = images_with_groups(f"{name}.npz", size=SIDE), ClassifierConfig(steps=300, precision="bf16")
    return [case_of(data, 0, split, 20, make_of(split), config) for split in range(int(n))]


def table(asked: str, found: list[Case]) -> list[str]:
    """What each rule does."""
    name, n, *gan = asked.split(":")
    by = f"ImageGAN of {gan[0]} steps" if gan else "AdditiveTransfer"
    what = "random groups" if name == "random" else name
    lines = [
        f"{what}, {n} cases, cells filled by {by}:",
        "",
        "| rule | cases filled | unseen cells: mean, worst | all images: mean, worst |",
        "|---|---|---|---|",
    ]
    for rule, fills in RULES.items():
        filled = [fills(case) for case in found]
        columns = [np.where(filled, [getattr(case, part) for case in found], 0.0) for part in ("unseen", "every")]
        figures = [f"{column.mean():+.2f}, {column.min():+.2f}" for column in columns]
        lines.append(f"| {rule} | {sum(filled)} | {' | '.join(figures)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("asked", nargs="+", help="such as random:40, fsdd:6, or fsdd:3:750")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    lines = [
        f"By `python benchmarks/cell_gate.py {' '.join(arguments.asked)}`.",
        "A rule fills where filling gained more than one standard error over rounds, enlarged for so few, and where it",
        "says so for images that rounds share (overlap). That of `choose_cells` is four rounds, without overlap.",
    ]
    for asked in arguments.asked:
        lines += ["", *table(asked, cases(asked))]
        print("\n".join(lines), flush=True)
    if arguments.output is not None:
        write_atomically(arguments.output, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
