"""Whether synthetic rows are a validation set: all real rows train the classifier, and synthetic ones choose it.

    pip install ".[bench]"
    python benchmarks/synthetic_validation.py --output benchmarks/results/synthetic-validation.md

After Shoshan et al., "Synthetic Data for Model Selection", ICML 2023 (arXiv:2105.00717). Training sets of equal classes
are drawn from the tables of distillation.py, and at most 3,000 other rows are the test. There are sixteen classifiers:
logistic regression, nearest neighbours, a random forest and LightGBM with four settings each. Each is trained on all
training rows. Chosen is the one with the largest area under the ROC curve (of several classes the mean of that of each
against the rest)

* in five-fold cross-validation, which is what synthetic rows have to beat;
* on 200 synthetic rows of each class by a Gaussian copula, `TableGAN`, or `TableFlow`, learnt from the training rows;
* by the sum of both areas.

The regret of a choice is what its area on the test falls behind the best of the sixteen, in points: means over splits,
and then over tables, with 95 % intervals of Student's t over tables of the difference to cross-validation, and Holm's
correction for all choices of a size.
"""

from __future__ import annotations

import argparse
import platform
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from distillation import TABLES, area
from lightgbm import LGBMClassifier
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier

from ganaug import TableCopula, TableFlow, TableGAN
from ganaug.bench.inputs.datasets import TableData, load_table
from ganaug.bench.inputs.splits import balanced_splits
from ganaug.bench.results.stats import holm
from ganaug.bench.suite.plugins import Plugin
from ganaug.data.files import write_atomically
from ganaug.metrics.paired import paired_difference
from ganaug.resampling.encoded_columns import EncodedColumns

SIZES = (50, 100, 200)
PER_CLASS, FOLDS, MOST_TESTED = 200, 5, 3000
CANDIDATES: list[Any] = [
    *(LogisticRegression(C=C, max_iter=2000) for C in (0.01, 0.1, 1, 10)),
    *(KNeighborsClassifier(k, weights="distance") for k in (3, 5, 9, 15)),
    *(RandomForestClassifier(100, min_samples_leaf=least, random_state=0) for least in (1, 2, 5, 10)),
    *(LGBMClassifier(n_estimators=n, min_child_samples=5, n_jobs=1, verbose=-1) for n in (10, 30, 100, 300)),
]
DRAWN = ["copula", "TableGAN", "TableFlow"]
CHOICES = ["cross-validation", *DRAWN, *(f"cross-validation and {name}" for name in DRAWN), "none: a forest"]


def balanced_rows(table: str, size: int, split: int) -> tuple[TableData, NDArray[np.intp], NDArray[np.intp]]:
    """A table, whose names are strings, and the positions of training rows of equal classes and of test rows."""
    data = load_table(Plugin.of(table))
    data = TableData(data.X.astype(dict.fromkeys(data.nominal, str)), np.asarray(data.y), data.nominal)
    splits = balanced_splits(data.y, size, split + 1, seed=0)
    return data, splits.training[split], splits.test[split][:MOST_TESTED]


def of_split(table: str, size: int, split: int) -> NDArray[np.float64]:
    """The regret of each choice."""
    data, train, test = balanced_rows(table, size, split)
    X, y, test_X, test_y = data.X.iloc[train].reset_index(drop=True), data.y[train], data.X.iloc[test], data.y[test]
    options = {"random_state": split, "verbose": False, "device": "cpu"}
    generators = [TableCopula(random_state=split), TableGAN(**options), TableFlow(**options)]
    labels = np.unique(y).repeat(PER_CLASS)
    drawn = [generator.fit(X, y).sample(labels, random_state=split) for generator in generators]
    folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=split).split(X, y))
    encoder = EncodedColumns().fit(X)  # of columns alone; it sees no label
    rows, test_rows, *drawn_rows = (encoder.transform(part) for part in (X, test_X, *drawn))
    areas = []
    for candidate in CANDIDATES:
        model = clone(candidate).fit(rows, y)
        folded = [area(clone(candidate).fit(rows[a], y[a]), rows[b], y[b]) for a, b in folds]
        areas.append([area(model, test_rows, test_y), np.mean(folded), *(area(model, r, labels) for r in drawn_rows)])
    tested, validated, *synthetic = np.array(areas).T
    scores = [validated, *synthetic, *(validated + each for each in synthetic)]
    chosen = [int(score.argmax()) for score in scores]
    forest = next(i for i, each in enumerate(CANDIDATES) if isinstance(each, RandomForestClassifier))
    return tested.max() - tested[[*chosen, forest]]


def table_of(size: int, found: dict[str, list[NDArray[np.float64]]]) -> list[str]:
    """Regrets by table, and differences over tables."""
    means = np.array([np.mean(splits, axis=0) for splits in found.values()])
    worse = means[:, 1:] - means[:, :1]
    differences = [paired_difference(column, rope=0.0) for column in worse.T]
    corrected = holm([each.p for each in differences])
    against = [""] + [
        f"{each.mean:+.2f} [{each.low:+.2f}, {each.high:+.2f}], p {p:.2f}"
        for each, p in zip(differences, corrected, strict=True)
    ]
    lines = [f"### {size} rows", "", f"| chosen by | {' | '.join(found)} | mean regret | against cross-validation |"]
    lines.append("|---" * (len(found) + 3) + "|")
    for choice, column, difference in zip(CHOICES, means.T, against, strict=True):
        figures = " | ".join(f"{value:.2f}" for value in [*column, column.mean()])
        lines.append(f"| {choice} | {figures} | {difference} |")
    return [*lines, ""]


def arguments(description: str | None, sizes: tuple[int, ...]) -> argparse.Namespace:
    """What the command line says: splits, sizes of training sets, tables and where the report goes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=sizes)
    parser.add_argument("--tables", nargs="+", default=TABLES)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    if len(args.tables) < 2:
        parser.error("--tables must name at least two, over which intervals are made")
    return args


def main() -> None:
    args = arguments(__doc__, SIZES)
    lines = [
        f"Synthetic rows as a validation set ({platform.machine()}, {args.splits} splits), by",
        "`python benchmarks/synthetic_validation.py`. Regret in points of AUC.",
        "",
    ]
    for size in args.sizes:
        found = {}
        for table in args.tables:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "column .* holds (a different|values of several)", UserWarning)
                found[table] = [of_split(table, size, split) for split in range(args.splits)]
            print(size, table, np.mean(found[table], axis=0).round(2), flush=True)
        lines += table_of(size, found)
    text = "\n".join(lines)
    print(text)
    if args.output is not None:
        write_atomically(args.output, text)


if __name__ == "__main__":
    main()
