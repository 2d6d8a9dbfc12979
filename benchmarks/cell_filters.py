"""How the filter by class consistency judges cells of class and group that it was not trained on.

python benchmarks/cell_filters.py [SPLITS]. On digits by four made scanners half of the classes are withheld in half of
the groups, 20 images a cell are trained on. Real images of the withheld cells, which the filter should let through, and
real images of all other classes in their groups, which it should not, take the place of candidates: a generator that
fails to draw a cell draws a neighbouring class in the style of the group. Printed are means over splits, in percent.
"""

import sys
import warnings

import numpy as np

from ganaug import LabelledImages
from ganaug.bench.inputs.datasets import grouped_digits
from ganaug.bench.inputs.group_splits import cell_splits
from ganaug.curation import AdditiveTransfer, ImageConsistency

warnings.simplefilter("ignore")


def measure(data, splits, number, with_groups):
    """Recognised images of withheld cells, those of them that pass, and images of other classes that do."""
    train, test = (data.subset(part[number]) for part in (splits.training, splits.test))
    real = train if with_groups else LabelledImages(train.images, train.labels)
    step = ImageConsistency().fit(AdditiveTransfer().fit(train), real, np.random.default_rng(number))
    scores = np.stack([step._consistency.score(test.images, np.full(len(test), c)) for c in range(10)], axis=1)
    found = []
    for c, g in np.argwhere(splits.withheld[number]):
        in_group = test.groups == np.unique(data.groups)[g]
        own, others = in_group & (test.labels == c), in_group & (test.labels != c)
        right = (scores[own].argmax(1) == c).mean()
        found.append([right, *(step.accepts(test.images[part], c).mean() for part in (own, others))])
    return np.mean(found, axis=0)


if __name__ == "__main__":
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    data = grouped_digits()
    splits = cell_splits(data.labels, data.groups, n, 0, n_per_cell=20)
    print(f"{n} splits: recognised, pass, pass of other classes")
    for with_groups in (False, True):
        found = [measure(data, splits, number, with_groups) for number in range(n)]
        mean, error = 100 * np.mean(found, axis=0), 100 * np.std(found, axis=0, ddof=1) / np.sqrt(n)
        named = "with groups" if with_groups else "without groups"
        print(f"{named}: {', '.join(f'{m:.1f} ± {e:.1f}' for m, e in zip(mean, error, strict=True))}", flush=True)
