"""How rules of class consistency judge cells of class and group that the classifiers were not trained on.

    export GANAUG_DATA=FOLDER
    python benchmarks/cell_filters.py --data digits:3 --data digit_scans:1 --output benchmarks/results/cell-filters.md

Half of the classes are withheld in half of the groups, 20 images of each other cell are trained on, in as many splits
as are said behind the name: of scikit-learn's digits by four made scanners, or of an npz file in FOLDER with its images
resized to 16x16. In the place of candidates stand real images: those of the withheld cells, which should be kept, and
as wrong ones those of the neighbouring class in the same group, which a generator draws where it fails to draw a cell.
That is the class, among those that the group is trained on, whose mean image is nearest. Means over cells, then over
splits, with standard errors of the latter, in percent. One thread.
"""

from __future__ import annotations

import argparse
import platform
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ganaug import LabelledImages
from ganaug.bench.inputs.datasets import grouped_digits, images_with_groups
from ganaug.bench.inputs.group_splits import CellSplits, cell_splits
from ganaug.classifiers.image_classifier import ClassifierConfig, ImageClassifier
from ganaug.curation import AdditiveTransfer, ImageConsistency
from ganaug.data.files import write_atomically

TRAINING = ClassifierConfig(steps=200)  # of the filter's classifiers
QUANTILE, FOLDS = 0.2, 5
N_PER_CELL = 20
SIDE = 16  # pixels that images of files are resized to
HALF = "the best half of the cell"
RULES = [
    "no groups told, quantile of the class",
    "quantile of the class",
    "quantile of the class in withheld cells",
    "median odds in withheld cells",
    "most probable of all classes",
    "most probable of the group's classes",
    "the filter: a third as probable as the group's classes",
    f"{HALF}, one in five right",
    f"{HALF}, every other one right",
    f"{HALF}, four in five right",
]

Rule = Callable[[NDArray[np.int64]], NDArray[np.bool_]]


class Split:
    """What rules need to know of a split: probabilities of all test images, with and without the cells withheld."""

    def __init__(self, data: LabelledImages, splits: CellSplits, number: int) -> None:
        self.classes, self.class_of = np.unique(data.labels, return_inverse=True)
        self.groups, self.group_of = np.unique(data.groups, return_inverse=True)
        self.data, self.train, self.test = data, splits.training[number], splits.test[number]
        self.withheld, self.number = splits.withheld[number], number
        real = data.subset(self.train)
        transfer = AdditiveTransfer().fit(real)
        self.filter = ImageConsistency(QUANTILE).fit(transfer, real, np.random.default_rng(number))
        plain = LabelledImages(real.images, real.labels)
        self.ungrouped = ImageConsistency(QUANTILE).fit(transfer, plain, np.random.default_rng(number))
        classes, groups = self.class_of[self.train], self.group_of[self.train]
        self.consistency = self.filter._consistency
        self.found = self.consistency.probabilities(data.images)
        self._withhold_seen(real, classes, groups)

    def _withhold_seen(self, real: LabelledImages, classes: NDArray[np.int64], groups: NDArray[np.int64]) -> None:
        """Score training images by classifiers from which their cell was withheld."""
        randomness = np.random.default_rng(self.number)
        shuffled = randomness.permutation(len(self.classes))[classes] + randomness.permutation(len(self.groups))[groups]
        own, odds = np.full(len(classes), np.nan), np.full(len(classes), np.nan)
        for fold in range(FOLDS):
            held = shuffled % FOLDS == fold
            for c in np.unique(classes[held]):
                if held[classes == c].all():  # of each class something is trained on
                    held &= classes != c
            model = ImageClassifier(len(self.classes), fold, TRAINING)
            model.fit(real.images[~held], classes[~held], groups[~held])
            found = model.predict_proba(real.images[held])
            for place, image in enumerate(np.flatnonzero(held)):
                c, rivals = classes[image], self.rivals(groups[image])
                own[image] = found[place, c]
                odds[image] = found[place, c] / max(found[place, k] for k in rivals if k != c)
        known = ~np.isnan(own)
        self.of_class = [np.quantile(own[known & (classes == c)], QUANTILE) for c in range(len(self.classes))]
        self.median_odds = float(np.median(odds[known]))

    def rivals(self, g: int) -> list[int]:
        """Classes that a group is trained on."""
        return [c for c in range(len(self.classes)) if not self.withheld[c, g]]

    def neighbour(self, c: int, g: int) -> int:
        """The class, among those that the group is trained on, whose mean image is nearest."""
        means = {k: self.data.images[self.members(k, g)].mean(0, dtype=float) for k in (c, *self.rivals(g))}
        return min(self.rivals(g), key=lambda k: float(((means[k] - means[c]) ** 2).sum()))

    def members(self, c: int, g: int) -> NDArray[np.int64]:
        """Test images of a cell."""
        return self.test[(self.class_of[self.test] == c) & (self.group_of[self.test] == g)]

    def rules(self, c: int, g: int) -> list[Rule]:
        """Those that judge each image for itself, in the order of their names."""
        own, rivals = self.found[:, c], self.found[:, self.rivals(g)].max(1)

        def accepts(step: ImageConsistency) -> Rule:
            return lambda part: np.asarray(step.accepts(self.data.images[part], c, g))

        return [
            accepts(self.ungrouped),
            lambda part: own[part] >= self.consistency.thresholds_[c],
            lambda part: own[part] >= self.of_class[c],
            lambda part: own[part] >= self.median_odds * rivals[part],
            lambda part: self.found[part].argmax(1) == c,
            lambda part: own[part] >= rivals[part],
            accepts(self.filter),
        ]

    def best_half(self, c: int, g: int, share: float) -> list[float]:
        """What is kept of right images, and refused of wrong ones, where so many are right."""
        right, wrong = self.members(c, g), self.members(self.neighbour(c, g), g)
        odds = self.found[:, c] / self.found[:, self.rivals(g)].max(1)
        both, is_right = np.concatenate([right, wrong]), np.repeat([True, False], [len(right), len(wrong)])
        weights = np.where(is_right, share / len(right), (1 - share) / len(wrong))
        order = np.argsort(-odds[both], kind="stable")
        before = np.cumsum(weights[order]) - weights[order]
        kept = np.empty(len(both))
        kept[order] = ((0.5 - before) / weights[order]).clip(0, 1)
        return [kept[is_right].mean(), 1 - kept[~is_right].mean()]

    def measure(self) -> NDArray[np.float64]:
        """Right images that are kept, and wrong ones that are refused, by each rule: means over cells."""
        found = []
        for c, g in np.argwhere(self.withheld):
            right, wrong = self.members(c, g), self.members(self.neighbour(c, g), g)
            each = [[rule(right).mean(), 1 - rule(wrong).mean()] for rule in self.rules(c, g)]
            found.append(each + [self.best_half(c, g, share) for share in (0.2, 0.5, 0.8)])
        return np.mean(found, axis=0)


def table(name: str, n: int) -> list[str]:
    data = grouped_digits() if name == "digits" else images_with_groups(f"{name}.npz", size=SIDE)
    splits = cell_splits(data.labels, data.groups, n, 0, n_per_cell=N_PER_CELL)
    found = []
    for number in range(n):
        found.append(100 * Split(data, splits, number).measure())
        print(name, number, *(f"{kept:.1f}/{refused:.1f}" for kept, refused in found[-1]), flush=True)
    mean = np.mean(found, axis=0)
    error = np.std(found, axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full_like(mean, np.nan)
    lines = [f"{name}, splits: {n}", "", "| rule | right kept, % | wrong refused, % | sum |", "|---|---|---|---|"]
    for rule, values, errors in zip(RULES, mean, error, strict=True):
        shown = [f"{value:.1f}" + (f" ± {e:.1f}" if n > 1 else "") for value, e in zip(values, errors, strict=True)]
        lines.append(f"| {rule} | {shown[0]} | {shown[1]} | {values.sum():.1f} |")
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", metavar="NAME:SPLITS", help="may be repeated; default digits:6")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    asked = arguments.data or ["digits:6"]
    lines = [
        f"Rules of class consistency in unseen cells ({platform.machine()}, 1 thread, torch {torch.__version__}), by",
        f"`python benchmarks/cell_filters.py {' '.join(f'--data {each}' for each in asked)}`,",
        "which says what right and wrong images are. The best sum is 200; a rule by chance has 100.",
        "The filter's third was chosen on splits of digits and digit_scans, these among them, which favours its rows;",
        "what the best half is worth depends on how many are right, and it never refuses a cell that is drawn wrongly.",
        "",
    ]
    for each in asked:
        name, _, n = each.partition(":")
        lines += table(name, int(n or 6))
        if arguments.output:
            write_atomically(arguments.output, "\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
