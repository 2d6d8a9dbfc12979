"""Whether the gate by cells fills cells of groups that mean nothing, and whether that does harm.

    python benchmarks/random_groups.py --output benchmarks/results/random-groups.md

Digits of scikit-learn, 600 of them, each in one of four groups drawn at random; half of the classes are taken out of
two groups. `choose_cells` withholds other cells in turn, and fills the empty ones by `AdditiveTransfer` where that
paid. The other digits are the test: accuracy on those of the empty cells, and on all, of two classifiers each, trained
with and without filling, whatever the gate says. Where it fills nothing, the gate's effect is zero.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganaug import LabelledImages, labelled_images
from ganaug.classifiers.image_classifier import ClassifierConfig, ImageClassifier
from ganaug.curation import AdditiveTransfer, choose_cells
from ganaug.data.files import write_atomically

GROUPS = np.array(["a", "b", "c", "d"])
TRAINED_ON = 600


def accuracies(
    images: NDArray[np.uint8], labels: NDArray[np.int64], test: LabelledImages, config: ClassifierConfig
) -> NDArray[np.float64]:
    """Whether each test image is recognised: shape (n_test,), mean of two starts."""
    models = [ImageClassifier(10, start, config).fit(images, labels) for start in (0, 1)]
    return np.mean([model.predict_proba(test.images).argmax(1) == test.labels for model in models], axis=0)


def of_seed(data: LabelledImages, seed: int, config: ClassifierConfig) -> list[float]:
    """Cells that the gate fills, and what filling changes, in points: on the empty cells and on all digits."""
    rng = np.random.default_rng(seed)
    order, groups = rng.permutation(len(data)), rng.choice(GROUPS, len(data))
    classes, with_holes = rng.permutation(10)[:5], rng.permutation(GROUPS)[:2]
    empty = np.isin(data.labels, classes) & np.isin(groups, with_holes)
    train, tested = order[:TRAINED_ON], order[TRAINED_ON:]
    train = train[~empty[train]]
    real = LabelledImages(data.images[train], data.labels[train], groups=groups[train])
    gate = {"ratios": [0, 1], "training": config, "starts": 1, "rounds": 4, "device": "cpu", "random_state": seed}
    choice = choose_cells(AdditiveTransfer(), real, **gate)
    of_cells = [f"{label} {group}" for label, group in zip(real.labels, real.groups, strict=True)]
    n = int(np.median(np.unique(of_cells, return_counts=True)[1]))
    labels, of_groups = (part.ravel().repeat(n) for part in np.meshgrid(classes, with_holes))
    drawn = np.asarray(AdditiveTransfer().fit(real).sample(labels, of_groups, random_state=seed))
    test = data.subset(tested)
    without = accuracies(real.images, real.labels, test, config)
    filled = accuracies(np.concatenate([real.images, drawn]), np.concatenate([real.labels, labels]), test, config)
    change = 100 * (filled - without)
    return [len(choice.per_cell), float(change[empty[tested]].mean()), float(change.mean())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=100, help="of each classifier")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    data, config = labelled_images("digits"), ClassifierConfig(steps=arguments.steps)
    found = np.array([of_seed(data, seed, config) for seed in range(arguments.seeds)])
    gated = np.where(found[:, :1] > 0, found[:, 1:], 0.0)
    lines = [
        f"Random groups, {arguments.seeds} seeds, by `python benchmarks/random_groups.py`. Points of accuracy,",
        "by filling ten empty cells:",
        "",
        "| | empty cells: mean, worst | all digits: mean, worst |",
        "|---|---|---|",
    ]
    for name, part in [("always", found[:, 1:]), ("as the gate says", gated)]:
        cells = [f"{column.mean():+.2f}, {column.min():+.2f}" for column in part.T]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", f"The gate fills cells for {int((found[:, 0] > 0).sum())} of {arguments.seeds} seeds."]
    print("\n".join(lines))
    if arguments.output is not None:
        write_atomically(arguments.output, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
