"""Whether a network that was pretrained on ImageNet makes synthetic images of unseen cells needless.

    export GANAUG_DATA=FOLDER
    python benchmarks/pretrained_cells.py fsdd digit_scans --output benchmarks/results/pretrained-cells.md

Half of the classes are withheld in half of the groups, 20 images of each other cell of class and group are trained on,
32x32 pixels of the npz files in FOLDER. A logistic regression of the features of EfficientNet-lite0, in which all
cells weigh the same, is trained on

* real: the real images;
* affine: and four copies of each, randomly shifted, turned and enlarged;
* transfer of features: and 20 rows of features for each unseen cell, by additive transfer;
* transfer of images: and features of 20 images for each unseen cell, by additive transfer;
* generator: and features of 20 synthetic images for each unseen cell.

Of three strengths of regularisation each arm has the one that is best on the test images, which favours arms that vary.
Beside them a small convolutional network is trained from a random start on the real images, and on those of the
generator too. Accuracy on unseen cells, each cell with the same weight, means over splits, whose training images hardly
overlap; differences with 95 % intervals of Student's t over splits. One thread; half an hour for each file.
"""

from __future__ import annotations

import argparse
import platform
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from many_classes import generator_named
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ganaug import LabelledImages
from ganaug.bench.inputs.datasets import images_with_groups
from ganaug.bench.inputs.group_splits import CellSplits, cell_splits
from ganaug.bench.methods.batch_transforms import RandomAffine
from ganaug.classifiers.features import features
from ganaug.classifiers.image_classifier import ClassifierConfig, ImageClassifier
from ganaug.curation import AdditiveTransfer
from ganaug.data.files import write_atomically
from ganaug.metrics.paired import corrected_resampled_difference

N_PER_CELL = 20
COPIES = 4
STRENGTHS = (0.001, 0.01, 0.1)  # C of the logistic regression
TRAINING = ClassifierConfig(steps=1000, precision="auto")  # of the network from a random start
PROBE, SCRATCH = "EfficientNet-lite0", "small network"
REAL, GENERATOR = "real", "generator"

Cells = tuple[NDArray[np.int64], NDArray[np.int64]]  # class and group of each sample
Describe = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


class Split:
    """Training images of a split and their features, and the accuracy of what is trained on them in unseen cells."""

    def __init__(self, data: LabelledImages, known: NDArray[np.float32], splits: CellSplits, number: int) -> None:
        self.classes, class_of = np.unique(data.labels, return_inverse=True)
        self.groups, group_of = np.unique(data.groups, return_inverse=True)
        train, test = splits.training[number], splits.test[number]
        self.number, self.real, self.features = number, data.subset(train), known[train]
        self.cells: Cells = class_of[train], group_of[train]
        unseen = test[splits.withheld[number][class_of[test], group_of[test]]]
        self.test, self.test_features = data.images[unseen], known[unseen]
        self.test_cells: Cells = class_of[unseen], group_of[unseen]
        wanted = np.argwhere(splits.withheld[number]).repeat(N_PER_CELL, axis=0)
        self.asked: Cells = wanted[:, 0], wanted[:, 1]

    def accuracy(self, predicted: NDArray[np.integer]) -> float:
        """Percent of right predictions of unseen cells, the mean over cells."""
        right = predicted == self.test_cells[0]
        _, place = np.unique(np.stack(self.test_cells, 1), axis=0, return_inverse=True)
        return 100 * float((np.bincount(place.ravel(), right) / np.bincount(place.ravel())).mean())

    def _with(self, cells: Cells) -> Cells:
        """Cells of the real images, and of what is added."""
        return np.concatenate([self.cells[0], cells[0]]), np.concatenate([self.cells[1], cells[1]])

    def probe(self, added: NDArray[np.float32] | None = None, cells: Cells | None = None) -> float:
        """Accuracy of a logistic regression of features, with rows added to those of the real images."""
        rows, (classes, groups) = self.features, self.cells
        if added is not None and cells is not None:
            rows, (classes, groups) = np.concatenate([rows, added]), self._with(cells)
        of_cell = classes * len(self.groups) + groups
        weights = 1 / np.bincount(of_cell)[of_cell]
        weights *= len(weights) / weights.sum()
        found = []
        for strength in STRENGTHS:
            model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
            model.fit(rows, classes, logisticregression__sample_weight=weights)
            found.append(self.accuracy(model.predict(self.test_features)))
        return max(found)

    def scratch(self, added: NDArray[np.uint8] | None = None) -> float:
        """Accuracy of a network from a random start, with images added to the real ones."""
        images, (classes, groups) = self.real.images, self.cells
        if added is not None:
            images, (classes, groups) = np.concatenate([images, added]), self._with(self.asked)
        model = ImageClassifier(len(self.classes), self.number, TRAINING).fit(images, classes, groups)
        return self.accuracy(model.predict_proba(self.test).argmax(1))

    def measure(self, generator: str, described: Describe) -> dict[str, float]:
        """Accuracy of each arm."""
        labels, groups = self.real.labels, np.asarray(self.real.groups)
        asked = self.classes[self.asked[0]], self.groups[self.asked[1]]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.number)
            shown = torch.from_numpy(self.real.images.repeat(COPIES, axis=0)).float()
            copies = RandomAffine(15, (0.1, 0.1), (0.85, 1.15))(shown).round().clamp(0, 255).byte().numpy()
        rows = AdditiveTransfer().fit(self.features, labels, groups).sample(*asked, random_state=self.number)
        moved = AdditiveTransfer().fit(self.real).sample(*asked, random_state=self.number)
        model = generator_named(generator, random_state=self.number, verbose=False).fit(self.real)
        drawn = np.asarray(model.sample(*asked, random_state=self.number)).reshape(-1, *self.test.shape[1:])
        moved = np.asarray(moved).reshape(drawn.shape)
        repeated: Cells = self.cells[0].repeat(COPIES), self.cells[1].repeat(COPIES)
        return {
            f"{PROBE}: {REAL}": self.probe(),
            f"{PROBE}: affine": self.probe(described(copies), repeated),
            f"{PROBE}: transfer of features": self.probe(np.asarray(rows, dtype=np.float32), self.asked),
            f"{PROBE}: transfer of images": self.probe(described(moved), self.asked),
            f"{PROBE}: {GENERATOR}": self.probe(described(drawn), self.asked),
            f"{SCRATCH}: {REAL}": self.scratch(),
            f"{SCRATCH}: {GENERATOR}": self.scratch(drawn),
        }


def measured(name: str, arguments: argparse.Namespace) -> list[str]:
    """The lines of a file, as Markdown."""
    data = images_with_groups(f"{name}.npz")
    splits = cell_splits(data.labels, data.groups, arguments.splits, arguments.seed, n_per_cell=N_PER_CELL)

    def described(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return features(images, side=arguments.side, device="cpu")

    used = np.unique(np.concatenate([*splits.training, *splits.test]))
    known = np.zeros((len(data), 1280), dtype=np.float32)
    known[used] = described(data.images[used])
    found = []
    for number in range(arguments.splits):
        found.append(Split(data, known, splits, number).measure(arguments.generator, described))
        print(name, number, {arm: round(value, 1) for arm, value in found[-1].items()}, flush=True)
    values = {arm: np.array([row[arm] for row in found]) for arm in found[0]}
    against = f"{SCRATCH}: {GENERATOR}"
    lines = [
        f"{name}, splits: {arguments.splits}",
        "",
        f'| arm | unseen cells, % | "{against}" against it, points [95 % interval] |',
        "|---|---|---|",
    ]
    for arm, own in values.items():
        shown = ""
        if arm != against:
            gain = values[against] - own
            d = corrected_resampled_difference(gain, correlation=splits.correlation, rope=0.0)
            shown = f"{d.mean:+.1f} [{d.low:+.1f}, {d.high:+.1f}]"
        lines.append(f"| {arm} | {own.mean():.1f} | {shown} |")
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="NAME", help="of npz files in the folder GANAUG_DATA")
    parser.add_argument("--generator", default="image-flow", metavar="NAME[:STEPS]")
    parser.add_argument("--splits", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--side", type=int, default=96, help="pixels that EfficientNet-lite0 sees images at")
    parser.add_argument("--output", type=Path, help="Markdown, written after each file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    lines = [
        f"Unseen cells by a pretrained network ({platform.machine()}, 1 thread, torch {torch.__version__}), by",
        f"`python benchmarks/pretrained_cells.py {' '.join(arguments.files)} --generator {arguments.generator}`,",
        "which says what the arms are.",
        "",
    ]
    for name in arguments.files:
        lines += measured(name, arguments)
        if arguments.output:
            write_atomically(arguments.output, "\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
